"""Operations rounded to odd, in float64 or in float32: straight-line loops that the compiler vectorises.

The machine rounds a sum, a product, a quotient or a root to nearest; the exact error (two-sum, or a fused multiply-add) says
whether and where to move to the odd neighbour. What is rounded to odd rounds on, to two bits less or fewer, as the exact result
would (Boldo and Melquiond, 2008).

In float64 with float32 operands no result or error can leave the normal range, so the errors are exact; for float64 operands
`leaves_range` tells whether one may have. In float32 a finite
result beyond the range becomes the largest value (which is odd), and products below 2**-100, whose errors are not exact, become
odd without looking: both are right for formats whose range lies well inside (`Format` facts are the caller's to check).
"""

from __future__ import annotations

import numpy as np

from .jit import fused, kernel
from .lanes import add, bits, both, copy_sign, differ, either, from_bits, like, sub, wide_vectors

_LARGEST = np.float32(np.finfo(np.float32).max)
_SMALL = np.float32(2.0**-100)


@kernel
def _to_odd(value, error):
    """`value` moved to the odd neighbour toward value + error, the exact result, if it is even; as it is for errors of 0 or NaN.

    A value of zero stays: the caller knows that it may be too small a quotient (`leaves_range`).
    """
    word = bits(value)
    one, zero = like(1, word), like(0, word)
    even = both(differ(word, like(-1, word)), one)
    step = even if (error > 0) == (value > 0) else sub(zero, even)
    return from_bits(add(word, step if ((error > 0) | (error < 0)) & (value != 0) else zero))


@kernel
def _two_sum(a, b):
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel
def _signed_zero(total, a, b, down):
    """Rounding down, a sum that is zero is -0 unless both terms are +0."""
    return copy_sign(total, -abs(total) - like(1, total)) if down & (total == 0) & ((bits(a) < 0) | (bits(b) < 0)) else total


@kernel
def add_double(x, y, out, sign, down):
    """out = x + sign * y in float64; sign: 1.0 or -1.0; down: the rounding that follows goes down."""
    wide_vectors()
    for i in range(out.size):
        a, b = np.float64(x[i]), sign * np.float64(y[i])
        total, error = _two_sum(a, b)
        out[i] = _signed_zero(_to_odd(total, error), a, b, down)


@kernel
def leaves_range(kind, x, y, out):
    """Whether an error of a float64 operation may not have been exact, or the result infinite where the exact one is not.

    kind: 0 sum, 1 product, 2 quotient, 3 root (y unused). An infinity in the operands counts too.
    """
    low, high = 2.0**-960, 2.0**1022
    far = 0
    for i in range(out.size):
        size, a, b = abs(out[i]), abs(x[i]), abs(y[i])
        tiny = (kind > 0) & (kind < 3) & (size < low) & (a > 0) & (b > 0)
        small = (kind > 1) & (a < low) & (a > 0)
        far |= np.int64((size >= high) | tiny | small | ((kind == 2) & (b > high)))
    return far != 0


@kernel
def multiply_double(x, y, out):
    """out = x * y in float64."""
    wide_vectors()
    for i in range(out.size):
        a, b = np.float64(x[i]), np.float64(y[i])
        product = a * b
        out[i] = _to_odd(product, fused(a, b, -product))


@kernel
def divide_double(x, y, out):
    wide_vectors()
    for i in range(out.size):
        a, b = np.float64(x[i]), np.float64(y[i])
        quotient = a / b
        rest = fused(-quotient, b, a)
        out[i] = _to_odd(quotient, rest if b > 0 else -rest)


@kernel
def sqrt_double(x, out):
    wide_vectors()
    for i in range(out.size):
        a = np.float64(x[i])
        root = np.sqrt(a)
        out[i] = _to_odd(root, fused(-root, root, a))


@kernel
def fma_double(x, y, z, out, down):
    """out = x * y + z; x, y, z: float32."""
    wide_vectors()
    for i in range(out.size):
        a, b = np.float64(x[i]) * np.float64(y[i]), np.float64(z[i])
        total, error = _two_sum(a, b)
        out[i] = _signed_zero(_to_odd(total, error), a, b, down)


@kernel
def sum_single(a, b, down):
    """a + b of two float32, to odd."""
    total, error = _two_sum(a, b)
    beyond = (abs(total) > _LARGEST) & (abs(a) <= _LARGEST) & (abs(b) <= _LARGEST)
    return copy_sign(_LARGEST, total) if beyond else _signed_zero(_to_odd(total, error), a, b, down)


@kernel
def product_single(a, b):
    """a * b of two float32, to odd."""
    product = a * b
    odd = _to_odd(product, fused(a, b, -product))
    tiny = (abs(product) < _SMALL) & (a != 0) & (b != 0)
    odd = from_bits(either(bits(product), like(1, bits(product)))) if tiny else odd
    beyond = (abs(product) > _LARGEST) & (abs(a) <= _LARGEST) & (abs(b) <= _LARGEST)
    return copy_sign(_LARGEST, product) if beyond else odd


@kernel
def add_single(x, y, out, sign, down):
    """out = x + sign * y in float32; sign: np.float32(1) or np.float32(-1); down as in `add_double`."""
    wide_vectors()
    for i in range(out.size):
        out[i] = sum_single(x[i], sign * y[i], down)


@kernel
def multiply_single(x, y, out):
    """out = x * y in float32."""
    wide_vectors()
    for i in range(out.size):
        out[i] = product_single(x[i], y[i])


@kernel
def _directed(value, error, grow_pos, grow_neg):
    """`value`, nearest to value + error, moved to the neighbour that a directed rounding takes.

    grow_pos, grow_neg: whether positive and negative results round away from zero (up: 1, 0; down: 0, 1).
    """
    word = bits(value)
    one, zero = like(1, word), like(0, word)
    grow = grow_pos if value > 0 else grow_neg
    less = (error > 0) == (value > 0)  # the magnitude is less than the exact one
    step = (one if grow else zero) if less else (zero if grow else sub(zero, one))
    moved = from_bits(add(word, step if ((error > 0) | (error < 0)) & (value != 0) else zero))
    return moved if value == value else np.nan


@kernel
def directed_double(kind, x, y, out, sign, grow_pos, grow_neg, down):
    """out = the operation rounded as `_directed` says; kind as in `leaves_range`, which must be false; y is unused by the root.

    The sum is x + sign * y.
    """
    wide_vectors()
    if kind == 0:
        for i in range(out.size):
            a, b = np.float64(x[i]), sign * np.float64(y[i])
            total, error = _two_sum(a, b)
            out[i] = _signed_zero(_directed(total, error, grow_pos, grow_neg), a, b, down)
    elif kind == 1:
        for i in range(out.size):
            a, b = np.float64(x[i]), np.float64(y[i])
            product = a * b
            out[i] = _directed(product, fused(a, b, -product), grow_pos, grow_neg)
    elif kind == 2:
        for i in range(out.size):
            a, b = np.float64(x[i]), np.float64(y[i])
            quotient = a / b
            rest = fused(-quotient, b, a)
            out[i] = _directed(quotient, rest if b > 0 else -rest, grow_pos, grow_neg)
    else:
        for i in range(out.size):
            a = np.float64(x[i])
            root = np.sqrt(a)
            out[i] = _directed(root, fused(-root, root, a), grow_pos, grow_neg)
