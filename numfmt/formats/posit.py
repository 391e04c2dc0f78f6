"""Posits: the 2022 standard (es = 2) and the older ones with any es."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .._checks import check_int_range
from ..kernels.tapered import decode_posit, encode_posit
from .entry import Entry
from .tapered import Tapered

_STANDARD = "Posit Standard (2022), sections 3 and 4"
_OLDER = "SoftPosit (posits of 2017-18: es = 0, 1, 2 for 8, 16, 32 bits)"


@dataclass(frozen=True)
class Posit(Tapered):
    """Sign, a run of k equal regime bits ended by its opposite, es exponent bits, the fraction; bits that do not fit are zero.

    Value (1 + f) * 2**(r * 2**es + e), r = k - 1 for a run of ones, -k for zeros, on the magnitude of the code. Values are
    float64 (float32 where exact) up to the width at which all of them are; beyond, exact fractions.
    Source: Posit Standard (2022) for es = 2; Gustafson and Yonemoto (2017) for others.
    """

    width: int
    es: int = 2

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 64)
        check_int_range("es", self.es, 0, 8)

    def positive(self, code: int, width: int) -> Fraction:
        rest = width - 1
        first = code >> (rest - 1) & 1
        run = 0
        while rest and code >> (rest - 1) & 1 == first:
            rest, run = rest - 1, run + 1
        rest = max(rest - 1, 0)  # the bit that ends the run
        tail = code & ((1 << rest) - 1)
        regime = run - 1 if first else -run
        held = min(rest, self.es)
        power = tail >> (rest - held) << (self.es - held)
        rest -= held
        significand = (1 << rest) + (tail & ((1 << rest) - 1))
        return significand * Fraction(2) ** (regime * (1 << self.es) + power - rest)

    @property
    def fraction_bits(self) -> int:
        """Most fraction bits that a value has."""
        return max(self.width - 3 - self.es, 0)

    @property
    def max_exponent(self) -> int:
        """Exponent of the largest value; the smallest one has its negative."""
        return (self.width - 2) << self.es

    @property
    def value_dtype(self) -> np.dtype:
        if self.fraction_bits <= 23 and self.max_exponent <= 126:
            return np.dtype(np.float32)
        return np.dtype(np.float64 if self.fraction_bits <= 52 and self.max_exponent <= 1022 else object)

    @property
    def quantum(self) -> float:
        return self.min_positive

    def _floors(self, codes: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        values = np.empty(codes.size)
        decode_posit(codes.astype(np.uint64), values, width, self.es)
        return values, np.ones(codes.size, bool)

    def magnitude_floors(self) -> tuple[np.ndarray, np.ndarray]:
        if self.max_exponent > 900:
            return super().magnitude_floors()
        return self._floors(np.arange(self.steps), self.width)

    def middle_floors(self) -> tuple[np.ndarray, np.ndarray]:
        if self.max_exponent > 900:
            floors, exact = super().middle_floors()
        else:
            floors, exact = self._floors(2 * np.arange(self.steps - 1) + 1, self.width + 1)
        # nothing above zero goes to zero: the first limit is zero itself
        return np.concatenate([[0.0], floors[1:]]), np.concatenate([[False], exact[1:]])

    def encode_wide(self, x: np.ndarray, out: np.ndarray, infinite_code: np.int64) -> None:
        encode_posit(x, out, self.width, self.es, infinite_code)

    def decode_wide(self, codes: np.ndarray, out: np.ndarray) -> None:
        decode_posit(codes, out, self.width, self.es)

    def __str__(self) -> str:
        return f"posit{self.width}" if self.es == 2 else f"posit<{self.width},{self.es}>"


def _posit(match: re.Match[str], text: str) -> Posit:
    return Posit(int(match[1]), int(match[2]) if match[2] else 2)


RULES = [(re.compile(r"posit<\s*(\d+)\s*(?:,\s*(\d+)\s*)?>"), _posit), (re.compile(r"posit(\d+)()"), _posit)]


def entries() -> list[Entry]:
    """Catalogue rows: the standard sizes and the older ones of SoftPosit; others parse alike."""
    return [
        *(Entry(f"posit{n}", Posit(n), _STANDARD, "verified" if n <= 32 else "read", (f"posit<{n},2>",)) for n in (8, 16, 32, 64)),
        *(Entry(str(f), f, _OLDER, "verified") for f in (Posit(8, 0), Posit(16, 1))),
    ]
