"""A constant with the place it comes from: what every number in hwmodel is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

# Best known first: a value made of several is known as well as the weakest of them.
STRENGTH = ("measured", "read", "cross-checked", "user", "derived", "recalled", "inferred")
STATUS = STRENGTH
COLUMNS = ("name", "value", "unit", "source", "status")


@dataclass(frozen=True)
class Fact:
    """One constant: its value and unit, where it was found and how well it is known.

    `status` is read, measured, cross-checked, recalled (from the paper, not opened again), inferred, derived
    (computed from other rows) or user (given by the caller).
    """

    name: str
    value: float
    unit: str
    source: str
    status: str

    def __post_init__(self) -> None:
        if self.status not in STATUS:
            raise ValueError(f"status of {self.name} is {self.status!r}; allowed: {', '.join(STATUS)}")

    def __float__(self) -> float:
        return float(self.value)


def frame(facts: Iterable[Fact]) -> pd.DataFrame:
    """The facts as a table (name, value, unit, source, status), repeated ones once."""
    rows = [(f.name, f.value, f.unit, f.source, f.status) for f in dict.fromkeys(facts)]
    return pd.DataFrame(rows, columns=list(COLUMNS))
