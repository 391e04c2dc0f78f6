"""Published approximate multipliers of 8 bits as tables of products."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

EXAMPLES = ("exact8u", "exact8s", "mitchell8u", "mitchell8s", "drum6_8u", "drum4_8s", "trunc4_8u", "kulkarni8u")
SOURCES = {
    "exact": ("exact product", "two's complement"),
    "mitchell": ("product by added logarithms", "Mitchell, IRE Trans. EC-11, 1962"),
    "drum": ("product of the leading k bits, the last of them set to 1", "DRUM: Hashemi, Bahar, Reda, ICCAD 2015"),
    "trunc": ("the n lowest columns of the array of partial products left out", "truncated array multiplier"),
    "kulkarni": ("2x2 blocks that give 7 for 3 * 3", "Kulkarni, Gupta, Ercegovac, VLSI Design 2011"),
}


def multiplier(name: str) -> tuple[np.ndarray, str, str] | None:
    """(entries by code, format of a, format of b) of a built-in multiplier; None for other names.

    `8u`: uint8; `8s`: int8 in two's complement, the magnitudes multiplied and the sign put in front.
    """
    match = re.fullmatch(r"(exact|mitchell|kulkarni)8([us])|(drum|trunc)([1-8])_8([us])", name)
    if match is None:
        return None
    kind, count, sign = match[1] or match[3], int(match[4] or 0), match[2] or match[5]
    codes = np.arange(256)
    x, y = codes[:, None], codes[None, :]
    if sign == "s":
        value = np.where(codes < 128, codes, codes - 256)
        x, y = np.abs(value)[:, None], np.abs(value)[None, :]
    entries = _RULES[kind](x, y, count)
    if sign == "s":
        negative = (value < 0)[:, None] != (value < 0)[None, :]
        return np.where(negative, -entries, entries), "int8", "int8"
    return entries, "uint8", "uint8"


def _exact(x: np.ndarray, y: np.ndarray, _: int) -> np.ndarray:
    return x * y


def _leading(x: np.ndarray) -> np.ndarray:
    """Place of the leading one; 0 for zero."""
    return np.maximum(np.frexp(x.astype(np.float64))[1] - 1, 0)


def _mitchell(x: np.ndarray, y: np.ndarray, _: int) -> np.ndarray:
    """2**(k + l) * (1 + f + g), or 2**(k + l + 1) * (f + g) from f + g = 1 on; f, g: what follows the leading ones."""
    k, m = _leading(x), _leading(y)
    rest = ((x - (1 << k)) << m) + ((y - (1 << m)) << k)  # (f + g) * 2**(k + l)
    one = 1 << (k + m)
    found = np.where(rest < one, one + rest, 2 * rest)
    return np.where((x == 0) | (y == 0), 0, found)


def _drum(x: np.ndarray, y: np.ndarray, bits: int) -> np.ndarray:
    def short(v: np.ndarray) -> np.ndarray:
        drop = np.maximum(_leading(v) + 1 - bits, 0)
        return np.where(drop > 0, ((v >> drop) | 1) << drop, v)

    return short(x) * short(y)


def _trunc(x: np.ndarray, y: np.ndarray, columns: int) -> np.ndarray:
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.int64)
    for i in range(8):
        for j in range(8):
            if i + j >= columns:
                total = total + ((((x >> i) & 1) * ((y >> j) & 1)) << (i + j))
    return total


def _kulkarni(x: np.ndarray, y: np.ndarray, _: int) -> np.ndarray:
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.int64)
    for i in range(0, 8, 2):
        for j in range(0, 8, 2):
            u, v = (x >> i) & 3, (y >> j) & 3
            total = total + (np.where((u == 3) & (v == 3), 7, u * v) << (i + j))
    return total


_RULES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "exact": _exact,
    "mitchell": _mitchell,
    "drum": _drum,
    "trunc": _trunc,
    "kulkarni": _kulkarni,
}
