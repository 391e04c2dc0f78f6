"""Rounding of exact values, one at a time: the slow path for values that float64 cannot hold."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from .base import Rounding
from .modes import Modes

_HALF = Fraction(1, 2)


def floor_log2(x: Fraction) -> int:
    """floor(log2(x)) of a positive fraction."""
    guess = x.numerator.bit_length() - x.denominator.bit_length()
    below = x.numerator < x.denominator << guess if guess >= 0 else x.numerator << -guess < x.denominator
    return guess - 1 if below else guess


def round_magnitude(scaled: Fraction, modes: Modes, odd_base: int, negative: bool, random: int = 0) -> int:
    """`scaled` >= 0 rounded to an integer; `odd_base` is added to it to know the parity of its code."""
    kept = floor(scaled)
    tail = scaled - kept
    return kept + int(bool(tail) and _away(tail, modes, (kept + odd_base) & 1 == 1, negative, random))


def _away(tail: Fraction, modes: Modes, odd: bool, negative: bool, random: int) -> bool:
    match modes.rounding:
        case Rounding.TOWARD_ZERO:
            return False
        case Rounding.AWAY:
            return True
        case Rounding.UP:
            return not negative
        case Rounding.DOWN:
            return negative
        case Rounding.TO_ODD:
            return not odd
    if modes.random is not None:
        limit = 1 << modes.random.width
        if modes.rounding is Rounding.STOCHASTIC_A:
            return floor(tail * limit) + random >= limit
        if modes.rounding is Rounding.STOCHASTIC_B:
            return floor(tail * 2 * limit) + 2 * random + 1 >= 2 * limit
        return round(tail * limit) + random >= limit  # Fraction rounds ties to even
    if tail != _HALF:
        return tail > _HALF
    ties = {
        Rounding.TIES_EVEN: odd,
        Rounding.TIES_AWAY: True,
        Rounding.TIES_ZERO: False,
        Rounding.TIES_UP: not negative,
        Rounding.TIES_DOWN: negative,
    }
    return ties[modes.rounding]
