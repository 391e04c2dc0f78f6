"""The structural model of synthesised units: errors on rows seen and unseen, counts, monotony, refusals, the fit itself."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.studies.synthesis import PREDICTED, measured, measured_blocks
from hwmodel.technology import rows, technology
from hwmodel.units.structure import model
from hwmodel.units.structure.features import features
from hwmodel.units.structure.kinds import KINDS
from tests.reference import synthesis as plain
from tests.test_hw_units import EXAMPLES, horowitz
from tools import fit_synthesis as fitting

pytest.importorskip("scipy")
CASES = [(lib, flow) for lib in model.LIBRARIES for flow in model.FLOWS]
# quantity: median, 90th percentile, worst relative error, rank correlation. The floors of what the model promises.
FLOORS = {"area_ge": (0.08, 0.20, 0.35, 0.98), "e_zero_fJ": (0.08, 0.20, 0.35, 0.98), "delay_ps": (0.10, 0.35, None, 0.98)}
GOALS = {"area_ge": (0.06, 0.15, None, 0.99), "e_zero_fJ": (0.06, 0.15, None, 0.99), "delay_ps": (0.08, 0.25, None, 0.99)}
# The exact product of two E2M1 takes 25 GE for least area and 89 GE for speed (3.5 times; 1.2 to 2.7 for every other unit): ABC
# sizes up every gate of it. The structure does not say so, and nothing here is fitted to that one row.
OUTLIER = ("fp_mul_exact", "E1=2;M1=1;E2=2;M2=1", "delay")


@pytest.fixture(scope="module")
def data():
    return fitting.measured(measured())


@pytest.fixture(scope="module")
def unseen(data):
    return fitting.crossed(data)


def without_outlier(table: pd.DataFrame) -> pd.DataFrame:
    kind, params, flow = OUTLIER
    return table[(table.kind != kind) | (table.params != params) | (table.flow != flow)]


def check(table: pd.DataFrame, quantity: str, limits=FLOORS) -> None:
    part = table[table.quantity == quantity]
    median, p90, worst, rank = limits[quantity]
    error = part.error.abs()
    assert error.median() <= median
    assert error.quantile(0.9) <= p90
    assert part[["measured", "predicted"]].corr("spearman").iloc[0, 1] >= rank
    if worst is not None:
        error = without_outlier(part).error.abs()
        assert error.max() <= worst
        assert len(part) - len(error) <= 1


def test_twenty_kinds_and_at_most_forty_coefficients():
    assert len(KINDS) == 20
    assert set(KINDS) <= set(EXAMPLES)
    names = [r["name"] for r in rows("synthesis")]
    assert tuple(names) == model.NAMES
    assert len(names) == 39  # of at most 40: every kind, library and flow
    assert all(r["source"] and r["status"] for r in rows("synthesis"))


@pytest.mark.parametrize("quantity", FLOORS)
def test_all_rows(data, quantity):
    table = fitting.errors(data, model.values())
    check(table, quantity)
    check(table, quantity, GOALS)
    for case in fitting.CASES:
        here = table[(table.lib == case[0]) & (table.flow == case[1])]
        if (here.quantity == quantity).any():
            check(here, quantity)


def test_the_study_gives_the_same_rows(data):
    study, table = hw.studies.synthesis(), fitting.errors(data, model.values())
    assert len(study) == 995
    for quantity in FLOORS:
        known = study.dropna(subset=[f"{quantity}_measured"])
        ours = np.sort(known[quantity] / known[f"{quantity}_measured"] - 1)
        assert np.allclose(ours, np.sort(table[table.quantity == quantity].error))
    assert np.allclose(study.area_um2 / study.area_um2_measured, study.area_ge / study.area_ge_measured, rtol=2e-3)
    least = study[study.flow == "area"]
    assert (least.area_ge / least.area_ge_measured - 1).abs().max() <= 0.30


@pytest.mark.parametrize("quantity", FLOORS)
def test_combinations_left_out(unseen, quantity):
    check(unseen, quantity)
    check(unseen, quantity, GOALS)
    for case in fitting.CASES:
        here = unseen[(unseen.lib == case[0]) & (unseen.flow == case[1])]
        if (here.quantity == quantity).any():
            check(here, quantity, FLOORS | {"delay_ps": (0.105, 0.25, None, 0.98)})  # the median of sky130hd is 10.1 %


def test_small_area_errors_where_nothing_is_sized(unseen):
    error = unseen[(unseen.flow == "area") & (unseen.quantity == "area_ge")].error.abs()
    assert error.quantile(0.9) <= 0.10
    assert error.max() <= 0.30


def test_largest_of_each_kind_left_out(data):
    table = fitting.extrapolated(data)
    for quantity in FLOORS:
        check(table, quantity)


def test_kinds_that_the_fit_never_saw(data):
    """The strictest: no coefficient has met the structure that it prices."""
    table = fitting.strangers(data)
    for quantity in ("area_ge", "delay_ps"):
        check(table, quantity)
    error = table[table.quantity == "e_zero_fJ"].error.abs()
    assert error.median() <= 0.08
    assert error.quantile(0.9) <= 0.20


def test_the_outlier_is_one(data):
    ge = {flow: data.table["area_ge", "nangate45", flow] for flow in model.FLOWS}
    grown = pd.Series(ge["delay"] / ge["area"], index=[f"{k} {dict(p)}" for k, p in data.keys]).sort_values()
    assert grown.index[-1].startswith("fp_mul_exact {'E1': 2, 'M1': 1, 'E2': 2, 'M2': 1}")
    assert grown.iloc[-1] > 3.4
    assert grown.iloc[-2] < 2.7


def test_areas_of_blocks():
    """Another flow, another library: one factor each, the median of the rows."""
    table = fitting.block_errors(model.values())
    assert len(table) == 237
    error = table.error.abs()
    assert (error.median() <= 0.06, error.quantile(0.9) <= 0.15, error.max() <= 0.30) == (True, True, True)
    assert table[["measured", "predicted"]].corr("spearman").iloc[0, 1] >= 0.99
    for _, here in table.groupby("lib"):
        assert here.error.abs().max() <= 0.30
    study = hw.studies.synthesis(measured_blocks())
    assert np.allclose(study.area_ge, table.predicted)
    assert np.allclose(study.area_um2 / study.area_um2_measured, table.predicted / table.measured, rtol=6e-3)
    assert study[["delay_ps", "e_zero_fJ", "e_unit_fJ"]].isna().all(axis=None)
    booth = study[study.variant == "booth"].set_index(["block", "width_or_format"]).area_ge
    plain = study[(study.variant == "default") & (study.library == "Nangate45 typ")].set_index(["block", "width_or_format"]).area_ge
    gain = (booth / plain).dropna()
    assert gain["unsigned multiplier", "24x24"] < gain["unsigned multiplier", "16x16"] < 1
    assert gain["unsigned multiplier", "4x4"] > 1.2
    assert gain["signed multiplier", "16x16"] < 0.75


def test_the_fit_reproduces_the_coefficients(data):
    found = fitting.fit(data)
    assert list(map(found.get, model.NAMES)) == pytest.approx([model.values()[n] for n in model.NAMES], rel=2e-2, abs=1e-3)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_parts_sum_to_the_totals_and_to_the_study(kind):
    params = EXAMPLES[kind]
    text = ";".join(f"{n}={v}" for n, v in params.items())
    table = hw.studies.synthesis(pd.DataFrame([(kind, text, *case) for case in CASES], columns=["kind", "params", "lib", "flow"]))
    for row in table.itertuples():
        cost = hw.unit(kind, **params).cost(row.lib, flow=row.flow)
        parts = cost.breakdown
        assert parts.part.is_unique
        for column in ("area_um2", "area_ge", "energy_pj"):
            assert parts[column].sum() == pytest.approx(getattr(cost, column))
            assert (parts[column] >= 0).all()
        assert cost.area_um2 == pytest.approx(row.area_um2)
        assert cost.energy_pj == pytest.approx(row.e_zero_fJ * 1e-3)
        assert cost.delay_ps == pytest.approx(row.delay_ps)
        assert (cost.leakage_nw is None) == (row.lib != "nangate45")
        assert row.lib in cost.technology
        assert set(cost.sources.status) <= {"derived", "read", "measured", "inferred"}
        assert row.e_unit_fJ >= row.e_zero_fJ
        used = " ".join(cost.sources.iloc[:, 0])
        assert not any(other in used for other in ("asap7", "mapped", *model.LIBRARIES) if other != row.lib)
        assert ("delay flow" in used) == (row.flow == "delay")
    fast, small = (table[table.flow == flow].set_index("lib") for flow in ("delay", "area"))
    assert (fast.area_ge >= small.area_ge).all()
    assert (fast.delay_ps < small.delay_ps).all()


LIMITS = {"E": (2, 8), "E1": (1, 5), "E2": (1, 5), "M": (1, 23), "M1": (0, 10), "M2": (0, 10), "X": (0, 4), "G": (0, 8)}
LIMITS |= {"L": (1, 12), "T": (0, 6), "S": (0, 1), "AR": (0, 1), "FTZ": (0, 1), "SB": (1, 6)}


@settings(max_examples=200, deadline=None)
@given(drawn=st.data(), kind=st.sampled_from(sorted(KINDS)), case=st.sampled_from([*CASES, ("asap7", "mapped")]))
def test_a_wider_unit_is_never_smaller(drawn, kind, case):
    given = {p: drawn.draw(st.integers(*LIMITS.get(p, (2, 40))), label=p) for p in EXAMPLES[kind]}
    grow = drawn.draw(st.sampled_from([p for p in given if p not in ("S", "AR", "FTZ")]))
    made = [features([(kind, tuple(g.items()))]) for g in (given, given | {grow: given[grow] + 1})]
    small, large = (model.predict(f, *case) for f in made)
    assert large.area_ge[0] >= small.area_ge[0] * (1 - 1e-12)
    assert 0 < small.area_ge[0] <= large.area_ge[0] <= 4 * small.area_ge[0] + 40
    if case[1] == "mapped":
        return
    assert large.e_zero_fj[0] >= small.e_zero_fj[0] * (1 - 1e-12)
    # sums of more words: a tree may end with a shorter adder
    sums = kind in ("bin_mac", "tern_mac", "xnor_popcount") and grow in ("L", "N")
    assert large.delay_ps[0] >= small.delay_ps[0] * (0.85 if sums else 1 - 1e-12)
    assert small.e_unit_fj[0] >= small.e_zero_fj[0]


GAPS = {
    "int_mul": ("W={0};A={0};S=1", (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)),
    "int_add": ("N={}", (4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64)),
    "shifter": ("N={};AR=0", (4, 8, 12, 16, 20, 24, 32, 48, 64)),
    "lzc": ("N={}", (4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)),
    "xnor_popcount": ("N={}", (8, 16, 24, 32, 48, 64, 128, 256)),
    "fp_mul_exact": ("E1=4;M1={0};E2=4;M2={0}", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
    "fp_mac_float": ("E1=4;M1={0};E2=4;M2={0};E=8;M=23", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
    "fp_mul": ("E=5;M={};FTZ=0", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
    "fp_add": ("E=8;M={}", (1, 2, 3, 5, 7, 10, 12, 15, 19, 23)),
    "tern_mac": ("L={};A=8;K=24", (1, 2, 3, 4, 6, 8, 12, 16)),
    "bin_mac": ("L={};A=8;K=24", (1, 2, 3, 4, 6, 8, 12, 16)),
    "int_dot": ("L={};W=4;A=8;K=24", (1, 2, 3, 4, 6, 8, 12, 16)),
    "requant": ("A=32;MB={};O=8;SB=5", (8, 12, 16, 20, 24, 28, 31)),
}


@pytest.mark.parametrize("kind", GAPS)
def test_no_kinks_between_measured_sizes(kind):
    """From one size to the next, area and energy grow by no more than a power of the size, and not in jumps."""
    text, sizes = GAPS[kind]
    frame = pd.DataFrame(
        [(kind, text.format(n), *case) for case in CASES for n in sizes], columns=["kind", "params", "lib", "flow"]
    )
    for _, here in hw.studies.synthesis(frame).groupby(["lib", "flow"]):
        for quantity in ("area_ge", "e_zero_fJ"):
            slope = np.diff(np.log(here[quantity])) / np.diff(np.log(np.array(sizes) + 1.0))
            assert (slope > 0).all()
            assert (slope < 4.9).all()  # measured from 2 x 2 to 3 x 3 bits: 4.9
            assert np.abs(np.diff(slope)).max() < 2.6


@settings(max_examples=120, deadline=None)
@given(
    lanes=st.integers(1, 5),
    w=st.integers(1, 9),
    a=st.integers(1, 9),
    extra=st.integers(0, 12),
    signed=st.booleans(),
    n=st.integers(2, 70),
)
def test_cells_against_plain_counts(lanes, w, a, extra, signed, n):
    c = model.values()

    def ours(kind, **params):
        return KINDS[kind](**params).cells()

    def same(found, wanted):
        return {k: v for k, v in found.items() if v} == {k: v for k, v in wanted.items() if v}

    assert same(ours("int_dot", L=lanes, W=w, A=a, K=w + a + extra), plain.int_dot(lanes, w, a, w + a + extra))
    assert same(ours("int_mul", W=w, A=a, S=int(signed)), plain.int_mul(w, a, signed))
    assert same(ours("shifter", N=n, AR=int(signed)), plain.shifter(n, signed))
    for kind, params, cells, table in (
        ("int_dot", f"L={lanes};W={w};A={a};K={w + a + extra}", plain.int_dot(lanes, w, a, w + a + extra), None),
        ("int_mul", f"W={w};A={a};S={int(signed)}", plain.int_mul(w, a, signed), 2.0 ** (w + a)),
        ("shifter", f"N={n};AR={int(signed)}", plain.shifter(n, signed), None),
        ("int_add", f"N={n}", plain.int_add(n), None),
    ):
        row = pd.DataFrame([(kind, params, "nangate45", "area")], columns=["kind", "params", "lib", "flow"])
        assert hw.studies.synthesis(row).area_ge[0] == pytest.approx(plain.area(cells, c, table))


def test_speed():
    """The whole table in milliseconds (6 measured), a unit that was not met before in one (0.3 measured)."""
    hw.studies.synthesis()
    start = time.process_time()
    for _ in range(5):
        hw.studies.synthesis()
    assert (time.process_time() - start) / 5 < 0.03
    keys = [("int_mac", (("W", w), ("A", 9), ("K", k))) for w in range(2, 9) for k in range(50, 60)]
    start = time.process_time()
    features(keys)
    assert (time.process_time() - start) / len(keys) < 1e-3


def test_measured_columns_are_kept_and_frames_untouched():
    frame = pd.DataFrame(
        {"kind": ["lzc"], "params": ["N=24"], "lib": ["ihp130"], "flow": ["area"], "area_ge": [66.0], "mine": ["x"]}, index=[7]
    )
    before = frame.copy()
    out = hw.studies.synthesis(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert list(out.index) == [7]
    assert out.area_ge_measured.tolist() == [66.0]
    assert out.mine.tolist() == ["x"]
    assert list(out.columns[-5:]) == list(PREDICTED)
    assert hw.studies.synthesis(frame.iloc[:0]).empty


def test_rows_of_fpgas_and_of_libraries_mix():
    from hwmodel import fpga

    fabric, cells = fpga.measured().head(40), measured().head(40)
    mixed = pd.concat([fabric, cells], keys=["fpga", "asic"]).sample(frac=1.0, random_state=3)
    got = hw.studies.synthesis(mixed)
    assert got.index.equals(mixed.index)
    pd.testing.assert_series_equal(got.loc["fpga"].sort_index()["lut"], fpga.synthesised_units(fabric).sort_index()["lut"])
    pd.testing.assert_series_equal(got.loc["asic"].sort_index()["area_ge"], hw.studies.synthesis(cells).sort_index()["area_ge"])
    assert got.loc["asic"]["lut"].isna().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "int_mull"}, "int_mull.*int_mul"),
        ({"params": "W=8;B=8"}, "'B'"),
        ({"params": "W=8"}, "needs A"),
        ({"params": "W=8;A=eight"}, "A=eight"),
        ({"params": "W=0;A=8"}, "W of int_mul is 0"),
        ({"lib": "sky130hs"}, "sky130hd"),
        ({"flow": "speed"}, "flow"),
        ({"target": "xc8"}, "xc7"),
    ],
)
def test_refusals(change, words):
    row = {"kind": "int_mul", "params": "W=8;A=8;S=1", "lib": "nangate45", "flow": "area"} | change
    with pytest.raises(ValueError, match=words):
        hw.studies.synthesis(pd.DataFrame([row]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"block": "signed multiplyer"}, "signed multiplier"),
        ({"width_or_format": "8"}, "8x8"),
        ({"width_or_format": "8x0"}, "whole number"),
        ({"variant": "dadda"}, "booth"),
        ({"block": "leading-zero counter", "variant": "booth"}, "default"),
        ({"block": "float multiplier, RNE, flush subnormals", "width_or_format": "e4m4"}, "e4m3"),
        ({"library": "Nangate15"}, "Nangate45"),
    ],
)
def test_refusals_of_blocks(change, words):
    row = {"block": "signed multiplier", "width_or_format": "8x8", "variant": "default", "library": "Nangate45 typ"} | change
    with pytest.raises(ValueError, match=words):
        hw.studies.synthesis(pd.DataFrame([row]))


def test_other_refusals():
    with pytest.raises(ValueError, match="lacks the columns lib, flow"):
        hw.studies.synthesis(pd.DataFrame({"kind": ["lzc"], "params": ["N=8"]}))
    with pytest.raises(ValueError, match="DataFrame"):
        hw.studies.synthesis([1])
    with pytest.raises(ValueError, match="flow"):
        hw.unit("int_add", N=8).cost("nangate45", flow="areas")
    with pytest.raises(ValueError, match="words"):
        hw.unit("int_dot", L=4096, W=64, A=64, K=128)


def test_styles_of_cells():
    """Horowitz's adders and multiplier are drawn with full-adder cells; synthesis without them is larger."""
    for bits in (8, 16, 32):
        drawn = hw.unit("int_add", N=bits).cost("nangate45")
        assert drawn.area_um2 == pytest.approx(horowitz("add", bits), rel=0.15)
        assert 1.2 < hw.unit("int_add", N=bits).cost("nangate45", flow="area").area_um2 / drawn.area_um2 < 1.6
    assert hw.unit("int_mul", W=8, A=8, S=0).cost("nangate45").area_um2 == pytest.approx(horowitz("mul", 8), rel=0.15)
    unit = hw.unit("lmul", E=4, M=3)
    assert unit.cost("sky130hd").area_um2 == unit.cost("sky130").area_um2 == unit.cost(technology("sky130")).area_um2
    assert unit.cost("sky130", flow="area").area_um2 == unit.cost("sky130hd", flow="area").area_um2
