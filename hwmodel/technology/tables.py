"""The data files of this package."""

from __future__ import annotations

from hwmodel._data import csv_rows


def rows(name: str) -> tuple[dict[str, str], ...]:
    """All rows of `technology/data/<name>.csv` as strings."""
    return csv_rows("hwmodel.technology", name)
