"""Where the range of a format ends: the smallest magnitude that overflows under a rounding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .base import Format, Overflow, Rounding
from .fixed import Fixed
from .floats import Float
from .ladder import Ladder
from .ordered import _INWARD, _OUTWARD, side
from .p3109 import P3109


@dataclass(frozen=True)
class Edge:
    """Magnitudes beyond `limit` overflow on this side; `limit` itself does where `inclusive`."""

    limit: Fraction
    inclusive: bool
    negative: bool = False

    def overflows(self, magnitude: Fraction) -> bool:
        """Whether a magnitude on this side overflows."""
        return magnitude > self.limit or (self.inclusive and magnitude == self.limit)

    def just_beyond(self, least: Fraction) -> Fraction:
        """A value, with its sign, that overflows by next to nothing; least: the smallest positive value of the format."""
        size = self.limit if self.inclusive else self.limit + (self.limit or least or Fraction(1)) / (1 << 70)
        return -size if self.negative else size


def edge(fmt: Format, rounding: Rounding, overflow: Overflow, negative: bool = False) -> Edge:
    """The end of the range on one side. A format whose values do not go on evenly (codebooks, posits, logarithms) ends at its
    last value: whatever lies beyond becomes it.

    Under a stochastic rounding the limit is the least magnitude that may overflow.
    """
    last, following, middle, odd = _last_step(fmt, overflow, negative)
    if following is None or middle is None:
        return Edge(last, False, negative)
    if (rounding, negative) in _INWARD:
        return Edge(following, True, negative)
    if (rounding, negative) in _OUTWARD or rounding.startswith("stochastic"):
        return Edge(last, False, negative)
    if rounding is Rounding.TO_ODD:
        return Edge(following, True, negative) if odd else Edge(last, False, negative)
    tie_goes_out = {
        Rounding.TIES_EVEN: odd,
        Rounding.TIES_AWAY: True,
        Rounding.TIES_ZERO: False,
        Rounding.TIES_UP: not negative,
        Rounding.TIES_DOWN: negative,
    }[rounding]
    return Edge(middle, tie_goes_out, negative)


def _last_step(fmt: Format, overflow: Overflow, negative: bool) -> tuple[Fraction, Fraction | None, Fraction | None, bool]:
    """Last magnitude; the one that would follow it and where the two meet (None: nothing follows); whether the last code is odd."""
    line = side(fmt, negative)
    last = line.magnitude(line.size - 1) if line.size else Fraction(0)
    if isinstance(fmt, Fixed):
        step, odd = Fraction(2) ** -fmt.frac_bits, not negative and fmt.max_int % 2 == 1
        if negative and fmt.signed:
            raw = fmt.facts(overflow)[4]
            last, odd = int(raw) * step, int(raw) % 2 == 1
        return last, last + step, last + step / 2, odd
    below_unsigned = negative and not line.size
    if isinstance(fmt, Float):
        if below_unsigned:
            if not fmt.zero:
                return last, None, None, False
            step = side(fmt).magnitude(0)
            return last, step, step / 2, False
        step = Fraction(2) ** (_exponent(fmt) - fmt.man_bits)
        return last, last + step, last + step / 2, fmt.max_magnitude_code % 2 == 1
    if isinstance(fmt, Ladder) and fmt.open_end:
        if below_unsigned:  # P3109 rounds first; the others take any negative value as below their range
            return (last, fmt.magnitude(1), fmt.middle(0), False) if isinstance(fmt, P3109) else (last, None, None, False)
        top = fmt.steps - 1
        return last, fmt.magnitude(top + 1), fmt.middle(top), fmt.code_at(top, negative) % 2 == 1
    return last, None, None, False


def _exponent(fmt: Float) -> int:
    """Exponent of the binade of the largest value."""
    field = fmt.max_magnitude_code >> fmt.man_bits
    return fmt.emin + max(field - int(fmt.zero), 0)
