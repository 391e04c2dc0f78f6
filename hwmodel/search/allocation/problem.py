"""What a user asks for, read and checked: candidates, budgets, groups and fixed layers as an exact integer programme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pandas as pd

from hwmodel.search.allocation.budgets import Limit, limits_of
from hwmodel.search.allocation.core import Core, shifted
from hwmodel.search.allocation.exact import integers
from hwmodel.search.allocation.layers import Blocks, blocks_of
from hwmodel.search.allocation.table import Candidates, candidates_of

Objective = str | Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Problem:
    """The programme: `core` in integers, `loss_unit` of them to one of the objective; `limits[row]` and units of the rows."""

    candidates: Candidates
    blocks: Blocks
    objective: dict[str, Fraction]
    limits: tuple[Limit, ...]
    core: Core
    loss_unit: int
    units: tuple[int, ...]

    def rows(self, choice: Sequence[int]) -> list[int]:
        """Rows of the candidates' table that a choice (option of each block) takes, in the order of the layers."""
        found = {}
        for block, options, j in zip(self.blocks.members, self.blocks.options, choice, strict=True):
            for layer in block:
                found[layer] = self.candidates.row[layer, options[j]]
        return [found[layer] for layer in self.candidates.layers]

    def total(self, column: str, rows: Sequence[int]) -> Fraction:
        """Exact sum of a column over rows."""
        values = self.candidates.numbers(column)
        return sum((values[r] for r in rows), Fraction(0))

    def loss(self, rows: Sequence[int]) -> Fraction:
        """Exact objective of rows."""
        return sum((weight * self.total(column, rows) for column, weight in self.objective.items()), Fraction(0))


def read(
    candidates: pd.DataFrame,
    budget: Mapping[str, Any],
    objective: Objective,
    groups: Any,
    fixed: Mapping[str, str] | None,
    missing: str,
) -> Problem:
    """The programme of the arguments of `allocate`, whose errors it raises."""
    weights = _objective(objective)
    table = candidates_of(candidates, tuple(weights), missing)
    for column in weights:
        table.numbers(column)
    blocks = blocks_of(table, groups, fixed)
    return _built(table, blocks, weights, limits_of(table, blocks, budget))


def assembled(problem: Problem, limits: tuple[Limit, ...]) -> Problem:
    """The same programme under other limits."""
    return _built(problem.candidates, problem.blocks, problem.objective, limits)


def _built(table: Candidates, blocks: Blocks, weights: dict[str, Fraction], limits: tuple[Limit, ...]) -> Problem:
    losses = _merged(blocks, table, weights)
    flat, loss_unit = integers(v for row in losses for v in row)
    costs, tops, units = [], [], []
    for limit in limits:
        merged = _merged(blocks, table, {limit.column: Fraction(limit.sign)})
        numbers, unit = integers([*(v for row in merged for v in row), limit.sign * limit.value])
        costs.append(_split(numbers[:-1], merged))
        tops.append(numbers[-1])
        units.append(unit)
    return Problem(table, blocks, weights, limits, shifted(_split(flat, losses), costs, tops), loss_unit, tuple(units))


def _objective(objective: Objective) -> dict[str, Fraction]:
    if isinstance(objective, str):
        return {objective: Fraction(1)}
    if not isinstance(objective, Mapping) or not objective:
        raise ValueError(
            f"objective is {objective!r}; give a column to minimise, or a mapping from columns to weights (below 0: maximise)"
        )
    out = {}
    for column, weight in objective.items():
        try:
            out[str(column)] = Fraction(weight)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"objective[{column!r}] is {weight!r}; give a finite weight") from None
    return out


def _merged(blocks: Blocks, table: Candidates, weights: Mapping[str, Fraction]) -> list[list[Fraction]]:
    """Weighted sums of columns for every option of every block."""
    columns = [(table.numbers(column), weight) for column, weight in weights.items()]
    weighed = [values if weight == 1 else [weight * v for v in values] for values, weight in columns]
    one = weighed[0] if len(weighed) == 1 else [sum(vs, Fraction(0)) for vs in zip(*weighed, strict=True)]
    row = table.row
    return [
        [
            one[row[members[0], option]] if len(members) == 1 else sum((one[row[m, option]] for m in members), Fraction(0))
            for option in options
        ]
        for members, options in zip(blocks.members, blocks.options, strict=True)
    ]


def _split(flat: list[int], like: Sequence[Sequence[Any]]) -> list[list[int]]:
    out, at = [], 0
    for row in like:
        out.append(flat[at : at + len(row)])
        at += len(row)
    return out
