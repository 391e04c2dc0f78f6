"""CSV data files that come with the package."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources


@cache
def csv_rows(package: str, name: str) -> tuple[dict[str, str], ...]:
    """All rows of `data/<name>.csv` of a package of hwmodel, as strings."""
    text = (resources.files(package) / "data" / f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))
