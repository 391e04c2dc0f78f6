"""Checks at the public edge: every refusal names the argument, its value, what is allowed and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from operator import index
from typing import Any


def nearest(name: str, known: Iterable[str], count: int = 4) -> list[str]:
    """The known names most like `name`, best first; case is ignored."""
    by_lower = {k.lower(): k for k in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.4)
    return [by_lower[f] for f in found]


def unknown(what: str, name: object, known: Iterable[str], remedy: str = "") -> ValueError:
    """A ValueError for an unknown name, with the nearest known ones."""
    known = sorted(known)
    close = nearest(str(name), known) if isinstance(name, str) else []
    hint = f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(known[:24])}"
    return ValueError(f"unknown {what} {name!r}: {hint}" + (f" {remedy}" if remedy else ""))


def check_in(what: str, value: object, allowed: Iterable[object]) -> None:
    """Refuse `value` unless it is one of `allowed`."""
    allowed = list(allowed)
    if value not in allowed:
        raise ValueError(f"{what}={value!r} is not allowed; use one of {', '.join(map(str, allowed))}")


def plain_int(value: Any) -> Any:
    """A NumPy integer as a Python one; anything else as it is."""
    return value if isinstance(value, bool) or not hasattr(value, "__index__") else index(value)


def check_int_range(what: str, value: int, low: int, high: int) -> None:
    """Refuse a value that is not an integer in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        hint = "" if isinstance(value, int) or not hasattr(value, "__index__") else ": write int(...)"
        raise ValueError(f"{what}={value!r} is not allowed; it must be an integer from {low} to {high}{hint}")
