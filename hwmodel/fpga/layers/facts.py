"""Constants of the layer architectures: rows of `data/constants.csv`, each with its source and status."""

from __future__ import annotations

from functools import cache

from hwmodel._data import csv_rows
from hwmodel.sources import Fact

PACKAGE = "hwmodel.fpga.layers"


@cache
def facts() -> dict[str, Fact]:
    """Every constant by name."""
    rows = csv_rows(PACKAGE, "constants")
    return {r["name"]: Fact(r["name"], float(r["value"]), r["unit"], r["source"], r["status"]) for r in rows}


@cache
def value(name: str) -> float:
    return facts()[name].value


@cache
def whole(name: str) -> int:
    """A constant that is a whole number."""
    return int(facts()[name].value)


def under(*prefixes: str) -> tuple[Fact, ...]:
    """The constants whose names begin with one of the prefixes."""
    return tuple(f for name, f in facts().items() if name.startswith(prefixes))
