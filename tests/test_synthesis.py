"""The structural model of synthesised units: errors on rows seen and unseen, parts, monotony, refusals, the fit itself."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.studies.synthesis import PREDICTED, measured
from hwmodel.technology import rows, technology
from hwmodel.units.structure import model
from hwmodel.units.structure.features import features
from hwmodel.units.structure.kinds import KINDS
from tests.test_hw_units import EXAMPLES, horowitz
from tools import fit_synthesis as fitting

pytest.importorskip("scipy")
CASES = [(lib, flow) for lib in model.LIBRARIES for flow in model.FLOWS]
# quantity: median, 90th percentile, worst relative error, rank correlation. The floors of what the model promises.
FLOORS = {"area_ge": (0.08, 0.20, None, 0.98), "e_zero_fJ": (0.08, 0.20, None, 0.98), "delay_ps": (0.10, 0.35, None, 0.98)}


@pytest.fixture(scope="module")
def data():
    return fitting.measured(measured())


def within(table: pd.DataFrame, quantity: str) -> None:
    part = table[table.quantity == quantity]
    error = part.error.abs()
    median, p90, _, rank = FLOORS[quantity]
    assert error.median() <= median
    assert error.quantile(0.9) <= p90
    assert part[["measured", "predicted"]].corr("spearman").iloc[0, 1] >= rank


def test_twenty_kinds_and_at_most_forty_coefficients():
    assert len(KINDS) == 20
    assert set(KINDS) <= set(EXAMPLES)
    names = [r["name"] for r in rows("synthesis")]
    assert tuple(names) == model.NAMES
    assert len(names) <= 40
    assert all(r["source"] and r["status"] for r in rows("synthesis"))


def test_all_rows():
    table = hw.studies.synthesis()
    assert len(table) == 995
    for quantity, (median, p90, _, rank) in FLOORS.items():
        known = table.dropna(subset=[f"{quantity}_measured"])
        error = (known[quantity] / known[f"{quantity}_measured"] - 1).abs()
        assert error.median() <= median
        assert error.quantile(0.9) <= p90
        assert known[[quantity, f"{quantity}_measured"]].corr("spearman").iloc[0, 1] >= rank
    assert np.allclose(table.area_um2 / table.area_um2_measured, table.area_ge / table.area_ge_measured, rtol=2e-3)
    least = table[table.flow == "area"]
    assert (least.area_ge / least.area_ge_measured - 1).abs().max() <= 0.35


def test_combinations_left_out(data):
    table = fitting.crossed(data)
    for quantity in FLOORS:
        within(table, quantity)
    error = table[(table.flow == "area") & (table.quantity == "area_ge")].error.abs()
    assert error.quantile(0.99) <= 0.35
    assert table[table.quantity == "e_zero_fJ"].error.abs().quantile(0.99) <= 0.35


def test_largest_of_each_kind_left_out(data):
    table = fitting.extrapolated(data)
    for quantity in FLOORS:
        within(table, quantity)
    assert table[table.quantity == "area_ge"].error.abs().max() <= 0.35


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
    fast, small = (table[table.flow == flow].set_index("lib") for flow in ("delay", "area"))
    assert (fast.area_ge >= small.area_ge).all()
    assert (fast.delay_ps < small.delay_ps).all()


LIMITS = {"E": (2, 8), "E1": (1, 5), "E2": (1, 5), "M": (1, 23), "M1": (0, 10), "M2": (0, 10), "X": (0, 4), "G": (0, 8)}
LIMITS |= {"L": (1, 12), "T": (0, 6), "S": (0, 1), "AR": (0, 1), "FTZ": (0, 1), "SB": (1, 6)}


@settings(max_examples=150, deadline=None)
@given(drawn=st.data(), kind=st.sampled_from(sorted(KINDS)), case=st.sampled_from(CASES))
def test_a_wider_unit_is_never_smaller(drawn, kind, case):
    given = {p: drawn.draw(st.integers(*LIMITS.get(p, (2, 40))), label=p) for p in EXAMPLES[kind]}
    grow = drawn.draw(st.sampled_from([p for p in given if p not in ("S", "AR", "FTZ")]))
    made = [features([(kind, tuple(g.items()))]) for g in (given, given | {grow: given[grow] + 1})]
    small, large = (model.predict(f, *case) for f in made)
    assert large.area_ge[0] >= small.area_ge[0] * (1 - 1e-12)
    assert large.e_zero_fj[0] >= small.e_zero_fj[0] * (1 - 1e-12)


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
        ({"target": "xc7"}, "FPGA"),
    ],
)
def test_refusals(change, words):
    row = {"kind": "int_mul", "params": "W=8;A=8;S=1", "lib": "nangate45", "flow": "area"} | change
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
