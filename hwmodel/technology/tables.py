"""The data files of this package, read once."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib import resources


@lru_cache(maxsize=None)
def rows(name: str) -> tuple[dict[str, str], ...]:
    """All rows of `technology/data/<name>.csv` as strings."""
    path = resources.files("hwmodel.technology") / "data" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))
