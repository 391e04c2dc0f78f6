"""What the plot and the page of a front are drawn from: columns checked, fronts and knees marked, the rest thinned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hwmodel.search.fronts.knee import knee as knee_of
from hwmodel.search.fronts.objectives import numbers, objectives, one
from hwmodel.search.fronts.pareto import on_front

MOST_SERIES = 8
DRAWN = 20_000


@dataclass(frozen=True)
class FrontData:
    """frame: the rows drawn; front, knee: marks of these rows; series: number of each row's series; total: rows of the whole."""

    frame: pd.DataFrame
    low: list[str]
    high: list[str]
    front: np.ndarray
    knee: np.ndarray
    series: np.ndarray
    names: list[str]
    labels: list[str]
    total: int
    left_out: int  # rows without a finite place

    def lower_is_better(self, column: str) -> bool | None:
        """None where the column is no objective."""
        return True if column in self.low else False if column in self.high else None

    def axis(self, column: str) -> str:
        """The axis title of a column: its name, and which way is better."""
        lower = self.lower_is_better(column)
        return str(column) if lower is None else f"{column}, {'lower' if lower else 'higher'} is better"

    @property
    def notes(self) -> list[str]:
        """What is not drawn, in words; empty where all is."""
        drawn = len(self.frame)
        found = []
        if drawn + self.left_out < self.total:
            found.append(f"{drawn:,} of {self.total:,} rows drawn: the whole front, and others chosen at random")
        if self.left_out:
            found.append(f"{self.left_out:,} row{'s' if self.left_out > 1 else ''} without finite values left out")
        return found


def front_data(
    frame: pd.DataFrame,
    x: str,
    y: str,
    minimize: str | Sequence[str],
    maximize: str | Sequence[str],
    *,
    color: str | None,
    label: str | None,
    knee: str | None,
    per: str | Sequence[str] | None = None,
    most: int = DRAWN,
) -> FrontData:
    """Check, mark and thin; without objectives both axes are minimized. ValueError for bad columns."""
    for name in (x, y):
        numbers(frame, name)
    if not len(minimize) and not len(maximize):
        minimize = [x] if x == y else [x, y]
    low, high = objectives(frame, minimize, maximize)
    front = on_front(frame, low, high, per)
    knees = np.zeros(len(frame), bool)
    if knee is not None:
        marked = frame.set_axis(range(len(frame)), axis=0)
        knees[knee_of(marked, low, high, method=knee, per=per).index] = True
    series, names = series_of(frame, color)
    texts = [str(i) for i in frame.index] if label is None else [str(v) for v in one(frame, label)]
    finite = np.ones(len(frame), bool)
    for name in dict.fromkeys((x, y)):
        finite &= np.isfinite(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
    if not finite.any():
        raise ValueError(f"no row has finite values of {x!r} and {y!r}; there is nothing to draw")
    kept = thinned(finite, front, most)
    return FrontData(
        frame=frame[kept],
        low=low,
        high=high,
        front=front[kept],
        knee=knees[kept],
        series=series[kept],
        names=names,
        labels=[texts[i] for i in np.flatnonzero(kept)],
        total=len(frame),
        left_out=int((~finite).sum()),
    )


def thinned(usable: np.ndarray, front: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the usable rows: the front first, then others at random from a fixed seed."""
    chosen = usable & front
    rest = np.flatnonzero(usable & ~front)
    room = max(0, most - int(chosen.sum()))
    if len(rest) > room:  # a random choice, because sweeps come in regular order and every n-th row would be a pattern
        rest = np.random.default_rng(0).choice(rest, room, replace=False)
    chosen[rest] = True
    return chosen


def series_of(frame: pd.DataFrame, color: str | None) -> tuple[np.ndarray, list[str]]:
    """Number of each row's series and the names; ValueError for more series than colours are told apart."""
    if color is None:
        return np.zeros(len(frame), np.int64), []
    codes, values = pd.factorize(one(frame, color), use_na_sentinel=False)
    if len(values) > MOST_SERIES:
        raise ValueError(
            f"color={color!r} has {len(values)} different values; at most {MOST_SERIES} colours are told apart: "
            "group them, for example with pandas.cut"
        )
    return np.asarray(codes), ["missing" if pd.isna(v) else str(v) for v in values]
