"""Causal attention of one sequence, the same bits on every machine.

Two matrix products (queries by keys, probabilities by values) go through an `attend` callable, so that a caller can put
an emulated datapath there; the softmax between them is computed in float64 and rounded once to float32.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from numfmt.layers.elementary import exp

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Attend = Callable[[Float32, Float32], Float32]


def _slices(x: Float64, axis: int, bits: int) -> tuple[Float64, Float64]:
    """x as a sum of two float64 arrays whose elements, relative to the largest along `axis`, are integers of `bits`
    bits times one power of two; what is left over (below 2**(1 - 2*bits) of the largest) is dropped."""
    _, exponent = np.frexp(np.max(np.abs(x), axis=axis, keepdims=True))
    # Multiplying by a power of two is exact, so each line below rounds once, in rint.
    high = np.rint(x * np.ldexp(1.0, bits - exponent)) * np.ldexp(1.0, exponent - bits)
    low = np.rint((x - high) * np.ldexp(1.0, 2 * bits - exponent)) * np.ldexp(1.0, exponent - 2 * bits)
    return high, low


def matmul_float64(a: Float32, b: Float32) -> Float32:
    """a @ b (batches as `numpy.matmul`) in about float64 precision, rounded to float32; independent of the BLAS.

    Both operands are split into slices so narrow that every product and every partial sum within a BLAS call is an
    exact float64 (Ozaki, Ogita, Oishi, Rump, Numerical Algorithms 59, 2012): the order in which a BLAS adds cannot
    matter. The exact results are then added in a fixed order; the product of the two lower slices, below 2**-40 of the
    largest terms, is left out.

    Rows of a and columns of b that hold NaN or infinity give NaN.
    """
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul_float64: a has {a.shape[-1]} columns, b {b.shape[-2]} rows; they must agree")
    if b.ndim == 2:
        return _product(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:])
    out = np.empty((*batch, a.shape[-2], b.shape[-1]), dtype=np.float32)
    for index in np.ndindex(batch):  # one matrix at a time: its temporaries stay in cache
        out[index] = _product(a[index], b[index])
    return out


def _product(a: Float32, b: Float32) -> Float32:
    left, right = a.astype(np.float64), b.astype(np.float64)
    bad_rows = ~np.isfinite(left).all(axis=1, keepdims=True)
    bad_columns = ~np.isfinite(right).all(axis=0, keepdims=True)
    bad = bad_rows | bad_columns if bad_rows.any() or bad_columns.any() else None
    if bad is not None:
        left, right = np.where(bad_rows, 0.0, left), np.where(bad_columns, 0.0, right)
    bits = (53 - max(a.shape[1] - 1, 1).bit_length()) // 2
    a_high, a_low = _slices(left, 1, bits)
    b_high, b_low = _slices(right, 0, bits)
    total = a_low @ b_high
    total += a_high @ b_low
    total += a_high @ b_high
    if bad is not None:
        total[bad] = np.nan
    with np.errstate(over="ignore"):
        return total.astype(np.float32)


def causal_softmax(scores: Float32, scale: float) -> Float32:
    """Softmax of scale * scores over keys 0..query; scores (..., T, T). The rest is exactly zero."""
    length = scores.shape[-1]
    past = np.tri(length, dtype=bool)
    out = np.zeros_like(scores)
    for index in np.ndindex(scores.shape[:-2]):
        x = np.where(past, scores[index].astype(np.float64) * scale, -np.inf)
        with np.errstate(invalid="ignore"):
            x -= x.max(axis=-1, keepdims=True)
        x[past] = exp(x[past])
        x[~past] = 0.0
        out[index] = x / x.sum(axis=-1, keepdims=True)
    return out


def causal_attention(q: Float32, k: Float32, v: Float32, scale: float, attend: Attend = matmul_float64) -> Float32:
    """softmax(scale * q k^T) v with a causal mask.

    q: (heads, T, head_dim); k and v: (kv_heads, T, head_dim), kv_heads a divisor of heads (grouped-query attention:
    head i uses key/value head i // (heads / kv_heads)). Returns (heads, T, head_dim).
    """
    group = q.shape[0] // k.shape[0]
    keys = np.repeat(k, group, axis=0).transpose(0, 2, 1)
    values = np.repeat(v, group, axis=0)
    scores = np.asarray(attend(q, np.ascontiguousarray(keys)), dtype=np.float32)
    return np.asarray(attend(causal_softmax(scores, scale), values), dtype=np.float32)
