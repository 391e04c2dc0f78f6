"""Operations on float32 operands, exact or rounded to odd in float64: straight-line loops that the compiler vectorises.

A product of two float32 is exact in float64. A sum, a quotient and a root are rounded to nearest by the machine; the exact error
(two-sum, or the remainder by a fused multiply-add) says whether and where to move to the odd neighbour
(Boldo and Melquiond, 2008). No operand or error can leave float64's normal range, so the errors are exact.
"""

from __future__ import annotations

import numpy as np

from .jit import bits_float, float_bits, fused, kernel


@kernel
def _to_odd(value, error):
    """`value`, a nonzero error of which has the sign of `error`, moved to the odd neighbour if it is even."""
    word = float_bits(value)
    step = np.int64(0)
    if error > 0 or error < 0:  # not for NaN
        step = np.int64(1) if (error > 0) == (value > 0) else np.int64(-1)
    return bits_float(word + step * (~word & np.int64(1)))


@kernel
def _two_sum(a, b):
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel
def add_odd(x, y, out, sign):
    """out = x + sign * y. x, y: float32 (n,); out: float64 (n,); sign is 1 or -1."""
    for i in range(out.size):
        total, error = _two_sum(np.float64(x[i]), sign * np.float64(y[i]))
        out[i] = _to_odd(total, error)


@kernel
def multiply_odd(x, y, out):
    for i in range(out.size):
        out[i] = np.float64(x[i]) * np.float64(y[i])


@kernel
def divide_odd(x, y, out):
    for i in range(out.size):
        a, b = np.float64(x[i]), np.float64(y[i])
        quotient = a / b
        rest = fused(-quotient, b, a)
        out[i] = _to_odd(quotient, rest if b > 0 else -rest)


@kernel
def sqrt_odd(x, out):
    for i in range(out.size):
        a = np.float64(x[i])
        root = np.sqrt(a)
        out[i] = _to_odd(root, fused(-root, root, a))


@kernel
def fma_odd(x, y, z, out):
    for i in range(out.size):
        total, error = _two_sum(np.float64(x[i]) * np.float64(y[i]), np.float64(z[i]))
        out[i] = _to_odd(total, error)
