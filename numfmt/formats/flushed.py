"""Floats without subnormals: codes of exponent field 0 are zeros."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .base import Overflow
from .float_facts import overflowed
from .floats import Float
from .ladder import Ladder
from .modes import Modes


@dataclass(frozen=True)
class FlushedFloat(Ladder):
    """`base` of at most 16 bits, with zeros where it has subnormals: the next value above zero is its smallest normal one.

    A value between the two is rounded once, as between any neighbours (halfway goes to zero under ties_even), so this is not
    rounding to a subnormal first and flushing then, which `ftz=` of the arithmetic does. Codes of flushed values are read as zero
    with their sign and never written. Source: the "no subnormals" mode of CPFloat (Fasi and Mikaitis, 2023), recalled.
    """

    base: Float

    open_end = True

    def __post_init__(self) -> None:
        if not self.base.zero or self.base.man_bits < 1 or self.base.bits > 16:
            raise ValueError(
                f"nosub needs a float of at most 16 bits with a zero and mantissa bits, not {self.base}; wider ones take ftz= "
                "in the arithmetic"
            )
        if self.base.max_magnitude_code < 1 << self.base.man_bits:
            raise ValueError(f"{self.base} has subnormals only; without them nothing but zero is left")

    @property
    def is_signed(self) -> bool:  # type: ignore[override]
        return self.base.signed

    @property
    def bits(self) -> int:
        return self.base.bits

    @property
    def steps(self) -> int:
        return self.base.max_magnitude_code - (1 << self.base.man_bits) + 2

    def magnitude(self, step: int) -> Fraction:
        if step == 0:
            return Fraction(0)
        m = self.base.man_bits
        field, low = divmod((1 << m) + step - 1, 1 << m)
        return ((1 << m) + low) * Fraction(2) ** (field - self.base.bias - m)

    def step_codes(self, negative: bool) -> np.ndarray:
        codes = np.arange(self.steps) + (1 << self.base.man_bits) - 1
        codes[0] = 0
        if negative:
            codes[int(not self.base.has_minus_zero) :] += 1 << (self.bits - 1)
        return codes

    def special_values(self) -> dict[int, float]:
        found = {}
        signs = ((0, 1.0), (1 << (self.bits - 1), -1.0)) if self.base.signed else ((0, 1.0),)
        for offset, sign in signs:
            for code in range(1, 1 << self.base.man_bits):
                found[offset + code] = sign * 0.0
            if self.base.has_inf:
                found[offset + self.base.inf_code] = sign * float("inf")
        return found

    @property
    def has_inf(self) -> bool:
        return self.base.has_inf

    @property
    def nan_code(self) -> int:
        return self.base.nan_code

    @property
    def overflow(self) -> Overflow:
        return self.base.overflow

    @property
    def overflows(self) -> tuple[Overflow, ...]:
        return self.base.overflows

    def outside(self, negative: bool, infinite: bool, modes: Modes) -> int:
        return overflowed(self.base, modes.rounding, modes.overflow, negative, infinite)[0]

    def __str__(self) -> str:
        b = self.base
        return f"{'float' if b.signed else 'ufloat'}<{b.exp_bits},{b.man_bits},bias={b.bias},{b.specials},nosub>"
