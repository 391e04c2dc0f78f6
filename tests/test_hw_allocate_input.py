"""Bad input of `hw.allocate`, its plans, tables from networks, and the command."""

import json

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
import numfmt as nf
from hwmodel.cli import main
from tests.reference import allocation as ref


@pytest.fixture
def frame():
    rows = []
    for i, layer in enumerate(("a.0", "a.1", "b")):
        for bits, scheme in ((8, "int8/channel"), (4, "int4/g32"), (3, "int3/g32")):
            rows.append((layer, scheme, (i + 1) * 4.0**-bits, bits * 10 * (i + 1) / 8, bits * 1e-3))
    return pd.DataFrame(rows, columns=["layer", "scheme", "loss", "size_mib", "latency_s"])


HALF = {"size_mib": "50%"}


def changed(frame, row, column, value):
    out = frame.astype({column: object}) if not isinstance(value, float) else frame.copy()
    out.loc[row, column] = value
    return out


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"latency_ms": 2.0}, ("latency_ms", "latency_s", "0.002 s")),
        ({"size_bytes": 1024}, ("size_bytes", "size_mib", "another unit")),
        ({"size": 2.0}, ("'size'", "size_mib")),
        ({"energy_j": 1}, ("energy_j", "latency_s")),
        ({"layer": 1}, ("'layer'",)),
        ({}, ("budget is {}",)),
        (3.5, ("budget is 3.5",)),
        ({"size_mib": float("nan")}, ("size_mib", "nan", "finite")),
        ({"size_mib": True}, ("True",)),
        ({"size_mib": "half"}, ("'half'", "'50%'")),
        ({"size_mib": (5, 4)}, ("lower limit is above",)),
        ({"size_mib": (None, None)}, ("give a limit",)),
        ({"size_mib": None}, ("give a limit",)),
    ],
)
def test_budgets_that_are_none(frame, budget, words):
    with pytest.raises(ValueError) as error:
        hw.allocate(frame, budget)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: changed(f, 4, "loss", float("nan")), ("'loss'", "a.1", "int4/g32", "nan")),
        (lambda f: changed(f, 4, "loss", float("-inf")), ("-inf", "finite")),
        (lambda f: changed(f, 4, "size_mib", float("inf")), ("'size_mib'", "inf")),
        (lambda f: changed(f, 4, "loss", "high"), ("'high'",)),
        (lambda f: pd.concat([f, f.iloc[:1]]), ("rows 0 and 9", "once")),
        (lambda f: f.drop(index=4), ("a.1", "lacks scheme 'int4/g32'", "missing='exclude'")),
        (lambda f: f.drop(columns="loss"), ("'loss'",)),
        (lambda f: f.drop(columns="layer"), ("'layer'",)),
        (lambda f: f.iloc[:0], ("no rows",)),
        (lambda f: changed(f, 4, "scheme", 4), ("row 4", "scheme 4", "text")),
        (lambda f: f.to_dict(), ("dict", "DataFrame")),
        (lambda f: f.assign(group=["g", *[None] * 8]), ("'a.0'", "group")),
    ],
)
def test_tables_that_make_no_sense(frame, change, words):
    with pytest.raises(ValueError) as error:
        hw.allocate(change(frame), HALF)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fixed": {"b": "int5/g32"}}, ("fixed['b']", "int5/g32", "int3/g32")),
        ({"fixed": {"c": "int4/g32"}}, ("fixed", "'c'")),
        ({"fixed": {"a.*": "int4/g32", "a.1": "int8/channel"}, "groups": [["a.0", "a.1"]]}, ("a.0, a.1", "different schemes")),
        ({"groups": [["a.0", "nowhere"]]}, ("groups[0]", "nowhere")),
        ({"groups": "a.*"}, ("give a list of groups",)),
        ({"groups": [[]]}, ("groups[0] is empty",)),
        ({"method": "ip"}, ("method", "ilp")),
        ({"missing": "drop"}, ("missing", "exclude")),
        ({"objective": "los"}, ("los", "loss")),
        ({"objective": {}}, ("objective",)),
        ({"objective": {"loss": float("inf")}}, ("objective['loss']",)),
        ({"time_limit_s": 0}, ("time_limit_s",)),
    ],
)
def test_options_that_make_no_sense(frame, options, words):
    with pytest.raises(ValueError) as error:
        hw.allocate(frame, HALF, **options)
    for word in words:
        assert word in str(error.value)


