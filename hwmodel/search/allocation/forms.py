"""Published formulations of bit allocation as objectives and budgets of `hw.allocate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pandas as pd

from hwmodel._checks import finite, unknown
from hwmodel._data import csv_rows
from hwmodel.search.allocation.allocate import allocate
from hwmodel.search.allocation.result import Allocation
from hwmodel.search.allocation.table import candidates_of

_FLOOR = 1e-6  # AdaQuant: of the rise of the loss
_BAND = Fraction(2, 100)  # MixDQ: half the width of the band around the mean bits
_NORM = 1000.0  # LQ-LoRA: norm of all costs before solving


@dataclass(frozen=True, eq=False)
class Form:
    """A formulation: candidates with its costs, its budget and objective, and where it is from. `allocate` takes them as they
    are."""

    name: str
    candidates: pd.DataFrame
    budget: dict[str, Any]
    objective: dict[str, float]
    source: str
    status: str

    def solve(self, **options: Any) -> Allocation:
        """`hw.allocate` of this form; options: groups, fixed, method, missing, default, time_limit_s."""
        return allocate(self.candidates, self.budget, objective=self.objective, **options)


def allocation_forms() -> pd.DataFrame:
    """The formulations: form, objective, costs, limit, source, status."""
    return pd.DataFrame(csv_rows("hwmodel.search", "allocation_forms"))


def allocation_form(name: str, candidates: pd.DataFrame, target: float, cost: str = "size") -> Form:
    """A published formulation over a table of candidates.

    candidates: as of `hw.allocation_table` (columns layer, scheme, loss, macs, weights, weight_bits; activation_bits for bops).
    name and target:
        "hawqv3": target the share between all-cheapest and all-dearest; cost "size", "bops" or a column;
        "adaquant": target the compressed over the float32 cost of a base of 8 bits (0.25: all at 8); cost "size" or "bops"
        (MACs * bits^2 of weights); `loss` must be the rise with that layer alone, and losses below 1e-6 count as 1e-6 (at 8
        bits: 0);
        "mixdq": target the mean bits, kept within 2 %; `loss` is a gain (SQNR, SSIM) and its sum is made as large as possible;
        "lq-lora": target the mean bits with scales at most; losses scaled to norm 1000;
        "fliqs": target the cost of that uniform width; MACs * weight bits * activation bits.
    Widths are `weight_bits` for sizes, and whole element widths (`bops`) for operations.

    Source: data/allocation_forms.csv. Raises ValueError for unknown names and missing columns.
    """
    known = {r["form"]: r for r in csv_rows("hwmodel.search", "allocation_forms")}
    if name not in known:
        raise unknown("form", name, known)
    candidates_of(candidates, ("loss",), "exclude")
    finite("target", target, above=0)
    table, budget, objective = _MAKERS[name](candidates.reset_index(drop=True), target, cost)
    return Form(name, table, budget, objective, known[name]["source"], known[name]["status"])


Made = tuple[pd.DataFrame, dict[str, Any], dict[str, float]]


def _needs(table: pd.DataFrame, *names: str) -> None:
    for column in names:
        if column not in table.columns:
            raise unknown("column of candidates", column, [str(c) for c in table.columns])


def _column(table: pd.DataFrame, cost: str) -> str:
    column = {"size": "size_bytes"}.get(cost, cost)
    _needs(table, column)
    return column


def _hawqv3(table: pd.DataFrame, target: float, cost: str) -> Made:
    return table, {_column(table, cost): f"{format(100 * target, '.15g')}%"}, {"loss": 1.0}


def _adaquant(table: pd.DataFrame, target: float, cost: str) -> Made:
    _needs(table, "macs", "weights", "weight_bits")
    power, counted = {"size": (1, "weights"), "bops": (2, "macs")}.get(cost, (0, ""))
    if not power:
        raise unknown("cost of adaquant", cost, ("size", "bops"))
    bits = _rounded_bits(table)
    made = table.assign(adaquant_cost=table[counted] * bits**power)
    made["loss"] = made["loss"].clip(lower=_FLOOR).where(bits < 8, 0.0)
    total = int(table.drop_duplicates("layer")[counted].sum())
    return made, {"adaquant_cost": Fraction(total) * 8**power * Fraction(target) * 4}, {"loss": 1.0}


def _mixdq(table: pd.DataFrame, target: float, cost: str) -> Made:
    _needs(table, "weights")
    made = table.assign(mixdq_bits=table["weights"] * _rounded_bits(table))
    whole = Fraction(int(table.drop_duplicates("layer")["weights"].sum()))
    middle = Fraction(target) * whole
    return made, {"mixdq_bits": (middle - _BAND * whole, middle + _BAND * whole)}, {"loss": -1.0}


def _lq_lora(table: pd.DataFrame, target: float, cost: str) -> Made:
    _needs(table, "weights", "weight_bits")
    norm = float((table["loss"] ** 2).sum()) ** 0.5
    made = table.assign(storage_bits=table["weights"] * table["weight_bits"], loss=table["loss"] * (_NORM / norm if norm else 1.0))
    whole = int(table.drop_duplicates("layer")["weights"].sum())
    return made, {"storage_bits": Fraction(target) * whole}, {"loss": 1.0}


def _fliqs(table: pd.DataFrame, target: float, cost: str) -> Made:
    _needs(table, "macs", "bops")
    return table, {"bops": Fraction(target) ** 2 * int(table.drop_duplicates("layer")["macs"].sum())}, {"loss": 1.0}


def _rounded_bits(table: pd.DataFrame) -> pd.Series:
    """Widths of the elements, without scales."""
    _needs(table, "bops", "macs", "activation_bits")
    return (table["bops"] / (table["macs"] * table["activation_bits"])).round().astype("int64")


_MAKERS: dict[str, Callable[[pd.DataFrame, float, str], Made]] = {
    "hawqv3": _hawqv3,
    "adaquant": _adaquant,
    "mixdq": _mixdq,
    "lq-lora": _lq_lora,
    "fliqs": _fliqs,
}
