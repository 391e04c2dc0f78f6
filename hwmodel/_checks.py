"""Checks of arguments: one clear ValueError each, with the value, what is allowed and the remedy."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any


def unknown(what: str, name: object, known: Iterable[str], remedy: str = "") -> ValueError:
    """The error for a name that nothing answers to; lists the nearest known names."""
    names = sorted(known)
    lower = {n.lower(): n for n in names}
    near = [lower[n] for n in difflib.get_close_matches(str(name).lower(), list(lower), n=4, cutoff=0.4)]
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
    return ValueError(f"unknown {what} {name!r}; {hint}{' ' + remedy if remedy else ''}")


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