def test_layers_of_a_group_without_a_common_scheme(frame):
    parted = frame.drop(index=[0, 1, 5])
    with pytest.raises(ValueError, match=r"a\.0, a\.1 must agree, but have no scheme in common"):
        hw.allocate(parted, HALF, groups=["a.*"], missing="exclude")
    assert hw.allocate(parted, HALF, missing="exclude").choice["a.0"] == "int3/g32"


def test_budgets_that_nothing_meets(frame):
    with pytest.raises(hw.Infeasible, match=r"size_mib of at most 22: the least that any choice takes is 22\.5") as error:
        hw.allocate(frame, {"size_mib": 22})
    assert error.value.closest == {"size_mib": 22.5}
    crossed = frame.assign(latency_s=0.012 - frame["latency_s"])
    with pytest.raises(hw.Infeasible, match="together, though each alone can be met") as error:
        hw.allocate(crossed, {"size_mib": 25, "latency_s": 0.014})
    every = [sums for _, sums in ref.combinations(crossed, ["size_mib", "latency_s"])]
    fits = [float(s["size_mib"]) for s in every if s["latency_s"] <= 0.014]
    assert error.value.closest["size_mib"] == min(fits)
    assert error.value.relaxed["size_mib"] > 25 or error.value.relaxed["latency_s"] > 0.014
    with pytest.raises(hw.Infeasible, match="size_mib of at least 61: the most that any choice takes is 60"):
        hw.allocate(frame, {"size_mib": (61, None)})


def test_relative_budgets_are_of_the_cheapest_and_dearest(frame):
    made = hw.allocate(frame, {"size_mib": "0%"})
    assert set(made.choice.values()) == {"int3/g32"}
    assert made.used.loc["size_mib"].tolist() == [22.5, 22.5, 0.0]
    assert set(hw.allocate(frame, {"size_mib": "100%"}).choice.values()) == {"int8/channel"}
    assert hw.allocate(frame, HALF).used["limit"]["size_mib"] == (22.5 + 60) / 2


def test_lower_limits_and_weighted_objectives(frame):
    made = hw.allocate(frame, {"size_mib": (50, 55)}, objective={"loss": -1, "latency_s": 1e3})
    every = ref.combinations(frame, ["loss", "latency_s", "size_mib"])
    want = min(-s["loss"] + 1000 * s["latency_s"] for _, s in every if 50 <= s["size_mib"] <= 55)
    assert made.exact_objective == want
    assert made.used.index.tolist() == ["size_mib", "size_mib"]
    assert (made.used["slack"] >= 0).all()


def test_one_bit_too_many_does_not_fit():
    # 0.1 + 0.2 is above 0.3 by 2.8e-17 as floats stand for them
    rows = [("a", "x", 0.0, 0.1), ("a", "y", 1.0, 0.05), ("b", "x", 0.0, 0.2), ("b", "y", 3.0, 0.05)]
    frame = pd.DataFrame(rows, columns=["layer", "scheme", "loss", "c"])
    assert hw.allocate(frame, {"c": 0.3}).objective == 1.0
    assert hw.allocate(frame, {"c": float(np.nextafter(0.3, 1))}).objective == 0.0


