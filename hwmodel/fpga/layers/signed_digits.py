"""Integers as signed binary digits, no two beside one another: as few digits as can be (NAF, canonical signed digits)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray


def digits(value: int) -> Iterator[tuple[int, int]]:
    """(position, +1 or -1) of the non-zero digits, lowest first."""
    at = 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            yield at, digit
            value -= digit
        value >>= 1
        at += 1


def digit_count(values: ArrayLike) -> NDArray[np.int64]:
    """Non-zero digits of each integer (below 2**61): those of x xor 3x."""
    x = np.abs(np.asarray(values, dtype=np.int64))
    return np.bitwise_count(x ^ (3 * x)).astype(np.int64)
