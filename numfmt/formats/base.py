"""What every format is: a finite set of codes with values, and a rounding and an overflow mode of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from fractions import Fraction

import numpy as np


class Rounding(StrEnum):
    """Which neighbour a value between two neighbours becomes (P3109 section 4.7.4 and IEEE 754 section 4.3)."""

    TIES_EVEN = "ties_even"  # nearest; a tie goes to the even code
    TIES_AWAY = "ties_away"  # nearest; a tie goes away from zero
    TIES_ZERO = "ties_zero"  # nearest; a tie goes toward zero
    TIES_UP = "ties_up"  # nearest; a tie goes toward plus infinity
    TIES_DOWN = "ties_down"  # nearest; a tie goes toward minus infinity
    TOWARD_ZERO = "toward_zero"
    UP = "up"  # toward plus infinity
    DOWN = "down"  # toward minus infinity
    AWAY = "away"  # away from zero
    TO_ODD = "to_odd"  # inexact values go to the neighbour with the odd code


class Overflow(StrEnum):
    """What a value beyond the largest one becomes, decided after rounding (P3109 section 4.7.5; OCP OFP8 section 5)."""

    SATURATE = "saturate"  # the largest finite value, infinities too
    PROPAGATE = "propagate"  # finite values saturate, infinities stay where the format has them
    NONSAT = "nonsat"  # infinity where the format has one, else NaN where it has one, else the largest value
    WRAP = "wrap"  # fixed point only: the low bits stay


class Format(ABC):
    """A finite set of values with their codes. Concrete formats are frozen dataclasses; `nf.parse(str(f)) == f`."""

    @property
    @abstractmethod
    def bits(self) -> int:
        """Width of a code in bits."""

    @property
    @abstractmethod
    def max(self) -> float:
        """Largest finite value."""

    @property
    @abstractmethod
    def min(self) -> float:
        """Smallest (most negative) finite value."""

    @property
    @abstractmethod
    def min_positive(self) -> float:
        """Smallest value above zero."""

    @property
    @abstractmethod
    def quantum(self) -> float:
        """Largest power of two of which every finite value is an integer multiple."""

    @property
    def has_nan(self) -> bool:
        """Whether some code stands for NaN."""
        return False

    @property
    def has_inf(self) -> bool:
        """Whether some code stands for an infinity."""
        return False

    @property
    def largest_magnitude(self) -> float:
        """Largest absolute value among the finite values."""
        return max(abs(self.max), abs(self.min))

    @property
    def code_dtype(self) -> np.dtype:
        """Smallest unsigned NumPy dtype that holds a code."""
        for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
            if self.bits <= np.dtype(dtype).itemsize * 8:
                return np.dtype(dtype)
        raise ValueError(f"format {self} has {self.bits} bits; codes of at most 64 bits are supported")

    @property
    @abstractmethod
    def value_dtype(self) -> np.dtype:
        """float32 where every value is exact in it, else float64."""

    def values(self) -> np.ndarray:
        """The value of every code, in code order, float64; NaN and infinities included. Formats of up to 16 bits."""
        if self.bits > 16:
            raise ValueError(f"format {self} has 2**{self.bits} codes; values() lists formats of up to 16 bits: use nf.decode")
        return self._decode_table()

    @abstractmethod
    def _decode_table(self) -> np.ndarray:
        """The value of every code, in code order."""


def as_rounding(value: Rounding | str | None, default: Rounding) -> Rounding:
    """The enum member that a string names."""
    if value is None:
        return default
    try:
        return Rounding(value)
    except ValueError:
        raise ValueError(f"rounding={value!r} is unknown; use one of {', '.join(Rounding)}") from None


def as_overflow(value: Overflow | str | None, default: Overflow) -> Overflow:
    """The enum member that a string names."""
    if value is None:
        return default
    try:
        return Overflow(value)
    except ValueError:
        raise ValueError(f"overflow={value!r} is unknown; use one of {', '.join(Overflow)}") from None


def power_of_two(exponent: int) -> float:
    """2**exponent as a float64, exactly; outside its range an OverflowError."""
    value = float(Fraction(2) ** exponent)
    if value == 0.0:
        raise OverflowError(f"2**{exponent} is below the smallest float64")
    return value
