"""Requantization conventions against recorded words, plain integers and PyTorch."""

import csv
import gzip
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

VECTORS = Path(__file__).parent / "vectors" / "integer"
with gzip.open(VECTORS / "requant_vectors.csv.gz", "rt", newline="") as handle:
    ROWS = list(csv.DictReader(handle))
COLUMNS = [
    name for name in ROWS[0] if name not in ("x", "real_multiplier_hex", "q31_multiplier", "tflite_shift", "total_right_shift")
]


@pytest.mark.parametrize("column", COLUMNS)
def test_recorded_words(column):
    held = [(int(r["x"]), float.fromhex(r["real_multiplier_hex"]), int(r[column])) for r in ROWS if r[column] != ""]
    assert len(held) > 300
    x, m, want = (np.array(v) for v in zip(*held, strict=True))
    np.testing.assert_array_equal(nf.requantize(x, m, column), want)


def test_blank_words_are_refused_or_defined():
    blank = [(c, r) for r in ROWS for c in COLUMNS if r[c] == ""]
    for column, row in blank:
        x, m = np.array([int(row["x"])]), float.fromhex(row["real_multiplier_hex"])
        with pytest.raises(ValueError, match=r"multiplier|acc"):
            nf.requantize(x, m, column)


def test_the_multiplier_and_its_shift():
    from numfmt.arith.requantize import q31

    for row in ROWS:
        q, shift = q31(np.array([float.fromhex(row["real_multiplier_hex"])]))
        assert (int(q[0]), int(shift[0])) == (int(row["q31_multiplier"]), int(row["tflite_shift"]))


def test_hawqs_float64_counterexamples():
    with open(VECTORS / "hawq_float64_counterexamples.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert rows
    for row in rows:
        x, multiplier = np.array([int(row["x"])]), int(row["multiplier"]) / 2 ** int(row["right_shift"])
        assert nf.requantize(x, multiplier, "hawqv3")[0] == int(row["exact_half_even"])
        assert nf.requantize(x, multiplier, "hawq_float64_emulation")[0] == int(row["float64_emulation"])


def nearest(value, ties):
    """A Fraction rounded to an integer."""
    floor = value.__floor__()
    rest = value - floor
    if rest != Fraction(1, 2):
        return floor + (rest > Fraction(1, 2))
    if ties == "up":
        return floor + 1
    if ties == "away":
        return floor + (value > 0)
    return floor + (floor & 1)


def plain(x, m, convention):
    """The rule in Fractions, for multipliers below 1."""
    exponent = 0
    exact = Fraction(m)
    while exact * 2 <= Fraction(1, 2) or exact < Fraction(1, 2):
        exact *= 2
        exponent += 1
    q = nearest(exact * 2**31, "away")
    if q == 2**31:
        q, exponent = 2**30, exponent - 1
    if convention == "tflite_double":
        return nearest(Fraction(nearest(Fraction(x * q, 2**31), "up"), 2**exponent), "away")
    ties = {"tflite_single": "up", "tvm_upward": "up", "tvm_tonearest": "away", "hawqv3": "even"}[convention]
    return nearest(Fraction(x * q, 2 ** (31 + exponent)), ties)


@pytest.mark.parametrize("convention", ["tflite_double", "tflite_single", "tvm_upward", "tvm_tonearest", "hawqv3"])
@settings(max_examples=200, deadline=None)
@given(x=st.integers(-(2**31), 2**31 - 1), m=st.floats(2.0**-30, 0.999, allow_nan=False), power=st.booleans())
def test_the_rules_in_fractions(convention, x, m, power):
    m = 2.0 ** np.floor(np.log2(m)) if power else m
    assert nf.requantize(np.array([x]), m, convention)[0] == plain(x, m, convention)


def test_tosas_closed_form_is_tflites_double_rounding():
    rng = np.random.default_rng(0)
    m = 2.0 ** rng.uniform(-14, -0.5, 20000)
    x = rng.integers(-(2**24), 2**24, 20000)
    x[::3] = (x[::3] >> 8) << 8
    np.testing.assert_array_equal(nf.requantize(x, m, "tosa_double_round"), nf.requantize(x, m, "tflite_double"))
    single = np.float32(m).astype(np.float64)
    np.testing.assert_array_equal(nf.requantize(x, single, "qnnpack_q31"), nf.requantize(x, single, "tflite_double"))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_pytorchs_quantized_linear():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((16, 64)).astype(np.float32), (rng.standard_normal((32, 64)) * 0.1).astype(np.float32)
    xs, ws, ys, zx, zy = 0.031, 0.0021, 0.047, 11, 23
    xq = torch.quantize_per_tensor(torch.from_numpy(x), xs, zx, torch.quint8)
    wq = torch.quantize_per_tensor(torch.from_numpy(w), ws, 0, torch.qint8)
    xi, wi = xq.int_repr().numpy().astype(np.int64), wq.int_repr().numpy().astype(np.int64)
    acc = (xi - zx) @ wi.T
    multiplier = np.float32(np.float32(np.float32(xs) * np.float32(ws)) / np.float32(ys))
    want = np.clip(nf.requantize(acc, multiplier, "fp32_lrint") + zy, 0, 255)
    engines = [e for e in torch.backends.quantized.supported_engines if e != "none"]
    assert engines
    before = torch.backends.quantized.engine
    try:
        for engine in engines:
            torch.backends.quantized.engine = engine
            packed = torch.ops.quantized.linear_prepack(wq, None)
            got = torch.ops.quantized.linear(xq, packed, ys, zy).int_repr().numpy()
            np.testing.assert_array_equal(got, want, err_msg=engine)
    finally:
        torch.backends.quantized.engine = before


def test_channels_shapes_and_tensors():
    x = np.arange(-6, 6).reshape(3, 4) * 1000
    m = np.array([0.5, 0.25, 0.1, 0.003])
    got = nf.requantize(x, m, "hawqv3")
    assert got.dtype == np.int64
    for c in range(4):
        np.testing.assert_array_equal(got[:, c], nf.requantize(x[:, c], m[c], "hawqv3"))
    torch = pytest.importorskip("torch")
    made = nf.requantize(torch.from_numpy(x.astype(np.int32)), m, "hawqv3")
    assert isinstance(made, torch.Tensor)
    np.testing.assert_array_equal(made.numpy(), got)
    frame = nf.requantizations()
    assert set(COLUMNS) <= set(frame["name"])
    assert frame["name"].is_unique


def test_refusals():
    x = np.array([1, 2])
    with pytest.raises(ValueError, match="tflite_double"):
        nf.requantize(x, 0.5, "tflite")
    with pytest.raises(ValueError, match="32-bit accumulator"):
        nf.requantize(np.array([1 << 31]), 0.5)
    with pytest.raises(ValueError, match="not integers"):
        nf.requantize(np.array([0.5]), 0.5)
    for bad in (0.0, -0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="finite and above zero"):
            nf.requantize(x, bad)
    with pytest.raises(ValueError, match="broadcast"):
        nf.requantize(x, np.array([0.5, 0.25, 0.125]))
    with pytest.raises(ValueError, match="leaves 32 bits"):
        nf.requantize(np.array([1 << 30]), 8.0, "tflite_double")
    with pytest.raises(ValueError, match=r"\[2\*\*-32, 1\)"):
        nf.requantize(x, 1.5, "qnnpack_q31")
