"""Exact arithmetic on what users give as floats: every number as an integer over one common denominator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np


def exact(value: Any) -> Fraction:
    """The number that a float, integer, Fraction or Decimal is; OverflowError or ValueError where it is not finite."""
    return Fraction(value.item() if isinstance(value, np.generic) else value)


def integers(values: Iterable[Fraction]) -> tuple[list[int], int]:
    """The values times their least common denominator, and that denominator."""
    held = list(values)
    denominator = math.lcm(*(v.denominator for v in held)) if held else 1
    return [v.numerator * (denominator // v.denominator) for v in held], denominator


def below(value: Fraction) -> float:
    """The largest float that is not above `value`."""
    near = float(value)
    return near if math.isinf(near) or Fraction(near) <= value else math.nextafter(near, -math.inf)


def ratio(values: Sequence[Sequence[int]], unit: int, width: int, pad: float) -> np.ndarray:
    """Rows of integers over `unit`, correctly rounded, padded to `width` columns."""
    out = np.full((len(values), width), pad)
    for i, row in enumerate(values):
        out[i, : len(row)] = [v / unit for v in row]
    return out
