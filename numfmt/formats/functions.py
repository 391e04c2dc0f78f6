"""Elementary functions: a float64 approximation with a bound on its error, and the value to any precision.

The approximation settles nearly every rounding; where its error bound straddles a decision point of the format, the value is
computed again with as many digits as it takes (Ziv, 1991). At the arguments that remain, the functions here are either exact
(and recognised) or irrational, so that the digits always decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..kernels.special import erf_array, erfc_array
from .exact_ops import sqrt_fraction

Array = np.ndarray
_INF, _NAN = math.inf, math.nan
_FAR = 1 << 15  # beyond, an exponential is out of every format's range
_ALMOST = Fraction(1) - Fraction(1, 1 << 140)  # stands for what lies nearer one than any format can tell


@dataclass(frozen=True)
class Function:
    """One function.

    approximate: float64 to float64, relative error below 2**-margin on finite arguments of its domain other than zero.
    digits: (exact argument, bits) to the value, its relative error below 2**(12 - bits).
    exactly: the exact value where it is rational, else None.
    limits: value at -inf, -0, +0, +inf; zero_below: whether arguments below zero have no value.
    """

    name: str
    formula: str
    approximate: Callable[[Array], Array]
    digits: Callable[[Fraction, int], Fraction]
    exactly: Callable[[Fraction], Fraction | None]
    limits: tuple[float, float, float, float]
    margin: int = 44
    positive_only: bool = False
    outer: tuple[float, float] = (_INF, _INF)
    inner: Callable[[Array], tuple[Array, Array]] | None = None

    def nearby(self, x: Array) -> tuple[Array, Array]:
        """A float64 nearer than 2**-60 of the value to the function (NaN where none is known), and the side on which it lies.

        Close to zero it is the first term of the series, far out the asymptote: one (or x, for the units that pass x).
        """
        value, side = np.full_like(x, np.nan), np.zeros_like(x)
        if self.inner is not None:
            term, toward = self.inner(x)
            small = np.abs(x) < 2.0**-62
            value, side = np.where(small, term, value), np.where(small, toward, side)
        for far in (x < -self.outer[0], x > self.outer[1]):
            bound = x if self.limits[3] == _INF else np.sign(x)
            value, side = np.where(far, bound, value), np.where(far, -bound * _INF, side)
        return value, side


def _one_plus_x(x: Array) -> tuple[Array, Array]:
    return np.ones_like(x), x * _INF


def _half_plus_x(x: Array) -> tuple[Array, Array]:
    return np.full_like(x, 0.5), x * _INF


def _below_x(x: Array) -> tuple[Array, Array]:
    return x, np.zeros_like(x)


def _above_half_x(x: Array) -> tuple[Array, Array]:
    return 0.5 * x, np.full_like(x, _INF)


def _no(x: Fraction) -> Fraction | None:
    return None


def _mp(function: str) -> Callable[[Fraction, int], Fraction]:
    """A function of mpmath on exact arguments."""

    def value(x: Fraction, bits: int) -> Fraction:
        import mpmath

        with mpmath.workprec(bits + 8 + max(0, abs(x.numerator).bit_length() - x.denominator.bit_length())):
            argument = mpmath.mpf(x.numerator) / x.denominator  # exact: the denominator is a power of two
            return fraction_of(getattr(mpmath, function)(argument))

    return value


def fraction_of(value: object) -> Fraction:
    """The exact value of an mpmath number."""
    sign, mantissa, exponent, _ = value._mpf_  # type: ignore[attr-defined]
    whole = Fraction(int(mantissa)) * (Fraction(2) ** exponent)
    return -whole if sign else whole


def _clamped(x: Fraction) -> Fraction:
    return min(max(x, Fraction(-_FAR)), Fraction(_FAR))


def _exp(x: Fraction, bits: int) -> Fraction:
    return _mp("exp")(_clamped(x), bits)


def _exp2(x: Fraction, bits: int) -> Fraction:
    import mpmath

    with mpmath.workprec(bits + 40):
        x = _clamped(x)
        return fraction_of(mpmath.power(2, mpmath.mpf(x.numerator) / x.denominator))


def _log2(x: Fraction, bits: int) -> Fraction:
    import mpmath

    with mpmath.workprec(2 * bits + 40):  # near one the logarithm loses what the argument has in common with it
        return fraction_of(mpmath.log(mpmath.mpf(x.numerator) / x.denominator) / mpmath.log(2))


def _sigmoid(x: Fraction, bits: int) -> Fraction:
    if x > 120:
        return _ALMOST
    power = _exp(x, bits + 4)
    return power / (1 + power)


def _tanh(x: Fraction, bits: int) -> Fraction:
    if abs(x) > 60:
        return _ALMOST if x > 0 else -_ALMOST
    return _mp("tanh")(x, bits)


def _erf(x: Fraction, bits: int) -> Fraction:
    if abs(x) > 12:
        return _ALMOST if x > 0 else -_ALMOST
    return _mp("erf")(x, bits)


def _gelu(x: Fraction, bits: int) -> Fraction:
    import mpmath

    if x > 16:
        return x * _ALMOST
    x = max(x, Fraction(-300))
    with mpmath.workprec(bits + 60):
        argument = mpmath.mpf(x.numerator) / x.denominator
        return x * fraction_of(mpmath.erfc(-argument / mpmath.sqrt(2)) / 2)


def _gelu_tanh(x: Fraction, bits: int) -> Fraction:
    import mpmath

    if x > 12:
        return x * _ALMOST
    x = max(x, Fraction(-60))
    with mpmath.workprec(bits + 60):
        argument = mpmath.mpf(x.numerator) / x.denominator
        inner = 2 * mpmath.sqrt(2 / mpmath.pi) * (argument + mpmath.mpf(44715) / 1000000 * argument**3)
        return x * fraction_of(1 / (1 + mpmath.exp(-inner)))


def _silu(x: Fraction, bits: int) -> Fraction:
    return x * _sigmoid(x, bits)


def _approximate_sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _approximate_gelu_tanh(x: Array) -> Array:
    held = np.clip(x, -1e3, 1e3)
    return x * _approximate_sigmoid(2 * math.sqrt(2 / math.pi) * (held + 0.044715 * held * held * held))


def _power_of_two_exponent(x: Fraction) -> Fraction | None:
    if x.numerator & (x.numerator - 1) or x.denominator & (x.denominator - 1):
        return None
    return Fraction(x.numerator.bit_length() - x.denominator.bit_length())


_HALF_ROOT = math.sqrt(0.5)

FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("exp", "e**x", np.exp, _exp, _no, (0.0, 1.0, 1.0, _INF), inner=_one_plus_x),
        Function(
            "exp2", "2**x", np.exp2, _exp2, lambda x: Fraction(2) ** int(_clamped(x)) if x.denominator == 1 else None,
            (0.0, 1.0, 1.0, _INF), inner=_one_plus_x,
        ),
        Function(
            "log", "ln x", np.log, lambda x, bits: _mp("log")(x, 2 * bits), lambda x: Fraction(0) if x == 1 else None,
            (_NAN, -_INF, -_INF, _INF), positive_only=True,
        ),
        Function("log2", "log2 x", np.log2, _log2, _power_of_two_exponent, (_NAN, -_INF, -_INF, _INF), positive_only=True),
        Function(
            "sigmoid", "1 / (1 + e**-x)", _approximate_sigmoid, _sigmoid, _no, (0.0, 0.5, 0.5, 1.0), outer=(_INF, 45.0),
            inner=_half_plus_x,
        ),
        Function("tanh", "tanh x", np.tanh, _tanh, _no, (-1.0, -0.0, 0.0, 1.0), outer=(25.0, 25.0), inner=_below_x),
        Function(
            "sqrt", "x**0.5", np.sqrt, lambda x, bits: sqrt_fraction(x), sqrt_fraction, (_NAN, -0.0, 0.0, _INF), positive_only=True
        ),
        Function(
            "rsqrt", "x**-0.5", lambda x: 1.0 / np.sqrt(x), lambda x, bits: sqrt_fraction(1 / x), lambda x: sqrt_fraction(1 / x),
            (_NAN, -_INF, _INF, 0.0), positive_only=True,
        ),
        Function("reciprocal", "1 / x", np.reciprocal, lambda x, bits: 1 / x, lambda x: 1 / x, (-0.0, -_INF, _INF, 0.0)),
        Function("erf", "erf x", erf_array, _erf, _no, (-1.0, -0.0, 0.0, 1.0), outer=(7.0, 7.0)),
        Function(
            "gelu", "x (1 + erf(x / 2**0.5)) / 2", lambda x: 0.5 * x * erfc_array(-x * _HALF_ROOT), _gelu, _no,
            (-0.0, -0.0, 0.0, _INF), margin=38, outer=(_INF, 10.0), inner=_above_half_x,
        ),
        Function(
            "gelu_tanh", "x / (1 + e**-(2 (2/pi)**0.5 (x + 0.044715 x**3)))", _approximate_gelu_tanh, _gelu_tanh, _no,
            (-0.0, -0.0, 0.0, _INF), margin=36, outer=(_INF, 8.0), inner=_above_half_x,
        ),
        Function(
            "silu", "x / (1 + e**-x)", lambda x: x * _approximate_sigmoid(x), _silu, _no, (-0.0, -0.0, 0.0, _INF), margin=43,
            outer=(_INF, 45.0), inner=_above_half_x,
        ),
    )
}  # fmt: skip
