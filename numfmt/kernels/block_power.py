"""Blocks of float32 under a shared power of two: the scale rules exactly on the bits, and the elements' codes.

One chunk of groups at a time, small enough for the first-level cache: the largest magnitude of each group (an integer maximum
of the magnitudes' words), the scale codes of the chunk, then the codes of its elements, by the method of `float_lanes`. A group
of 16 or 32, the usual ones, has its own loop: with the length known, the maximum of a group is a handful of vector operations.

A scale code c stands for 2**(c - 127), 255 for NaN (E8M0).
"""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import add, bits, both, differ, either, fetch_ahead, from_bits, right, right_signed, sub, wide_vectors

FLOOR, EVEN, CEIL, RCEIL, GIVEN = range(5)  # rules; GIVEN: the scale codes are there already
REFUSE, BLOCK, SATURATE = range(3)  # NaN and infinity: counted only; the block's scale is NaN; infinity has a finite scale

# Places in `facts`, int32: of the element format, then of the scale rule. E_TWOS: two's complement, E_SIGN then masks the code.
E_EMIN, E_SHIFT, E_CODE_SHIFT, E_SIGN, E_SIGN_SHIFT, E_TWOS, E_NAN, S_RULE, S_TOP, S_HALF, S_SPECIAL = range(11)
# Places in `reals`, float32.
R_MAX, R_RECIPROCAL = range(2)

_CHUNK = 4096  # elements
_AHEAD = np.int64(256)  # groups of 16: what NVFP4 reads a second time comes from memory again
_SIZE = np.int32(0x7FFFFFFF)
_INF = np.int32(0x7F800000)
_NAN = np.int32(0x7FC00000)
_FRACTION = np.int32(0x7FFFFF)
_HALF_NORMAL = np.int32(0x400000)
_ZERO, _ONE, _LAST, _NONE = np.int32(0), np.int32(1), np.int32(254), np.int32(255)
_T = np.int32(23)


@kernel
def magnitude_word(x):
    """The bits of |x|."""
    return both(bits(x), _SIZE)


@kernel
def maxima(x, words):
    """words[g] = bits of the largest magnitude of x[g]. x: float32 (groups, size)."""
    wide_vectors()
    if x.shape[1] == 16:
        for g in range(x.shape[0]):
            most = _ZERO
            for j in range(16):
                word = magnitude_word(x[g, j])
                most = word if word > most else most
            words[g] = most
    else:
        for g in range(x.shape[0]):
            most = _ZERO
            for j in range(x.shape[1]):
                word = magnitude_word(x[g, j])
                most = word if word > most else most
            words[g] = most


@kernel
def power_code(word, rule, top, half, reciprocal, special):
    """The scale code of a group whose largest magnitude has this word. top: exponent of the element format's maximum.

    FLOOR: floor(log2 a) - top. CEIL: ceil(log2 a) - top. EVEN: floor(log2) of a rounded half up by adding `half`, - top.
    RCEIL: the smallest power of two not below the float32 product a * reciprocal. Clipped to codes 0 .. 254.
    """
    used = add(word, half) if rule == EVEN else word
    used = bits(from_bits(word) * reciprocal) if rule == RCEIL else used
    code = right_signed(used, _T)
    fraction = both(used, _FRACTION)
    more = fraction > (_HALF_NORMAL if code == _ZERO else _ZERO)
    code = add(code, _ONE if more and rule >= CEIL else _ZERO)
    code = sub(code, _ZERO if rule == RCEIL else top)
    code = _ZERO if code < _ZERO else code
    code = _LAST if code > _LAST else code
    if word >= _INF:
        infinite = _LAST if rule == RCEIL else sub(_NONE, top)
        code = infinite if word == _INF and special == SATURATE else _NONE
    return code


@kernel
def inverse_of(code, rule, special):
    """2**(127 - code). Of the NaN scale: NaN, or 0 where torchao 0.18 divides by an infinite scale."""
    word = sub(_LAST, code) << _T if code < _LAST else _HALF_NORMAL
    none = _ZERO if special == SATURATE and rule != RCEIL else _NAN
    return from_bits(np.int32(none if code == _NONE else word))


