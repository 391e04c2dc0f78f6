"""exp, log, sine and cosine in float64 from additions, multiplications and divisions only.

`numpy.exp` and friends pick a different routine for each processor and may differ in the last bit between machines.
IEEE 754 defines the operations used here to the bit, so these results are the same everywhere. Errors stay within
about 2 ulp of float64, far below the one rounding to float32 that follows.
"""

from __future__ import annotations

from decimal import Context, Decimal
from math import factorial

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

# ln 2 and pi/2 as sums of float64 parts: the leading ones have so few bits that n * part is exact for the n that occur.
_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_STEPS = 32  # of exp's table within one power of two
_STEPS_OVER_LN2 = float.fromhex("0x1.71547652b82fep+5")
_TWO_OVER_PI = float.fromhex("0x1.45f306dc9c883p-1")
_HALF_PI = tuple(float.fromhex(part) for part in ("0x1.921fb544p+0", "0x1.0b4611a6p-34", "0x1.3198a2e037073p-69"))

# Taylor coefficients.
_EXP_TERMS = tuple(1 / factorial(i) for i in range(7))
_SIN_TERMS = tuple((-1) ** i / factorial(2 * i + 1) for i in range(8))
_COS_TERMS = tuple((-1) ** i / factorial(2 * i) for i in range(9))
_LOG_TERMS = tuple(1.0 / (2 * i + 1) for i in range(12))
_CHUNK = 16384  # float64 elements: the temporaries of one chunk stay in cache


def _polynomial(x: Float64, terms: tuple[float, ...]) -> Float64:
    y = np.full_like(x, terms[-1])
    for term in terms[-2::-1]:
        y *= x
        y += term
    return y


def exp(x: NDArray[np.floating]) -> Float64:
    """e**x, any shape; overflows to infinity, underflows to zero, NaN stays NaN.

    x = (32 n + j) ln 2 / 32 + r: a table gives 2**(j/32), six terms of the series e**r.
    """
    flat = np.ascontiguousarray(x, dtype=np.float64).reshape(-1)
    out = np.empty_like(flat)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, flat.size, _CHUNK):
            part = np.clip(flat[start : start + _CHUNK], -746.0, 710.0)
            steps = np.rint(part * _STEPS_OVER_LN2)
            part -= steps * (_LN2_HIGH / _STEPS)
            part -= steps * (_LN2_LOW / _STEPS)
            whole = np.where(np.isnan(steps), 0.0, steps).astype(np.int32)
            series = _polynomial(part, _EXP_TERMS)
            series *= _EXP_TABLE[whole & (_STEPS - 1)]
            out[start : start + _CHUNK] = np.ldexp(series, whole >> 5)
    return out.reshape(np.shape(x))


def log(x: NDArray[np.floating]) -> Float64:
    """Natural logarithm of positive finite numbers, any shape."""
    mantissa, exponent = np.frexp(np.asarray(x, dtype=np.float64))
    small = mantissa < float.fromhex("0x1.6a09e667f3bcdp-1")  # sqrt(1/2)
    mantissa = np.where(small, 2.0 * mantissa, mantissa)
    n = (exponent - small).astype(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = 2.0 * s * _polynomial(np.asarray(s * s), _LOG_TERMS)
    return n * _LN2_HIGH + (n * _LN2_LOW + series)


def sine_cosine(angle: Float64) -> tuple[Float64, Float64]:
    """Sine and cosine of angles in radians, 0 <= angle < 2**20, any shape."""
    n = np.rint(angle * _TWO_OVER_PI)
    r = angle - n * _HALF_PI[0]
    r = (r - n * _HALF_PI[1]) - n * _HALF_PI[2]
    square = np.asarray(r * r)
    sine, cosine = r * _polynomial(square, _SIN_TERMS), _polynomial(square, _COS_TERMS)
    quadrant = n.astype(np.int64) & 3
    swap = (quadrant & 1).astype(bool)
    sine, cosine = np.where(swap, cosine, sine), np.where(swap, sine, cosine)
    return np.where(quadrant >= 2, -sine, sine), np.where((quadrant == 1) | (quadrant == 2), -cosine, cosine)


def power(base: float, exponents: list[tuple[int, int]]) -> Float64:
    """base ** (p / q) for each (p, q), correctly rounded to float64 from 40 decimal digits."""
    context = Context(prec=40)
    return np.array([float(context.power(Decimal(base), context.divide(Decimal(p), Decimal(q)))) for p, q in exponents])


_EXP_TABLE = power(2.0, [(j, _STEPS) for j in range(_STEPS)])
