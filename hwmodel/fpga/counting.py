"""Arithmetic that takes whole numbers or arrays of them: the structure of one unit and that of a table are the same lines."""

from __future__ import annotations

from functools import lru_cache
from math import log2
from typing import Any

import numpy as np

Number = Any  # an int or a float, or an array of them over the units of a table


def where(condition: Number, yes: Number, no: Number) -> Number:
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def larger(a: Number, b: Number) -> Number:
    return np.maximum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else max(a, b)


def smaller(a: Number, b: Number) -> Number:
    return np.minimum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else min(a, b)


def up(n: Number, step: int) -> Number:
    """n / step, rounded up."""
    return -(-n // step)


def bit_length(n: Number) -> Number:
    """Bits of a number of at least 0."""
    return np.frexp(n.astype(float))[1].astype(np.int64) if isinstance(n, np.ndarray) else n.bit_length()


def bits_of(n: Number) -> Number:
    """Bits of a shift amount or index below n."""
    return bit_length(larger(n - 1, 0))


def log(n: Number) -> Number:
    return np.log2(n) if isinstance(n, np.ndarray) else log2(n)


def most(n: Number) -> int:
    """The largest of them, 0 of none."""
    return int(n.max(initial=0)) if isinstance(n, np.ndarray) else n


def at(table: np.ndarray, n: Number) -> Number:
    return table[n] if isinstance(n, np.ndarray) else int(table[n])


@lru_cache(maxsize=8)
def zero_muxes(bits: int) -> np.ndarray:
    """Muxes of a tree that counts the zeros of 0 to `bits` bits: it joins two halves, the first a power of two, and selects one of
    their counts. int64."""
    out = np.zeros(bits + 1, np.int64)
    for n in range(2, bits + 1):
        rest = n - (1 << (n - 1).bit_length() - 1)
        out[n] = out[n - rest] + out[rest] + (rest - 1).bit_length()
    return out
