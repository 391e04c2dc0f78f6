"""Sums of groups times their scales, added in float32: the outer accumulator of scaled formats, in lanes."""

from __future__ import annotations

import numpy as np

from .jit import fused, held_rows, inlined, kernel
from .lanes import add, bits, both, from_bits, row_of, wide_vectors


@kernel
def add_short(part, rows, columns, out):
    """out = round(out + round(part * (row * column))) in float32, where float32 holds every `part` and every row * column.

    part, out: (M, N), rows contiguous; rows: (M,), columns: (N,) float32.
    """
    held_rows(part)
    held_rows(out)
    for i in range(part.shape[0]):
        _add_short(row_of(part, i), rows[i], columns, row_of(out, i))


@kernel
def _add_short(part, scale, columns, out):
    wide_vectors()
    for j in range(part.size):
        out[j] = np.float32(out[j] + np.float32(part[j] * np.float32(scale * columns[j])))


@inlined
def _odd_product(x, y):
    """x * y rounded to odd, for products of normal size (their error is a float64)."""
    near = x * y
    lost = fused(x, y, -near)
    word = bits(np.float64(near))
    inexact = ((lost > 0.0) | (lost < 0.0)) & (both(word, np.int64(1)) == 0)
    toward = np.int64(1) if (lost > 0.0) == (near > 0.0) else np.int64(-1)
    return from_bits(add(word, toward if inexact else np.int64(0)))


@kernel
def add_long(part, rows, columns, out):
    """`add_short` for scales of up to 24 bits. part: float32, or float64 of float32's exponents; rows, columns: float64."""
    held_rows(part)
    held_rows(out)
    for i in range(part.shape[0]):
        _add_long(row_of(part, i), rows[i], columns, row_of(out, i))


@kernel
def _add_long(part, scale, columns, out):
    wide_vectors()
    for j in range(part.size):
        out[j] = np.float32(out[j] + np.float32(_odd_product(np.float64(part[j]), scale * columns[j])))


@kernel
def add_wide(part, rows, columns, out):
    """`add_long` where float64 holds every part * row * column."""
    held_rows(part)
    held_rows(out)
    for i in range(part.shape[0]):
        _add_wide(row_of(part, i), rows[i], columns, row_of(out, i))


@kernel
def _add_wide(part, scale, columns, out):
    wide_vectors()
    for j in range(part.size):
        out[j] = np.float32(out[j] + np.float32(np.float64(part[j]) * (scale * columns[j])))


@kernel
def scale_rows(x, scales, run, first):
    """x times the scale of each run of `run` columns; the first column is number `first`. x: (rows, k); scales: (rows, runs)."""
    held_rows(x)
    for i in range(x.shape[0]):
        start = 0
        while start < x.shape[1]:
            place = (first + start) // run
            stop = min(x.shape[1], (place + 1) * run - first)
            _times(row_of(x, i)[start:stop], scales[i, place])
            start = stop


@kernel
def _times(x, scale):
    wide_vectors()
    for j in range(x.size):
        x[j] = np.float32(x[j] * scale)
