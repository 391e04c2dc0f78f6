"""Operations rounded to odd, in float64 or in float32: straight-line loops that the compiler vectorises.

The machine rounds a sum, a product, a quotient or a root to nearest; the exact error (two-sum, or a fused multiply-add) says
whether and where to move to the odd neighbour. What is rounded to odd rounds on, to two bits less or fewer, as the exact result
would (Boldo and Melquiond, 2008).

Operands are float32. In float64 no result or error can leave the normal range, so the errors are exact. In float32 a finite
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
    """`value` moved to the odd neighbour toward value + error, the exact result, if it is even; as it is for errors of 0 or NaN."""
    word = bits(value)
    one, zero = like(1, word), like(0, word)
    even = both(differ(word, like(-1, word)), one)
    step = even if (error > 0) == (value > 0) else sub(zero, even)
    return from_bits(add(word, step if (error > 0) | (error < 0) else zero))


@kernel
def _two_sum(a, b):
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel
def add_double(x, y, out, sign):
    """out = x + sign * y in float64. x, y: float32 (n,); sign: 1.0 or -1.0."""
    wide_vectors()
    for i in range(out.size):
        total, error = _two_sum(np.float64(x[i]), sign * np.float64(y[i]))
        out[i] = _to_odd(total, error)


@kernel
def multiply_double(x, y, out):
    """Exact in float64."""
    wide_vectors()
    for i in range(out.size):
        out[i] = np.float64(x[i]) * np.float64(y[i])


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
def fma_double(x, y, z, out):
    wide_vectors()
    for i in range(out.size):
        total, error = _two_sum(np.float64(x[i]) * np.float64(y[i]), np.float64(z[i]))
        out[i] = _to_odd(total, error)


@kernel
def add_single(x, y, out, sign):
    """out = x + sign * y in float32; sign: np.float32(1) or np.float32(-1)."""
    wide_vectors()
    for i in range(out.size):
        a, b = x[i], sign * y[i]
        total, error = _two_sum(a, b)
        beyond = (abs(total) > _LARGEST) & (abs(a) <= _LARGEST) & (abs(b) <= _LARGEST)
        out[i] = copy_sign(_LARGEST, total) if beyond else _to_odd(total, error)


@kernel
def multiply_single(x, y, out):
    wide_vectors()
    for i in range(out.size):
        a, b = x[i], y[i]
        product = a * b
        odd = _to_odd(product, fused(a, b, -product))
        tiny = (abs(product) < _SMALL) & (a != 0) & (b != 0)
        odd = from_bits(either(bits(product), like(1, bits(product)))) if tiny else odd
        beyond = (abs(product) > _LARGEST) & (abs(a) <= _LARGEST) & (abs(b) <= _LARGEST)
        out[i] = copy_sign(_LARGEST, product) if beyond else odd
