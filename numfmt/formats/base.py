"""What every format is: a finite set of codes with values, and a rounding and an overflow mode of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from fractions import Fraction
from functools import cached_property, lru_cache
from math import copysign, isinf, isnan
from typing import TYPE_CHECKING

import numpy as np

from .._threads import in_pieces
from ..kernels.tables import look_up, look_up_all

if TYPE_CHECKING:
    from .modes import Modes


class Numbered(StrEnum):
    """Names that kernels know by their place in the list."""

    @cached_property
    def number(self) -> int:
        return list(type(self)).index(self)


class Rounding(Numbered):
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
    STOCHASTIC_A = "stochastic_a"  # away where floor(tail * 2**N) + R >= 2**N, R the N random bits
    STOCHASTIC_B = "stochastic_b"  # away where floor(tail * 2**(N+1)) + 2 R + 1 >= 2**(N+1)
    STOCHASTIC_C = "stochastic_c"  # away where ties_even(tail * 2**N) + R >= 2**N


class Overflow(Numbered):
    """What a value beyond the largest one becomes, decided after rounding (P3109 section 4.7.5; OCP OFP8 section 5)."""

    SATURATE = "saturate"  # the largest finite value, infinities too
    PROPAGATE = "propagate"  # finite values saturate, infinities stay where the format has them
    NONSAT = "nonsat"  # infinity where the format has one, else NaN where it has one, else the largest value
    WRAP = "wrap"  # fixed point only: the low bits stay
    SATURATE_SYMMETRIC = "saturate_symmetric"  # fixed point only: to plus or minus the largest value
    SATURATE_ZERO = "saturate_zero"  # fixed point only: to zero
    WRAP_SIGN_MAGNITUDE = "wrap_sign_magnitude"  # fixed point only: AP_WRAP_SM of ap_fixed


_ROUNDINGS = tuple(Rounding)
_OVERFLOWS = (Overflow.SATURATE, Overflow.PROPAGATE, Overflow.NONSAT)


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
    @abstractmethod
    def rounding(self) -> Rounding:
        """The mode that rounding=None means."""

    @property
    @abstractmethod
    def overflow(self) -> Overflow:
        """The mode that overflow=None means."""

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        """The rounding modes that a cast to this format may take."""
        return _ROUNDINGS

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        """The overflow modes that a cast to this format may take."""
        return _OVERFLOWS

    @property
    def odd_safe(self) -> bool:
        """Whether every decision point has 52 bits or fewer, so that rounding to odd in float64 first is harmless."""
        return self.bits <= 16 and self.value_dtype.kind == "f" and short_midpoints(self)

    @property
    def rational_decisions(self) -> bool:
        """Whether every decision point is rational. Formats that decide in a logarithm or a power have irrational ones."""
        return True

    @abstractmethod
    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        """Write the codes of x (float32 or float64, 1-D, contiguous) to out; how many elements have none."""

    def encode_exact(self, value: Fraction | float, modes: Modes, random: int = 0) -> int:
        """Code of one exact value (a float stands for NaN, an infinity or a zero with its sign); ValueError if it has none."""
        raise ValueError(f"format {self} takes float arrays only; convert x to float64 first")

    def decode_array(self, codes: np.ndarray, out: np.ndarray) -> None:
        """Write the values of codes (integers in range, 1-D) to out (value_dtype)."""
        table = decode_table(self)
        if codes.dtype == np.uint8 and table.size < 256:
            table = byte_table(self)
        loop = look_up_all if table.size == 1 << (8 * codes.dtype.itemsize) else look_up
        in_pieces(codes.size, lambda i, j: int(bool(loop(codes[i:j], table, out[i:j]))))

    def cast_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        """Write the rounded values of x to out (value_dtype); how many elements have none."""
        codes = np.empty(x.shape, self.code_dtype)
        refused = self.encode_array(x, codes, modes)
        self.decode_array(codes, out)
        return refused

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

    @cached_property
    def code_dtype(self) -> np.dtype:
        """Smallest unsigned NumPy dtype that holds a code."""
        for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
            if self.bits <= np.dtype(dtype).itemsize * 8:
                return np.dtype(dtype)
        raise ValueError(f"format {self} has {self.bits} bits; codes of at most 64 bits are supported")

    @property
    @abstractmethod
    def value_dtype(self) -> np.dtype:
        """float32 where every value is exact in it, else float64; object (Fraction) where float64 does not hold them."""

    def values(self) -> np.ndarray:
        """The value of every code, in code order, float64; NaN and infinities included. Formats of up to 16 bits."""
        if self.bits > 16:
            raise ValueError(f"format {self} has 2**{self.bits} codes; values() lists formats of up to 16 bits: use nf.decode")
        return self._decode_table()

    @abstractmethod
    def _decode_table(self) -> np.ndarray:
        """The value of every code, in code order."""

    def decode_exact(self, code: int) -> Fraction | float:
        """Exact value of one code; a float for NaN, infinities and minus zero."""
        if not 0 <= code < 1 << self.bits:
            raise ValueError(f"code {code} of {self} is not allowed; codes run from 0 to {(1 << self.bits) - 1}")
        out = np.empty(1, self.value_dtype)
        self.decode_array(np.array([code], self.code_dtype), out)
        value = float(out[0])
        special = isnan(value) or isinf(value) or (value == 0 and copysign(1.0, value) < 0)
        return value if special else Fraction(value)


@lru_cache(maxsize=256)
def decode_table(fmt: Format) -> np.ndarray:
    """The value of every code in the format's value dtype, read-only. Formats of up to 16 bits."""
    table = fmt.values().astype(fmt.value_dtype)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=256)
def short_midpoints(fmt: Format) -> bool:
    """Whether the values of the format and their midpoints are float64 numbers of 52 bits or fewer."""
    values = fmt.values()
    grid = np.unique(values[np.isfinite(values)])
    with np.errstate(over="ignore", invalid="ignore"):  # a sum beyond float64 leaves NaN, which is no exact sum
        total = grid[1:] + grid[:-1]
        part = total - grid[1:]
        exact = not np.any((grid[1:] - (total - part)) + (grid[:-1] - part))
    return exact and not np.any((np.concatenate([total, grid]).view(np.int64) & 1) == 1)


@lru_cache(maxsize=256)
def byte_table(fmt: Format) -> np.ndarray:
    """`decode_table`, read for every byte: codes of fewer than eight bits are in range, the entries beyond them are not used."""
    return np.resize(decode_table(fmt), 256)


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
