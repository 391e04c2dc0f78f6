"""Fixed-point formats; integers are those without fraction bits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._checks import check_in, check_int_range
from ..kernels import encode as kernels
from .base import Format, Overflow, Rounding
from .entry import Entry

if TYPE_CHECKING:
    from .modes import Modes


@dataclass(frozen=True)
class Fixed(Format):
    """`width` bits in two's complement (or unsigned), `int_bits` of them before the binary point.

    A value is its code times 2**-(width - int_bits).

    The rounding and overflow modes are part of the format: two formats that differ in them are not equal.
    Source: the ap_[u]fixed convention of Vitis HLS for `width` and `int_bits`; integers are `int_bits == width`.
    """

    width: int
    int_bits: int
    signed: bool = True
    rounding: Rounding = Rounding.TIES_EVEN
    overflow: Overflow = Overflow.SATURATE

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 1, 51)
        check_int_range("int_bits", self.int_bits, -200, 200)
        check_in("overflow", self.overflow, (Overflow.SATURATE, Overflow.WRAP))
        check_in("rounding", self.rounding, list(Rounding))

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        return (Overflow.SATURATE, Overflow.WRAP)

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return tuple(Rounding)[:10]

    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return kernels.encode_fixed(
            x, out, self.frac_bits, self.min_int, self.max_int, self.width, modes.rounding.number, modes.overflow.number
        )

    def decode_array(self, codes: np.ndarray, out: np.ndarray) -> None:
        integers = codes.astype(np.int64)
        if self.signed:
            integers = np.where(integers > self.max_int, integers - (1 << self.width), integers)
        out[...] = integers * self.quantum

    @property
    def bits(self) -> int:
        return self.width

    @property
    def frac_bits(self) -> int:
        """Bits behind the binary point; negative where the unit is above one."""
        return self.width - self.int_bits

    @property
    def quantum(self) -> float:
        return 2.0**-self.frac_bits

    @property
    def max_int(self) -> int:
        """Largest code as an integer."""
        return (1 << (self.width - int(self.signed))) - 1

    @property
    def min_int(self) -> int:
        """Smallest code as a signed integer."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def max(self) -> float:
        return self.max_int * self.quantum

    @property
    def min(self) -> float:
        return self.min_int * self.quantum

    @property
    def min_positive(self) -> float:
        return self.quantum

    @property
    def value_dtype(self) -> np.dtype:
        fits = self.width <= 24 and -100 <= -self.frac_bits <= 100
        return np.dtype(np.float32 if fits else np.float64)

    def _decode_table(self) -> np.ndarray:
        codes = np.arange(1 << self.width, dtype=np.int64)
        if self.signed:
            codes = np.where(codes > self.max_int, codes - (1 << self.width), codes)
        return codes * self.quantum

    def __str__(self) -> str:
        modes = ""
        if self.rounding is not Rounding.TIES_EVEN or self.overflow is not Overflow.SATURATE:
            modes = f",{self.rounding},{self.overflow}"
        if self.int_bits == self.width and not modes:
            return f"{'int' if self.signed else 'uint'}{self.width}"
        return f"{'fixed' if self.signed else 'ufixed'}<{self.width},{self.int_bits}{modes}>"


def _integer(match: re.Match[str], text: str) -> Fixed:
    width = int(match[2])
    return Fixed(width, width, signed=not match[1])


def _fixed(match: re.Match[str], text: str) -> Fixed:
    rounding, overflow = Rounding.TIES_EVEN, Overflow.SATURATE
    for option in (part.strip() for part in match[4].split(",") if part.strip()):
        if option in list(Rounding):
            rounding = Rounding(option)
        elif option in (Overflow.SATURATE, Overflow.WRAP):
            overflow = Overflow(option)
        else:
            raise ValueError(
                f"option {option!r} of format {text!r} is unknown; use a rounding ({', '.join(Rounding)}), saturate or wrap"
            )
    return Fixed(int(match[2]), int(match[3]), not match[1], rounding, overflow)


RULES = [
    (re.compile(r"(u?)int(\d+)"), _integer),
    (re.compile(r"(u?)fixed<\s*(\d+)\s*,\s*(-?\d+)\s*((?:,[^>]*)?)>"), _fixed),
]


def entries() -> list[Entry]:
    """The integers that the catalogue lists; `parse` knows those of every width."""
    signed = [Entry(str(f), f, "two's complement", "verified") for b in (2, 3, 4, 5, 6, 8, 16) for f in (Fixed(b, b),)]
    return signed + [Entry(str(f), f, "binary", "verified") for b in (2, 4, 8, 16) for f in (Fixed(b, b, signed=False),)]
