"""NVFP4 with "4 over 6": each block is mapped to a largest element of 6 and of 4, and keeps the one of less error.

Float32 steps and their order as TransformerEngine states them: the errors of a row of 16 are added in order, rows of a
16 x 16 block as a tree. A tie keeps the mapping to 6.
"""

from __future__ import annotations

import numpy as np

from .block_nvfp4 import e2m1_product, e4m3
from .jit import kernel
from .lanes import from_bits

_SIX, _ONE, _HALF_AGAIN = np.float32(6), np.float32(1), np.float32(1.5)
_MOST = np.float32(np.finfo(np.float32).max)
_ROW = 16


@kernel
def _candidate(x, out, errors, value, decode, encode, amax, divisor, table, squared, fast):
    """out = codes of one block under the block scale `value`; returns the error. x: (size,), errors: scratch (size / 16,)."""
    factor = _ONE / (value * decode)
    factor = _MOST if factor > _MOST else factor
    rows = x.size // _ROW
    for r in range(rows):
        total = np.float32(0)
        for j in range(r * _ROW, r * _ROW + _ROW):
            code = e2m1_product(x[j] * factor)
            out[j] = code
            back = table[code] * value
            difference = back - x[j] * encode if fast else (back * amax) / divisor - x[j]
            total += difference * difference if squared else abs(difference)
        errors[r] = total
    while rows > 1:
        rows //= 2
        for r in range(rows):
            errors[r] = errors[r] + errors[r + rows]
    return errors[0]


@kernel
def quantize_4over6(x, words, codes, scales, encode, decode, amax, divisor, table, squared, fast):
    """Element and block-scale codes of x, (blocks, 16) or (blocks, 256) with 16 rows of 16; words: `block_power.maxima` of it.

    encode, decode: the tensor's float32 scale and its reciprocal; amax: the tensor's largest magnitude; divisor: 6 times the
    bound of the block scales; table: the values of E2M1. squared: sum of squares, else of magnitudes. fast: errors in the scaled
    domain.
    """
    size = x.shape[1]
    fours, errors = np.empty(size, np.uint8), np.empty(size // _ROW, np.float32)
    for g in range(x.shape[0]):
        base = (from_bits(words[g]) / _SIX) * encode
        four_code, four = e4m3(base * _HALF_AGAIN)
        six_code, six = e4m3(base)
        four_error = _candidate(x[g], fours, errors, four, decode, encode, amax, divisor, table, squared, fast)
        six_error = _candidate(x[g], codes[g], errors, six, decode, encode, amax, divisor, table, squared, fast)
        scales[g] = six_code
        if four_error < six_error:
            codes[g] = fours
            scales[g] = four_code
