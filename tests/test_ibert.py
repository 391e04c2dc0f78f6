"""I-BERT's integer functions against recorded steps and exact integers."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.layers import ibert

VECTORS = Path(__file__).parent / "vectors" / "integer"


def rows(name):
    with open(VECTORS / f"{name}.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def numbers(text):
    return np.array([int(v) for v in text.split()])


def test_int_exp_words():
    held = rows("ibert_int_exp")
    assert len(held) > 70
    for row in held:
        scale = float.fromhex(row["scale_hex"])
        assert ibert.int_exp_constants(scale) == (int(row["x0"]), int(row["b"]), int(row["c"]))
        assert ibert.int_exp(np.array([int(row["q"])]), scale)[0][0] == int(row["exp_int"])


def test_int_gelu_words():
    held = rows("ibert_int_gelu")
    assert len(held) > 40
    for row in held:
        assert ibert.int_gelu(np.array([int(row["q"])]), float.fromhex(row["scale_hex"]))[0][0] == int(row["q_out"]), row


def test_softmax_words():
    for row in rows("ibert_int_softmax"):
        got, scale = ibert.softmax_tail(numbers(row["exp_int16"]))
        np.testing.assert_array_equal(got, numbers(row["out8"]))
        assert scale == 1 / 256


def test_layernorm_words():
    for row in rows("ibert_int_layernorm"):
        np.testing.assert_array_equal(ibert.int_layernorm(numbers(row["x_int"])), numbers(row["y_int"]))


def test_int_sqrt():
    for row in rows("int_sqrt"):
        assert ibert.int_sqrt(np.array([int(row["n"])]))[0] == int(row["floor_sqrt"])
    rng = np.random.default_rng(0)
    roots = rng.integers(0, 2**31, 20000)
    hard = np.concatenate([roots**2, roots**2 - 1, roots**2 + 1, rng.integers(0, 2**62, 20000), np.arange(1000)])
    hard = hard[hard >= 0]
    np.testing.assert_array_equal(ibert.int_sqrt(hard), [math.isqrt(int(n)) for n in hard])
    with pytest.raises(ValueError, match="0 to"):
        ibert.int_sqrt(np.array([-1]))


@pytest.mark.parametrize("scale", [0.1, 0.01, 0.002])
def test_how_close_exp_is(scale):
    q = np.arange(-int(12 / scale), 1)
    got, out_scale = ibert.int_exp(q, scale)
    assert np.abs(got * float(out_scale) - np.exp(q * scale)).max() < (0.05 if scale == 0.1 else 6e-3)
    assert (np.diff(got) >= 0).mean() > 0.99


def test_gelu_is_good_on_fine_scales_and_useless_on_coarse_ones():
    def error(scale):
        q = np.arange(-int(4 / scale), int(4 / scale), max(1, int(0.01 / scale)))
        got, out_scale = ibert.int_gelu(q, scale)
        x = q * scale
        exact = np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x])
        return np.abs(got * float(out_scale) - exact).max()

    assert error(1e-3) < 0.03
    assert error(0.04) > 1
    assert ibert.int_gelu(np.array([0]), 1e-3)[0][0] == 0


def test_softmax_rows_sum_to_nearly_one():
    rng = np.random.default_rng(1)
    q = rng.integers(-400, 400, (5, 20))
    exp, _ = ibert.int_exp(q - q.max(axis=1, keepdims=True), 0.01)
    got, scale = ibert.int_softmax(q, 0.01, 32767 / int(exp.max()))
    exact = np.exp(q * 0.01) / np.exp(q * 0.01).sum(axis=1, keepdims=True)
    assert np.abs(got * scale - exact).max() < 2 / 256
    # exact integers, step by step
    for row, out in zip(q, got, strict=True):
        wide = [int(v) for v in ibert.int_exp(row - row.max(), 0.01)[0]]
        narrow = ibert.dyadic(np.array(wide), 32767 / int(exp.max()), 16)
        total = int(narrow.sum())
        np.testing.assert_array_equal(out, [(int(e) * (2**32 // total)) >> 24 for e in narrow])


def test_dyadic_of_wide_integers_is_exact():
    rng = np.random.default_rng(2)
    x = rng.integers(-(2**60), 2**60, 200)
    for multiplier in (2.0**-40, 1e-12, 0.3 * 2.0**-35):
        fraction, exponent = math.frexp(multiplier)
        b, c = math.floor(fraction * 2**31 + 0.5), 31 - exponent
        from fractions import Fraction

        want = [round(Fraction(int(v) * b, 2**c)) for v in x]
        np.testing.assert_array_equal(ibert.dyadic(x, multiplier), want)
    small = rng.integers(-(2**31), 2**31, 200)
    np.testing.assert_array_equal(ibert.dyadic(small, 0.001, 8), np.clip(nf.requantize(small, 0.001, "hawqv3"), -128, 127))


def test_refusals():
    with pytest.raises(ValueError, match="up to 0"):
        ibert.int_exp(np.array([1]), 0.1)
    with pytest.raises(ValueError, match="integers"):
        ibert.int_exp(np.array([-1.0]), 0.1)
    with pytest.raises(ValueError, match="above zero"):
        ibert.int_gelu(np.array([1]), 0.0)
    with pytest.raises(ValueError, match="coarser"):
        ibert.int_exp(np.array([-1]), 1e-7)
    with pytest.raises(ValueError, match="no eps"):
        ibert.int_layernorm(np.full((2, 4), 7))
    with pytest.raises(ValueError, match="sums to zero"):
        ibert.softmax_tail(np.zeros((1, 4), np.int64))
