"""Assemblies as rows of numbers, for predictions of many units at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hwmodel.units.structure.assembly import ACTIVITIES, CELLS, STEPS, Assembly
from hwmodel.units.structure.kinds import BLOCKS, KINDS

GLITCHES = ("carry", "compress", "mux")  # steps whose arrivals make glitches; flags and counters make none
Key = tuple[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, eq=False)
class Features:
    """Of units (first axis): `cells` (n, 7) counts; `classes` (n, 6, 7) the same by activity; `arrivals` (n, 3, 7) counts times
    depth, for each step that makes glitches; `path` (n, 5) steps; `table` (n,) gates of a table of the unit."""

    cells: np.ndarray
    classes: np.ndarray
    arrivals: np.ndarray
    path: np.ndarray
    table: np.ndarray


def of_assembly(made: Assembly) -> Features:
    classes = np.zeros((1, len(ACTIVITIES), len(CELLS)))
    arrivals = np.zeros((1, len(GLITCHES), len(CELLS)))
    for p in made.parts:
        row = ACTIVITIES.index(p.activity)
        for cell, n in p.cells.items():
            column = CELLS.index(cell)
            classes[0, row, column] += n
            if p.activity != "count":
                for i, step in enumerate(GLITCHES):
                    arrivals[0, i, column] += n * p.depth.get(step, 0.0)
    path = np.array([[made.path.get(step, 0.0) for step in STEPS]])
    return Features(classes.sum(1), classes, arrivals, path, np.array([made.table]))


@lru_cache(maxsize=1 << 16)
def _row(key: Key) -> Features:
    kind, parameters = key
    return of_assembly((KINDS.get(kind) or BLOCKS[kind])(**dict(parameters)))


def features(keys: Sequence[Key]) -> Features:
    """The rows of many units, given as (kind, ((parameter, value), ...))."""
    made = [_row(key) for key in keys]
    if not made:
        return Features(np.zeros((0, 7)), np.zeros((0, 6, 7)), np.zeros((0, 3, 7)), np.zeros((0, 5)), np.zeros(0))
    names = ("cells", "classes", "arrivals", "path", "table")
    return Features(*(np.concatenate([getattr(f, name) for f in made]) for name in names))
