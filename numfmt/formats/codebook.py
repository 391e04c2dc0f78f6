"""Formats given by a table: code i stands for values[i]."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np

from .._checks import check_in, check_int_range
from ..kernels import encode as kernels
from .base import Format, Overflow, Rounding

if TYPE_CHECKING:
    from .modes import Modes


@dataclass(frozen=True)
class Codebook(Format):
    """A table of `2**width` or fewer values in code order; a value that stands twice is written with its lower code.

    `ties` says where a value exactly between two neighbours goes: "lower" (toward minus infinity) or "upper".
    Values beyond the ends become the nearest end.
    """

    table: tuple[float, ...]
    width: int
    ties: Literal["lower", "upper"] = "lower"

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 1, 16)
        check_in("ties", self.ties, ("lower", "upper"))
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

    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return kernels.encode_table(x.astype(np.float64, copy=False), out, self.midpoints, self.grid_codes, self.ties == "upper")

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

        Exact for tables of float32 values whose neighbours are within 2**28 of each other, as all named tables are.
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
        nonzero = [float(v) for v in self.grid if v != 0.0]
        return min((1.0 / v.as_integer_ratio()[1]) * _low_bit(v.as_integer_ratio()[0]) for v in nonzero)

    @property
    def rounding(self) -> Rounding:
        """Nearest, ties as `ties` says."""
        return Rounding.TIES_DOWN if self.ties == "lower" else Rounding.TIES_UP

    @property
    def overflow(self) -> Overflow:
        """Values beyond the ends become the ends."""
        return Overflow.SATURATE

    @property
    def value_dtype(self) -> np.dtype:
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
    return Codebook(table, int(match[1]), "lower" if match[2] == "lower" else "upper")


RULES = [(re.compile(r"codebook<\s*(\d+)\s*,\s*(lower|upper)\s*,(.*)>"), _codebook)]