def test_plans_score_and_read_back(frame, tmp_path):
    made = hw.allocate(frame, HALF, groups=["a.*"])
    for layer, scheme in made.choice.items():
        assert str(made.plan.for_layer(layer).weight) == scheme
    made.to_yaml(tmp_path / "plan.yaml")
    assert nf.Plan.parse(str(tmp_path / "plan.yaml")) == made.plan
    made.to_csv(tmp_path / "a.csv")
    made.to_json(tmp_path / "a.json")
    assert pd.read_csv(tmp_path / "a.csv")["scheme"].tolist() == list(made.choice.values())
    assert json.loads((tmp_path / "a.json").read_text())["gap"] == 0.0
    labelled = hw.allocate(frame.replace({"scheme": {"int8/channel": "wide"}}), {"size_mib": "100%"})
    with pytest.raises(ValueError, match="'wide'"):
        _ = labelled.plan


def test_names_with_wildcards_stay_their_own():
    rows = [
        (layer, s, loss, c)
        for layer, w in (("h.*.q", 1), ("h.3.q", 9), ("x[0]", 2))
        for s, loss, c in (("int8/channel", w, 1), ("int4/channel", 2 * w, 0))
    ]
    frame = pd.DataFrame(rows, columns=["layer", "scheme", "loss", "c"])
    for limit in range(4):
        made = hw.allocate(frame, {"c": limit})
        assert {layer: str(made.plan.for_layer(layer).weight) for layer in made.choice} == made.choice


def test_row_order_and_repeats_do_not_change_the_answer(frame):
    first = hw.allocate(frame, HALF)
    again = hw.allocate(frame.sample(frac=1, random_state=1), HALF)
    assert first.exact_objective == again.exact_objective
    assert hw.allocate(frame, HALF).choice == first.choice


def test_curve_of_points(frame):
    made = hw.allocation_curve(frame, "size_mib", points=5, budget={"latency_s": 0.02})
    assert made["budget"].tolist() == [22.5, 31.875, 41.25, 50.625, 60.0]
    for row in made.itertuples():
        want = ref.best(frame, {"size_mib": nf_fraction(row.budget), "latency_s": nf_fraction(0.02)})
        assert row.loss == float(want[0])
        assert row.gap == 0
    with pytest.raises(ValueError, match="column of the curve"):
        hw.allocation_curve(frame, "size_mib", budget={"size_mib": 30})
    with pytest.raises(ValueError, match="points"):
        hw.allocation_curve(frame, "size_mib", points=1)
    with pytest.raises(ValueError, match="give points"):
        hw.allocation_curve(frame, "size_mib", budget={"latency_s": 0.02})
    assert hw.allocate(frame, HALF).curve()["loss"].is_monotonic_decreasing


def nf_fraction(value):
    from fractions import Fraction

    return Fraction(value)


def test_table_of_a_network():
    net = hw.load_network("digits").network
    schemes = ["int8/channel", "int4/channel", "w=int3/channel; a=int8/token"]
    made = hw.allocation_table("digits", schemes, sensitivity="error")
    assert len(made) == 15
    for row in made.to_dict("records"):
        weight = net.layers[row["layer"]].weight
        flat = weight.reshape(len(weight), -1)
        q = nf.quantize(flat, nf.Plan.parse(row["scheme"]).default.weight)
        assert row["loss"] == float(np.square(q.dequantize().astype(float) - flat.astype(float)).sum())
        assert row["weights"] == weight.size
        assert row["size_bytes"] == pytest.approx(q.bits_per_element * weight.size / 8, rel=1e-12)
        bits = nf.Plan.parse(row["scheme"]).default
        assert row["bops"] == row["macs"] * bits.weight.element_bits * bits.activation.element_bits
    assert (hw.allocation_table("digits", schemes)["loss"] == made["loss"] / signal(net, made)).all()
    traced = hw.allocation_table("digits", schemes, sensitivity="hessian", hessian={"*": 2.0, "fc*": 0.5})
    factor = np.where(traced["layer"].str.startswith("fc"), 0.5, 2.0)
    assert (traced["loss"] == made["loss"] * factor).all()


