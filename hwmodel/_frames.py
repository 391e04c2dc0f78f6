"""Tables with measured columns, and predictions beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd


def checked_frame(frame: Any, needed: Iterable[str]) -> pd.DataFrame:
    """A table that has the columns needed and none twice; ValueError says what it is, lacks or has twice."""
    names = list(needed)
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame is {type(frame).__name__}; give a DataFrame with columns {', '.join(names)}")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ValueError(f"frame has the column {twice[0]!r} twice; give it once")
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(f"frame lacks the columns {', '.join(missing)}; give {', '.join(names)}")
    return frame


def measured_aside(frame: pd.DataFrame, predicted: Iterable[str]) -> pd.DataFrame:
    """Columns named like a prediction get the suffix _measured; where that column is there, they were predictions and go."""
    here = [name for name in predicted if name in frame.columns]
    old = [name for name in here if f"{name}_measured" in frame.columns]
    return frame.drop(columns=old).rename(columns={name: f"{name}_measured" for name in here})


def beside(frame: pd.DataFrame, found: Mapping[str, Any]) -> pd.DataFrame:
    """The table with predictions as its last columns, measured ones set aside."""
    return measured_aside(frame, found).assign(**found)
