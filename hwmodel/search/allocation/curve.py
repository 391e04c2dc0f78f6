"""The whole trade-off between the objective and one cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import positive_int
from hwmodel.search.allocation.budgets import Limit, ends_of, limits_of
from hwmodel.search.allocation.infeasible import Infeasible
from hwmodel.search.allocation.problem import Objective, Problem, assembled, read

_MOST = 2_000_000  # points held at once where sums fit 64 bits
_MOST_WIDE = 200_000  # as Python integers


def allocation_curve(
    candidates: pd.DataFrame,
    column: str,
    *,
    points: int | Sequence[Any] | None = None,
    budget: Mapping[str, Any] | None = None,
    objective: Objective = "loss",
    groups: Any = None,
    fixed: Mapping[str, str] | None = None,
    missing: str = "refuse",
) -> pd.DataFrame:
    """The least loss for every value of a cost column: the Pareto front of all choices.

    points None: every point of the front, exactly, by dynamic programming (no budget of another column; ValueError where there
    are too many).
    A number: so many budgets, evenly spread from the cheapest to the dearest choice; or the budgets themselves, as
    `hw.allocate` takes them; each solved by it, with `budget` for other columns; budgets that cannot be met are left out.

    Columns: the cost column, the objective ("loss", or "objective" where it is a mixture), and with `points` also budget, gap
    and the counts of layers with each scheme. Rows go from the cheapest on; losses fall. Other arguments: as `hw.allocate`.
    """
    others = dict(budget or {})
    if column in others:
        raise ValueError(f"budget names the column of the curve, {column!r}; give its values as points")
    return curve_of(read(candidates, {column: "100%", **others}, objective, groups, fixed, missing), column, points)


def curve_of(problem: Problem, column: str, points: int | Sequence[Any] | None) -> pd.DataFrame:
    """The curve of a programme; limits of `column` in it do not count."""
    others = tuple(limit for limit in problem.limits if limit.column != column)
    value = next(iter(problem.objective)) if list(problem.objective.values()) == [1] else "objective"
    if points is None:
        if [limit for limit in others if _binds(problem, limit)]:
            raise ValueError("the whole curve has no budgets of other columns; give points, or leave the budgets out")
        uses, losses = _front(assembled(problem, (Limit(column, 1, Fraction(0), 0),)))
        return pd.DataFrame({column: uses, value: losses})
    from hwmodel.search.allocation.allocate import answer

    rows = []
    for limit in _limits(problem, column, points):
        try:
            made = answer(assembled(problem, (limit, *others)), "ilp", None, 60.0)
        except Infeasible:
            continue
        counts = {s: int(made.counts.get(s, 0)) for s in problem.candidates.schemes}
        rows.append(
            {"budget": float(limit.value), column: made.used["used"].iloc[0], value: made.objective, "gap": made.gap, **counts}
        )
    return pd.DataFrame(rows, columns=["budget", column, value, "gap", *problem.candidates.schemes])


def _binds(problem: Problem, limit: Limit) -> bool:
    low, high = ends_of(problem.candidates, problem.blocks, limit.column)
    return (high if limit.sign > 0 else -low) > limit.sign * limit.value


def _limits(problem: Problem, column: str, points: int | Sequence[Any]) -> list[Limit]:
    table, blocks = problem.candidates, problem.blocks
    if isinstance(points, Sequence | np.ndarray) and not isinstance(points, str):
        return [limits_of(table, blocks, {column: p})[0] for p in points]
    count = positive_int("points", points, minimum=2)
    low, high = ends_of(table, blocks, column)
    return [Limit(column, 1, low + Fraction(i, count - 1) * (high - low), None) for i in range(count)]


def _front(problem: Problem) -> tuple[list[float], list[float]]:
    """Uses and losses of all choices that no other one beats, block by block."""
    core, (costs,) = problem.core, problem.core.costs
    lows = [min(row) for row in core.loss]
    widest = sum(max(row) for row in costs) + sum(max(row) - low for row, low in zip(core.loss, lows, strict=True))
    kind: Any = np.int64 if widest < 2**62 else object
    use, loss = np.zeros(1, dtype=kind), np.zeros(1, dtype=kind)
    for c, v, low in zip(costs, core.loss, lows, strict=True):
        use = (use[:, None] + np.array(c, dtype=kind)[None, :]).ravel()
        loss = (loss[:, None] + np.array([x - low for x in v], dtype=kind)[None, :]).ravel()
        order = np.lexsort((loss, use)) if kind is np.int64 else np.array(sorted(range(len(use)), key=lambda i: (use[i], loss[i])))
        use, loss = use[order], loss[order]
        keep = np.ones(len(use), dtype=bool)
        keep[1:] = loss[1:] < np.minimum.accumulate(loss)[:-1]
        use, loss = use[keep], loss[keep]
        if len(use) > (_MOST if kind is np.int64 else _MOST_WIDE):
            raise ValueError("the whole curve has too many points to hold; give points, a number of budgets")
    column = problem.limits[0].column
    cheapest, _ = ends_of(problem.candidates, problem.blocks, column)
    unit = problem.units[0]
    base = sum(lows)
    return (
        [float(cheapest + Fraction(int(u), unit)) for u in use],
        [float(Fraction(base + int(v), problem.loss_unit)) for v in loss],
    )