def signal(net, made):
    return [float(np.square(net.layers[layer].weight.astype(float)).sum()) for layer in made["layer"]]


def test_table_of_a_workload_is_priced_as_scores_are():
    work = hw.workload("opt-1.3b", "decode")
    weighted = work[work["weights"] > 0]
    schemes = ["int8/channel", "int4/g128"]
    given = {layer: {s: float(i + j) for j, s in enumerate(schemes)} for i, layer in enumerate(weighted["layer"])}
    made = hw.allocation_table(work, schemes, "fp16@j25", given)
    made_array = hw.allocation_table("opt-1.3b", schemes, "fp16@j25", np.add.outer(np.arange(len(weighted)), np.arange(2)))
    pd.testing.assert_frame_equal(made, made_array)
    for scheme in schemes:
        rows = made[made["scheme"] == scheme].set_index("layer")
        want = hw.score(work, "fp16@j25", scheme).layers.set_index("layer").loc[rows.index]
        assert (rows["energy_j"] == want["energy_j"]).all()
        assert (rows["latency_s"] == want["latency_s"]).all()
        assert np.allclose(rows["size_bytes"], want["weight_bits_exact"] * want["weights"] / 8, rtol=1e-15)
    best = hw.allocate(made, {"latency_s": "50%"})
    whole = hw.score(weighted, "fp16@j25", best.plan)
    assert whole.layers["latency_s"].sum() == pytest.approx(best.used["used"]["latency_s"], rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("digits", []), ("schemes is empty",)),
        (("digits", ["int4/channel", "int4/channel"]), ("twice",)),
        (("digits", ["int4/g128"]), ("conv1", "skip=True")),
        (("digits", ["int4/channel"], None, "sqrn"), ("sqrn", "sqnr")),
        (("digits", ["int4/channel"], None, "hessian"), ("needs hessian",)),
        (("opt-1.3b", ["int4/channel"]), ("no weights to measure",)),
        (("digits", ["int4/channel"], None, np.zeros((2, 2))), ("(2, 2)", "(5, 1)")),
        (("digits", ["int4/channel"], None, {"conv1": {"int4/channel": 1}}), ("conv2",)),
        ((3, ["int4/channel"]), ("int",)),
        (("digits", ["bitmod4/channel"], "systolic"), ("bitmod4",)),
    ],
)
def test_tables_that_cannot_be_made(arguments, words):
    with pytest.raises(ValueError) as error:
        hw.allocation_table(*arguments)
    for word in words:
        assert word in str(error.value)


