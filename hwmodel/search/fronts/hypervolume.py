"""How much of the objective space a front covers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hwmodel._checks import finite, unknown
from hwmodel.search.fronts.objectives import costs, groups_of, named, objectives
from hwmodel.search.fronts.pareto import on_front


def hypervolume(
    frame: pd.DataFrame,
    minimize: str | Sequence[str] = (),
    maximize: str | Sequence[str] = (),
    *,
    reference: Mapping[str, float] | Sequence[float],
    per: str | Sequence[str] | None = None,
) -> float | pd.Series:
    """Volume of what at least one row beats and the reference point does not: larger is better (Zitzler and Thiele, 1998).

    reference: the worst value that still counts, by column, or a sequence in the order of minimize, then maximize. There is no
    default, because volumes compare only under the same reference. The unit is the product of the columns' units. Rows that are
    not better than the reference in every column, and rows with NaN, add nothing; a frame without others gives 0.0. A value
    infinitely better gives inf. per: a Series, one volume for each group of these columns.

    Exact but for the rounding of float64 sums (exact where all products and sums are): a sweep for two and three columns, slices
    by exclusive volumes for more (While, Bradstreet, Barone, IEEE Transactions on Evolutionary Computation 16(1), 2012). Time for
    n rows on the front: n log n for two columns, at worst n**2 for three and four and a further factor n for each more.

    Raises ValueError for bad columns (see `pareto`) and a reference that misses a column or is not finite.
    """
    low, high = objectives(frame, minimize, maximize)
    corner = _corner(reference, low, high)
    if per is None:
        return _volume(frame, low, high, corner)
    groups = groups_of(frame, per)
    names = named(per)
    keys = names[0] if len(names) == 1 else names
    grouped = frame.groupby(keys, sort=False, dropna=False, observed=True)
    if groups is None or not len(frame):
        return pd.Series(dtype=float, name="hypervolume")
    values = {key: _volume(part, low, high, corner) for key, part in grouped}
    index = grouped.size().index
    return pd.Series([values[key] for key in values], index=index, name="hypervolume")


def _volume(frame: pd.DataFrame, low: Sequence[str], high: Sequence[str], corner: np.ndarray) -> float:
    points = costs(frame, low, high)
    better = (points < corner).all(axis=1)  # NaN is not
    if not better.any():
        return 0.0
    points = points[better]
    if np.isneginf(points).any():
        return float("inf")
    names = [str(j) for j in range(points.shape[1])]
    points = np.unique(points[on_front(pd.DataFrame(points, columns=names), names)], axis=0)
    if points.shape[1] == 1:
        return float(corner[0] - points[0, 0])
    if points.shape[1] == 2:  # in lexicographic order the second column falls
        upper = np.append(corner[1], points[:-1, 1])
        return float(((corner[0] - points[:, 0]) * (upper - points[:, 1])).sum())
    from hwmodel.search.fronts.slices import volume_above

    return float(volume_above(np.ascontiguousarray(corner - points)))


def _corner(reference: Mapping[str, float] | Sequence[float], low: Sequence[str], high: Sequence[str]) -> np.ndarray:
    names = [*low, *high]
    if isinstance(reference, Mapping):
        for name in reference:
            if name not in names:
                raise unknown("column of reference", str(name), names)
        missing = [name for name in names if name not in reference]
        if missing:
            raise ValueError(f"reference has no value for {', '.join(map(repr, missing))}; give the worst value that still counts")
        values = [reference[name] for name in names]
    else:
        values = list(reference)
        if len(values) != len(names):
            raise ValueError(f"reference has {len(values)} values; give {len(names)}, in the order {', '.join(names)}")
    checked = [finite(f"reference of {name!r}", value) for name, value in zip(names, values, strict=True)]
    return np.array([-v if name in high else v for name, v in zip(names, checked, strict=True)])
