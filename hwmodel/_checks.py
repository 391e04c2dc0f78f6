"""Checks of arguments: one clear ValueError each, with the value, what is allowed and the remedy."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from numfmt._checks import unknown

__all__ = ["finite", "positive_int", "unknown"]


def positive_int(what: str, value: Any, *, minimum: int = 1) -> int:
    """`value` as an int of at least `minimum`; booleans, NaN and fractions are refused."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise ValueError(f"{what} is {value!r}; give a whole number of at least {minimum}")
    return int(value)


def finite(what: str, value: Any, *, above: float | None = None, minimum: float | None = None) -> float:
    """`value` as a finite float above or at least the bound given."""
    bound = f" above {above:g}" if above is not None else f" of at least {minimum:g}" if minimum is not None else ""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    low = (above is not None and number <= above) or (minimum is not None and number < minimum)
    if not math.isfinite(number) or low:
        raise ValueError(f"{what} is {value!r}; give a finite number{bound}")
    return number
