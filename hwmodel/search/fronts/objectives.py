"""The columns that a front is about: checked once, for fronts, hypervolumes, knees and their plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import unknown


def named(columns: str | Sequence[str]) -> list[str]:
    """Names of columns; one text is one name."""
    return [columns] if isinstance(columns, str) else list(columns)


def objectives(frame: pd.DataFrame, minimize: str | Sequence[str], maximize: str | Sequence[str]) -> tuple[list[str], list[str]]:
    """The names to minimize and to maximize; ValueError where there is none, or for one that cannot be compared."""
    low, high = named(minimize), named(maximize)
    if not low and not high:
        raise ValueError("minimize and maximize are empty; name at least one column")
    for i, name in enumerate((*low, *high)):
        numbers(frame, name)
        if name in (*low, *high)[:i]:
            raise ValueError(f"column {name!r} is named twice in minimize and maximize; name it once")
    return low, high


def numbers(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column that holds numbers; ValueError else."""
    column = one(frame, name)
    if column.dtype.kind not in "iufb":
        raise ValueError(f"column {name!r} holds {column.dtype}, not numbers")
    return column


def one(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column of that name; ValueError where there is none or more than one."""
    if name not in frame.columns:
        raise unknown("column", name, [str(c) for c in frame.columns])
    column = frame[name]
    if isinstance(column, pd.DataFrame):
        raise ValueError(f"column {name!r} stands {column.shape[1]} times in the frame; rename all but one")
    return column


def costs(frame: pd.DataFrame, low: Sequence[str], high: Sequence[str]) -> np.ndarray:
    """Values as float64, shape (rows, columns), lower is better, NaN where there is none."""
    found = np.empty((len(frame), len(low) + len(high)))
    for j, name in enumerate((*low, *high)):
        found[:, j] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if name in high:
            found[:, j] *= -1
    return found


def rank_of(column: pd.Series, maximize: bool) -> np.ndarray:
    """Each value's place among the distinct ones, from 0 for the best: whole numbers keep the order of any type exactly."""
    values = column.to_numpy(dtype=_plain(column))
    order = np.argsort(values)
    ordered = values[order]
    place = np.empty(len(values), np.int32)
    steps = np.zeros(len(values), np.int32)
    np.cumsum(ordered[1:] != ordered[:-1], out=steps[1:])
    place[order] = steps
    return place.max(initial=0) - place if maximize else place


def groups_of(frame: pd.DataFrame, per: str | Sequence[str] | None) -> np.ndarray | None:
    """A number for each row that equal values of the columns `per` share; None without columns."""
    names = [] if per is None else named(per)
    for name in names:
        one(frame, name)
    if not names:
        return None
    return frame.groupby(names, sort=False, dropna=False, observed=True).ngroup().to_numpy(dtype=np.int32)


def _plain(column: pd.Series) -> np.dtype:
    """The NumPy type of a column, also of pandas' types that can hold missing values."""
    kind: Any = column.dtype
    return np.dtype(getattr(kind, "numpy_dtype", kind))
