"""The finite values of one sign in ascending order of magnitude, listed (up to 16 bits) or computed from their codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from .base import Format, Rounding
from .exact_text import Number
from .fixed import Fixed
from .floats import Float
from .ladder import Ladder

_LISTED_BITS = 16
_INWARD = {(Rounding.TOWARD_ZERO, False), (Rounding.TOWARD_ZERO, True), (Rounding.DOWN, False), (Rounding.UP, True)}
_OUTWARD = {(Rounding.AWAY, False), (Rounding.AWAY, True), (Rounding.UP, False), (Rounding.DOWN, True)}


@dataclass(frozen=True)
class Side:
    """`size` magnitudes above zero; `magnitude(k)` is the k-th from zero, exact, `code(k)` the code of that value."""

    size: int
    magnitude: Callable[[int], Fraction]
    code: Callable[[int], int]

    def rank(self, x: Number) -> int:
        """How many magnitudes are at most x."""
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.magnitude(middle) <= x else (low, middle)
        return low


def is_listed(fmt: Format) -> bool:
    """Whether all values are held in a table: up to 16 bits, unless they are so large or small that float64 does not hold them."""
    return fmt.bits <= _LISTED_BITS and fmt.value_dtype.kind == "f"


def side(fmt: Format, negative: bool = False) -> Side:
    """The positive (or negative) finite values of a format."""
    return _side(fmt, negative)


@lru_cache(maxsize=64)
def _side(fmt: Format, negative: bool) -> Side:
    if is_listed(fmt):
        return _listed(fmt, negative)
    first, last, magnitude = _wide(fmt, negative)
    if isinstance(fmt, Ladder):
        return Side(
            last - first + 1, lru_cache(1 << 14)(lambda k: magnitude(first + k)), lambda k: fmt.code_at(first + k, negative)
        )
    if isinstance(fmt, Float):
        top = 1 << (fmt.bits - 1) if negative else 0  # sign and magnitude
        return Side(last - first + 1, lru_cache(1 << 14)(lambda k: magnitude(first + k)), lambda k: top + first + k)
    whole = 1 << fmt.bits  # two's complement
    return Side(
        last - first + 1,
        lru_cache(1 << 14)(lambda k: magnitude(first + k)),
        lambda k: (whole - first - k) % whole if negative else first + k,
    )


def _wide(fmt: Format, negative: bool) -> tuple[int, int, Callable[[int], Fraction]]:
    """First and last magnitude code (last < first: there are none) and the magnitude of a code."""
    if isinstance(fmt, Float):
        first = 1 if fmt.zero else 0
        last = fmt.max_magnitude_code if fmt.signed or not negative else first - 1
        return first, last, lambda code: _float_magnitude(fmt, code)
    if isinstance(fmt, Fixed):
        unit = Fraction(2) ** -fmt.frac_bits
        return 1, -fmt.min_int if negative else fmt.max_int, lambda raw: raw * unit
    if isinstance(fmt, Ladder):
        first = int(fmt.has_zero)
        return first, fmt.steps - 1 if fmt.is_signed or not negative else first - 1, fmt.magnitude
    raise ValueError(f"format {fmt} has 2**{fmt.bits} codes and no rule that lists them in order")


def _float_magnitude(fmt: Float, code: int) -> Fraction:
    field, low = code >> fmt.man_bits, code & ((1 << fmt.man_bits) - 1)
    if field or not fmt.zero:
        low += 1 << fmt.man_bits
    return low * Fraction(2) ** (max(field, int(fmt.zero)) - fmt.bias - fmt.man_bits)


def _listed(fmt: Format, negative: bool) -> Side:
    codes, values = finite_codes(fmt)
    kept = values < 0 if negative else values > 0
    codes, values = codes[kept], np.abs(values[kept])
    order = np.argsort(values, kind="stable")  # of codes with one value the lowest is first
    codes, values = codes[order], values[order]
    new = np.ones(values.size, bool)
    new[1:] = (values[1:] != values[:-1]).astype(bool)
    codes, values = codes[new], values[new]
    return Side(values.size, lru_cache(1 << 14)(lambda k: Fraction(values[k])), lambda k: int(codes[k]))


@lru_cache(maxsize=32)
def finite_codes(fmt: Format) -> tuple[np.ndarray, np.ndarray]:
    """(codes, values) of the finite values in code order, of a format whose values are listed; values float64."""
    values = fmt.values().astype(np.float64)
    finite = np.isfinite(values)
    return np.flatnonzero(finite), values[finite]


def finite_count(fmt: Format) -> int:
    """How many distinct finite values there are; both zeros are one."""
    if is_listed(fmt):
        return int(np.unique(finite_codes(fmt)[1] + 0.0).size)
    return side(fmt).size + side(fmt, True).size + int(has_zero(fmt))


@lru_cache(maxsize=256)
def has_zero(fmt: Format) -> bool:
    """Whether zero is a value."""
    if is_listed(fmt):
        return bool(np.any(finite_codes(fmt)[1] == 0))
    return bool(fmt.zero if isinstance(fmt, Float) else getattr(fmt, "has_zero", True))


def decision(fmt: Format, k: int, negative: bool = False) -> Fraction:
    """The magnitude up to which the k-th one is kept and from which the next one is taken, under the format's own rounding.

    k = -1: between zero and the smallest. Irrational points (logarithmic formats) are within a float64 ulp. Under `to_odd` and the
    stochastic modes the point depends on more than the value: the upper neighbour is returned.
    """
    line = side(fmt, negative)
    low = line.magnitude(k) if k >= 0 else Fraction(0)
    high = line.magnitude(k + 1)
    mode = fmt.rounding
    if (mode, negative) in _OUTWARD:
        return low
    if (mode, negative) in _INWARD or mode.startswith("stochastic") or mode is Rounding.TO_ODD:
        return high
    if isinstance(fmt, Ladder):
        step = k + int(fmt.has_zero)
        if 0 <= step < fmt.steps - 1:
            return Fraction(float(fmt._middles[0][step])) if is_listed(fmt) else fmt.middle(step)
    return (low + high) / 2
