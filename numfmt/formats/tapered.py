"""What posits and takums share: two's-complement codes in the order of their values, NaR, rounding of the bit string."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from math import inf, isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from .base import Format, Overflow, Rounding, decode_table
from .ladder import Ladder, as_number

if TYPE_CHECKING:
    from .modes import Modes


class Tapered(Ladder):
    """`width` bits. Code 0 is zero, 10...0 is NaR (decoded as NaN), a negative value has the two's complement of its magnitude.

    Rounding: the bit string without end, cut to nearest, ties to the even code; a value that is not zero becomes neither zero nor
    NaR, so magnitudes saturate at both ends. Infinities become NaR (propagate, the default) or the largest value (saturate).
    """

    width: int

    @abstractmethod
    def positive(self, code: int, width: int) -> Fraction:
        """Value of a positive code of that width."""

    @property
    def bits(self) -> int:
        return self.width

    @property
    def steps(self) -> int:
        return 1 << (self.width - 1)

    def magnitude(self, step: int) -> Fraction:
        return self.positive(step, self.width) if step else Fraction(0)

    def middle(self, step: int) -> Fraction:
        return self.positive(2 * step + 1, self.width + 1) if step else Fraction(0)

    def step_codes(self, negative: bool) -> np.ndarray:
        codes = np.arange(self.steps)
        return np.where(codes == 0, 0, (1 << self.width) - codes) if negative else codes

    def code_at(self, step: int, negative: bool) -> int:
        return (1 << self.width) - step if negative and step else step

    @property
    def nan_code(self) -> int:
        return 1 << (self.width - 1)

    @property
    def odd_safe(self) -> bool:
        return self.width <= 48 and self.rational_decisions  # at most width - 2 significant bits, the decision points one more

    @property
    def overflow(self) -> Overflow:
        return Overflow.PROPAGATE

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        return (Overflow.SATURATE, Overflow.PROPAGATE)

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        return (Rounding.TIES_EVEN,)

    def outside(self, negative: bool, infinite: bool, modes: Modes) -> int:
        if infinite and modes.overflow is Overflow.PROPAGATE:
            return self.nan_code
        return self.code_at(self.steps - 1, negative)

    @property
    def max(self) -> float:
        return as_number(self.positive(self.steps - 1, self.width))

    @property
    def min_positive(self) -> float:
        return as_number(self.positive(1, self.width))

    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        if self.width <= 16:
            return super().encode_array(x, out, modes)
        self.encode_wide(x, out, np.uint64(self.outside(False, True, modes)).astype(np.int64))
        return 0

    @abstractmethod
    def encode_wide(self, x: np.ndarray, out: np.ndarray, infinite_code: np.int64) -> None:
        """Codes of more than 16 bits; infinite_code: the bits of the code of +inf."""

    @abstractmethod
    def decode_wide(self, codes: np.ndarray, out: np.ndarray) -> None:
        """Values of codes of more than 16 bits."""

    def decode_array(self, codes: np.ndarray, out: np.ndarray) -> None:
        if self.width <= 16:
            super().decode_array(codes, out)
        elif out.dtype == np.float64:
            self.decode_wide(codes, out)
        else:
            values = np.empty(codes.size)
            self.decode_wide(codes, values)
            out[...] = values

    def cast_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        if self.width <= 16:
            return self._line(modes).write(x, out, decode_table(self))
        return Format.cast_array(self, x, out, modes)

    def encode_exact(self, value: Fraction | float, modes: Modes, random: int = 0) -> int:
        if isinstance(value, float):
            if isnan(value):
                return self.nan_code
            if value in (inf, -inf):
                return self.outside(value < 0, True, modes)
            return 0 if value == 0 else self.encode_exact(Fraction(value), modes)
        if value == 0:
            return 0
        if abs(value) <= self.magnitude(1):  # never to zero
            return self.code_at(1, value < 0)
        return super().encode_exact(value, modes, random)

    def decode_exact(self, code: int) -> Fraction | float:
        if not 0 <= code < 1 << self.width:
            return super().decode_exact(code)  # refuses
        if code == self.nan_code:
            return nan
        negative = code > self.nan_code
        value = self.magnitude((1 << self.width) - code if negative else code)
        return -value if negative else value
