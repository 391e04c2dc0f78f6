"""Fixed-point formats; integers are those without fraction bits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor, isinf, isnan, nextafter
from typing import TYPE_CHECKING

import numpy as np

from .._checks import check_int_range
from ..kernels import fixed as kernels
from ..kernels.fixed_simd import values_of
from .base import Format, Overflow, Rounding, as_overflow, as_rounding
from .entry import Entry
from .exact import round_magnitude
from .fixed_dialects import DIALECTS, OWN_OVERFLOWS
from .fixed_fast import round_blocks
from .fixed_rules import into_range

if TYPE_CHECKING:
    from .modes import Modes

_WRAPS = (Overflow.WRAP, Overflow.WRAP_SIGN_MAGNITUDE)
_NO_RANDOM = np.zeros(1, np.uint32)
_CHUNK = 1 << 16  # elements for which random bits are drawn at once; a multiple of the kernels' block


@dataclass(frozen=True)
class Fixed(Format):
    """`width` bits in two's complement (or unsigned), `int_bits` of them before the binary point.

    A value is its raw integer times 2**-(width - int_bits); int_bits may be negative or exceed width. Width 0 holds zero only.
    `sat_bits` is the N of ap_fixed's wrapping modes: how many top bits a value out of range forces.

    The modes are part of the format: two formats that differ in them are not equal. NaN has no code and is refused, infinities
    too where the overflow mode wraps; they saturate otherwise. The NaN policy `ap_fixed` treats both as the C++ headers do:
    beyond every range, with their sign bit.

    Source: ap_[u]fixed of Vitis HLS (UG1399; Xilinx/HLS_arbitrary_Precision_Types, `ap_fixed_base.h`); integers are
    `int_bits == width`. wrap_sign_magnitude exists for signed formats only (the headers abort on an unsigned one).
    """

    width: int
    int_bits: int
    signed: bool = True
    rounding: Rounding = Rounding.TIES_EVEN
    overflow: Overflow = Overflow.SATURATE
    sat_bits: int = 0

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 0, 64)
        check_int_range("int_bits", self.int_bits, -960, 1023)  # every unit and every bound is a float64
        object.__setattr__(self, "rounding", as_rounding(self.rounding, Rounding.TIES_EVEN))
        object.__setattr__(self, "overflow", as_overflow(self.overflow, Overflow.SATURATE))
        if self.overflow not in self.overflows:
            why = " (signed formats only)" if self.overflow is Overflow.WRAP_SIGN_MAGNITUDE else ""
            raise ValueError(f"overflow={str(self.overflow)!r} is not allowed{why}; use one of {', '.join(self.overflows)}")
        check_int_range("sat_bits", self.sat_bits, 0, self.width)
        if self.sat_bits and self.overflow not in _WRAPS:
            raise ValueError(
                f"sat_bits={self.sat_bits} does not apply to overflow={str(self.overflow)!r}; use 0, or overflow='wrap' or "
                "'wrap_sign_magnitude'"
            )

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        return OWN_OVERFLOWS if self.signed else OWN_OVERFLOWS[:-1]

    @property
    def odd_safe(self) -> bool:
        return self.width <= 50

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
        """Largest raw integer."""
        return (1 << self.width >> int(self.signed)) - 1 if self.width else 0

    @property
    def min_int(self) -> int:
        """Smallest raw integer."""
        return -(1 << self.width >> 1) if self.signed else 0

    @property
    def max(self) -> float:
        """Largest value; beyond 53 significant bits the next float64 below it (max_int is exact)."""
        nearest = float(self.max_int)
        return (nextafter(nearest, 0.0) if nearest > self.max_int else nearest) * self.quantum

    @property
    def min(self) -> float:
        return self.min_int * self.quantum

    @property
    def min_positive(self) -> float:
        """Smallest value above zero; 0 where there is none (width 0, and one signed bit)."""
        return self.quantum if self.max_int else 0.0

    @property
    def value_dtype(self) -> np.dtype:
        significant = self.width - int(self.signed)  # the lowest value of a signed format is a power of two
        if significant <= 24 and self.frac_bits <= 149 and self.int_bits <= 127:
            return np.dtype(np.float32)
        return np.dtype(np.float64 if significant <= 53 else object)

    def facts(self, overflow: Overflow) -> tuple[int, bool, int, np.uint64, np.uint64]:
        """What the exact kernels need: width, signed, saturation bits, largest magnitudes above and below zero."""
        low = -self.min_int
        if overflow is Overflow.SATURATE_SYMMETRIC and self.width > 1:
            low = min(low, self.max_int)
        sat_bits = self.sat_bits if overflow in _WRAPS else 0
        return self.width, self.signed, sat_bits, np.uint64(self.max_int), np.uint64(low)

    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return self._in_chunks(x, out, modes, self._encode)

    def cast_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return self._in_chunks(x, out, modes, self._cast)

    def encode_integers(self, x: np.ndarray, out: np.ndarray, modes: Modes, frac_bits: int = 0) -> int:
        """As encode_array for x int64 or uint64, worth x * 2**-frac_bits: exact beyond 2**53."""
        words = modes.random.take(0, x.size) if modes.random else _NO_RANDOM
        kernels.encode_integers(
            x, out, frac_bits, self.frac_bits, *self.facts(modes.overflow), modes.rounding.number, modes.overflow.number,
            words, modes.random.width if modes.random else 1,
        )  # fmt: skip
        return 0

    def encode_exact(self, value: Fraction | float, modes: Modes, random: int = 0) -> int:
        if isinstance(value, float) and (isnan(value) or isinf(value)):
            single = np.empty(1, self.code_dtype)
            if self._encode(np.array([value]), single, modes, _NO_RANDOM, 0):
                raise ValueError(f"{value} has no code in {self}; replace it first, or pass nan='ap_fixed'")
            return int(single[0])
        scaled = Fraction(value) * Fraction(2) ** self.frac_bits
        magnitude = round_magnitude(abs(scaled), modes, 0, scaled < 0, random)
        whole = -magnitude if scaled < 0 else magnitude
        sat_bits = self.sat_bits if modes.overflow in _WRAPS else 0
        return into_range(whole, floor(scaled), self.width, self.signed, modes.overflow, sat_bits)

    def decode_array(self, codes: np.ndarray, out: np.ndarray) -> None:
        if self.width == 0:
            out[...] = 0
        elif self.value_dtype.kind == "O":
            out[...] = [self.decode_exact(int(code)) for code in codes]
        else:
            values_of(codes.astype(self.code_dtype, copy=False), out, self.width, self.signed, self.quantum)

    def decode_exact(self, code: int) -> Fraction:
        if not 0 <= code < 1 << self.width:
            raise ValueError(f"code {code} of {self} is not allowed; codes run from 0 to {(1 << self.width) - 1}")
        raw = code - (1 << self.width) if self.signed and code > self.max_int else code
        return Fraction(raw) * Fraction(2) ** -self.frac_bits

    def _in_chunks(
        self, x: np.ndarray, out: np.ndarray, modes: Modes, work: Callable[[np.ndarray, np.ndarray, Modes, np.ndarray, int], int]
    ) -> int:
        if modes.random is None:
            return work(x, out, modes, _NO_RANDOM, 0)
        refused = 0
        for start in range(0, x.size, _CHUNK):
            part = slice(start, min(start + _CHUNK, x.size))
            words, shift = modes.random.lanes(part.start, part.stop)
            refused += work(x[part], out[part], modes, words, shift)
        return refused

    def _encode(self, x: np.ndarray, out: np.ndarray, modes: Modes, words: np.ndarray, shift: int) -> int:
        return round_blocks(self, x, out, modes, words, shift, self._encode_slowly)

    def _cast(self, x: np.ndarray, out: np.ndarray, modes: Modes, words: np.ndarray, shift: int) -> int:
        return round_blocks(self, x, out, modes, words, shift, self._cast_slowly)

    def _encode_slowly(self, x: np.ndarray, out: np.ndarray, modes: Modes, words: np.ndarray) -> int:
        """Codes of any floats, exactly; how many were refused."""
        as_header = modes.nan == "ap_fixed"
        return kernels.encode_floats(
            x, out, self.frac_bits, *self.facts(modes.overflow), modes.rounding.number, modes.overflow.number,
            words, modes.random.width if modes.random else 1, not as_header, not as_header and modes.overflow in _WRAPS,
        )  # fmt: skip

    def _cast_slowly(self, x: np.ndarray, out: np.ndarray, modes: Modes, words: np.ndarray) -> int:
        codes = np.empty(x.size, self.code_dtype)
        refused = self._encode_slowly(x, codes, modes, words)
        self.decode_array(codes, out)
        return refused

    def _decode_table(self) -> np.ndarray:
        out = np.empty(1 << self.width)
        self.decode_array(np.arange(1 << self.width, dtype=self.code_dtype), out)
        return out

    def __str__(self) -> str:
        modes = ""
        if self.rounding is not Rounding.TIES_EVEN or self.overflow is not Overflow.SATURATE:
            modes = f",{self.rounding},{self.overflow}" + (f",{self.sat_bits}" if self.sat_bits else "")
        if self.int_bits == self.width and self.width and not modes:
            return f"{'int' if self.signed else 'uint'}{self.width}"
        return f"{'fixed' if self.signed else 'ufixed'}<{self.width},{self.int_bits}{modes}>"


def _rule(read: Callable[[re.Match[str], str], dict]) -> Callable[[re.Match[str], str], Fixed]:
    def build(match: re.Match[str], text: str) -> Fixed:
        try:
            return Fixed(**read(match, text))
        except ValueError as error:
            raise ValueError(f"{error} (in format {text!r})") if repr(text) not in str(error) else error from None

    return build


RULES = [(pattern, _rule(read)) for pattern, read in DIALECTS]


def entries() -> list[Entry]:
    """The integers that the catalogue lists; `parse` knows those of every width."""
    signed = [Entry(str(f), f, "two's complement", "verified") for b in (2, 3, 4, 5, 6, 8, 16) for f in (Fixed(b, b),)]
    return signed + [Entry(str(f), f, "binary", "verified") for b in (2, 4, 8, 16) for f in (Fixed(b, b, signed=False),)]
