"""P3109's binary formats, Binary{K}p{P}{s|u}{e|f}."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from .._checks import check_int_range
from ..kernels.stochastic import encode_stochastic
from .base import Overflow, Rounding, decode_table
from .entry import Entry
from .exact import floor_log2, round_magnitude
from .float_loops import cast_array, encode_lanes
from .ladder import Ladder
from .line import LARGEST

if TYPE_CHECKING:
    from .modes import Modes

_SOURCE = "IEEE P3109 interim report v4.0 (a draft), sections 4.2, 4.7"
_BLOCK = 1 << 14


@dataclass(frozen=True)
class P3109(Ladder):
    """`width` = K bits, precision P (the hidden bit included), signed or not, with infinities (`extended`) or without.

    Bias 2**(K-P-1) signed, 2**(K-P) unsigned; subnormals always; one zero, one NaN: the code of minus zero, or the last code of
    an unsigned format. +inf is the last code before it (unsigned) or 2**(K-1) - 1, -inf is 2**K - 1.

    overflow: saturate, propagate, nonsat are SatFinite, SatPropagate, SatNone. A finite-domain format has no NaN by overflow,
    except that negative values in an unsigned format are NaN under nonsat. None means nonsat where there are infinities
    (the mode of the conformance set), else saturate.
    Source: IEEE P3109 interim report v4.0, sections 4.2, 4.7.4 and 4.7.5.
    """

    width: int
    precision: int
    signed: bool = True
    extended: bool = True

    open_end = True
    zero = True
    has_minus_zero = False

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 3, 16)
        check_int_range("precision", self.precision, 1, self.width - int(self.signed))

    @property
    def bits(self) -> int:
        return self.width

    @property
    def is_signed(self) -> bool:  # type: ignore[override]
        return self.signed

    @property
    def man_bits(self) -> int:
        """Fraction bits, P - 1."""
        return self.precision - 1

    @property
    def bias(self) -> int:
        """Exponent bias."""
        return 1 << (self.width - self.precision - int(self.signed))

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal binade."""
        return 1 - self.bias

    @property
    def steps(self) -> int:
        half = 1 << (self.width - int(self.signed))
        return half - int(self.extended) - int(not self.signed)

    @property
    def max_magnitude_code(self) -> int:
        """Code of the largest finite value."""
        return self.steps - 1

    @property
    def has_inf(self) -> bool:
        return self.extended

    @property
    def inf_code(self) -> int:
        """Code of plus infinity; -1 where the format has none."""
        return self.steps if self.extended else -1

    @property
    def nan_code(self) -> int:
        return 1 << (self.width - 1) if self.signed else (1 << self.width) - 1

    @property
    def overflow(self) -> Overflow:
        return Overflow.NONSAT if self.extended else Overflow.SATURATE

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        return (Overflow.SATURATE, Overflow.PROPAGATE, Overflow.NONSAT)

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return tuple(Rounding)

    def _parts(self, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Magnitude = significand * 2**exponent."""
        field = step >> self.man_bits
        low = step & ((1 << self.man_bits) - 1)
        return low + ((field > 0).astype(np.int64) << self.man_bits), np.maximum(field, 1) - self.bias - self.man_bits

    def magnitude(self, step: int) -> Fraction:
        field, low = step >> self.man_bits, step & ((1 << self.man_bits) - 1)
        significand = low + (int(field > 0) << self.man_bits)
        return significand * Fraction(2) ** (max(field, 1) - self.bias - self.man_bits)

    def magnitude_floors(self) -> tuple[np.ndarray, np.ndarray]:
        return scaled_floors(*self._parts(np.arange(self.steps + 1)))

    def middle_floors(self) -> tuple[np.ndarray, np.ndarray]:
        significand, exponent = self._parts(np.arange(self.steps))
        return scaled_floors(2 * significand + 1, exponent - 1)

    def step_codes(self, negative: bool) -> np.ndarray:
        codes = np.arange(self.steps)
        if negative:
            codes[1:] += 1 << (self.width - 1)
        return codes

    def special_values(self) -> dict[int, float]:
        if not self.extended:
            return {}
        return {self.inf_code: inf, **({(1 << self.width) - 1: -inf} if self.signed else {})}

    @property
    def min(self) -> float:
        return -self.max if self.signed else 0.0

    @property
    def quantum(self) -> float:
        from .base import power_of_two

        return power_of_two(self.emin - self.man_bits)

    def _beyond(self, rounding: Rounding, overflow: Overflow, negative: bool, infinite: bool) -> int:
        top = self.steps - 1
        if negative and not self.signed:
            inward = not infinite and rounding in (Rounding.TOWARD_ZERO, Rounding.UP)
            return 0 if overflow is not Overflow.NONSAT or inward else self.nan_code
        last = top | (1 << (self.width - 1)) if negative else top
        if not self.extended or overflow is Overflow.SATURATE:
            return last
        if not infinite:
            if overflow is Overflow.PROPAGATE:
                return last
            inward = rounding in (Rounding.TOWARD_ZERO, Rounding.UP if negative else Rounding.DOWN)
            if inward or (rounding is Rounding.TO_ODD and not self.signed):
                return last
        return (1 << self.width) - 1 if negative else self.inf_code

    def overflowed(self, rounding: Rounding, overflow: Overflow, negative: bool, infinite: bool) -> tuple[int, float]:
        """`outside` as code and value."""
        code = self._beyond(rounding, overflow, negative, infinite)
        return code, float(decode_table(self)[code])

    def outside(self, negative: bool, infinite: bool, modes: Modes) -> int:
        return self._beyond(modes.rounding, modes.overflow, negative, infinite)

    def _side(self, negative: bool, modes: Modes) -> tuple[np.ndarray, np.ndarray]:
        if not (negative and not self.signed):
            return super()._side(negative, modes)
        # An unsigned range starts at zero: what rounds to zero is inside it, the first step below is not.
        limits, codes = self._limits(modes.rounding, True)[:1], np.array([0, self.outside(True, False, modes)])
        infinite = self.outside(True, True, modes)
        if infinite != codes[-1]:
            limits, codes = np.append(limits, LARGEST), np.append(codes, infinite)
        return limits, codes

    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        refused = encode_lanes(self, x, out, modes)
        if refused is not None:
            return refused
        if modes.random is None:
            return super().encode_array(x, out, modes)
        ends = np.array([self.outside(n, i, modes) for i in (False, True) for n in (False, True)])
        sign_bit = 1 << (self.width - 1) if self.signed else 0
        for start in range(0, x.size, _BLOCK):
            stop = min(start + _BLOCK, x.size)
            encode_stochastic(
                x[start:stop].astype(np.float64), modes.random.take(start, stop), modes.random.width, modes.rounding.number,
                out[start:stop], self.man_bits, self.bias, self.steps, sign_bit, ends, self.nan_code,
            )  # fmt: skip
        return 0

    def cast_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        refused = cast_array(self, x, out, modes)
        if refused is not None:
            return refused
        if modes.random is None:
            return super().cast_array(x, out, modes)
        codes = np.empty(x.shape, self.code_dtype)
        self.encode_array(x, codes, modes)
        self.decode_array(codes, out)
        return 0

    def encode_exact(self, value: Fraction | float, modes: Modes, random: int = 0) -> int:
        if value == 0:
            return 0
        if isinstance(value, float):
            if value != value:
                return self.nan_code
            return self.outside(value < 0, True, modes) if abs(value) == inf else self.encode_exact(Fraction(value), modes, random)
        negative, magnitude = value < 0, abs(value)
        top = max(floor_log2(magnitude), self.emin)
        base = (top + self.bias - 1) << self.man_bits
        step = base + round_magnitude(magnitude / Fraction(2) ** (top - self.man_bits), modes, base, negative, random)
        if step == 0:
            return 0
        if step >= self.steps or (negative and not self.signed):
            return self.outside(negative, False, modes)
        return step | (1 << (self.width - 1)) if negative else step

    def __str__(self) -> str:
        return f"p3109<{self.width},{self.precision},{'s' if self.signed else 'u'}{'e' if self.extended else 'f'}>"


def scaled_floors(significand: np.ndarray, exponent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest finite float64 not above significand * 2**exponent, and whether it is equal; significands below 2**53."""
    lost = np.clip(-1074 - exponent, 0, 62)
    kept = significand >> lost
    length = np.frexp(significand.astype(np.float64))[1]
    huge = (significand > 0) & (exponent + length > 1024)
    floors = np.ldexp(kept.astype(np.float64), np.where(huge, 0, np.maximum(exponent, -1074)))
    return np.where(huge, LARGEST, floors), ~huge & ((kept << lost) == significand)


def _p3109(match: re.Match[str], text: str) -> P3109:
    return P3109(int(match[1]), int(match[2]), match[3] == "s", match[4] == "e")


RULES = [
    (re.compile(r"p3109<\s*(\d+)\s*,\s*(\d+)\s*,\s*([su])([ef])\s*>"), _p3109),
    (re.compile(r"binary(\d+)p(\d+)([su])([ef])"), _p3109),
]


def entries() -> list[Entry]:
    """Catalogue rows: the 8-bit formats and the one of 4 bits that the conformance set names; others parse alike."""
    made = [
        P3109(8, p, signed, extended)
        for p in range(1, 9)
        for signed in (True, False)
        for extended in (True, False)
        if p < 8 or not signed
    ]
    made += [P3109(w, p, True, e) for w, p in ((4, 2), (6, 3), (16, 8), (16, 11)) for e in (True, False)]
    return [
        Entry(
            str(f),
            f,
            _SOURCE,
            "verified" if f.width <= 8 else "read",  # gfloat's tables, with which the tests compare, end at 8 bits
            (f"binary{f.width}p{f.precision}{'s' if f.signed else 'u'}{'e' if f.extended else 'f'}",),
        )
        for f in made
    ]
