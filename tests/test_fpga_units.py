"""Units on FPGA fabric: errors on rows seen and unseen, exact DSP blocks and registers, parts, monotony, refusals, the fit."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel.fpga as fpga
from hwmodel.fpga import fabrics
from hwmodel.fpga.kinds import KINDS
from hwmodel.fpga.tables import PREDICTED
from hwmodel.units.structure.kinds import KINDS as DRAWN
from tests.test_hw_units import EXAMPLES

pytest.importorskip("scipy")
from tools import fit_fpga as fitting

# fabric: median, 90th percentile, worst relative error of LUTs: what is promised, and the floor of what has to be reached.
GOAL = {"xc7": (0.08, 0.25, 0.50), "ice40": (0.04, 0.09, 0.25)}
FLOOR = {"xc7": (0.12, 0.30, 0.80), "ice40": (0.05, 0.12, 0.45)}


@pytest.fixture(scope="module")
def rows():
    return pd.read_csv(fitting.ROWS)


@pytest.fixture(scope="module")
def predicted():
    table = fpga.synthesised_units()
    return table[table.tool.str.contains("0.23")]


@pytest.fixture(scope="module")
def unseen(rows):
    return fitting.crossed(rows)


def within(errors: pd.Series, bounds: tuple[float, float, float]) -> None:
    e = errors.abs()
    assert e.median() <= bounds[0]
    assert e.quantile(0.9) <= bounds[1]
    assert e.max() <= bounds[2]


@pytest.mark.parametrize("name", ["xc7", "ice40"])
def test_luts_of_all_rows(predicted, name):
    table = predicted[(predicted.target.map(lambda t: fabrics.fabric(t).name) == name) & (predicted.lut_measured > 0)]
    assert len(table) == {"xc7": 285, "ice40": 199}[name]
    errors = table.lut / table.lut_measured - 1
    within(errors, FLOOR[name])
    within(errors, GOAL[name])


@pytest.mark.parametrize("name", ["xc7", "ice40"])
def test_luts_of_combinations_left_out(unseen, name):
    table = unseen[(unseen.target == name) & unseen.quantity.isin(["lut", "lut dsp", "lut registered"]) & (unseen.measured > 0)]
    within(table.error, FLOOR[name])
    within(table.error, GOAL[name])
    ranks = table[["measured", "predicted"]].corr("spearman").iloc[0, 1]
    assert ranks >= 0.98
    slow = unseen[(unseen.target == name) & (unseen.quantity == "sta_ps")].error.abs()
    assert slow.median() <= 0.07
    assert slow.quantile(0.9) <= 0.20


def test_largest_of_each_kind_left_out(rows):
    table = fitting.extrapolated(rows)
    # 20 rows on each fabric: the 90th percentile is the third worst.
    for name, bounds in {"xc7": (0.10, 0.35, 0.45), "ice40": (0.05, 0.12, 0.30)}.items():
        within(table[(table.target == name) & (table.quantity == "lut")].error, bounds)


def test_dsp_blocks_and_registers_are_exact(predicted):
    assert (predicted.dsp == predicted.dsp_measured).all()
    assert (predicted.ff == predicted.ff_measured).all()
    inside = predicted[predicted.lut_measured == 0]
    assert len(inside) == 57
    assert (inside.lut == 0).all()
    assert (inside.carry == 0).all()
    assert inside.sta_ps.isna().all()


def test_carries_are_exact_but_in_float_units(predicted):
    xc7 = predicted[predicted.target == "xc7"]
    assert (xc7.carry == xc7.carry_measured).mean() > 0.8
    plain = xc7[~xc7.kind.isin(["fp_add", "fp_mul", "fp_mac_float", "bitserial_fp16", "requant"])]
    assert (plain.carry == plain.carry_measured).all()


def test_few_coefficients_with_sources(rows):
    assert set(KINDS) == set(DRAWN)
    names = [f.name for f in fabrics.facts()]
    assert len(names) == len(set(names))
    for name in fabrics.FITTED:
        assert sum(n.startswith(name + " ") for n in names) <= 40
    assert all(f.source and f.status == "derived" for f in fabrics.facts())
    found = fitting.fit(rows)
    for f in fabrics.facts():
        assert found[f.name] == pytest.approx(f.value, rel=0.03, abs=0.02)


def test_no_kind_is_far_off(predicted):
    plain = predicted[(predicted.dsp_allowed == 0) & (predicted.acc_registered == 0)]
    error = (plain.lut / plain.lut_measured - 1).groupby([plain.target, plain.kind]).median().abs()
    assert error.max() <= 0.17


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("target", ["xc7", "ice40", "xcup", "versal"])
def test_parts_sum_to_the_row(kind, target):
    text = ";".join(f"{n}={v}" for n, v in EXAMPLES[kind].items())
    for dsp in (False, True):
        cost = fpga.unit_cost(kind, EXAMPLES[kind], target, dsp=dsp)
        row = fpga.synthesised_units(pd.DataFrame([(kind, text, target, dsp)], columns=["kind", "params", "target", "dsp_allowed"]))
        for name in ("lut", "carry", "dsp", "ff"):
            assert cost.breakdown[name].sum() == pytest.approx(row[name].iloc[0])
            assert cost.breakdown[name].sum() == pytest.approx(getattr(cost, name))
            assert (cost.breakdown[name] >= 0).all()
        assert cost.breakdown.part.is_unique
        assert cost.fabric == target
        if cost.dsp:
            assert cost.delay_ps is None
            assert cost.fmax_mhz is None
        else:
            assert cost.delay_ps == pytest.approx(row.sta_ps.iloc[0])
            assert cost.fmax_mhz == pytest.approx(1e6 / cost.delay_ps)
        assert (cost.sources.status == "inferred").any() == (target in ("xcup", "versal"))


LIMITS = {"E": (2, 8), "E1": (1, 5), "E2": (1, 5), "M": (1, 23), "M1": (0, 10), "M2": (0, 10), "X": (0, 4), "G": (0, 8)}
LIMITS |= {"L": (1, 12), "T": (0, 6), "S": (0, 1), "AR": (0, 1), "FTZ": (0, 1), "SB": (1, 6), "W": (2, 9), "A": (2, 20)}


@settings(max_examples=150, deadline=None)
@given(drawn=st.data(), kind=st.sampled_from(sorted(KINDS)), target=st.sampled_from(["xc7", "ice40"]))
def test_a_wider_unit_is_never_much_smaller(drawn, kind, target):
    given = {p: drawn.draw(st.integers(*LIMITS.get(p, (4, 40))), label=p) for p in EXAMPLES[kind]}
    grow = drawn.draw(st.sampled_from([p for p in given if p not in ("S", "AR", "FTZ")]))
    small, large = (fpga.unit_cost(kind, g, target, dsp=False) for g in (given, given | {grow: given[grow] + 1}))
    # The table of a small unit and sums of few bits join smoothly or in steps of a few LUTs.
    assert large.lut >= 0.97 * small.lut - 0.5


@pytest.mark.parametrize("target", ["xc7", "ice40"])
def test_products_wider_than_their_sum_are_cut_to_it(target):
    """With one exponent bit nothing is shifted, yet no more bits than the sum has are chosen from."""
    for m, a, k in [(0, 7, 4), (8, 20, 6), (3, 8, 11), (2, 4, 40)]:
        plain, shifted = (fpga.unit_cost("fpint_mac", {"E1": e, "M1": m, "A": a, "K": k}, target, dsp=False) for e in (1, 2))
        assert plain.lut <= shifted.lut
        parts = [dict(zip(c.breakdown.part, c.breakdown.lut, strict=True)) for c in (plain, shifted)]
        if k < m + 1 + a:
            assert parts[0]["accumulate"] == pytest.approx(parts[1]["accumulate"])


def test_dsp_rules():
    count = lambda kind, target="xc7", **p: fpga.unit_cost(kind, p, target).dsp  # noqa: E731
    blocks = {(2, 8): 1, (4, 4): 0, (4, 5): 1, (1, 16): 0, (18, 25): 1, (18, 26): 2, (19, 25): 2, (32, 32): 4}
    assert {(w, a): count("int_mul", W=w, A=a, S=1) for w, a in blocks} == blocks
    assert [count("int_mul", W=w, A=w, S=0) for w in (17, 18, 24)] == [1, 2, 2]
    assert count("int_mul", target="xcup", W=18, A=27, S=1) == 1
    assert count("int_mul", target="ice40", W=16, A=16, S=1) == 0
    inside = fpga.unit_cost("int_mac", "W=8;A=8;K=48", registered=True)
    assert (inside.lut, inside.ff, inside.dsp) == (0, 0, 1)
    outside = fpga.unit_cost("int_mac", "W=8;A=8;K=49", registered=True)
    assert (outside.ff, outside.dsp) == (49, 1)
    assert outside.lut >= 49
    small = fpga.unit_cost("int_mac", "W=4;A=4;K=20", registered=True)
    assert (small.ff, small.dsp) == (20, 0)


def test_any_assembly_can_be_priced(predicted):
    plain = predicted[(predicted.dsp_allowed == 0) & (predicted.acc_registered == 0)]
    for target, bounds in (("xc7", (0.15, 0.45)), ("ice40hx", (0.15, 0.40))):
        errors = []
        for row in plain[plain.target == target].itertuples():
            made = DRAWN[row.kind](**dict(fitting.key(row.kind, row.params)[1]))
            errors.append(abs(fpga.block_cost(fpga.from_assembly(made), target).lut / row.lut_measured - 1))
        e = pd.Series(errors)
        assert e.median() <= bounds[0]
        assert e.quantile(0.9) <= bounds[1]


def test_newer_yosys_is_smaller_on_average():
    table = fpga.synthesised_units()
    newer = table[table.tool.str.contains("0.70")]
    ratio = newer.lut_measured / newer.lut
    assert len(newer) == 98
    assert 0.8 <= ratio.median() <= 1.0


def test_columns_are_kept_and_frames_untouched():
    frame = pd.DataFrame({"kind": ["lzc"], "params": ["N=24"], "target": ["xc7"], "lut": [27], "mine": ["x"]}, index=[7])
    before = frame.copy()
    out = fpga.synthesised_units(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert list(out.index) == [7]
    assert out.lut_measured.tolist() == [27]
    assert out.mine.tolist() == ["x"]
    assert list(out.columns[-5:]) == list(PREDICTED)
    assert fpga.synthesised_units(frame.iloc[:0]).empty


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "int_mull"}, "int_mull.*int_mul"),
        ({"params": "W=8;B=8"}, "'B'"),
        ({"params": "W=8"}, "needs A"),
        ({"params": "W=8;A=eight"}, "A=eight"),
        ({"target": "xc8"}, "xc7"),
        ({"dsp_allowed": 2}, "dsp_allowed is 2"),
        ({"acc_registered": 1}, "int_mul has no accumulator"),
    ],
)
def test_refusals(change, words):
    row = {"kind": "int_mul", "params": "W=8;A=8;S=1", "target": "xc7"} | change
    with pytest.raises(ValueError, match=words):
        fpga.synthesised_units(pd.DataFrame([row]))


def test_refusals_of_frames():
    with pytest.raises(ValueError, match="lacks the columns params, target"):
        fpga.synthesised_units(pd.DataFrame({"kind": ["lzc"]}))
    with pytest.raises(ValueError, match="DataFrame"):
        fpga.synthesised_units([1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="A of int_mul"):
        fpga.unit_cost("int_mul", {"W": 8, "A": 2.5, "S": 1})  # type: ignore[dict-item]
