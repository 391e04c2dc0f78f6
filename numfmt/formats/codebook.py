"""Formats given by a table: code i stands for values[i]."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from .._checks import check_in, check_int_range
from .base import Format, Overflow, Rounding, decode_table
from .line import Line, below

if TYPE_CHECKING:
    from .modes import Modes

Ties = Literal["lower", "upper", "zero", "away", "even"]
_TIES = {
    "lower": Rounding.TIES_DOWN,
    "upper": Rounding.TIES_UP,
    "zero": Rounding.TIES_ZERO,
    "away": Rounding.TIES_AWAY,
    "even": Rounding.TIES_EVEN,
}


@dataclass(frozen=True)
class Codebook(Format):
    """A table of `2**width` or fewer values in code order; a value that stands twice is written with its lower code.

    The table may be in any order. `ties` says where a value exactly between two neighbours goes: "lower" (toward minus infinity),
    "upper", "zero" (toward it), "away" (from zero), "even" (to the even one of the two codes; if both or neither are even, to the
    lower code). Between neighbours of opposite signs, "zero" means lower and "away" upper.
    Values beyond the ends, infinities too, become the nearest end. Nearest is decided exactly, whatever the precision of x.
    """

    table: tuple[float, ...]
    width: int
    ties: Ties = "lower"

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 1, 16)
        check_in("ties", self.ties, _TIES)
        if not 2 <= len(self.table) <= 1 << self.width:
            raise ValueError(f"table has {len(self.table)} values; a {self.width}-bit codebook holds 2 to {1 << self.width}")
        if not all(isfinite(v) for v in self.table):
            raise ValueError("table holds NaN or an infinity; a codebook lists finite values")

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return (self.rounding,)

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        return (Overflow.SATURATE,)

    @cached_property
    def _line(self) -> Line:
        low, high = self.grid[:-1], self.grid[1:]
        sizes = np.abs(self.grid[self.grid != 0])
        if sizes.size and (sizes.max() > 2.0**1000 or sizes.min() < 2.0**-900):  # sums could overflow or lose bits
            exact_middles = [(Fraction(a) + Fraction(b)) / 2 for a, b in zip(low.tolist(), high.tolist(), strict=True)]
            middle = np.array([m.numerator / m.denominator for m in exact_middles])
            side = np.array(
                [(Fraction(near) > m) - (Fraction(near) < m) for near, m in zip(middle.tolist(), exact_middles, strict=True)]
            )
        else:
            total = low + high
            moved = total - low
            rest = (low - (total - moved)) + (high - moved)  # total + rest is the exact sum
            middle, side = total / 2, -np.sign(rest)
        return Line(np.where((side > 0) | ((side == 0) & self._ties_go_up), below(middle), middle), self.grid_codes, -1)

    @property
    def _ties_go_up(self) -> np.ndarray:
        low, high = self.grid[:-1], self.grid[1:]
        if self.ties in ("lower", "upper"):
            return np.full(low.size, self.ties == "upper")
        if self.ties in ("zero", "away"):
            return (low >= 0) if self.ties == "away" else (high <= 0)
        a, b = self.grid_codes[:-1], self.grid_codes[1:]
        return np.where((a & 1) == (b & 1), b < a, (b & 1) == 0)

    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return self._line.write(x, out)

    def cast_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return self._line.write(x, out, decode_table(self))

    def encode_exact(self, value: Fraction | float, modes: Modes, random: int = 0) -> int:
        if isinstance(value, float):
            if isnan(value):
                raise ValueError(f"x holds NaN, which {self} cannot hold; replace it first, or use a format with NaN")
            if value in (inf, -inf):
                return int(self.grid_codes[-1 if value > 0 else 0])
        exact = Fraction(value)
        at = int(np.searchsorted(self.grid, float(min(max(exact, Fraction(self.min)), Fraction(self.max)))))
        near = range(max(at - 2, 0), min(at + 2, self.grid.size - 1))
        for k in near:  # the conversion to a float moved the value by one place at most
            twice = Fraction(float(self.grid[k])) + Fraction(float(self.grid[k + 1]))
            if 2 * exact < twice or (2 * exact == twice and not self._ties_go_up[k]):
                return int(self.grid_codes[k])
        return int(self.grid_codes[near.stop])

    def decode_array(self, codes: np.ndarray, out: np.ndarray) -> None:
        super().decode_array(codes, out)
        if len(self.table) < 1 << self.bits and np.isnan(out).any():
            raise ValueError(f"codes hold a code beyond the {len(self.table)} entries of {self}")

    @property
    def bits(self) -> int:
        return self.width

    @cached_property
    def grid(self) -> np.ndarray:
        """The distinct values in ascending order, float64."""
        return np.unique(np.array(self.table, dtype=np.float64))

    @cached_property
    def grid_codes(self) -> np.ndarray:
        """The code written for each value of `grid`."""
        first: dict[float, int] = {}
        for code, value in enumerate(self.table):
            first.setdefault(value + 0.0, code)  # -0.0 and 0.0 are one value
        return np.array([first[v] for v in (self.grid + 0.0).tolist()], dtype=np.int64)

    @cached_property
    def midpoints(self) -> np.ndarray:
        """The decision points between neighbours of `grid`, float64.

        Exact for tables of float32 values whose neighbours are within 2**28 of each other, as all named tables are; `encode`
        is exact for every table.
        """
        return (self.grid[1:] + self.grid[:-1]) / 2

    @property
    def max(self) -> float:
        return float(self.grid[-1])

    @property
    def min(self) -> float:
        return float(self.grid[0])

    @property
    def min_positive(self) -> float:
        positive = self.grid[self.grid > 0]
        if not positive.size:
            raise ValueError(f"codebook {self} has no positive value")
        return float(positive[0])

    @cached_property
    def quantum(self) -> float:
        nonzero = self.grid[self.grid != 0.0].tolist()
        return min((1.0 / v.as_integer_ratio()[1]) * _low_bit(v.as_integer_ratio()[0]) for v in nonzero)

    @property
    def rounding(self) -> Rounding:
        """Nearest, ties as `ties` says."""
        return _TIES[self.ties]

    @property
    def overflow(self) -> Overflow:
        """Values beyond the ends become the ends."""
        return Overflow.SATURATE

    @cached_property
    def value_dtype(self) -> np.dtype:
        with np.errstate(over="ignore"):
            return self._value_dtype()

    def _value_dtype(self) -> np.dtype:
        return np.dtype(np.float32 if np.array_equal(self.grid, self.grid.astype(np.float32)) else np.float64)

    def _decode_table(self) -> np.ndarray:
        table = np.full(1 << self.width, np.nan)
        table[: len(self.table)] = self.table
        return table

    def __str__(self) -> str:
        from .catalogue import canonical_name

        named = canonical_name(self)
        if named is not None:
            return named
        return f"codebook<{self.width},{self.ties},{','.join(repr(v) for v in self.table)}>"


def _low_bit(integer: int) -> int:
    return abs(integer) & -abs(integer)


def _codebook(match: re.Match[str], text: str) -> Codebook:
    try:
        table = tuple(float(v) for v in match[3].split(","))
    except ValueError:
        raise ValueError(f"format {text!r} holds an entry that is not a number; write codebook<2,lower,-1,0,1>") from None
    return Codebook(table, int(match[1]), cast(Ties, match[2]))


RULES = [(re.compile(r"codebook<\s*(\d+)\s*,\s*(lower|upper|zero|away|even)\s*,(.*)>"), _codebook)]
