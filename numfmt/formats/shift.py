"""Formats of powers of two, their sums, logarithms and powers: what shifters and adders of logarithms hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal, cast

import numpy as np

from .._checks import check_in, check_int_range
from .base import Rounding
from .entry import Entry
from .ladder import Ladder
from .line import floor_float
from .powers import OCTAVE_BITS, octave, power_floor, rounded_power

_NEAREST = tuple(Rounding)[:5]


class SignMagnitude(Ladder):
    """Code = sign bit, then the step; the code of minus zero repeats zero and is never written. Steps are `steps` codes from 0."""

    width: int

    @property
    def bits(self) -> int:
        return self.width

    @property
    def steps(self) -> int:
        return 1 << (self.width - 1)

    def step_codes(self, negative: bool) -> np.ndarray:
        codes = np.arange(self.steps)
        if negative:
            codes[int(self.has_zero) :] += 1 << (self.width - 1)
        return codes

    def special_values(self) -> dict[int, float]:
        return {1 << (self.width - 1): 0.0} if self.has_zero else {}


@dataclass(frozen=True)
class PowerOfTwo(SignMagnitude):
    """Sign and a magnitude 0, 2**-(n-1), ..., 1/2, 1 with n = 2**(width-1) - 1; code of 2**-j: n - j.

    `nearness` "log": the power nearest in log2 (from sqrt(2) * 2**k up); "value": the nearest value (from 1.5 * 2**k up, ties to
    the even code). Below the smallest power the same rule decides between it and the next power below, which is zero here.
    Beyond 1: 1; the scale belongs to the scheme. Source: Miyashita et al., arXiv 1603.01025; APoT, ICLR 2020 (recalled).
    """

    width: int
    nearness: Literal["log", "value"] = "log"

    @property
    def rational_decisions(self) -> bool:
        return self.nearness == "value"

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 8)
        check_in("nearness", self.nearness, ("log", "value"))

    def magnitude(self, step: int) -> Fraction:
        return Fraction(2) ** (step - self.steps + 1) if step else Fraction(0)

    def middle(self, step: int) -> Fraction:
        """In "value": halfway; the one below the smallest power as if the powers went on. "log": see `against_middle`."""
        above = self.magnitude(step + 1)
        return above * Fraction(3, 4)

    def middle_floors(self) -> tuple[np.ndarray, np.ndarray]:
        if self.nearness == "value":
            return super().middle_floors()
        pairs = [power_floor(Fraction(2), Fraction(2 * (s - self.steps) + 3, 2)) for s in range(self.steps - 1)]
        return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])

    def against_middle(self, step: int, magnitude: Fraction) -> int:
        if self.nearness == "value":
            return super().against_middle(step, magnitude)
        square, cut = magnitude**2, self.magnitude(step + 1) ** 2 / 2
        return (square > cut) - (square < cut)

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return (Rounding.TIES_EVEN,)

    def __str__(self) -> str:
        return f"pot{self.width}" if self.nearness == "log" else f"pot<{self.width},value>"


@dataclass(frozen=True)
class DenseShift(SignMagnitude):
    """Zero-free: sign bit and a shift of width - 1 bits, value +-2**shift. x = 0 becomes +1. Nearest value, ties to the even code.

    Source: DenseShift, ICCV 2023 (the values recalled; published networks are trained on them, so the rounding is ours).
    """

    width: int

    has_zero = False

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 8)

    def magnitude(self, step: int) -> Fraction:
        return Fraction(1 << step)

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return _NEAREST

    def __str__(self) -> str:
        return f"denseshift{self.width}"


@dataclass(frozen=True)
class AdditivePowers(SignMagnitude):
    """APoT: sign and a sum of powers of two from interleaved sets, the largest sum scaled to 1; code = rank of the magnitude.

    width 3 to 7, as published: two magnitude bits are plain powers; more are sums of two or three. The scaled values are the
    float32 quotients of the published code. Nearest, ties to the lower magnitude (the published search takes the first index).
    Source: APoT, ICLR 2020; yhhhli/APoT_Quantization quant_layer.py `build_power_value`.
    """

    width: int

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 3, 7)

    @cached_property
    def _levels(self) -> list[float]:
        sets = {
            2: [[1, 2, 3], [], []],
            3: [[1, 2, 4], [3], []],
            4: [[1, 3, 5], [2, 4, 6], []],
            5: [[1, 3, 6], [2, 4, 7], [5]],
            6: [[1, 4, 7], [2, 5, 8], [3, 6, 9]],
        }[self.width - 1]
        sums = {0.0}
        for shifts in sets:
            sums = {s + t for s in sums for t in [0.0, *(2.0**-k for k in shifts)]}
        inverse = np.float32(1.0 / max(sums))
        return [float(np.float32(s) * inverse) for s in sorted(sums)]

    def magnitude(self, step: int) -> Fraction:
        return Fraction(self._levels[step])

    @property
    def rounding(self) -> Rounding:
        return Rounding.TIES_ZERO

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return _NEAREST

    def __str__(self) -> str:
        return f"apot{self.width}"


@dataclass(frozen=True)
class Logarithmic(SignMagnitude):
    """LNS: sign and log2 of the magnitude in fixed point with frac_bits fraction bits, offset so that its middle is 2**0.

    Step s > 0 is 2**((s - 2**(width-2)) / 2**frac_bits), correctly rounded to float64; that float64 *is* the value. Step 0 is zero.
    Rounding is of the logarithm, to nearest; no float is a tie, except between powers of two. Nothing nonzero becomes
    zero unless its logarithm rounds below the smallest step.
    """

    width: int
    frac_bits: int

    @property
    def rational_decisions(self) -> bool:
        return False

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 3, 16)
        check_int_range("frac_bits", self.frac_bits, 0, 12)
        if (1 << (self.width - 2)) >> self.frac_bits > 1000:
            raise ValueError(
                f"frac_bits={self.frac_bits} of a {self.width}-bit logarithm goes beyond float64; use at least {self.width - 11}"
            )

    def _log(self, step: int) -> Fraction:
        return Fraction(step - (1 << (self.width - 2)), 1 << self.frac_bits)

    @cached_property
    def _octave(self) -> tuple[np.ndarray, np.ndarray]:
        """2**(k / 2**frac_bits) rounded, and the largest float64 below the powers halfway between those exponents."""
        fine = octave(self.frac_bits + 1)
        unit = 1 << OCTAVE_BITS
        return np.array([v / unit for v in fine[::2]]), np.array([floor_float(Fraction(v, unit))[0] for v in fine[1::2]])

    def _scaled(self, table: np.ndarray, steps: np.ndarray) -> np.ndarray:
        logs = steps - (1 << (self.width - 2))
        return np.ldexp(table[logs & ((1 << self.frac_bits) - 1)], logs >> self.frac_bits)

    def magnitude(self, step: int) -> Fraction:
        return Fraction(float(self._scaled(self._octave[0], np.array([step]))[0])) if step else Fraction(0)

    def magnitude_floors(self) -> tuple[np.ndarray, np.ndarray]:
        values = self._scaled(self._octave[0], np.arange(self.steps))
        return np.append(0.0, values[1:]), np.ones(self.steps, bool)

    def middle_floors(self) -> tuple[np.ndarray, np.ndarray]:
        return self._scaled(self._octave[1], np.arange(self.steps - 1)), np.zeros(self.steps - 1, bool)

    def against_middle(self, step: int, magnitude: Fraction) -> int:
        log = self._log(step) + Fraction(1, 2 << self.frac_bits)
        left, right = magnitude**log.denominator, Fraction(2) ** log.numerator
        return (left > right) - (left < right)

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return (Rounding.TIES_EVEN,)

    def __str__(self) -> str:
        return f"lns<{self.width},{self.frac_bits}>"


@dataclass(frozen=True)
class PowerExponent(Ladder):
    """NUPES and PowerQuant: integers q from -Q to Q, Q = 2**(width-1) - 1, in two's complement, value sgn(q) (|q| / Q)**(1/a).

    `a` is a decimal fraction in (0, 4]. x is |x|**a * Q rounded to nearest, ties to even: decided exactly, at the power of the
    middle. Values are the correctly rounded float64. The largest magnitude is 1; the scale belongs to the scheme.
    Source: PowerQuant, ICLR 2023; NUPES, arXiv 2308.05600 (recalled).
    """

    width: int
    a: float

    @property
    def rational_decisions(self) -> bool:
        return False

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 10)
        if (
            not isinstance(self.a, (int, float))
            or isinstance(self.a, bool)
            or not 0 < self.a <= 4
            or self._a != Fraction(repr(float(self.a)))
        ):
            raise ValueError(
                f"a={self.a!r} is not allowed; it must be a decimal fraction above 0, at most 4, with at most 3 decimals"
            )
        object.__setattr__(self, "a", float(self.a))

    @property
    def _a(self) -> Fraction:
        return Fraction(round(self.a * 1000), 1000)

    @property
    def bits(self) -> int:
        return self.width

    @property
    def steps(self) -> int:
        return 1 << (self.width - 1)

    @cached_property
    def _levels(self) -> list[Fraction]:
        top = self.steps - 1
        return [Fraction(0), *(Fraction(rounded_power(Fraction(q, top), 1 / self._a)) for q in range(1, self.steps))]

    def magnitude(self, step: int) -> Fraction:
        return self._levels[step]

    def middle_floors(self) -> tuple[np.ndarray, np.ndarray]:
        pairs = [power_floor(Fraction(2 * q + 1, 2 * self.steps - 2), 1 / self._a) for q in range(self.steps - 1)]
        return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])

    def against_middle(self, step: int, magnitude: Fraction) -> int:
        left = magnitude**self._a.numerator
        right = Fraction(2 * step + 1, 2 * self.steps - 2) ** self._a.denominator
        return (left > right) - (left < right)

    def step_codes(self, negative: bool) -> np.ndarray:
        codes = np.arange(self.steps)
        return np.where(codes == 0, 0, (1 << self.width) - codes) if negative else codes

    def special_values(self) -> dict[int, float]:
        return {self.steps: -1.0}

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return _NEAREST

    def __str__(self) -> str:
        return f"nupes<{self.width},a={self.a!r}>"


def _pot(match: re.Match[str], text: str) -> PowerOfTwo:
    return PowerOfTwo(int(match[1]), cast(Literal["log", "value"], match[2] or "log"))


def _nupes(match: re.Match[str], text: str) -> PowerExponent:
    try:
        a = float(match[2])
    except ValueError:
        raise ValueError(f"format {text!r} has an exponent that is not a number; write nupes<4,a=0.5>") from None
    return PowerExponent(int(match[1]), a)


RULES = [
    (re.compile(r"pot(\d+)()"), _pot),
    (re.compile(r"pot<\s*(\d+)\s*,\s*(log|value)\s*>"), _pot),
    (re.compile(r"denseshift(\d+)"), lambda match, text: DenseShift(int(match[1]))),
    (re.compile(r"apot(\d+)"), lambda match, text: AdditivePowers(int(match[1]))),
    (re.compile(r"lns<\s*(\d+)\s*,\s*(\d+)\s*>"), lambda match, text: Logarithmic(int(match[1]), int(match[2]))),
    (re.compile(r"nupes<\s*(\d+)\s*,\s*a=([^>,]+)>"), _nupes),
]


def entries() -> list[Entry]:
    """Catalogue rows; other widths parse alike."""
    return [
        Entry("pot4", PowerOfTwo(4), "arXiv 1603.01025; rounded in log2", "recalled", ("pot<4,log>",)),
        Entry("pot<4,value>", PowerOfTwo(4, "value"), "arXiv 1603.01025; rounded in value", "recalled"),
        *(
            Entry(f"apot{b}", AdditivePowers(b), "APoT, ICLR 2020; yhhhli/APoT_Quantization quant_layer.py", "read")
            for b in (3, 4, 5, 6, 7)
        ),
        *(Entry(f"denseshift{b}", DenseShift(b), "DenseShift, ICCV 2023", "recalled") for b in (2, 3, 4)),
        Entry("lns<8,3>", Logarithmic(8, 3), "sign and fixed-point log2; layout of this project", "inferred"),
        Entry("nupes<4,a=0.5>", PowerExponent(4, 0.5), "PowerQuant, ICLR 2023; NUPES, arXiv 2308.05600", "recalled"),
    ]
