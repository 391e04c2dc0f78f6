"""Rows that no other row beats in every respect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hwmodel._checks import unknown


def pareto(frame: pd.DataFrame, minimize: Sequence[str], maximize: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of `frame` that are on the Pareto front, in their order and with their index.

    A row is left out where another row is at least as good in every named column and better in one. Equal rows stay
    together. Rows with NaN in a named column are never on the front.

    Raises ValueError where no column is named and for columns that are missing or hold no numbers.
    """
    names = [*minimize, *maximize]
    if not names:
        raise ValueError("minimize and maximize are empty; name at least one column")
    for name in names:
        if name not in frame.columns:
            raise unknown("column", name, [str(c) for c in frame.columns])
        if frame[name].dtype.kind not in "iufb":
            raise ValueError(f"column {name!r} holds {frame[name].dtype}, not numbers")
    values = frame[list(names)].to_numpy(dtype=np.float64, copy=True)
    values[:, len(minimize) :] *= -1
    usable = ~np.isnan(values).any(axis=1)
    on_front = usable.copy()
    for i in np.flatnonzero(usable):
        others = values[usable]
        on_front[i] = not ((others <= values[i]).all(axis=1) & (others < values[i]).any(axis=1)).any()
    return frame[on_front]
