"""What the fused kernels of groups share: float16 rounding in float32 lanes, stored scales, extremes of a group.

float16 arithmetic is float32 arithmetic and one rounding: harmless for + - * / of float16 operands, because 24 >= 2 * 11 + 2.
"""

from __future__ import annotations

import numpy as np

from .jit import bits_float, float_bits, kernel
from .lanes import add, bits, both, differ, from_bits, right_signed

_EXPONENT = np.int32(0x7F800000)
_MAGNITUDE = np.int32(0x7FFFFFFF)
_HALF_EMIN = np.int32((127 - 14) << 23)
_HALF_MAGIC = np.int32((13 << 23) | 0x400000)  # 1.5 * 2**13: its sum with a value has the last place of float16
_HALF_OVER = np.float32(65520.0)
_INFINITY = np.float32(np.inf)
_ZERO = np.int32(0)
_SIGN = np.int32(31)
HALF_SCALE_MIN = np.float32(np.float16(1e-5))  # the bounds of the published BitMoD code (quant_weight.py)
HALF_SCALE_MAX = np.float32(np.float16(1e4))
SPAN_MIN = np.float32(1e-5)  # AWQ's least range of an asymmetric group


@kernel
def half_near(v):
    """v, float32, to the nearest float16 where |v| < 65520 (above: a finite value of 65536 or more). A zero loses its sign."""
    exponent = both(bits(v), _EXPONENT)
    magic = from_bits(add(exponent if exponent > _HALF_EMIN else _HALF_EMIN, _HALF_MAGIC))
    return (v + magic) - magic


@kernel
def half_lane(v):
    """v, float32, to the nearest float16, ties to even, overflow to infinity. A zero loses its sign."""
    size = half_near(v)
    size = _INFINITY if v >= _HALF_OVER else size
    return -_INFINITY if v <= -_HALF_OVER else size


@kernel
def stored(scale, man_bits, emin, over, smallest, nonzero):
    """A scale, float32, as its format holds it: to nearest even, infinite from `over` on; an underflow is raised if `nonzero`.

    man_bits, emin, smallest: fraction bits, least normal exponent and smallest positive value of the format.
    """
    wide = np.float64(scale)
    if wide >= over:
        return _INFINITY
    exponent = max(((float_bits(wide) >> 52) & np.int64(0x7FF)) - 1023, emin)
    unit = bits_float((exponent - man_bits + 1023) << 52)
    inverse = bits_float((1023 - exponent + man_bits) << 52)
    held = np.float32(np.rint(wide * inverse) * unit)
    return smallest if nonzero and held == np.float32(0.0) else held


@kernel
def largest_word(x, g):
    """The bits of the largest magnitude of group g of x (groups, size): of a NaN or infinity where there is one."""
    most = _ZERO
    for i in range(x.shape[1]):
        word = both(bits(x[g, i]), _MAGNITUDE)
        most = word if word > most else most
    return most


@kernel
def end_words(x, g):
    """Bits of the least and the greatest value of group g; -0 lies below +0, NaNs lie beyond the infinities."""
    least, greatest = _MAGNITUDE, differ(_MAGNITUDE, np.int32(-1))
    for i in range(x.shape[1]):
        word = bits(x[g, i])
        key = differ(word, both(right_signed(word, _SIGN), _MAGNITUDE))
        least = key if key < least else least
        greatest = key if key > greatest else greatest
    low = differ(least, both(right_signed(least, _SIGN), _MAGNITUDE))
    high = differ(greatest, both(right_signed(greatest, _SIGN), _MAGNITUDE))
    return low, high


@kernel
def magnitude_word(word):
    """The bits of a float32 without its sign."""
    return both(word, _MAGNITUDE)