@kernel
def element_size(v, clamp, emin, shift, code_shift):
    """The code without sign of v rounded to nearest even, magnitudes above the format's maximum clipped. v is not NaN."""
    a = abs(v)
    held = clamp if clamp < a else a
    exponent = both(bits(held), _INF)
    exponent = exponent if exponent > emin else emin
    word = add(exponent, shift)
    return add(sub(bits(held + from_bits(word)), word), right(sub(exponent, emin), code_shift))


@kernel
def element_code(v, clamp, emin, shift, code_shift, sign, sign_shift):
    """The code of v: `element_size` beside the sign."""
    return either(element_size(v, clamp, emin, shift, code_shift), both(right(bits(v), sign_shift), sign))


@kernel
def scaled_codes(x, out, inverse, facts, clamp):
    """out[g] = codes of x[g] * inverse[g]. x: float32 (groups, size), out: unsigned."""
    wide_vectors()
    emin, shift, code_shift = facts[E_EMIN], facts[E_SHIFT], facts[E_CODE_SHIFT]
    sign, sign_shift = facts[E_SIGN], facts[E_SIGN_SHIFT]
    if facts[E_TWOS] != 0:
        for g in range(x.shape[0]):
            factor = inverse[g]
            for j in range(x.shape[1]):
                v = x[g, j] * factor
                below = right_signed(bits(v), np.int32(31))
                out[g, j] = both(sub(differ(element_size(v, clamp, emin, shift, code_shift), below), below), sign)
    elif x.shape[1] == 32:
        for g in range(x.shape[0]):
            factor = inverse[g]
            for j in range(32):
                out[g, j] = element_code(x[g, j] * factor, clamp, emin, shift, code_shift, sign, sign_shift)
    elif x.shape[1] == 16:
        for g in range(x.shape[0]):
            factor = inverse[g]
            fetch_ahead(x, g + _AHEAD)
            for j in range(16):
                out[g, j] = element_code(x[g, j] * factor, clamp, emin, shift, code_shift, sign, sign_shift)
    else:
        for g in range(x.shape[0]):
            factor = inverse[g]
            for j in range(x.shape[1]):
                out[g, j] = element_code(x[g, j] * factor, clamp, emin, shift, code_shift, sign, sign_shift)


@kernel
def special_codes(x, out, words, inverse, facts):
    """Put the NaN code of the elements (zero, if they have none) where x * inverse is NaN."""
    sign, sign_shift, nan, twos = facts[E_SIGN], facts[E_SIGN_SHIFT], facts[E_NAN], facts[E_TWOS]
    for g in range(x.shape[0]):
        if words[g] >= _INF:
            for j in range(x.shape[1]):
                v = x[g, j] * inverse[g]
                if v != v:
                    out[g, j] = nan if twos != 0 else either(nan, both(right(bits(x[g, j]), sign_shift), sign))


@kernel
def power_scales(words, scales, inverse, facts, reciprocal):
    """scales = scale codes of words, inverse = their inverses. Returns how many groups hold NaN or an infinity."""
    wide_vectors()
    rule, top, half, special = facts[S_RULE], facts[S_TOP], facts[S_HALF], facts[S_SPECIAL]
    bad = 0
    for g in range(scales.size):
        code = np.int32(scales[g]) if rule == GIVEN else power_code(words[g], rule, top, half, reciprocal, special)
        bad += words[g] >= _INF
        scales[g] = code
        inverse[g] = inverse_of(code, rule, special)
    return bad


@kernel
def quantize_power(x, codes, scales, facts, reals):
    """Codes and scale codes of the groups of x. Returns how many of them hold NaN or an infinity.

    x: float32 (groups, size); codes: unsigned, of its shape; scales: uint8 (groups,). facts, reals: see their places.
    """
    room = max(_CHUNK // x.shape[1], 1)
    words, inverse = np.empty(room, np.int32), np.empty(room, np.float32)
    bad = 0
    for g in range(0, x.shape[0], room):
        some = x[g : g + room]
        maxima(some, words)
        found = power_scales(words, scales[g : g + room], inverse, facts, reals[R_RECIPROCAL])
        scaled_codes(some, codes[g : g + room], inverse, facts, reals[R_MAX])
        if found > 0:
            special_codes(some, codes[g : g + room], words, inverse, facts)
        bad += found
    return bad
