"""NVFP4: blocks of E2M1 elements under an E4M3 scale and one float32 scale of the tensor, in each stack's own float32 steps.

Every stated operation is one float32 operation; none is fused. A chunk of blocks at a time, as `block_power`.
"""

from __future__ import annotations

import numpy as np

from .block_power import element_size, scaled_codes
from .jit import kernel
from .lanes import add, bits, both, either, from_bits, right, sub, wide_vectors

TE, TORCHAO, MODELOPT, FLOORED = range(4)  # FLOORED: modelopt with block scales of at least 2**-9
# Places in `reals`, float32: the tensor's constants of the stack (see numfmt.blocks.nvfp4).
T_ENCODE, T_DECODE, T_SCALE = range(3)

_CHUNK = 4096  # elements
_INF = np.int32(0x7F800000)
_SIXTH = np.float32(1) / np.float32(6)
_SIX, _ONE, _ZERO = np.float32(6), np.float32(1), np.float32(0)
_MOST = np.float32(np.finfo(np.float32).max)
_TOP, _LEAST_NORMAL, _LEAST = np.float32(448), np.float32(2.0**-6), np.float32(2.0**-9)
_EMIN_SCALE, _SHIFT_SCALE, _CUT_SCALE = np.int32(121 << 23), np.int32(20 << 23), np.int32(20)  # E4M3: emin -6, 3 fraction bits
_EMIN, _SHIFT, _CUT = np.int32(127 << 23), np.int32(22 << 23), np.int32(22)  # E2M1: emin 0, 1 fraction bit
_SIGN, _SIGN_SHIFT = np.int32(8), np.int32(28)
_NAN_SCALE = np.int32(0x7F)


@kernel
def e4m3(x):
    """(code, value) of x >= 0 rounded to E4M3FN, to nearest even, saturating at 448; NaN keeps the code 0x7F."""
    held = _TOP if x > _TOP else x
    exponent = both(bits(held), _INF)
    exponent = exponent if exponent > _EMIN_SCALE else _EMIN_SCALE
    word = add(exponent, _SHIFT_SCALE)
    magic = from_bits(word)
    total = held + magic
    code = add(sub(bits(total), word), right(sub(exponent, _EMIN_SCALE), _CUT_SCALE))
    return _NAN_SCALE if x != x else code, total - magic


@kernel
def block_scale(amax, stack, encode, scale):
    """The block scale of one block before it is rounded to E4M3."""
    if stack == TE:
        wanted = amax * encode
        return _MOST if wanted > _MOST else wanted
    if stack == TORCHAO:
        wanted = (amax / _SIX) / scale
        return _LEAST_NORMAL if wanted < _LEAST_NORMAL else wanted
    wanted = amax / scale
    wanted = _ONE if wanted == _ZERO else wanted
    return _LEAST if stack == FLOORED and wanted < _LEAST else wanted


@kernel
def element_factor(value, stack, decode, scale):
    """What elements are multiplied with (modelopt: divided by), from the rounded block scale."""
    if stack == TE:
        factor = _ONE / (value * decode)
        return _MOST if factor > _MOST else factor
    if stack == TORCHAO:
        return decode / value
    return value * scale


@kernel
def e4m3_value(code):
    """The value of an E4M3FN code below 0x7F."""
    field, fraction = code >> 3, np.float32(code & 7)
    small = fraction * _LEAST
    return small if field == 0 else (_ONE + fraction * np.float32(0.125)) * from_bits(np.int32((field + 120) << 23))


@kernel
def block_scales(words, scales, factors, stack, reals, given):
    """scales = E4M3 codes of the blocks with these largest magnitudes (words), factors of their elements."""
    wide_vectors()
    encode, decode, scale, six_scale = reals[T_ENCODE], reals[T_DECODE], reals[T_SCALE], reals[T_ENCODE]
    if given:
        for g in range(scales.size):
            value = np.float32(np.nan) if scales[g] == 0x7F else e4m3_value(np.int32(scales[g]))
            factors[g] = element_factor(value, stack, decode, scale)
    else:
        divisor = scale if stack == TORCHAO else six_scale
        for g in range(scales.size):
            code, value = e4m3(block_scale(from_bits(words[g]), stack, encode, divisor))
            scales[g] = code
            factors[g] = element_factor(value, stack, decode, scale)


@kernel
def e2m1_product(v):
    """The E2M1 code of v with the sign of its word."""
    return either(element_size(v, _SIX, _EMIN, _SHIFT, _CUT), both(right(bits(v), _SIGN_SHIFT), _SIGN))


@kernel
def divided(x, out, factors):
    """out[g] = E2M1 codes of x[g] / factors[g]; the sign bit only where the quotient is below zero. 0 / 0 gives code 7."""
    wide_vectors()
    for g in range(x.shape[0]):
        factor = factors[g]
        for j in range(x.shape[1]):
            v = x[g, j] / factor
            code = either(element_size(v, _SIX, _EMIN, _SHIFT, _CUT), _SIGN if v < _ZERO else np.int32(0))
            out[g, j] = np.int32(7) if v != v else code


@kernel
def undefined(x, out, factors):
    """Zero where a factor that is not finite leaves no number."""
    for g in range(x.shape[0]):
        if not np.isfinite(factors[g]):
            for j in range(x.shape[1]):
                v = x[g, j] * factors[g]
                if v != v:
                    out[g, j] = 0


@kernel
def quantize_nvfp4(x, words, codes, scales, stack, facts, reals, given):
    """Element and block-scale codes of x, whose blocks have the largest magnitudes `words` (`block_power.maxima`).

    x: float32 (blocks, size), finite; codes: uint8, of its shape; scales: uint8 (blocks,). given: the scale codes are there.
    facts: of E2M1, for `block_power`.
    """
    room = max(_CHUNK // x.shape[1], 1)
    factors = np.empty(room, np.float32)
    for g in range(0, x.shape[0], room):
        some, out = x[g : g + room], codes[g : g + room]
        block_scales(words[g : g + room], scales[g : g + room], factors, stack, reals, given)
        if stack >= MODELOPT:
            divided(some, out, factors)
        else:
            scaled_codes(some, out, factors, facts, _SIX)
            if stack == TORCHAO:
                undefined(some, out, factors)
