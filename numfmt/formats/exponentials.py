"""Exponentials correctly rounded to float64: integers for single values, double-double with a check for tables."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

from .powers import rounded_power

_BITS = 256
_CHUNK = 9  # bits of a table's index


def _log2(bits: int) -> Fraction:
    """ln 2 = 2 atanh(1/3) to `bits` fraction bits."""
    total, term, k = 0, (2 << (bits + 16)) // 3, 1
    while term:
        total += term // k
        term, k = term // 9, k + 2
    return Fraction(total >> 16, 1 << bits)


def exponential(x: Fraction, bits: int = _BITS) -> Fraction:
    """e**x with a relative error below 2**-(bits - 30), |x| below 2**12."""
    log2 = _log2(bits + 16)
    whole = int(x // log2)
    rest = x - whole * log2
    fixed = (rest.numerator << bits) // rest.denominator
    total = term = 1 << bits
    k = 1
    while term:
        term = (term * fixed >> bits) // k
        total += term
        k += 1
    return Fraction(total, 1 << bits) * Fraction(2) ** whole


def power_of_two(exponent: Fraction) -> float:
    """2**exponent correctly rounded to float64, for any exponent: roots where its denominator is small, else a series."""
    whole = exponent.numerator // exponent.denominator
    part = exponent - whole
    if part.denominator <= 1 << 10:
        return rounded_power(Fraction(2), exponent)
    return float(exponential(part * _log2(_BITS)) * Fraction(2) ** whole)


def _pair(value: Fraction) -> tuple[float, float]:
    high = float(value)
    return high, float(value - Fraction(high))


@cache
def _powers(unit: int, first: int, count: int) -> np.ndarray:
    """exp((first + k) / 2 * 2**-unit) for k = 0..count-1 as double-doubles, shape (2, count)."""
    base = exponential(Fraction(1, 2 << unit))
    value = exponential(Fraction(first, 2 << unit))
    out = np.empty((2, count))
    for k in range(count):
        out[:, k] = _pair(value)
        value *= base
        drop = value.denominator.bit_length() - 1 - _BITS - 300  # keep about 300 bits and more: the rest is below every error
        if drop > 0:
            value = Fraction(value.numerator >> drop, value.denominator >> drop)
    return out


def _split(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaled = a * 134217729.0
    high = scaled - (scaled - a)
    return high, a - high


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of double-doubles (2, n), relative error below 2**-100."""
    product = a[0] * b[0]
    (ah, al), (bh, bl) = _split(a[0]), _split(b[0])
    error = ((ah * bh - product) + ah * bl + al * bh) + al * bl
    low = error + (a[0] * b[1] + a[1] * b[0])
    high = product + low
    return np.array([high, low - (high - product)])


class LogTable:
    """sqrt(e)**l for l = an integer times 2**-unit."""

    def rounded(self, log: Fraction) -> float:
        """Correctly rounded to float64."""
        return float(exponential(log / 2)) if log else 1.0

    def compare(self, magnitude: Fraction, log: Fraction) -> int:
        """Sign of magnitude - sqrt(e)**log. Equal only for log = 0: other powers are no fractions."""
        if log == 0:
            return (magnitude > 1) - (magnitude < 1)
        bits = _BITS
        while True:
            value = exponential(log / 2, bits)
            if abs(magnitude - value) > value / (1 << (bits - 40)):
                return 1 if magnitude > value else -1
            bits *= 2

    def _pairs(self, logs: np.ndarray, unit: int) -> np.ndarray:
        whole = logs >> unit
        value = _powers(0, -256, 512)[:, whole + 256]
        left = unit
        while left > 0:
            take = min(_CHUNK, left)
            left -= take
            value = _times(value, _powers(unit - left, 0, 1 << take)[:, logs >> left & ((1 << take) - 1)])
        return value

    def many_rounded(self, logs: np.ndarray, unit: int) -> np.ndarray:
        """Correctly rounded float64 of sqrt(e)**(logs * 2**-unit); logs int64."""
        high, low = self._pairs(logs, unit)
        ulp = np.spacing(high)
        clear = (np.abs(low) < ulp * (0.5 - 2.0**-40)) & ((np.frexp(high)[0] != 0.5) | (np.abs(low) < ulp * 0.2))
        for i in np.flatnonzero(~clear).tolist():
            high[i] = self.rounded(Fraction(int(logs[i]), 1 << unit))
        return high

    def many_floors(self, logs: np.ndarray, unit: int) -> np.ndarray:
        """The largest float64 below sqrt(e)**(logs * 2**-unit), logs not 0."""
        high, low = self._pairs(logs, unit)
        floors = np.where(low < 0, np.nextafter(high, 0), high)
        for i in np.flatnonzero(np.abs(low) < np.spacing(high) * 2.0**-40).tolist():
            log = Fraction(int(logs[i]), 1 << unit)
            near = self.rounded(log)
            floors[i] = near if self.compare(Fraction(near), log) < 0 else float(np.nextafter(near, 0.0))
        return floors
