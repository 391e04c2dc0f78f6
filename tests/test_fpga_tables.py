"""Tables of units on FPGA fabric: one structure for one unit and for many, compressor trees against a plain model, ways to write
parameters, sweeps over arrays, refusals that name the row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel import fpga
from hwmodel.fpga import fabrics, parts, trees
from hwmodel.fpga.blocks import CELLS, STEPS, Block
from hwmodel.fpga.counting import bits_of, zero_muxes
from hwmodel.fpga.kinds import KINDS, PARAMETERS
from hwmodel.fpga.tables import PREDICTED
from hwmodel.fpga.tree_kernel import OUTPUTS
from hwmodel.units.components import bounds
from tests.reference import fpga_trees

TARGETS = ("xc7", "ice40hx", "xcup", "versal")
LARGEST = {"E": 8, "E1": 5, "E2": 5, "M": 23, "M1": 10, "M2": 10, "X": 4, "G": 8, "L": 6, "T": 6, "S": 1, "AR": 1, "FTZ": 1}
LARGEST |= {"SB": 6, "W": 18, "A": 24, "K": 60, "MB": 32, "O": 16, "N": 64}


def drawn_units(seed: int, each: int) -> pd.DataFrame:
    """Units of all kinds on all fabrics, in no order."""
    rng = np.random.default_rng(seed)
    rows = []
    for kind in KINDS:
        for _ in range(each):
            values = {n: int(rng.integers(bounds(kind)[n][0], LARGEST[n] + 1)) for n in PARAMETERS[kind]}
            text = ";".join(f"{n}={v}" for n, v in values.items())
            held = int(rng.integers(2)) if kind in ("int_mac", "int_dot") else 0
            rows.append((kind, text, str(rng.choice(TARGETS)), int(rng.integers(2)), held))
    table = pd.DataFrame(rows, columns=["kind", "params", "target", "dsp_allowed", "acc_registered"])
    return table.sample(frac=1, random_state=seed)


def test_a_table_is_its_units_one_by_one():
    table = drawn_units(5, 12)
    found = fpga.synthesised_units(table)
    assert list(found.index) == list(table.index)
    for row in found.itertuples():
        one = fpga.unit_cost(row.kind, row.params, row.target, bool(row.dsp_allowed), bool(row.acc_registered))
        assert (row.carry, row.dsp, row.ff) == (one.carry, one.dsp, one.ff), row
        assert row.lut == pytest.approx(one.lut, rel=1e-12)
        assert np.isnan(row.sta_ps) if one.delay_ps is None else row.sta_ps == pytest.approx(one.delay_ps, rel=1e-12)
        assert min(row.lut, row.carry, row.dsp, row.ff) >= 0


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(1, 40),
    first=st.sampled_from([0, 0, 5, 40]),
    lanes=st.integers(1, 7),
    a=st.integers(1, 12),
    b=st.integers(0, 9),
    signed=st.integers(0, 1),
    bits=st.integers(1, 12),
    more=st.integers(0, 30),
    behind=st.integers(1, 3),
    last=st.sampled_from([0, 0, 7, 40]),
)
def test_trees_are_those_of_the_plain_model(width, first, lanes, a, b, signed, bits, more, behind, last):
    first, last, bits = min(first, width), min(last, width), min(bits, width)
    span = min(bits + more, width)
    values = dict(zip(trees.COLUMNS, (width, first, lanes, a, b, signed, bits, span, behind, last), strict=True))
    if b == 0:
        values["a"] = 0
    found = dict(zip(OUTPUTS, trees._one(tuple(values.values())), strict=True))
    expected = fpga_trees.tree(**values)
    assert found == {name: expected.get(name, 0) for name in OUTPUTS}


def test_trees_of_every_small_product():
    rows = np.array([(a + b, 0, 1, a, b, s, 0, 0, 1, 0) for a in range(2, 9) for b in range(2, a + 1) for s in (0, 1)])
    for row, found in zip(rows, trees._distinct(rows), strict=True):
        expected = fpga_trees.tree(**dict(zip(trees.COLUMNS, row.tolist(), strict=True)))
        assert dict(zip(OUTPUTS, found, strict=True)) == {name: expected.get(name, 0) for name in OUTPUTS}


def test_wide_trees_find_their_sets():
    """More inputs than there are marks for them, and more sets than there is room for at first."""
    for row in ((70, 70, 3, 60, 12, 1, 0, 0, 1, 0), (44, 0, 1, 40, 4, 1, 0, 0, 1, 44), (60, 60, 24, 0, 0, 0, 60, 60, 1, 0)):
        found = dict(zip(OUTPUTS, trees._one(row), strict=True))
        expected = fpga_trees.tree(**dict(zip(trees.COLUMNS, row, strict=True)))
        assert found == {name: expected.get(name, 0) for name in OUTPUTS}


def test_distinct_trees_are_told_apart_whatever_their_size():
    rows = np.array([(4096, 4096, 1, 2, 2, 1, 4000, 4000, 3, 4096), (6, 0, 1, 3, 3, 0, 0, 0, 1, 0)])
    one = np.array([trees._one(tuple(r.tolist())) for r in rows])
    assert (trees._distinct(rows[[0, 1, 0, 1]]) == one[[0, 1, 0, 1]]).all()


def test_repeated_is_one_after_another():
    """Steps add up, but the carries of a run of chains overlap; numbers and arrays, parts and paths."""
    one = parts.chain(9) >> parts.cells("mix", {"swap": 3}, 0.5, 2) >> parts.chain(5).settled()
    count = np.array([0, 1, 2, 5])
    many = one.repeated(count)
    row = Block()
    for i in range(6):
        if i in count:
            where = count.tolist().index(i)
            for made in (one.repeated(i), many):
                for step in STEPS:
                    found = np.broadcast_to(made.path.get(step, 0.0), (4,))[where]
                    assert found == pytest.approx(row.path.get(step, 0.0)), (step, i)
                cells = {c: np.broadcast_to(n, (4,))[where] for c, n in made.cells().items()}
                assert {c: n for c, n in cells.items() if n} == row.cells()
                for bits in (1, 4, 8):
                    mine = sum(np.broadcast_to(fabrics.carry_cells(p, bits), (4,))[where] for p in made.parts)
                    assert mine == sum(fabrics.carry_cells(p, bits) for p in row.parts)
        row = row >> one if row.parts else one


def serial_steps(L, X, T, K):
    """Steps on the path of bitserial_fp16, counted by hand: exponents, largest of the lanes, alignment, sum, accumulator."""
    e, w = max(X, 5) + 1, 11 + T
    log = lambda n: (n - 1).bit_length()  # noqa: E731
    wide, chains, bits = w + log(L), 1 + (L - 1) + 1 + 3, [e, w + 1, K]
    gates = 0.5 + 0.5 * (L - 1) + 0.5
    mux, levels = log(w) + log(max(K, wide)), 0
    if L > 1:
        made = fpga_trees.tree(width=wide, first=0, lanes=L, a=0, b=0, signed=0, bits=w, span=wide, behind=1, last=0)
        levels, chains, gates = made.get("levels", 0), chains + 1 + made["adder"], gates + 0.5
        bits.append(made["bit"])
    return {"chain": chains, "bit": max(bits), "gate": gates, "mux2": mux, "compress": levels}


@pytest.mark.parametrize("target", ["xc7", "ice40"])
def test_delay_of_bit_serial_floats_by_hand(target):
    grid = [(lanes, x, t, k) for lanes in (1, 2, 3, 4, 7, 12) for x in (0, 2, 9) for t in (0, 3, 6) for k in (4, 15, 60)]
    lanes, x, t, k = np.array(grid).T
    found = fpga.unit_costs("bitserial_fp16", {"L": lanes, "X": x, "T": t, "K": k}, target, dsp=False)
    c = fabrics.values()
    for row, one in zip(found.itertuples(), grid, strict=True):
        steps = serial_steps(*one)
        ps = sum(n * c[f"{target} ps {step}"] for step, n in steps.items())
        assert row.delay_ps == pytest.approx(ps, rel=1e-12), (one, steps)


def test_small_numbers_and_arrays_agree():
    n = np.arange(1, 300)
    assert (bits_of(n) == [(v - 1).bit_length() for v in n.tolist()]).all()

    def muxes(bits):  # a node joins the largest power of two below, and the rest
        if bits < 2:
            return 0
        low = 1 << (bits - 1).bit_length() - 1
        return muxes(low) + muxes(bits - low) + (bits - low - 1).bit_length()

    assert zero_muxes(299)[1:].tolist() == [muxes(int(v)) for v in n]


def test_parameters_in_any_order_and_with_defaults():
    texts = ["W=8;A=6;S=1", "A=6;W=8;S=1", " W=8 ; A=6 ;S=1", "W=8;A=6", "S=1;A=6;W=8", "W=08;A=6;S=1", "W=8;A=7;S=1"]
    found = fpga.synthesised_units(pd.DataFrame({"kind": "int_mul", "params": texts, "target": "xc7"}))
    assert found.lut[:6].tolist() == pytest.approx([found.lut[0]] * 6, rel=1e-12)
    assert found.lut[6] > found.lut[0]
    many = [f"{a}={x};{b}={y}" for a, x, b, y in (("N", n, "AR", n % 2) for n in range(2, 40))]
    swapped = [";".join(reversed(t.split(";"))) for t in many]
    one, two = (fpga.synthesised_units(pd.DataFrame({"kind": "shifter", "params": t, "target": "xc7"})) for t in (many, swapped))
    pd.testing.assert_frame_equal(one[list(PREDICTED)], two[list(PREDICTED)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"params": "W=8;A=0;S=1"}, "row 3: A of int_mul is 0"),
        ({"params": "W=8;A=8;S=2"}, "row 3: S of int_mul is 2"),
        ({"params": "W=5000;A=8;S=1"}, "row 3: W of int_mul is 5000"),
        ({"params": "W=12345678901;A=8;S=1"}, "row 3: W of int_mul is 12345678901"),
        ({"params": "W;8=A=8;S=1"}, "row 3: params of int_mul"),
        ({"params": "W=8;A=8\nW=8;A=8"}, "row 3: params of int_mul"),
        ({"params": "W=8;A=8;B=1"}, "row 3: .*'B'"),
        ({"params": "W=8;A=8;W=8"}, "row 3: params of int_mul .* gives W twice"),
        ({"params": "W=8"}, "row 3: int_mul needs A"),
        ({"params": None}, "row 3: params of int_mul is nan"),
        ({"kind": "shifter", "params": "N=8;ST=1"}, "row 3: shifter with ST=1 has no structure"),
        ({"kind": "int_mull"}, "row 3: .*int_mul"),
        ({"kind": None}, "row 3: .*kind of unit"),
        ({"target": "xc8"}, "row 3: .*xc7"),
        ({"dsp_allowed": 3}, "row 3: dsp_allowed is 3"),
        ({"acc_registered": 1}, "row 3: int_mul has no accumulator"),
    ],
)
def test_refusals_name_the_row(change, words):
    row = {"kind": "int_mul", "params": "W=8;A=8;S=1", "target": "xc7", "dsp_allowed": 0, "acc_registered": 0}
    with pytest.raises(ValueError, match=words):
        fpga.synthesised_units(pd.DataFrame([row, row, row | {"params": "W=4;A=4;S=0"}, row | change]))


def test_sums_of_too_many_words_are_refused():
    texts = ["L=2;W=8;A=8;K=24", "L=4096;W=8;A=8;K=24"]
    table = pd.DataFrame({"kind": "int_dot", "params": texts, "target": "xc7"})
    with pytest.raises(ValueError, match="row 1: int_dot sums 32768 words"):
        fpga.synthesised_units(table)


def test_arrays_of_one_kind():
    w, a = np.arange(2, 9)[:, None], np.array([4, 8, 30])
    found = fpga.unit_costs("int_mul", {"W": w, "A": a}, "xc7", dsp=True)
    assert list(found.columns) == ["W", "A", "S", "lut", "carry", "dsp", "ff", "delay_ps"]
    assert len(found) == 21
    assert found.W.tolist() == np.repeat(np.arange(2, 9), 3).tolist()
    text = [f"W={x};A={y};S=1" for x, y in zip(found.W, found.A, strict=True)]
    table = fpga.synthesised_units(pd.DataFrame({"kind": "int_mul", "params": text, "target": "xc7", "dsp_allowed": 1}))
    for mine, theirs in zip(("lut", "carry", "dsp", "ff", "delay_ps"), PREDICTED, strict=True):
        assert found[mine].tolist() == pytest.approx(table[theirs].tolist(), nan_ok=True)
    both = fpga.unit_costs("int_mac", {"W": 8, "A": 8, "K": 32}, ["xc7", "ice40"], dsp=[[True], [False]], registered=True)
    assert both.dsp.tolist() == [1, 0, 0, 0]
    assert both.ff.tolist() == [0, 32, 32, 32]
    assert len(fpga.unit_costs("lzc", {"N": []})) == 0
    one = fpga.unit_costs("lzc", {"N": 24}, "ice40")
    assert one.lut.tolist() == [fpga.unit_cost("lzc", {"N": 24}, "ice40").lut]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("int_mull", {"W": 8}), "int_mul"),
        (("int_mul", {"W": [2, 3], "A": [2, 3, 4]}), "shapes of int_mul do not fit"),
        (("int_mul", {"W": [2, 0], "A": 4}), "row 1: W of int_mul is 0"),
        (("int_mul", {"W": [2.5], "A": 4}), "W of int_mul"),
        (("int_mul", {"W": 8}), "needs A"),
        (("int_mul", {"W": 8, "A": 8, "Q": 1}), "'Q'"),
        (("int_mul", {"W": 8, "A": 8}, "xc8"), "xc7"),
        (("int_mul", {"W": 8, "A": 8}, "xc7", 2), "dsp is .*2"),
        (("int_mul", {"W": 8, "A": 8}, "xc7", True, True), "no accumulator"),
    ],
)
def test_refusals_of_arrays(arguments, words):
    with pytest.raises(ValueError, match=words):
        fpga.unit_costs(*arguments)


def test_features_of_many_are_those_of_each():
    keys = [("int_mul", (("W", 5), ("A", 6), ("S", 1))), ("lzc", (("N", 12),))]
    f = fabrics.features(keys, [25, None])
    assert f.cells.shape == (2, len(CELLS))
    assert f.dsp.tolist() == [1, 0]
    assert f.carries[:, fabrics.carry_sizes().index(4)].tolist() == [0, 0]
    assert fabrics.features([], []).cells.shape == (0, len(CELLS))
