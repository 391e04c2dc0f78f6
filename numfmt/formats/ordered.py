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


def side(fmt: Format, negative: bool = False) -> Side:
    """The positive (or negative) finite values of a format."""
    return _side(fmt, negative)


@lru_cache(maxsize=64)
def _side(fmt: Format, negative: bool) -> Side:
    if fmt.bits <= _LISTED_BITS:
        return _listed(fmt, negative)
    first, last, magnitude = _wide(fmt, negative)
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
        return 1, fmt.steps - 1, fmt.magnitude
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
    """(codes, values) of the finite values in code order, of a format of up to 16 bits; values float64 or Fraction objects."""
    values = fmt.values()
    if values.dtype.kind == "O":
        finite = np.array([isinstance(v, Fraction) or bool(np.isfinite(v)) for v in values])
        exact = np.array([Fraction(v) if ok else Fraction(0) for v, ok in zip(values, finite, strict=True)], dtype=object)
        return np.flatnonzero(finite), exact[finite]
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    return np.flatnonzero(finite), values[finite]


def finite_count(fmt: Format) -> int:
    """How many distinct finite values there are; both zeros are one."""
    if fmt.bits <= _LISTED_BITS:
        return len(set(finite_codes(fmt)[1].tolist()))
    zero = int(not isinstance(fmt, Float) or fmt.zero)
    return side(fmt).size + side(fmt, True).size + zero


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
        if step >= 0 and fmt.bits > _LISTED_BITS:
            return fmt.middle(step)
        if 0 <= step < fmt._middles[0].size and np.isfinite(fmt._middles[0][step]) and fmt.value_dtype.kind != "O":
            return Fraction(float(fmt._middles[0][step]))
        if step >= 0 and step + 1 < fmt.steps:
            return fmt.middle(step)
    return (low + high) / 2
