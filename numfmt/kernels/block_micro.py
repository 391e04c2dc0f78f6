"""Shared microexponents: a block shares a power of two, and each pair in it one more bit that halves its unit."""

from __future__ import annotations

import numpy as np

from .block_power import (
    BLOCK,
    E_CODE_SHIFT,
    E_EMIN,
    E_SHIFT,
    E_SIGN,
    E_SIGN_SHIFT,
    FLOOR,
    element_code,
    inverse_of,
    magnitude_word,
    maxima,
    power_code,
)
from .jit import kernel
from .lanes import from_bits, wide_vectors

_HALF_NORMAL = np.int32(0x400000)
_ZERO, _ONE, _TWO = np.int32(0), np.float32(1), np.float32(2)
_FIRST = np.float32(0)


@kernel
def quantize_micro(x, codes, scales, micro, facts, clamp, given):
    """Codes, shared exponents (E8M0 codes) and pair bits of x.

    x: float32 (groups, size), size even, finite; codes: uint8, of its shape; scales: uint8 (groups,); micro: uint8
    (groups, size / 2), 1 where both magnitudes of the pair lie below the power of two of the block. given: scales and micro are
    there already.
    """
    wide_vectors()
    emin, shift, code_shift = facts[E_EMIN], facts[E_SHIFT], facts[E_CODE_SHIFT]
    sign, sign_shift = facts[E_SIGN], facts[E_SIGN_SHIFT]
    words = np.empty(1, np.int32)
    for g in range(x.shape[0]):
        if not given:
            maxima(x[g : g + 1], words)
            scales[g] = power_code(words[0], FLOOR, _ZERO, _ZERO, _FIRST, BLOCK)
        code = np.int32(scales[g])
        factor = inverse_of(code, FLOOR, BLOCK)
        limit = np.int32(code << 23) if code > 0 else _HALF_NORMAL
        for p in range(micro.shape[1]):
            a, b = x[g, 2 * p], x[g, 2 * p + 1]
            if not given:
                micro[g, p] = magnitude_word(a) < limit and magnitude_word(b) < limit
            more = _TWO if micro[g, p] else _ONE
            codes[g, 2 * p] = element_code((a * factor) * more, clamp, emin, shift, code_shift, sign, sign_shift)
            codes[g, 2 * p + 1] = element_code((b * factor) * more, clamp, emin, shift, code_shift, sign, sign_shift)


@kernel
def dequantize_micro(codes, scales, micro, table, out):
    """out = table[code] * 2**(scale code - 127 - pair bit), rounded once to float32."""
    for g in range(codes.shape[0]):
        code = np.int32(scales[g])
        factor = from_bits(np.int32(code << 23 if code > 0 else 0x400000))
        for j in range(codes.shape[1]):
            value = table[codes[g, j]]
            out[g, j] = (value * np.float32(0.5) if micro[g, j >> 1] else value) * factor
