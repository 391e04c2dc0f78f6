"""The table of candidates: one row a layer and scheme, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Rational, Real

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel.search.allocation.exact import exact

KEYS = ("layer", "scheme")


@dataclass(frozen=True, eq=False)
class Candidates:
    """Layers and schemes in order of appearance, and the row of each pair."""

    frame: pd.DataFrame
    layers: tuple[str, ...]
    schemes: tuple[str, ...]
    row: dict[tuple[str, str], int]
    _read: dict[str, list[Fraction]] = field(default_factory=dict)

    def options(self, layer: str) -> list[str]:
        """The schemes that a layer may have."""
        return [s for s in self.schemes if (layer, s) in self.row]

    @property
    def numeric(self) -> list[str]:
        """Columns that hold numbers."""
        return [str(c) for c in self.frame.columns if self.frame[c].dtype.kind in "iuf"]

    def numbers(self, column: str) -> list[Fraction]:
        """A column, exactly. ValueError where it is missing or holds anything but finite numbers."""
        if column not in self._read:
            self._read[column] = self._numbers(column)
        return self._read[column]

    def _numbers(self, column: str) -> list[Fraction]:
        if column not in self.frame.columns:
            raise unknown("column of candidates", column, [c for c in self.numeric if c not in KEYS])
        values = self.frame[column].tolist()
        for i, v in enumerate(values):
            wrong = isinstance(v, bool | np.bool_) or not isinstance(v, Real) or not (isinstance(v, Rational) or math.isfinite(v))
            if wrong:
                layer, scheme = (self.frame[k].iloc[i] for k in KEYS)
                raise ValueError(
                    f"candidates: column {column!r} of layer {layer!r}, scheme {scheme!r} is {v!r}; give a finite number, or leave"
                    " the row out with missing='exclude'"
                )
        return [exact(v) for v in values]


def candidates_of(frame: pd.DataFrame, needed: tuple[str, ...], missing: str = "refuse") -> Candidates:
    """The table checked: columns layer, scheme and `needed`, text keys, every pair once, every layer with every scheme."""
    if missing not in ("refuse", "exclude"):
        raise unknown("missing", missing, ("refuse", "exclude"))
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"candidates is {type(frame).__name__}; give a DataFrame with columns layer, scheme, loss and costs")
    if twice := sorted({str(c) for c in frame.columns if list(frame.columns).count(c) > 1}):
        raise ValueError(f"candidates has the column {twice[0]!r} twice; give each once")
    for name in (*KEYS, *needed):
        if name not in frame.columns:
            raise unknown("column of candidates", name, [str(c) for c in frame.columns])
    if not len(frame):
        raise ValueError("candidates has no rows; give one for every layer and scheme")
    plain = frame.reset_index(drop=True)
    row: dict[tuple[str, str], int] = {}
    for i, pair in enumerate(zip(plain["layer"].tolist(), plain["scheme"].tolist(), strict=True)):
        for key, value in zip(KEYS, pair, strict=True):
            if not isinstance(value, str) or not value:
                raise ValueError(f"candidates: row {i} has {key} {value!r}; give text")
        if pair in row:
            raise ValueError(
                f"candidates: layer {pair[0]!r} has scheme {pair[1]!r} in rows {row[pair]} and {i}; give each pair once"
            )
        row[pair] = i
    layers, schemes = (tuple(dict.fromkeys(plain[key].tolist())) for key in KEYS)
    if missing == "refuse":
        for layer in layers:
            if lacks := [s for s in schemes if (layer, s) not in row]:
                raise ValueError(
                    f"candidates: layer {layer!r} lacks scheme {lacks[0]!r} ({len(layers) * len(schemes) - len(row)} pairs are"
                    " missing);"
                    " add the rows, or let layers have candidates of their own with missing='exclude'"
                )
    return Candidates(plain, layers, schemes, row)
