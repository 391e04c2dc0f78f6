"""Rows that no other row beats in every respect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hwmodel._checks import finite, unknown
from hwmodel.search.fronts.objectives import groups_of, objectives, rank_of

Columns = str | Sequence[str]
BoolRows = np.ndarray


def pareto(
    frame: pd.DataFrame,
    minimize: Columns = (),
    maximize: Columns = (),
    *,
    per: Columns | None = None,
    epsilon: float | Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The rows of `frame` that are on the Pareto front, in their order and with their index.

    A row is left out where another row is at least as good in every named column and better in one. Equal rows stay
    together. Rows with NaN in a named column are never on the front; infinities are compared as numbers. Whole numbers are
    compared exactly, also beyond 2**53.

    per: one or several columns whose values make groups; each group has a front of its own (a missing value is a group too).
    epsilon: a thinner front. Values are cut to boxes floor(value / epsilon), one width for all columns or one a column (others
    stay exact), and of each box that no other box beats the row nearest to the box's best corner is kept, the first among
    equals (epsilon-dominance, Laumanns et al., Evolutionary Computation 10(3), 2002). Each row kept is on the exact front, and
    each row of the frame is beaten by a kept one by the time epsilon is added to it.

    O(n log n) for two and three columns; each further column adds a factor log n at worst.

    Raises ValueError where no column is named, for columns that are missing, named twice or hold no numbers, and for an
    epsilon that is no finite number above 0.
    """
    low, high = objectives(frame, minimize, maximize)
    groups = groups_of(frame, per)
    widths = None if epsilon is None else _widths(epsilon, [*low, *high])
    front = _front(frame, low, high, groups)
    if widths is not None:
        front[front] = _thinned(frame[front], low, high, None if groups is None else groups[front], widths)
    return frame[front]


def on_front(frame: pd.DataFrame, minimize: Columns = (), maximize: Columns = (), per: Columns | None = None) -> BoolRows:
    """For each row whether `pareto` keeps it."""
    low, high = objectives(frame, minimize, maximize)
    return _front(frame, low, high, groups_of(frame, per))


def _front(frame: pd.DataFrame, low: Sequence[str], high: Sequence[str], groups: np.ndarray | None) -> BoolRows:
    usable = np.ones(len(frame), bool)
    for name in (*low, *high):
        usable &= frame[name].notna().to_numpy()
    at = np.flatnonzero(usable)
    whole = len(at) == len(frame)
    ranks = [rank_of(frame[name] if whole else frame[name].iloc[at], name in high) for name in (*low, *high)]
    chosen = None if groups is None else groups[at]
    usable[at] = front_of_ranks(ranks, chosen)
    return usable


def front_of_ranks(ranks: Sequence[np.ndarray], groups: np.ndarray | None) -> BoolRows:
    """The front of whole numbers from 0, lower is better, one array a column, within each group."""
    rows = len(ranks[0])
    if not rows:
        return np.zeros(0, bool)
    if len(ranks) == 1:
        ranks = [ranks[0], np.zeros(rows, np.int32)]
    keys = list(ranks) if groups is None else [groups, *ranks]
    order = np.lexsort(keys[::-1])
    ordered = [key[order] for key in keys]
    new = np.zeros(rows, bool)  # the first of equal rows
    new[0] = True
    for key in ordered:
        new[1:] |= key[1:] != key[:-1]
    first = np.flatnonzero(new)
    distinct = [key[first] for key in ordered]
    if len(ranks) == 2:
        found = _sweep(distinct)
    else:
        from hwmodel.search.fronts.divide import front_of_sorted

        starts = np.zeros(1, np.int64)
        if groups is not None:
            starts = np.flatnonzero(np.concatenate([[True], distinct[0][1:] != distinct[0][:-1]]))
        matrix = np.ascontiguousarray(np.stack(distinct[-len(ranks) :], axis=1), dtype=np.int32)
        found = front_of_sorted(matrix, np.append(starts, len(first)))
    front = np.empty(rows, bool)
    front[order] = found[np.cumsum(new) - 1]
    return front


def _sweep(columns: Sequence[np.ndarray]) -> BoolRows:
    """Two columns, distinct rows in lexicographic order: on the front where the second falls below all before it."""
    second = columns[-1].astype(np.int64)
    if len(columns) == 3:  # a later group starts below all of the groups before it
        second += (columns[0].max() - columns[0].astype(np.int64)) * (int(second.max()) + 1)
    return np.append(True, second[1:] < np.minimum.accumulate(second)[:-1])


def _widths(epsilon: float | Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    if not isinstance(epsilon, Mapping):
        return dict.fromkeys(names, finite("epsilon", epsilon, above=0))
    for name in epsilon:
        if name not in names:
            raise unknown("column of epsilon", str(name), list(names))
    return {name: finite(f"epsilon[{name!r}]", width, above=0) for name, width in epsilon.items()}


def _thinned(
    front: pd.DataFrame, low: Sequence[str], high: Sequence[str], groups: np.ndarray | None, widths: Mapping[str, float]
) -> BoolRows:
    ranks, away = [], np.zeros(len(front))
    for name in (*low, *high):
        if name not in widths:
            ranks.append(rank_of(front[name], name in high))
            continue
        values = front[name].to_numpy(dtype=np.float64) * (-1.0 if name in high else 1.0) / widths[name]
        boxes = np.floor(values)
        ranks.append(rank_of(pd.Series(boxes), False))
        with np.errstate(invalid="ignore"):
            away += np.nan_to_num(values - boxes) ** 2  # an infinite value is its own box
    kept = front_of_ranks(ranks, groups)
    keys = [away, *ranks, *([] if groups is None else [groups])]  # the nearest first within each box
    order = np.lexsort(keys)  # stable: the first row of the frame among equals
    new = np.zeros(len(front), bool)
    new[:1] = True
    for key in keys[1:]:
        sorted_key = key[order]
        new[1:] |= sorted_key[1:] != sorted_key[:-1]
    nearest = np.zeros(len(front), bool)
    nearest[order[new]] = True
    return kept & nearest
