"""What a block of float32 values spans: largest and smallest magnitudes and the last bit used, for the proofs of `arith.chains`."""

from __future__ import annotations

import numpy as np

from .jit import held_rows, kernel
from .lanes import add, bits, both, differ, either, larger, row_of, wide_vectors

_SIZE = np.int32(0x7FFFFFFF)
_FRACTION = np.int32(0x007FFFFF)


@kernel
def span_rows(x, most, least, used):
    """For each row: the largest word of a magnitude (NaN above infinity above all), the smallest of a nonzero one less 1 (or
    2**31 - 1), and all fraction bits in use. x: (rows, n) float32; results: (rows,) int32."""
    for i in range(x.shape[0]):
        _span(x[i], i, most, least, used)


@kernel
def _span(row, i, most, least, used):
    wide_vectors()
    high, low, seen = np.int32(0), np.int32(-2147483648), np.int32(0)
    for j in range(row.size):
        word = both(bits(np.float32(row[j])), _SIZE)
        high = larger(high, word)
        low = larger(low, differ(both(add(word, np.int32(-1)), _SIZE), np.int32(-1)))
        seen = either(seen, both(word, _FRACTION))
    most[i], least[i], used[i] = high, differ(low, np.int32(-1)), seen


@kernel
def span_all(x):
    """`span_rows` of all elements together, and whether one of them is zero. x: (rows, n) float32, rows contiguous."""
    held_rows(x)
    high, low, seen = np.int32(0), np.int32(-2147483648), np.int32(0)
    zeros = False
    for i in range(x.shape[0]):
        h, w, u, z = _span_all(row_of(x, i))
        high, low, seen, zeros = larger(high, h), larger(low, w), either(seen, u), zeros | z
    return high, differ(low, np.int32(-1)), seen, zeros


@kernel
def _span_all(row):
    wide_vectors()
    high, low, seen, bare = np.int32(0), np.int32(-2147483648), np.int32(0), np.int32(-2147483648)
    for j in range(row.size):
        word = both(bits(np.float32(row[j])), _SIZE)
        high = larger(high, word)
        low = larger(low, differ(both(add(word, np.int32(-1)), _SIZE), np.int32(-1)))
        bare = larger(bare, differ(word, np.int32(-1)))
        seen = either(seen, both(word, _FRACTION))
    return high, low, seen, bare == np.int32(-1)
