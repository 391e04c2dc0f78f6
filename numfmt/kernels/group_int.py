"""Integers with a scale to each group: extremes, scale, division, rounding and code in one pass over each group.

x: float32 (groups, size), contiguous. codes: unsigned (groups, size). scales: float32 (groups,). All arithmetic is native float32
(float16 where `half`: float32 and one rounding). `facts` of the scale format: (man_bits, emin, over, smallest) of
`group_scale.stored`. Each kernel returns the bits of the largest magnitude of x, which tell NaN and infinities, and puts an
infinite scale where the scale format, or the arithmetic, cannot hold it: whoever calls refuses.
Codes are two's complement in `mask`'s bits; at most 16 bits.
"""

from __future__ import annotations

import numpy as np

from .group_scale import (
    HALF_SCALE_MAX,
    HALF_SCALE_MIN,
    SPAN_MIN,
    end_words,
    half_lane,
    half_near,
    largest_word,
    magnitude_word,
    stored,
)
from .jit import kernel
from .lanes import add, bits, both, from_bits, wide_vectors

_MAGIC = np.float32(12582912.0)  # 1.5 * 2**23: the last place of a sum with it is 1, and its low bits are the integer
_ONE = np.float32(1.0)
_NONE = np.float32(0.0)
_NOTHING = np.int32(0)


@kernel
def clamp(q, low, high):
    """q between low and high."""
    q = low if q < low else q
    return high if q > high else q


@kernel
def half_scale(scale):
    """A float16 scale within the bounds of the published BitMoD code."""
    scale = half_lane(scale)
    scale = HALF_SCALE_MIN if scale < HALF_SCALE_MIN else scale
    return HALF_SCALE_MAX if scale > HALF_SCALE_MAX else scale


@kernel
def absmax_scale(word, limit, half, man_bits, emin, over, smallest):
    """The scale of a group whose largest magnitude has the bits `word`: magnitude / limit, 1 for a group of zeros."""
    top = from_bits(word)
    if half:
        return stored(half_scale(half_lane(top) / limit), man_bits, emin, over, smallest, False)
    if top == _NONE:
        return _ONE
    return stored(top / limit, man_bits, emin, over, smallest, True)


@kernel
def symmetric_codes(x, g, scale, low, high, mask, half, codes):
    """Codes of group g under a given scale."""
    if half:
        for i in range(x.shape[1]):
            q = half_near(half_near(x[g, i]) / scale)
            codes[g, i] = both(bits(clamp(q, low, high) + _MAGIC), mask)
    else:
        for i in range(x.shape[1]):
            codes[g, i] = both(bits(clamp(x[g, i] / scale, low, high) + _MAGIC), mask)


@kernel
def symmetric(x, codes, scales, limit, low, high, mask, half, given, facts):
    """Symmetric integers: scale = largest magnitude / limit, codes from low to high. With `given`, the scales are taken."""
    wide_vectors()
    man_bits, emin, over, smallest = facts
    worst = _NOTHING
    for g in range(x.shape[0]):
        word = largest_word(x, g)
        worst = word if word > worst else worst
        if not given:
            scales[g] = absmax_scale(word, limit, half, man_bits, emin, over, smallest)
        symmetric_codes(x, g, scales[g], low, high, mask, half, codes)
    return worst


@kernel
def range_scale(low, high, steps, half, man_bits, emin, over, smallest):
    """The scale of an asymmetric group: (high - low) / steps, the range at least 1e-5 (float32) or the scale bounded (float16)."""
    if half:
        span = half_lane(half_lane(high) - half_lane(low))
        if np.isinf(span):
            return span
        return stored(half_scale(span / steps), man_bits, emin, over, smallest, True)
    span = high - low
    span = SPAN_MIN if span < SPAN_MIN else span
    return stored(span / steps, man_bits, emin, over, smallest, True)


@kernel
def zero_point(low, scale, steps, half):
    """The code of zero: -low / scale to nearest even, within 0 to steps."""
    zero = half_lane(-half_lane(low) / scale) if half else -low / scale
    zero = np.rint(zero)
    zero = zero if zero > _NONE else _NONE
    return steps if zero > steps else zero


@kernel
def asymmetric_codes(x, g, scale, zero, steps, half, codes):
    """Codes of group g under a given scale and zero point: rint(x / scale) + zero, within 0 to steps."""
    low, high, whole = -zero, steps - zero, np.int32(zero)
    mask = np.int32(0xFFFF)  # the sum with `whole` is not negative
    if half:
        for i in range(x.shape[1]):
            q = half_near(half_near(x[g, i]) / scale)
            codes[g, i] = both(add(bits(clamp(q, low, high) + _MAGIC), whole), mask)
    else:
        for i in range(x.shape[1]):
            codes[g, i] = both(add(bits(clamp(x[g, i] / scale, low, high) + _MAGIC), whole), mask)


@kernel
def asymmetric(x, codes, scales, zeros, steps, half, given, given_zeros, facts):
    """Unsigned codes with a zero point (int32, (groups,)): AWQ's formula. `given`, `given_zeros`: scales or both are taken."""
    wide_vectors()
    man_bits, emin, over, smallest = facts
    worst = _NOTHING
    for g in range(x.shape[0]):
        least, greatest = end_words(x, g)
        a, b = magnitude_word(least), magnitude_word(greatest)
        a = b if b > a else a
        worst = a if a > worst else worst
        low, high = from_bits(least), from_bits(greatest)
        if not given:
            scales[g] = range_scale(low, high, steps, half, man_bits, emin, over, smallest)
        if not given_zeros:
            zeros[g] = np.int32(zero_point(low, scales[g], steps, half))
        asymmetric_codes(x, g, scales[g], np.float32(zeros[g]), steps, half, codes)
    return worst