def test_command(tmp_path, monkeypatch, capsys, frame):
    monkeypatch.setenv("COLUMNS", "120")
    frame.to_csv(tmp_path / "own.csv", index=False)
    files = [a for s in ("csv", "json", "yaml") for a in ("--out", str(tmp_path / f"x.{s}"))]
    own = ["allocate", "--candidates", str(tmp_path / "own.csv"), "--budget", "size_mib=50%"]
    assert main([*own, "--group", "a.*", "--fix", "b=int4/g32", *files]) == 0
    out = capsys.readouterr().out
    assert "no choice within the budgets has less loss" in out
    want = hw.allocate(frame, HALF, groups=["a.*"], fixed={"b": "int4/g32"})
    assert nf.Plan.parse(str(tmp_path / "x.yaml")) == want.plan
    assert main([*own, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [r["scheme"] for r in said["layers"]] == list(hw.allocate(frame, HALF).choice.values())
    assert main([*own, "--curve", "3", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    for arguments, word in (
        (["allocate"], "--budget is missing"),
        ([*own[:3], "--budget", "size_mib"], "NAME=VALUE"),
        ([*own, "--out", "x.txt"], "'.txt'"),
        ([*own, "--schemes", "int4/g32"], "leave --schemes out"),
        (["allocate", "--budget", "size_mib=1"], "--schemes is missing"),
        ([*own[:3], "--budget", "size_mib=22"], "22.5"),
    ):
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert word in err
        assert err.count("\n") == 1


def formed():
    rows = []
    for i, (weights, macs) in enumerate(((100, 900), (400, 100), (250, 250))):
        for bits in (8, 4, 2):
            loss = (i + 1) * 4.0**-bits
            held = {"macs": macs, "weights": weights, "weight_bits": bits + 0.25, "activation_bits": bits}
            rows.append(
                {"layer": f"l{i}", "scheme": f"int{bits}/channel", "loss": loss, "bits": bits, **held, "bops": macs * bits * bits}
            )
    return pd.DataFrame(rows).assign(size_bytes=lambda f: f["weights"] * f["weight_bits"] / 8)


@pytest.mark.parametrize(
    ("name", "target", "cost", "value", "fits"),
    [
        ("hawqv3", 0.5, "size", lambda c: c.loss.sum(), lambda c: 8 * c.size_bytes.sum() <= 750 * (2.25 + 8.25) / 2),
        ("fliqs", 4.0, "size", lambda c: c.loss.sum(), lambda c: c.bops.sum() <= 1250 * 16),
        ("lq-lora", 4.5, "size", lambda c: c.loss.sum(), lambda c: (c.weights * c.weight_bits).sum() <= 4.5 * 750),
        ("mixdq", 4.53, "size", lambda c: -c.loss.sum(), lambda c: abs((c.weights * c.bits).sum() - 4.53 * 750) <= 0.02 * 750),
        ("adaquant", 0.16, "size", lambda c: c.rise.sum(), lambda c: (c.weights * (8 - c.bits)).sum() >= 750 * 8 * (1 - 0.16 * 4)),
        (
            "adaquant",
            0.13,
            "bops",
            lambda c: c.rise.sum(),
            lambda c: (c.macs * (64 - c.bits**2)).sum() >= 1250 * 64 * (1 - 0.13 * 4),
        ),
    ],
)
def test_published_forms(name, target, cost, value, fits):
    """Each as its constraint is written in the source, over all 27 choices."""
    import itertools

    frame = formed()
    every = [frame.iloc[[3 * i + j for i, j in enumerate(js)]] for js in itertools.product(range(3), repeat=3)]
    every = [c.assign(rise=c.loss.clip(lower=1e-6).where(c.bits < 8, 0.0)) for c in every]
    within = [c for c in every if fits(c)]
    assert 0 < len(within) < 27
    want = min(within, key=value)
    made = hw.allocation_form(name, frame, target, cost).solve()
    assert list(made.choice.values()) == want["scheme"].tolist()
    assert name in hw.allocation_forms()["form"].tolist()


def test_forms_that_are_none():
    with pytest.raises(ValueError, match="fliqs"):
        hw.allocation_form("fliq", formed(), 4.0)
    with pytest.raises(ValueError, match="bops"):
        hw.allocation_form("fliqs", formed().drop(columns="bops"), 4.0)
    with pytest.raises(ValueError, match="target"):
        hw.allocation_form("fliqs", formed(), float("nan"))


def test_table_of_a_torch_module():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    made = hw.allocation_table(net, ["int8/channel", "int4/channel"], sensitivity="error")
    weight = net[2].weight.detach().numpy()
    error = nf.quantize(weight, "int4/channel").dequantize().astype(float) - weight
    assert made["layer"].tolist() == ["0", "0", "2", "2"]
    assert made["loss"].iloc[3] == float(np.square(error).sum())
    convolutional = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3))
    with pytest.raises(ValueError, match="workload_from_torch"):
        hw.allocation_table(convolutional, ["int8/channel"])
    work = hw.workload_from_torch(convolutional, torch.zeros(1, 1, 8, 8))
    assert hw.allocation_table(convolutional, ["int8/channel"], workload=work)["macs"].tolist() == [36 * 4 * 9]


@pytest.mark.exhaustive
def test_measured_losses_and_fpga_costs():
    """Each layer alone, as hw.evaluate has it; LUTs as hw.score has them."""
    model = hw.load_network("digits")
    made = hw.allocation_table(model, ["int3/channel", "int2/channel"], None, "measured", samples=60).set_index(["layer", "scheme"])
    base = hw.evaluate(model, "float16", samples=60).quality["accuracy"]
    alone = hw.evaluate(model, "float16 | fc1: w=int2/channel", samples=60)
    assert dict(zip(alone.layers["layer"], alone.layers["scheme"], strict=True))["fc1"] == "int2/channel"
    assert made["loss"]["fc1", "int2/channel"] == pytest.approx(base - alone.quality["accuracy"], abs=1e-12)
    schemes = ["w=int8/channel; a=int8/token", "w=int4/channel; a=int4/token"]
    table = hw.allocation_table(model, schemes, hw.device("xczu9eg"), "error")
    assert (table["lut"] > 0).all()
    best = hw.allocate(table, {"lut": "50%", "bram18": "100%"})
    assert best.used["used"]["lut"] <= best.used["limit"]["lut"]


def test_infeasible_ranges_name_the_nearer_side():
    frame = pd.DataFrame({"layer": ["a"] * 3, "scheme": ["x", "y", "z"], "loss": [3.0, 2.0, 1.0], "c": [1.0, 4.0, 9.0]})
    with pytest.raises(hw.Infeasible, match=r"c 4 instead of 3\.5 .*; c 1 instead of 3 ") as error:
        hw.allocate(frame, {"c": (3.0, 3.5)})
    assert error.value.closest == {"c": 4.0}
    with pytest.raises(hw.Infeasible) as error:
        hw.allocate(frame, {"c": (5.0, 8.0)})
    assert error.value.closest in ({"c": 4.0}, {"c": 9.0})
    with pytest.raises(hw.Infeasible) as error:
        hw.allocate(frame, {"c": (4.5, 8.0)})
    assert error.value.closest == {"c": 4.0}


def test_infeasible_limits_of_zero_count_in_the_unit_of_the_column():
    """Limits 0 and 10: a choice 0.5 and 0 away is nearer than one 0 and 6 (0.6 of it) away."""
    costs = {"c": [0.5, 0.0, -1.0], "d": [10.0, 16.0, 20.0]}
    frame = pd.DataFrame({"layer": ["a"] * 3, "scheme": ["x", "y", "z"], "loss": [3.0, 2.0, 1.0], **costs})
    with pytest.raises(hw.Infeasible) as error:
        hw.allocate(frame, {"c": 0, "d": 10})
    assert error.value.relaxed == {"c": 0.5, "d": 10.0}


@pytest.mark.parametrize("groups", [[["a", "b"], ["c", "b"]], [["a", "b"], ["c", "d"], ["d", "b"]], [["b", "a"], ["b", "c"]]])
def test_groups_that_share_a_layer_are_one(groups):
    rows = [{"layer": layer, "scheme": s, "loss": float((s == "x") == (layer in "bd")), "n": 1.0} for layer in "abcd" for s in "xy"]
    made = hw.allocate(pd.DataFrame(rows), {"n": 9}, groups=groups, fixed={"a": "y"})
    tied = {layer for group in groups for layer in group}
    assert {made.choice[layer] for layer in tied} == {"y"}


@pytest.mark.parametrize("least", [5e-324, 1e-300, 1e-30])
def test_a_limit_that_is_next_to_nothing_is_answered_in_words(least):
    table = pd.DataFrame(
        {"layer": ["a"] * 3, "scheme": ["x", "y", "z"], "loss": 2.0, "size_mib": [0.0, 2.0, 0.0], "lut": [2.0, 1.0, 1.5]}
    )
    with pytest.raises(hw.Infeasible) as found:
        hw.allocate(table, {"size_mib": least, "lut": 1.25})
    assert set(found.value.closest) <= {"size_mib", "lut"}
    assert found.value.relaxed
    assert "moved" in str(found.value)
