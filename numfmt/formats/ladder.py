"""Formats whose magnitudes are listed step by step; sign, zero, roundings and ends are treated once, here."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from .base import Format, Overflow, Rounding, decode_table
from .line import LARGEST, SMALLEST, Line, below, floor_floats, mirrored

if TYPE_CHECKING:
    from .modes import Modes

DETERMINISTIC = tuple(Rounding)[:10]
_INWARD = {(Rounding.TOWARD_ZERO, False), (Rounding.TOWARD_ZERO, True), (Rounding.DOWN, False), (Rounding.UP, True)}
_OUTWARD = {(Rounding.AWAY, False), (Rounding.AWAY, True), (Rounding.UP, False), (Rounding.DOWN, True)}


def as_number(value: Fraction | float) -> float:
    """A float where it is exact, else the fraction itself."""
    if isinstance(value, float):
        return value
    try:
        near = value.numerator / value.denominator
    except OverflowError:
        return value  # type: ignore[return-value]
    return near if Fraction(near) == value else value  # type: ignore[return-value]


class Ladder(Format):
    """Magnitudes in ascending order, step 0 being zero where the format has one; both signs unless `is_signed` is false.

    Between two steps the nearest is decided at `middle`; a value is rounded first, and what lies beyond the last step becomes
    what `outside` says. `open_end`: the steps go on one further before a value counts as outside.
    """

    is_signed = True
    has_zero = True
    open_end = False

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many magnitudes there are, zero included."""

    @abstractmethod
    def magnitude(self, step: int) -> Fraction:
        """Exact magnitude of a step (one further than the last one where `open_end`)."""

    def middle(self, step: int) -> Fraction:
        """Where `step` and the next one are equally near."""
        return (self.magnitude(step) + self.magnitude(step + 1)) / 2

    @abstractmethod
    def step_codes(self, negative: bool) -> np.ndarray:
        """The code of every step with that sign, int64."""

    @property
    def nan_code(self) -> int:
        """The NaN that encode writes; -1 where the format has none."""
        return -1

    def outside(self, negative: bool, infinite: bool, modes: Modes) -> int:
        """Code of what lies beyond the last step, after rounding."""
        return int(self.step_codes(negative)[-1])

    # -- vectors of the same, float64 not above the exact value and whether it is equal; families with many steps do better

    def magnitude_floors(self) -> tuple[np.ndarray, np.ndarray]:
        """`magnitude` of every step."""
        return floor_floats([self.magnitude(s) for s in range(self.steps + self.open_end)])

    def middle_floors(self) -> tuple[np.ndarray, np.ndarray]:
        """`middle` of every step but the last."""
        return floor_floats([self.middle(s) for s in range(self.steps - 1 + self.open_end)])

    @cached_property
    def _magnitudes(self) -> tuple[np.ndarray, np.ndarray]:
        return self.magnitude_floors()

    @cached_property
    def _middles(self) -> tuple[np.ndarray, np.ndarray]:
        return self.middle_floors()

    @cached_property
    def _lines(self) -> dict[tuple[Rounding, Overflow], Line]:
        return {}

    # -- properties of every format

    @cached_property
    def odd_safe(self) -> bool:
        floors = (self._magnitudes, self._middles)
        return all(bool(exact.all()) and not (values.view(np.int64) & 1).any() for values, exact in floors)

    @property
    def max(self) -> float:
        return as_number(self.magnitude(self.steps - 1))

    @property
    def min(self) -> float:
        return -self.max if self.is_signed else as_number(self.magnitude(0))

    @property
    def min_positive(self) -> float:
        return as_number(self.magnitude(int(self.has_zero)))

    @cached_property
    def quantum(self) -> float:
        nonzero = self._magnitudes[0][int(self.has_zero) : self.steps]
        units = [(1.0 / d) * (n & -n) for n, d in (v.as_integer_ratio() for v in nonzero.tolist())]
        return min(units)

    @property
    def rounding(self) -> Rounding:
        return Rounding.TIES_EVEN

    @property
    def overflow(self) -> Overflow:
        return Overflow.SATURATE

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return DETERMINISTIC

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        return (Overflow.SATURATE,)

    @property
    def has_nan(self) -> bool:
        return self.nan_code >= 0

    @cached_property
    def value_dtype(self) -> np.dtype:
        values, exact = (a[: self.steps] for a in self._magnitudes)
        if not exact.all():
            return np.dtype(object)
        with np.errstate(over="ignore"):
            return np.dtype(np.float32 if np.array_equal(values, values.astype(np.float32)) else np.float64)

    # -- arrays

    def _limits(self, rounding: Rounding, negative: bool) -> np.ndarray:
        """The largest magnitude (float64) that stays on each step and does not go to the next one."""
        magnitudes, exact = self._magnitudes
        middles, middle_exact = self._middles
        count = middles.size
        inward = np.where(exact[1:], below(magnitudes[1:]), magnitudes[1:])
        if (rounding, negative) in _INWARD:
            return inward
        if (rounding, negative) in _OUTWARD:
            return magnitudes[:count]
        odd = (self.step_codes(negative)[:count] & 1).astype(bool)
        if rounding is Rounding.TO_ODD:
            return np.where(odd, inward, magnitudes[:count])
        ties: dict[Rounding, np.ndarray | bool] = {
            Rounding.TIES_EVEN: odd,
            Rounding.TIES_AWAY: True,
            Rounding.TIES_ZERO: False,
            Rounding.TIES_UP: not negative,
            Rounding.TIES_DOWN: negative,
        }
        return np.where(middle_exact & ties[rounding], below(middles), middles)

    def _side(self, negative: bool, modes: Modes) -> tuple[np.ndarray, np.ndarray]:
        """Limits and codes from zero outward: codes[0] up to limits[0], codes[1] up to limits[1], ..."""
        if negative and not self.is_signed:
            return np.empty(0), np.array([self.outside(True, False, modes)])
        limits, codes = self._limits(modes.rounding, negative), self.step_codes(negative)
        if self.open_end:
            codes = np.append(codes, self.outside(negative, False, modes))
        infinite = self.outside(negative, True, modes)
        if infinite != codes[-1]:
            limits, codes = np.append(limits, LARGEST), np.append(codes, infinite)
        return limits, codes

    def _line(self, modes: Modes) -> Line:
        key = (modes.rounding, modes.overflow)
        if key not in self._lines:
            limits, codes = self._side(False, modes)
            negative_limits, negative_codes = self._side(True, modes)
            if codes[0] == negative_codes[0]:
                codes, centre = codes[1:], np.empty(0)
            else:
                centre = np.array([-0.0 if self.has_zero else -SMALLEST])
            points = np.concatenate([mirrored(negative_limits), centre, limits])
            self._lines[key] = Line(points, np.concatenate([negative_codes[::-1], codes]), self.nan_code)
        return self._lines[key]

    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return self._line(modes).write(x, out)

    def cast_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return self._line(modes).write(x, out, decode_table(self))

    # -- one exact value

    def encode_exact(self, value: Fraction | float, modes: Modes, random: int = 0) -> int:
        if isinstance(value, float):
            if isnan(value):
                if self.nan_code < 0:
                    raise ValueError(f"x holds NaN, which {self} cannot hold; replace it first, or use a format with NaN")
                return self.nan_code
            return self._line(modes).code_of(value)
        negative, magnitude = value < 0, abs(value)
        if value == 0 or (negative and not self.is_signed):
            return self._line(modes).code_of(-1.0 if negative else 0.0)
        low, high = 0, self.steps - 1
        while low < high:
            step = (low + high + 1) >> 1
            low, high = (step, high) if self.magnitude(step) <= magnitude else (low, step - 1)
        step = low
        if step < self.steps - 1 or self.open_end:
            beyond = self.open_end and step == self.steps - 1 and magnitude >= self.magnitude(step + 1)
            step += int(beyond or self._goes_out(step, magnitude, negative, modes))
        if step >= self.steps:
            return self.outside(negative, False, modes)
        return self.code_at(step, negative)

    def code_at(self, step: int, negative: bool) -> int:
        """Code of one step."""
        return int(self.step_codes(negative)[step])

    def against_middle(self, step: int, magnitude: Fraction) -> int:
        """-1, 0, 1: `magnitude` below, on, above the middle of `step` and the next one."""
        middle = self.middle(step)
        return (magnitude > middle) - (magnitude < middle)

    def _goes_out(self, step: int, magnitude: Fraction, negative: bool, modes: Modes) -> bool:
        rounding = modes.rounding
        if magnitude <= self.magnitude(step) or (rounding, negative) in _INWARD:
            return False
        if (rounding, negative) in _OUTWARD:
            return True
        odd = self.code_at(step, negative) & 1 == 1
        if rounding is Rounding.TO_ODD:
            return not odd
        side = self.against_middle(step, magnitude)
        ties = {
            Rounding.TIES_EVEN: odd,
            Rounding.TIES_AWAY: True,
            Rounding.TIES_ZERO: False,
            Rounding.TIES_UP: not negative,
            Rounding.TIES_DOWN: negative,
        }
        return side > 0 or (side == 0 and ties[rounding])

    # -- decoding

    def _decode_table(self) -> np.ndarray:
        values, exact = (a[: self.steps] for a in self._magnitudes)
        magnitudes = values
        if not exact.all():
            magnitudes = np.array([self.magnitude(s) for s in range(self.steps)], object)
        table = np.full(1 << self.bits, np.nan, magnitudes.dtype)
        table[self.step_codes(False)] = magnitudes
        if self.is_signed:
            codes = self.step_codes(True)
            same = self.has_zero and codes[0] == self.step_codes(False)[0]
            table[codes[int(same) :]] = -magnitudes[int(same) :]
        for code, value in self.special_values().items():
            table[code] = value
        return table

    def special_values(self) -> dict[int, float]:
        """Codes that are not steps: infinities, and codes that repeat a value. NaN is the default."""
        return {}

    def decode_exact(self, code: int) -> Fraction | float:
        if self.value_dtype.kind == "O" and 0 <= code < 1 << self.bits:
            value = decode_table(self)[code]
            return value if isinstance(value, Fraction) else float(value)
        return super().decode_exact(code)
