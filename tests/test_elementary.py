"""Functions that must not depend on the machine: accuracy against mpmath, and exactness of the sliced product."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from numfmt.layers import elementary
from numfmt.layers.attention import causal_attention, causal_softmax, matmul_float64

mpmath.mp.prec = 120


def _worst(got: np.ndarray, want: list) -> float:
    return max(float(abs(mpmath.mpf(float(g)) - w) / max(abs(w), mpmath.mpf(2) ** -1000)) for g, w in zip(got, want, strict=True))


def test_exp_is_within_two_ulp() -> None:
    x = np.concatenate([np.random.default_rng(0).uniform(-700, 700, 2000), np.linspace(-1, 1, 501)])
    assert _worst(elementary.exp(x), [mpmath.exp(mpmath.mpf(float(v))) for v in x]) < 2 * 2.0**-52


def test_exp_at_the_edges() -> None:
    got = elementary.exp(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e9, -1e9, -744.0]))
    assert got[:4].tolist() == [1.0, 1.0, np.inf, 0.0]
    assert np.isnan(got[4])
    assert got[5:7].tolist() == [np.inf, 0.0]
    assert got[7] == float(mpmath.exp(-744))


def test_exp_keeps_the_shape_across_chunks() -> None:
    x = np.random.default_rng(1).uniform(-5, 5, (3, 7, 1000))
    got = elementary.exp(x)
    assert got.shape == x.shape
    assert np.array_equal(got[2, 3], elementary.exp(x[2, 3]))


def test_log_is_within_two_ulp() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([np.exp(rng.uniform(-300, 300, 1000)), rng.uniform(0.3, 3, 1000), [0.5, 1.0, 2.0]])
    got = elementary.log(x)
    want = [mpmath.log(mpmath.mpf(float(v))) for v in x]
    assert max(abs(mpmath.mpf(float(g)) - w) / max(abs(w), mpmath.mpf(2) ** -2) for g, w in zip(got, want, strict=True)) < 2.0**-50
    assert elementary.log(np.array([1.0]))[0] == 0.0


def test_sine_and_cosine() -> None:
    x = np.concatenate([np.random.default_rng(3).uniform(0, 2**17, 1000), np.linspace(0, 7, 300), np.arange(512.0)])
    sine, cosine = elementary.sine_cosine(x)
    for got, function in ((sine, mpmath.sin), (cosine, mpmath.cos)):
        assert max(abs(float(g) - float(function(mpmath.mpf(float(v))))) for g, v in zip(got, x, strict=True)) < 4e-16


def test_power_is_correctly_rounded() -> None:
    exponents = [(-2 * i, 64) for i in range(32)]
    want = [float(mpmath.mpf(100000) ** (mpmath.mpf(p) / q)) for p, q in exponents]
    assert elementary.power(100000.0, exponents).tolist() == want


def _exact(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rows, columns = [[Fraction(float(v)) for v in row] for row in a], [[Fraction(float(v)) for v in c] for c in b.T]
    return np.array([[float(sum(x * y for x, y in zip(r, c, strict=True))) for c in columns] for r in rows])


@pytest.mark.parametrize("k", [1, 2, 33, 257])
def test_sliced_product_against_exact_sums(k: int) -> None:
    rng = np.random.default_rng(k)
    a = rng.standard_normal((5, k)).astype(np.float32)
    b = (rng.standard_normal((k, 4)) * 10.0 ** rng.integers(-3, 3, (1, 4))).astype(np.float32)
    want = _exact(a, b)
    size = np.abs(a).max(1)[:, None] * np.abs(b).max(0) * k
    assert np.all(np.abs(matmul_float64(a, b) - want) <= np.abs(want) * 2.0**-24 + size * 2.0**-38)


def test_sliced_product_does_not_depend_on_the_order_of_the_sum() -> None:
    """A plain float64 product fails this: its sum is rounded at each step."""
    rng = np.random.default_rng(7)
    a, b = (rng.standard_normal(s) * np.exp(rng.uniform(-8, 8, s)) for s in ((64, 300), (300, 64)))
    a, b = a.astype(np.float32), b.astype(np.float32)
    want = matmul_float64(a, b)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(300)
        assert np.array_equal(matmul_float64(a[:, order], b[order]), want)


def test_sliced_product_marks_rows_and_columns_with_nan() -> None:
    a, b = np.ones((3, 4), np.float32), np.ones((4, 5), np.float32)
    a[1, 2], b[0, 3] = np.nan, np.inf
    bad = np.isnan(matmul_float64(a, b))
    assert bad[1].all()
    assert bad[:, 3].all()
    assert bad.sum() == 5 + 3 - 1
    with pytest.raises(ValueError, match="3 columns, b 4 rows"):
        matmul_float64(a[:, :3], b)


def test_softmax_is_causal_and_sums_to_one() -> None:
    scores = np.random.default_rng(4).standard_normal((2, 9, 9)).astype(np.float32)
    p = causal_softmax(scores, 0.5)
    assert np.all(np.triu(p, 1) == 0)
    assert np.abs(p.astype(np.float64).sum(-1) - 1).max() < 1e-6
    row = np.exp(0.5 * scores[1, 5, :6].astype(np.float64))
    assert np.allclose(p[1, 5, :6], row / row.sum(), rtol=1e-6, atol=0)


def test_both_products_of_attention_go_through_attend() -> None:
    rng = np.random.default_rng(5)
    q, k, v = (rng.standard_normal((h, 6, 8)).astype(np.float32) for h in (4, 2, 2))
    seen = []

    def attend(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        seen.append((a.shape, b.shape))
        return matmul_float64(a, b)

    causal_attention(q, k, v, 0.3, attend)
    assert seen == [((4, 6, 8), (4, 8, 6)), ((4, 6, 6), (4, 6, 8))]
