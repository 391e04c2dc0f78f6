"""Which foldings a layer can have."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from hwmodel._checks import positive_int


@lru_cache(maxsize=4096)
def divisors(n: int) -> tuple[int, ...]:
    """Divisors of n, smallest first."""
    low, high = [], []
    d = 1
    while d * d <= n:
        if n % d == 0:
            low.append(d)
            if d * d != n:
                high.append(n // d)
        d += 1
    return (*low, *reversed(high))


def nearest(value: int, allowed: Iterable[int]) -> tuple[int, ...]:
    """The allowed values just below and just above; the value itself where it is allowed."""
    below = [a for a in allowed if a <= value]
    above = [a for a in allowed if a >= value]
    return tuple(dict.fromkeys(([max(below)] if below else []) + ([min(above)] if above else [])))


def check(what: str, value: Any, size: int, of: str) -> int:
    """`value` where it divides `size`; ValueError with the nearest divisors otherwise."""
    number = positive_int(what, value)
    if size % number:
        legal = " or ".join(map(str, nearest(number, divisors(size))))
        raise ValueError(f"{what} is {number}, which does not divide the {size} {of}; the nearest that do: {legal}")
    return number
