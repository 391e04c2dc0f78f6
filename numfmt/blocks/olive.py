"""OliVe: outliers take the code of their neighbour, the victim, which becomes zero."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np

from ..formats import Codebook, Format, parse
from .clips import search_clips
from .family import Family, Given, Part, SchemeEntry, Stored, check_float32_scales, code_part, scale_part, scale_values, single
from .grid import Granularity, Grid
from .scheme import Scheme

_NORMAL = {"int": tuple(range(0, 29, 4)), "flint": (0, 2, 4, 6, 8, 12, 16, 32)}  # magnitudes; the threshold of outliers is 32
_OUTLIERS = (48, 64, 96, 128, 192, 256, 384)  # abfloat with 2 exponent bits and base 5, its first code skipped
_VICTIM = 8  # the code that no normal value takes (-8 of int4, minus zero of flint4): its neighbour is an outlier


class Olive(Family):
    """Pairs of neighbours (even, odd) along the flattened rows; at most one outlier a pair, the left one where both are.

    x / scale (one float32 division) goes to the nearest value of the normal grid and the outliers; a tie goes to the larger value,
    between a normal value and an outlier to the outlier. Codes have 4 bits: int4 in two's complement or flint4 as sign and rank,
    8 for a victim, and sign and rank 1..7 for an outlier beside a victim. scale = (k / 100 * base) / largest normal value, base =
    max |mean +- 3 standard deviations| (n - 1) of the group in float64, rounded to float32; k = 75, 77 ... 249 of least squared
    error (float64) before victims are taken, the first of equal ones. The tensor takes int or flint by the summed errors.
    Source: OliVe, ISCA 2023; clevercool/ANT-Quantization, olive_quantization, quant_modules.py (grids, pairs and search read; the
    order of the scan at ties between normal values and the standard deviation's n - 1 inferred).
    """

    name = "olive"
    keyed = {"search": ("75-250", "75-150")}

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, scales and the tensor's type. Raises ValueError for rows of odd length."""
        if grid.stored[1] % 2:
            raise ValueError(f"{made} codes pairs of elements; the row length {grid.columns} is odd: pad the rows yourself")
        return {
            "codes": code_part(made, grid),
            "scales": scale_part(made, grid),
            "choice": Part((1, 1), np.dtype(np.uint8), 1, 1, 0),
        }

    def by_rows(self, made: Scheme) -> bool:
        """The type is chosen for the whole tensor."""
        return False

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Search, choose, encode, take victims."""
        self.parts(made, grid)
        groups = grid.gather(single(rows, made))
        if given.scales is not None:
            chosen = 0 if given.choice is None else int(given.choice.reshape(-1)[0])
            scales = given.scales.reshape(-1).astype(np.float32)
        else:
            chosen, scales = _searched(groups, made)
        middles, values, codes = _union(tuple(_NORMAL)[chosen])
        ranks = np.searchsorted(middles, (groups / scales[:, None]).reshape(-1), side="left")
        # side="left" sends a tie down; those that go up are the ones whose threshold is not above the quotient
        ranks = _ties(ranks, (groups / scales[:, None]).reshape(-1), middles, values)
        words = grid.scatter(codes[ranks].reshape(groups.shape))
        outlier = grid.scatter((np.abs(values[ranks]) > 32).reshape(groups.shape))
        even, odd = outlier[:, 0::2], outlier[:, 1::2] & ~outlier[:, 0::2]
        words[:, 1::2][even] = _VICTIM
        words[:, 0::2][odd] = _VICTIM
        return {"codes": words, "scales": scales.reshape(grid.shape), "choice": np.full((1, 1), chosen, np.uint8)}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values in units of which 32 is the outlier threshold; victims are 0."""
        normal, outliers = _tables(tuple(_NORMAL)[int(stored["choice"][0, 0])])
        codes = stored["codes"]
        neighbour = codes.reshape(len(codes), -1, 2)[:, :, ::-1].reshape(codes.shape)
        values: np.ndarray = np.where((neighbour == _VICTIM) & (codes != _VICTIM), outliers[codes], normal[codes])
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The scales of the groups."""
        assert made.scale is not None
        return scale_values(stored["scales"], made.scale)

    def check_scales(self, scales: np.ndarray, made: Scheme) -> None:
        """Float32 numbers above zero."""
        check_float32_scales(scales, made)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Scales as above; no pair of two victims, no outlier of rank 0."""
        self.check_scales(stored["scales"], made)
        pairs = stored["codes"].reshape(-1, 2)
        victim = pairs == _VICTIM
        beside = np.where(victim[:, 0], pairs[:, 1], pairs[:, 0])[victim.any(axis=1)]
        if victim.all(axis=1).any() or (beside % 8 == 0).any():
            raise ValueError(f"codes hold a pair that {made} does not form: two victims, or an outlier of rank 0")

    def entries(self) -> list[SchemeEntry]:
        """The preset."""
        source = "OliVe, ISCA 2023; ANT-Quantization, olive_quantization"
        return [SchemeEntry("olive4/channel", "outlier-victim pairs on int4 or flint4", source, "inferred")]


@lru_cache(maxsize=2)
def _tables(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Value of every code as a normal one and beside a victim."""
    magnitudes = _NORMAL[kind]
    normal, outliers = np.zeros(16, np.float32), np.zeros(16, np.float32)
    for rank in range(8):
        normal[rank] = magnitudes[rank]
        if kind == "int":
            normal[8 + rank] = 4 * (rank - 8)
        else:
            normal[8 + rank] = -magnitudes[rank]
        if rank:
            outliers[rank], outliers[8 + rank] = _OUTLIERS[rank - 1], -_OUTLIERS[rank - 1]
    normal[_VICTIM] = 0.0
    return normal, outliers


@lru_cache(maxsize=2)
def _union(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decision points (float32), values ascending, and their codes: normal ones (never the victim's) and outliers."""
    normal, outliers = _tables(kind)
    pairs = {float(normal[c]): c for c in range(15, -1, -1) if c != _VICTIM}
    pairs |= {float(outliers[c]): c for c in range(16) if c % 8}
    values = np.array(sorted(pairs), np.float32)
    codes = np.array([pairs[float(v)] for v in values], np.uint8)
    return (values[1:] + values[:-1]) / np.float32(2), values, codes


def _ties(ranks: np.ndarray, quotients: np.ndarray, middles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Ranks with ties decided: up, but to the outlier below a negative normal value."""
    at = np.minimum(ranks, len(middles) - 1)
    tie = quotients == middles[at]
    to_outlier_below = (values[at] < -32) & (values[np.minimum(at + 1, len(values) - 1)] >= -32)
    return ranks + (tie & ~to_outlier_below)


def _searched(groups: np.ndarray, made: Scheme) -> tuple[int, np.ndarray]:
    wide = groups.astype(np.float64)
    mean, spread = wide.mean(axis=1), wide.std(axis=1, ddof=1) if groups.shape[1] > 1 else np.zeros(len(groups))
    with np.errstate(over="ignore"):  # refused below, by the errors
        base = np.maximum(np.abs(mean + 3 * spread), np.abs(mean - 3 * spread)).astype(np.float32)
    low, up = (int(n) for n in made.param("search").split("-"))
    factors = (np.arange(low, up, 2) / 100).astype(np.float32)
    best, chosen, kept = np.inf, 0, np.empty(0, np.float32)
    for index, kind in enumerate(_NORMAL):
        _, values, _ = _union(kind)
        scales, errors = np.empty(len(groups), np.float32), np.empty(len(groups))
        limit = np.float32(max(_NORMAL[kind]))
        search_clips(groups, base, factors, values.astype(np.float64), limit, scales, errors)
        total = float(np.cumsum(errors)[-1])
        if not np.isfinite(total):
            raise ValueError(f"x reaches {float(np.abs(groups).max()):g}; the scales of {made} leave float32: scale it down")
        if total < best:
            best, chosen, kept = total, index, scales
    return chosen, kept


def _olive(match: re.Match[str], text: str) -> Scheme:
    if match[1] != "4":
        raise ValueError(f"scheme {text!r}: OliVe's pairs are built for 4 bits here; write olive4/channel")
    formats: tuple[Format, ...] = (parse("int4"), parse("flint4"))
    assert isinstance(formats[1], Codebook)
    return Scheme("olive4", formats, Granularity("channel"), parse("float32"), "search", family="olive")


FAMILIES = (Olive(),)
RULES: list[tuple[str, Any]] = [(r"olive(\d+)", _olive)]
