"""8-bit floats beside IEEE, OCP and P3109: HiFloat8, whose prefix says how many exponent bits follow, and Intel's E3M4."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from .base import Overflow, Rounding
from .entry import Entry
from .floats import Float
from .ladder import Ladder

if TYPE_CHECKING:
    from .modes import Modes

_FRACTION_BITS = (3, 3, 3, 2, 1)  # by the number of exponent bits


@dataclass(frozen=True)
class HiFloat8(Ladder):
    """Sign, prefix 11, 10, 01, 001, 0001 for D = 4, 3, 2, 1, 0 exponent bits, exponent as sign and magnitude with its leading bit
    implicit, then 1, 2, 3, 3, 3 fraction bits. Prefix 0000: the seven values 2**(M-23), M = 1..7. 00 is zero, 80 NaN, 6F and EF
    the infinities; the largest value is 2**15.

    Rounding None is ties_away (recalled from the paper); nonsat (None): magnitudes from 1.25 * 2**15 become infinite (inferred).
    Source: arXiv 2409.16626; the bits as in CANN's kernel_hif8.h.
    """

    open_end = True

    @property
    def bits(self) -> int:
        return 8

    @cached_property
    def _ascending(self) -> list[tuple[Fraction, int]]:
        found = [(Fraction(0), 0)] + [(Fraction(2) ** (m - 23), m) for m in range(1, 8)]
        for d, fraction_bits in enumerate(_FRACTION_BITS):
            prefix = (1 << 3) if d == 0 else ((d - 1) << 5 if d >= 2 else 1 << 4)
            for field in range(1 << d):
                magnitude = (1 << (d - 1)) | (field & ((1 << (d - 1)) - 1)) if d else 0
                exponent = -magnitude if d and field >> (d - 1) else magnitude
                for low in range(1 << fraction_bits):
                    code = prefix | (field << fraction_bits) | low
                    if code != 0x6F:
                        found.append((Fraction((1 << fraction_bits) + low, 1 << fraction_bits) * Fraction(2) ** exponent, code))
        return sorted(found)

    @property
    def steps(self) -> int:
        return len(self._ascending)

    def magnitude(self, step: int) -> Fraction:
        return self._ascending[step][0] if step < self.steps else Fraction(3 << 14)

    def step_codes(self, negative: bool) -> np.ndarray:
        codes = np.array([code for _, code in self._ascending])
        if negative:
            codes[1:] += 128
        return codes

    @property
    def nan_code(self) -> int:
        return 128

    @property
    def has_inf(self) -> bool:
        return True

    def special_values(self) -> dict[int, float]:
        return {0x6F: inf, 0xEF: -inf}

    @property
    def rounding(self) -> Rounding:
        return Rounding.TIES_AWAY

    @property
    def overflow(self) -> Overflow:
        return Overflow.NONSAT

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        return (Overflow.SATURATE, Overflow.PROPAGATE, Overflow.NONSAT)

    def outside(self, negative: bool, infinite: bool, modes: Modes) -> int:
        inward = (Rounding.TOWARD_ZERO, Rounding.UP if negative else Rounding.DOWN)
        finite = modes.overflow is not Overflow.NONSAT or modes.rounding in inward
        if modes.overflow is Overflow.SATURATE or (finite and not infinite):
            return super().outside(negative, infinite, modes)
        return 0xEF if negative else 0x6F

    def __str__(self) -> str:
        return "hif8"


def entries() -> list[Entry]:
    """Catalogue rows."""
    hif8 = "arXiv 2409.16626; bits read in CANN kernel_hif8.h, rounding and overflow recalled"
    e3m4 = "Intel FP8 toolkit (E3M4): finite, one NaN of each sign"
    return [
        Entry("hif8", HiFloat8(), hif8, "read", ("hifloat8",)),
        Entry("e3m4_intel", Float(3, 4, 3, "fn"), e3m4, "read"),
    ]
