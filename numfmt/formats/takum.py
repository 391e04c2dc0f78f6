"""Takums: linear and logarithmic, of 2 to 64 bits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .._checks import check_int_range
from ..kernels.tapered import decode_takum, encode_takum
from .entry import Entry
from .exponentials import LogTable
from .tapered import Tapered

if TYPE_CHECKING:
    from .modes import Modes

_SOURCE = "Hunhold, arXiv 2404.18603; takum-arithmetic/libtakum codec.c"


def characteristic(code: int, width: int) -> tuple[int, int, int]:
    """(c, M, bits of M) of a positive code: characteristic and mantissa field."""
    shift = max(12 - width, 0)
    code, width = code << shift, width + shift
    field = code >> (width - 5) & 15
    r = field - 8 if field >= 8 else 7 - field
    tail_bits = width - 5 - r
    held = code >> tail_bits & ((1 << r) - 1)
    c = (1 << r) - 1 + held if field >= 8 else 1 - (1 << (r + 1)) + held
    return c, code & ((1 << tail_bits) - 1), tail_bits


@dataclass(frozen=True)
class Takum(Tapered):
    """Linear takum: sign, direction bit, 3 regime bits, r characteristic bits, the rest fraction; value (1 + m) * 2**c.

    Codes of fewer than 12 bits are read with zeros appended. Exact in float64 up to 57 bits, beyond as fractions.
    """

    width: int

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 64)

    def positive(self, code: int, width: int) -> Fraction:
        c, tail, tail_bits = characteristic(code, width)
        return ((1 << tail_bits) + tail) * Fraction(2) ** (c - tail_bits)

    @property
    def value_dtype(self) -> np.dtype:
        if self.width <= 4:  # characteristics from -63 to 127; a bit more brings -127
            return np.dtype(np.float32)
        return np.dtype(np.float64 if self.width <= 57 else object)

    @property
    def quantum(self) -> float:
        return 2.0 ** (-255 - (self.width - 12)) if self.width > 12 else float(self.magnitude_floors()[0][1:].min())

    def _floors(self, codes: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        values = np.empty(codes.size)
        decode_takum(codes.astype(np.uint64), values, width)
        return values, np.ones(codes.size, bool)

    def magnitude_floors(self) -> tuple[np.ndarray, np.ndarray]:
        return self._floors(np.arange(self.steps), self.width)

    def middle_floors(self) -> tuple[np.ndarray, np.ndarray]:
        floors, exact = self._floors(2 * np.arange(self.steps - 1) + 1, self.width + 1)
        return np.concatenate([[0.0], floors[1:]]), np.concatenate([[False], exact[1:]])

    def encode_wide(self, x: np.ndarray, out: np.ndarray, infinite_code: np.int64) -> None:
        encode_takum(x, out, self.width, infinite_code)

    def decode_wide(self, codes: np.ndarray, out: np.ndarray) -> None:
        decode_takum(codes, out, self.width)

    def __str__(self) -> str:
        return f"takum{self.width}"


@dataclass(frozen=True)
class LogTakum(Tapered):
    """Logarithmic takum: the same fields, value sqrt(e) ** (c + m), correctly rounded to float64; that float64 *is* the value.

    Rounding is by the bit string, so a value is decided at sqrt(e) ** of the middle, compared exactly. At most 32 bits: wider
    ones differ by less than float64 tells.
    """

    width: int

    @property
    def rational_decisions(self) -> bool:
        return False

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 32)

    def logarithm(self, code: int, width: int) -> Fraction:
        """c + m of a positive code: twice the natural logarithm of its value."""
        c, tail, tail_bits = characteristic(code, width)
        return c + Fraction(tail, 1 << tail_bits)

    @cached_property
    def _table(self) -> LogTable:
        return LogTable()

    def positive(self, code: int, width: int) -> Fraction:
        return Fraction(self._table.rounded(self.logarithm(code, width)))

    def against_middle(self, step: int, magnitude: Fraction) -> int:
        return self._table.compare(magnitude, self.logarithm(2 * step + 1, self.width + 1))

    @property
    def value_dtype(self) -> np.dtype:
        return np.dtype(np.float64)

    @property
    def quantum(self) -> float:
        if self.width <= 16:
            return super().quantum
        return 2.0**-240

    def _logarithms(self, codes: np.ndarray, width: int) -> tuple[np.ndarray, int]:
        """c + m in units of 2**-(width + 7), for positive codes, and that shift."""
        shift = max(12 - width, 0)
        code, width = codes.astype(np.int64) << shift, width + shift
        field = code >> (width - 5) & 15
        r = np.where(field >= 8, field - 8, 7 - field)
        tail_bits = width - 5 - r
        held = code >> tail_bits & ((1 << r) - 1)
        c = np.where(field >= 8, (1 << r) - 1, 1 - (1 << (r + 1))) + held
        tail = code & ((np.int64(1) << tail_bits) - 1)
        unit = width - 5
        return (c << unit) + (tail << (unit - tail_bits)), unit

    def magnitude_floors(self) -> tuple[np.ndarray, np.ndarray]:
        logs, unit = self._logarithms(np.arange(1, self.steps), self.width)
        return np.append(0.0, self._table.many_rounded(logs, unit)), np.ones(self.steps, bool)

    def middle_floors(self) -> tuple[np.ndarray, np.ndarray]:
        logs, unit = self._logarithms(2 * np.arange(1, self.steps - 1) + 1, self.width + 1)
        return np.append(0.0, self._table.many_floors(logs, unit)), np.zeros(self.steps - 1, bool)

    def encode_wide(self, x: np.ndarray, out: np.ndarray, infinite_code: np.int64) -> None:
        """One element at a time, by exact comparison: this format is for study, not for bulk."""
        largest = self.positive(self.steps - 1, self.width)
        for i, value in enumerate(x.tolist()):
            if value != value or abs(value) == float("inf"):
                code = self.nan_code if value != value else int(infinite_code)
                out[i] = (1 << self.width) - code if value < 0 and code != self.nan_code else code
            elif value == 0:
                out[i] = 0
            elif abs(value) >= largest:
                out[i] = self.code_at(self.steps - 1, value < 0)
            else:
                out[i] = self.nearest(Fraction(abs(value)), value < 0)

    def nearest(self, magnitude: Fraction, negative: bool) -> int:
        """Code of a magnitude, by bisection over the middles."""
        low, high = 1, self.steps - 1
        while low < high:
            step = (low + high) >> 1
            side = self.against_middle(step, magnitude)
            low, high = (step + 1, high) if side > 0 else (low, step)
        return self.code_at(low, negative)

    def encode_exact(self, value: Fraction | float, modes: Modes, random: int = 0) -> int:
        if isinstance(value, Fraction) and value != 0:
            return self.nearest(abs(value), value < 0)
        return super().encode_exact(value, modes, random)

    def decode_wide(self, codes: np.ndarray, out: np.ndarray) -> None:
        negative = codes > self.nan_code
        wide = codes.astype(np.int64)
        magnitude = np.where(negative, (1 << self.width) - wide, wide)
        special = (wide == 0) | (wide == self.nan_code)
        logs, unit = self._logarithms(np.where(special, 1, magnitude), self.width)
        values = self._table.many_rounded(logs, unit)
        out[...] = np.where(negative, -values, values)
        out[wide == 0] = 0.0
        out[wide == self.nan_code] = np.nan

    def __str__(self) -> str:
        return f"takum_log{self.width}"


def _takum(match: re.Match[str], text: str) -> Tapered:
    return LogTakum(int(match[2])) if match[1] else Takum(int(match[2]))


RULES = [(re.compile(r"takum(_log)?(\d+)"), _takum), (re.compile(r"takum(_log)?<\s*(\d+)\s*>"), _takum)]


def entries() -> list[Entry]:
    """Catalogue rows; other widths parse alike."""
    return [
        *(Entry(f"takum{n}", Takum(n), _SOURCE, "verified" if n in (8, 16, 32) else "read") for n in (8, 12, 16, 32, 64)),
        *(Entry(f"takum_log{n}", LogTakum(n), _SOURCE, "read" if n == 12 else "verified") for n in (8, 12, 16, 32)),
    ]
