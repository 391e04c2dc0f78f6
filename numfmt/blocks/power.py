"""Uniform steps of a power of the magnitude: PowerQuant and NUPES."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np

from ..formats import parse
from .family import Family, Given, Part, SchemeEntry, Stored, code_part, scale_part, single
from .grid import Granularity, Grid
from .scheme import Scheme

_STEPS = 20  # the exponents tried are k / 20, k = 1 ... 20


class Power(Family):
    """y = sign(x) |x / s|^a in equal steps of n = 2^(bits - 1) - 1 levels, s = max |x| of the group, a searched for the tensor.

    Levels (k / n)^(1 / a) are the correctly rounded float32 values; the decision points ((k + 1/2) / n)^(1 / a), also correctly
    rounded to float32, stand between them and |x| / s (one float32 division) is compared with them, a point itself going down:
    no result depends on a machine's power function. a = k / 20, k = 1 ... 20, with the least squared error (float64, in order),
    the larger exponent of equal ones. Codes are two's complement. Source: PowerQuant, ICLR 2023, arXiv 2301.09858; NUPES, arXiv
    2308.05600 (recalled).
    """

    name = "power"

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, scales, and the tensor's exponent in twentieths."""
        return {
            "codes": code_part(made, grid),
            "scales": scale_part(made, grid),
            "exponent": Part((1, 1), np.dtype(np.uint8), 8, _STEPS, 0),
        }

    def by_rows(self, made: Scheme) -> bool:
        """The exponent is chosen for the whole tensor."""
        return False

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Search of the exponent, then the codes."""
        groups = grid.gather(single(rows, made))
        if given.stored:
            scales, tried = given.stored["scales"].reshape(-1), [int(given.stored["exponent"][0, 0])]
        else:
            top = np.abs(groups).max(axis=1)
            scales, tried = np.where(top > 0, top, np.float32(1)), list(range(_STEPS, 0, -1))
        ratios = np.abs(groups) / scales[:, None]
        best, exponent = np.inf, tried[0]
        kept = np.zeros(groups.shape, np.uint8)
        for k in tried:
            levels, points = _tables(made.element_bits, k)
            ranks = np.searchsorted(points, ratios.reshape(-1), side="left").astype(np.uint8).reshape(groups.shape)
            if len(tried) == 1:
                kept = ranks
                break
            error = levels[ranks].astype(np.float64) * scales[:, None] - np.abs(groups)
            total = float(np.cumsum((error * error).sum(axis=1))[-1])
            if total < best:
                best, kept, exponent = total, ranks, k
        words = np.where(groups < 0, -kept.astype(np.int16), kept) & ((1 << made.element_bits) - 1)
        return {
            "codes": grid.scatter(words.astype(np.uint8)),
            "scales": scales.reshape(grid.shape),
            "exponent": np.full((1, 1), exponent, np.uint8),
        }

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Levels with the sign, float32."""
        bits = made.element_bits
        levels, _ = _tables(bits, int(stored["exponent"][0, 0]))
        table = np.zeros(1 << bits, np.float32)
        table[: len(levels)] = levels
        table[-1 : -len(levels) : -1] = -levels[1:]
        values: np.ndarray = table[stored["codes"]]
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The largest magnitudes."""
        return stored["scales"]

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Scales above zero, an exponent above zero, no most negative code."""
        if not (np.isfinite(stored["scales"]).all() and (stored["scales"] > 0).all()):
            raise ValueError(f"scales must be finite and above zero for {made}")
        if stored["exponent"][0, 0] == 0 or (stored["codes"] == 1 << (made.element_bits - 1)).any():
            raise ValueError(f"it holds an exponent of 0 or the most negative code, which {made} does not use")

    def entries(self) -> list[SchemeEntry]:
        """The presets."""
        source = "PowerQuant, arXiv 2301.09858; NUPES, arXiv 2308.05600"
        return [SchemeEntry(f"powerquant{b}/channel", "equal steps of a searched power", source, "recalled") for b in (4, 8)]


@lru_cache(maxsize=256)
def _tables(bits: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels and decision points for a = k / 20, correctly rounded to float32."""
    import mpmath

    n = (1 << (bits - 1)) - 1
    with mpmath.workprec(200):
        power = mpmath.mpf(_STEPS) / k

        def rounded(numerator: int, denominator: int) -> np.float32:
            value = (mpmath.mpf(numerator) / denominator) ** power
            near = np.float32(float(value))  # at most one step off: the float64 was rounded already
            around = [np.nextafter(near, np.float32(-1)), near, np.nextafter(near, np.float32(2))]
            return min(around, key=lambda c: abs(mpmath.mpf(float(c)) - value))

        levels = np.array([rounded(i, n) for i in range(n + 1)], np.float32)
        points = np.array([rounded(2 * i + 1, 2 * n) for i in range(n)], np.float32)
    return levels, points


def _power(match: re.Match[str], text: str) -> Scheme:
    bits = int(match[1])
    if not 2 <= bits <= 8:
        raise ValueError(f"scheme {text!r}: powerquantN needs 2 to 8 bits, as in powerquant4/channel")
    return Scheme(f"powerquant{bits}", (parse(f"int{bits}"),), Granularity("channel"), parse("float32"), "power", family="power")


FAMILIES = (Power(),)
RULES: list[tuple[str, Any]] = [(r"powerquant(\d+)", _power)]
