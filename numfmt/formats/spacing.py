"""Where the values of a format lie, and how far a number can be from the nearest of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor, inf
from typing import TYPE_CHECKING

import numpy as np

from .._checks import check_int_range
from .base import Format
from .ends import edge
from .exact_text import as_float, log2_of
from .modes import STOCHASTIC, resolve
from .ordered import decision, finite_codes, has_zero, is_listed, side
from .special_codes import min_normal

if TYPE_CHECKING:
    import pandas as pd

_MOST_CELLS = 700
_MARGIN = 2  # binades beyond the ends
_MOST_POINTS = 32  # decision points looked at from either end of a cell, of listed formats; one for wide ones, which are regular


def spacing_curve(fmt: Format, cells_per_binade: int = 8) -> pd.DataFrame:
    """Worst relative rounding error |x - cast(x)| / |x| under the format's own modes, over magnitude.

    One row a cell of magnitudes of the positive side (of the negative one where there is no positive value), from two binades
    below the smallest value to two beyond the largest:
    log2_low, log2_high (log2 of its ends), error (the worst in it; infinite where infinity or NaN comes out) and region:
    underflow (below the smallest value), subnormal, normal, overflow. Cells narrower than 1 / 700 of the range are joined.
    """
    import pandas as pd

    check_int_range("cells_per_binade", cells_per_binade, 1, 64)
    negative = not side(fmt).size
    line = side(fmt, negative)
    if not line.size:
        raise ValueError(f"format {fmt} holds nothing but zero; its relative error is 1 everywhere")
    least, last = line.magnitude(0), line.magnitude(line.size - 1)
    end = edge(fmt, fmt.rounding, fmt.overflow, negative)
    saturates = _saturates(fmt, negative, least)
    limits = _cuts(least, last, end.limit, cells_per_binade)
    normal = min_normal(fmt)
    rows = []
    ranks = [line.rank(x) for x in limits]
    for (low, high), places in zip(pairwise(limits), pairwise(ranks), strict=True):
        if low >= max(end.limit, last):
            region, error = "overflow", as_float((high - last) / high) if saturates else inf
        else:
            below = "subnormal" if normal is not None and high <= normal else "normal"
            region = "underflow" if high <= least else below
            error = _worst(fmt, (low, high), places, negative)
        rows.append((log2_of(low), log2_of(high), error, region))
    return pd.DataFrame(rows, columns=["log2_low", "log2_high", "error", "region"])


def _saturates(fmt: Format, negative: bool, least: Fraction) -> bool:
    """Whether what lies beyond the range becomes its end."""
    beyond = edge(fmt, fmt.rounding, fmt.overflow, negative).just_beyond(least)
    modes = resolve(fmt, seed=0 if fmt.rounding in STOCHASTIC else None)
    value = fmt.decode_exact(int(fmt.encode_exact(beyond, modes)))
    return isinstance(value, Fraction) and abs(value - beyond) <= abs(beyond) and value != 0


def _cuts(least: Fraction, last: Fraction, limit: Fraction, cells_per_binade: int) -> list[Fraction]:
    """Ends of the cells: powers of 2**(1/cells_per_binade), or of 2**n where that is too fine, and the ends of the range."""
    first, final = floor(log2_of(least)) - _MARGIN, floor(log2_of(max(last, limit))) + 1 + _MARGIN
    binades = final - first
    if binades * cells_per_binade <= _MOST_CELLS:
        parts = [Fraction(2.0 ** (i / cells_per_binade)) for i in range(cells_per_binade)]
        grid = [part * Fraction(2) ** e for e in range(first, final) for part in parts]
    else:
        grid = [Fraction(2) ** e for e in range(first, final, -(-binades // _MOST_CELLS))]
    return sorted({*grid, Fraction(2) ** final, least, last, limit})


def _worst(fmt: Format, ends: tuple[Fraction, Fraction], ranks: tuple[int, int], negative: bool) -> float:
    """Largest relative error between two magnitudes: at an end or where the choice between neighbours changes."""
    line = side(fmt, negative)
    low, high = ends
    worst = max(_error(fmt, low, ranks[0], negative, from_above=True), _error(fmt, high, ranks[1], negative, from_above=False))
    first, last = ranks[0] - 1, min(ranks[1], line.size - 1)
    most = _MOST_POINTS if is_listed(fmt) else 1
    for k in {*range(first, min(first + most, last)), *range(max(last - most, first), last)}:
        if k < 0 and not has_zero(fmt):
            continue
        point = decision(fmt, k, negative)
        below = line.magnitude(k) if k >= 0 else Fraction(0)
        if low < point < high:
            worst = max(worst, as_float(max(point - below, line.magnitude(k + 1) - point) / point))
    return worst


def _error(fmt: Format, x: Fraction, rank: int, negative: bool, from_above: bool) -> float:
    """Relative error as a magnitude nears x, from above or from below."""
    line, k = side(fmt, negative), rank - 1
    if k >= line.size - 1:
        return as_float((x - line.magnitude(line.size - 1)) / x)
    below = line.magnitude(k) if k >= 0 else Fraction(0)
    if k >= 0 and x == below and not from_above:
        return _error_below(fmt, x, k, negative)
    point = decision(fmt, k, negative)
    up = (k < 0 and not has_zero(fmt)) or (x >= point if from_above else x > point)
    return as_float(abs(x - (line.magnitude(k + 1) if up else below)) / x)


def _error_below(fmt: Format, x: Fraction, k: int, negative: bool) -> float:
    """The error just below the k-th value x: none, unless numbers up to it are kept at the value before."""
    if k == 0 and not has_zero(fmt):
        return 0.0
    before = side(fmt, negative).magnitude(k - 1) if k else Fraction(0)
    return as_float((x - before) / x) if decision(fmt, k - 1, negative) >= x else 0.0


def unit_values(fmt: Format) -> np.ndarray | None:
    """The distinct finite values over the largest magnitude, ascending, float64; None beyond 16 bits."""
    if not is_listed(fmt):
        return None
    values = finite_codes(fmt)[1]
    if not values.size:
        return values
    top = max(abs(values.max()), abs(values.min())) or 1.0
    return np.unique((values / top).astype(np.float64))


def value_counts(fmt: Format, edges: Sequence[float]) -> np.ndarray:
    """How many values lie in (edges[i], edges[i + 1]], with edges ascending and relative to the largest magnitude; float64."""
    values = unit_values(fmt)
    if values is not None:
        return np.diff(np.searchsorted(values, np.asarray(edges), side="right")).astype(np.float64)
    plus, minus = side(fmt), side(fmt, True)
    top = max(s.magnitude(s.size - 1) for s in (plus, minus) if s.size)

    def rank(x: float) -> float:
        if x < 0:
            return -float(minus.rank(Fraction(-x) * top))
        return float(plus.rank(Fraction(x) * top)) + (1.0 if has_zero(fmt) else 0.0)

    return np.diff([rank(float(x)) for x in edges])


def median_magnitude(fmt: Format) -> float:
    """The magnitude that half of the values above zero do not exceed, relative to the largest magnitude."""
    line = max(side(fmt), side(fmt, True), key=lambda s: s.size)
    sides = [s for s in (side(fmt), side(fmt, True)) if s.size]
    if not sides:
        return 1.0
    top = max(s.magnitude(s.size - 1) for s in sides)
    return as_float(line.magnitude((line.size - 1) // 2) / top)
