"""Points of a front from which a little more of one objective costs much of another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel.search.fronts.objectives import costs, groups_of, objectives
from hwmodel.search.fronts.pareto import on_front

KNEES = ("distance", "angle", "trade_off")
_FLAT = 1e-12  # a bulge that is rounding
_CHUNK = 1 << 22  # differences held at a time


def knee(
    frame: pd.DataFrame,
    minimize: str | Sequence[str] = (),
    maximize: str | Sequence[str] = (),
    *,
    method: str = "distance",
    per: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """The rows of `frame` at the knee of its Pareto front: in their order, with their index, equal rows together.

    The front's values are scaled to 0 (best on the front) to 1 (worst on the front); a column that is constant on the front has no
    say. Then, by method:

    - "distance": the largest distance, towards the better side, to the plane where the scaled values sum to 1. With two columns
      this is the line between the two ends of the front (Das, Structural Optimization 18, 1999).
    - "angle": the sharpest bend towards the better side between the segments to the neighbours on either side; two columns only
      (reflex angle; Branke, Deb, Dierolf, Osswald, Finding Knees in Multi-Objective Optimization, PPSN 2004).
    - "trade_off": the largest T, where T of a point is the least, over all other points of the front, of what moving there loses
      (sum of scaled worsenings) by what it gains (sum of scaled improvements) (Rachmawati and Srinivasan, IEEE Transactions on
      Evolutionary Computation 13(4), 2009). O(n**2) in the points of the front.

    A front of one distinct point is its own knee. A front of two, and a straight one or one that bulges the other way, has none
    by "distance" and "angle": no rows. "trade_off" compares any two points or more; of two ends that trade 1 for 1 both are given.
    per: a knee for each group of these columns.

    Raises ValueError for bad columns (see `pareto`), an unknown method, "angle" with other than two columns, and infinite values on
    the front, which no scale takes.
    """
    low, high = objectives(frame, minimize, maximize)
    if method not in KNEES:
        raise unknown("knee method", method, KNEES)
    if method == "angle" and len(low) + len(high) != 2:
        raise ValueError(f"method 'angle' was given {len(low) + len(high)} columns; give two, or use 'distance' or 'trade_off'")
    groups = groups_of(frame, per)
    front = np.flatnonzero(on_front(frame, low, high, per))
    chosen = np.zeros(len(frame), bool)
    parts = [front] if groups is None else _parts(front, groups[front])
    for rows in parts:
        if len(rows):
            chosen[rows] = _at_knee(costs(frame.iloc[rows], low, high), [*low, *high], method)
    return frame[chosen]


def _parts(front: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(groups, kind="stable")
    return np.split(front[order], np.flatnonzero(np.diff(groups[order])) + 1)


def _at_knee(values: np.ndarray, names: Sequence[str], method: str) -> np.ndarray:
    for j, name in enumerate(names):
        if np.isinf(values[:, j]).any():
            raise ValueError(f"column {name!r} is infinite on the front; leave such rows out before you look for a knee")
    best, worst = values.min(axis=0), values.max(axis=0)
    varies = worst > best
    if not varies.any():
        return np.ones(len(values), bool)  # one distinct point
    scaled = (values[:, varies] - best[varies]) / (worst[varies] - best[varies])
    points, back = np.unique(scaled, axis=0, return_inverse=True)
    strength = {"distance": _bulge, "angle": _bend, "trade_off": _trade}[method](points)
    most = float(strength.max())
    if method != "trade_off" and most <= _FLAT:
        return np.zeros(len(values), bool)
    return (strength >= most * (1 - _FLAT))[back.reshape(-1)]


def _bulge(points: np.ndarray) -> np.ndarray:
    return (1 - points.sum(axis=1)) / math.sqrt(points.shape[1])


def _bend(points: np.ndarray) -> np.ndarray:
    """Bend in radians at each point of a front whose first column rises; 0 at the ends."""
    slopes = np.arctan2(-np.diff(points[:, 1]), np.diff(points[:, 0]))  # how steeply each segment falls
    bends = np.zeros(len(points))
    bends[1:-1] = slopes[:-1] - slopes[1:]
    return bends


def _trade(points: np.ndarray) -> np.ndarray:
    """The least loss by gain over moves to any other point."""
    least = np.full(len(points), np.inf)
    step = max(1, _CHUNK // points.size)
    for start in range(0, len(points), step):
        change = points[None, :, :] - points[start : start + step, None, :]
        loss, gain = np.maximum(change, 0).sum(axis=2), np.maximum(-change, 0).sum(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(gain > 0, loss / gain, np.inf)  # nobody moves for no gain: only to itself
        least[start : start + step] = ratio.min(axis=1)
    return least
