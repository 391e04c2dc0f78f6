"""Budgets: limits of columns, in the column's own unit or relative to the cheapest and dearest choice."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational, Real
from typing import Any

import numpy as np

from hwmodel._checks import unknown
from hwmodel.search.allocation.exact import exact
from hwmodel.search.allocation.layers import Blocks
from hwmodel.search.allocation.table import KEYS, Candidates

_UNITS: dict[str, tuple[str, Fraction]] = {
    **{u: ("time", Fraction(10) ** p) for u, p in {"s": 0, "ms": -3, "us": -6, "ns": -9, "ps": -12}.items()},
    **{u: ("energy", Fraction(10) ** p) for u, p in {"j": 0, "mj": -3, "uj": -6, "nj": -9, "pj": -12}.items()},
    **{u: ("size", Fraction(10) ** p) for u, p in {"bytes": 0, "kb": 3, "mb": 6, "gb": 9}.items()},
    **{u: ("size", Fraction(2) ** p) for u, p in {"bits": -3, "kib": 10, "mib": 20, "gib": 30}.items()},
    **{u: ("area", Fraction(10) ** p) for u, p in {"mm2": 0, "um2": -6}.items()},
}


@dataclass(frozen=True)
class Limit:
    """A column's sum is at most (`sign` 1) or at least (-1) this much; `asked` is what the user wrote."""

    column: str
    sign: int
    value: Fraction
    asked: Any


def limits_of(table: Candidates, blocks: Blocks, budget: Mapping[str, Any]) -> tuple[Limit, ...]:
    """The limits that a budget names. ValueError for columns that do not exist and for what is no limit."""
    if not isinstance(budget, Mapping) or not budget:
        raise ValueError(
            f"budget is {budget!r}; give a mapping from cost columns to limits, such as {{'size_mib': 6.6}} or {{'bops': '50%'}}"
        )
    out = []
    for column, asked in budget.items():
        if column not in table.numeric:
            raise _no_column(table, column, asked)
        low, high = asked if isinstance(asked, tuple | list) and len(asked) == 2 else (None, asked)
        if low is None and high is None:
            raise ValueError(f"budget[{column!r}] is {asked!r}; give a limit")
        made = [Limit(column, s, _value(table, blocks, column, v), v) for s, v in ((1, high), (-1, low)) if v is not None]
        if len(made) == 2 and made[1].value > made[0].value:
            raise ValueError(f"budget[{column!r}] is {asked!r}: the lower limit is above the upper one")
        out += made
    return tuple(out)


def ends_of(table: Candidates, blocks: Blocks, column: str) -> tuple[Fraction, Fraction]:
    """Sums of a column with every block at its cheapest, and at its dearest option."""
    values = table.numbers(column)
    low = high = Fraction(0)
    for members, options in zip(blocks.members, blocks.options, strict=True):
        sums = [sum((values[table.row[layer, option]] for layer in members), Fraction(0)) for option in options]
        low, high = low + min(sums), high + max(sums)
    return low, high


def _value(table: Candidates, blocks: Blocks, column: str, asked: Any) -> Fraction:
    table.numbers(column)
    if isinstance(asked, str):
        found = re.fullmatch(r"\s*([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*%\s*", asked)
        if not found:
            raise ValueError(
                f"budget[{column!r}] is {asked!r}; give a number in the column's unit, or '50%' of the way from the cheapest"
                " choice to the dearest"
            )
        low, high = ends_of(table, blocks, column)
        return low + Fraction(found[1]) / 100 * (high - low)
    number = isinstance(asked, Real) and not isinstance(asked, bool | np.bool_)
    if not number or not (isinstance(asked, Rational) or math.isfinite(asked)):
        raise ValueError(f"budget[{column!r}] is {asked!r}; give a finite number, '50%', or (least, most)")
    return exact(asked)


def _no_column(table: Candidates, column: Any, asked: Any) -> ValueError:
    costs = [c for c in table.numeric if c not in KEYS]
    if isinstance(column, str) and "_" in column:
        stem, _, suffix = column.rpartition("_")
        unit = _UNITS.get(suffix.lower())
        for other in costs:
            own_stem, _, own = other.rpartition("_")
            known = _UNITS.get(own.lower())
            if unit and known and own_stem == stem and known[0] == unit[0]:
                value = ""
                if isinstance(asked, Real) and not isinstance(asked, bool) and math.isfinite(asked):
                    value = f"; {asked!r} {suffix} are {float(exact(asked) * unit[1] / known[1])!r} {own}"
                return ValueError(f"budget {column!r} is no column of candidates: they have {other!r}, another unit{value}")
    return unknown("budget", column, costs)
