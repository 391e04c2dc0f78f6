"""A constant with the place it comes from: what every number in hwmodel is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from hwmodel._checks import unknown

# Best known first: a value made of several is known as well as the weakest of them.
STATUS = ("measured", "read", "cross-checked", "user", "derived", "recalled", "inferred")
COLUMNS = ("name", "value", "unit", "source", "status")


@dataclass(frozen=True)
class Fact:
    """One constant: its value and unit, where it was found and how well it is known.

    `status`, best known first: measured, read, cross-checked (known and found again in a second place), user (given by the
    caller), derived (computed from rows as well known or better), recalled (from the paper, not opened again), inferred
    (interpolated, extended beyond the data, or the middle of a range: never a test's oracle).
    """

    name: str
    value: float
    unit: str
    source: str
    status: str

    def __post_init__(self) -> None:
        if self.status not in STATUS:
            raise ValueError(f"status of {self.name} is {self.status!r}; allowed: {', '.join(STATUS)}")

        if not math.isfinite(self.value):
            raise ValueError(f"value of {self.name} is {self.value!r}; give a finite number")

    def __float__(self) -> float:
        return float(self.value)


def frame(facts: Iterable[Fact]) -> pd.DataFrame:
    """The facts as a table (name, value, unit, source, status), repeated ones once."""
    rows = [(f.name, f.value, f.unit, f.source, f.status) for f in dict.fromkeys(facts)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def worst(statuses: Iterable[str]) -> str:
    """The weakest of some statuses."""
    return max(statuses, key=STATUS.index)


def summary(facts: pd.DataFrame | Iterable[Fact]) -> pd.DataFrame:
    """What a result rests on, the weakest first: status, source, count, names.

    facts: a `.sources` frame (or several, concatenated), or facts. One row for each status and source.
    Raises ValueError for a frame that lacks the columns, and for an unknown status.
    """
    table = facts if isinstance(facts, pd.DataFrame) else frame(facts)
    missing = [c for c in COLUMNS if c not in table.columns]
    if missing:
        raise ValueError(f"frame lacks the columns {', '.join(missing)}; give a .sources frame ({', '.join(COLUMNS)})")
    found: dict[tuple[int, str], list[str]] = {}
    for name, source, status in table[["name", "source", "status"]].drop_duplicates().itertuples(index=False):
        if status not in STATUS:
            raise unknown(f"status of {name}", status, STATUS)
        found.setdefault((-STATUS.index(status), source), []).append(str(name))
    out = [(STATUS[-rank], source, len(names), ", ".join(names)) for (rank, source), names in sorted(found.items())]
    return pd.DataFrame(out, columns=["status", "source", "count", "names"])


def weakest(facts: pd.DataFrame | Iterable[Fact]) -> pd.DataFrame:
    """The facts of the weakest status among them, as a table like `frame`."""
    table = facts if isinstance(facts, pd.DataFrame) else frame(facts)
    if not len(table):
        return table
    return table[table["status"] == worst(table["status"])].reset_index(drop=True)
