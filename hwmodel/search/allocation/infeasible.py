"""What to say where no choice meets the budgets: which ones, and how near they can be met."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from hwmodel._highs import milp
from hwmodel.search.allocation.core import Core
from hwmodel.search.allocation.problem import Problem
from hwmodel.search.allocation.solve import solve


class Infeasible(ValueError):
    """No choice meets the budgets.

    `closest`: for each budget that cannot be met, the nearest value that can be, the others kept (None: the others conflict
    without it). `relaxed`: uses of a choice that exceeds all limits by the least common share; empty where one budget alone
    is out of reach.
    """

    def __init__(self, text: str, closest: Mapping[str, float | None], relaxed: Mapping[str, float]) -> None:
        super().__init__(text)
        self.closest, self.relaxed = dict(closest), dict(relaxed)


_FARTHEST = 2**40


def explain(problem: Problem, time_limit: float | None) -> Infeasible:
    """The error for a programme without a solution."""
    alone = [(r, problem.limits[r]) for r, limit in enumerate(problem.core.limits) if limit < 0]
    if alone:
        closest, parts = {}, []
        for r, limit in alone:
            best = _closest(problem, r, [0] * problem.core.blocks, cheapest=True)
            closest[limit.column] = float(best)
            word, end = ("most", "least") if limit.sign > 0 else ("least", "most")
            parts.append(f"{limit.column} of at {word} {_number(limit.value)}: the {end} that any choice takes is {_number(best)}")
        return Infeasible("no choice meets the budget " + "; nor ".join(parts), closest, {})
    found: dict[str, float | None] = {}
    distance: dict[str, Fraction] = {}
    parts = []
    for r, limit in enumerate(problem.limits):
        others = [k for k in range(len(problem.limits)) if k != r]
        core = problem.core
        made = solve(Core(core.costs[r], [core.costs[k] for k in others], [core.limits[k] for k in others], core.kept), time_limit)
        if made.choice is None:
            found.setdefault(limit.column, None)
            continue
        best = _closest(problem, r, made.choice)
        away = limit.sign * (best - limit.value)
        if limit.column not in distance or away < distance[limit.column]:  # of two limits of a column, the nearer
            distance[limit.column], found[limit.column] = away, float(best)
        parts.append(f"{limit.column} {_number(best)} instead of {_number(limit.value)} with the others kept")
    asked = ", ".join(f"{limit.column} {'<=' if limit.sign > 0 else '>='} {_number(limit.value)}" for limit in problem.limits)
    near = "; ".join(parts) or "none by one alone"
    text = f"no choice meets the budgets {asked} together, though each alone can be met. Closest: {near}"
    uses, share = _relaxed(problem, time_limit)
    if uses:
        moved = f"by {100 * float(share):.3g} %" if share < _FARTHEST else "to many times what they are"
        text += f". All limits moved {moved} admit " + ", ".join(f"{c} {_number(v)}" for c, v in uses.items())
    return Infeasible(text, found, {c: float(v) for c, v in uses.items()})


def _closest(problem: Problem, r: int, choice: list[int], cheapest: bool = False) -> Fraction:
    if cheapest:
        choice = [row.index(min(row)) for row in problem.core.costs[r]]
    return problem.total(problem.limits[r].column, problem.rows(choice))


def _relaxed(problem: Problem, time_limit: float | None) -> tuple[dict[str, Fraction], Fraction]:
    """Uses of the choice with the least common relative excess over the limits (HiGHS), and that excess, exactly."""
    from scipy.optimize import Bounds, LinearConstraint

    core = problem.core
    sizes = [len(row) for row in core.loss]
    block = np.repeat(np.arange(core.blocks), sizes)
    rows, tops = [], []
    for costs, top, limit, unit in zip(core.costs, core.limits, problem.limits, problem.units, strict=True):
        whole = int(abs(limit.value) * unit) or unit  # excess counts in shares of the whole limit; of 0, in the column's unit
        dearest = max(abs(c) for row in costs for c in row)
        if dearest > whole * _FARTHEST:  # next to nothing beside every cost: in shares of the dearest
            whole = dearest
        rows.append([*(c / whole for row in costs for c in row), -1.0])
        tops.append(top / whole)
    one = np.zeros((core.blocks, block.size + 1))
    one[block, np.arange(block.size)] = 1
    options = {"mip_rel_gap": 0.0, "time_limit": time_limit if time_limit is not None else 10.0}
    found = milp(
        [0.0] * block.size + [1.0],
        constraints=[LinearConstraint(one, 1, 1), LinearConstraint(np.array(rows), -np.inf, tops)],
        integrality=[1] * block.size + [0],
        bounds=Bounds(0, [1.0] * block.size + [np.inf]),
        options=options,
    )
    if found.x is None:
        return {}, Fraction(0)
    parts = np.split(found.x[:-1], np.cumsum(sizes)[:-1])
    choice = [int(np.argmax(x)) for x in parts]
    taken = problem.rows(choice)
    uses = {limit.column: problem.total(limit.column, taken) for limit in problem.limits}
    share = max(limit.sign * (uses[limit.column] - limit.value) / (abs(limit.value) or 1) for limit in problem.limits)
    return uses, share


def _number(value: Fraction) -> str:
    near = float(value)
    return str(int(near)) if near.is_integer() and abs(near) < 1e15 else f"{near:.12g}"
