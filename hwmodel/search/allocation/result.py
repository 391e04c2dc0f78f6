"""What `hw.allocate` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hwmodel.search.allocation.exact import below

if TYPE_CHECKING:
    from hwmodel.search.allocation.problem import Problem
    from numfmt import Plan


@dataclass(frozen=True, eq=False)
class Allocation:
    """A scheme for every layer.

    objective: its loss. bound: no choice that meets the budgets has less (a float that is not above the proven bound). gap:
    (objective - bound) / |objective|, 0.0 where the choice is proven to be the best. used: one row a budget: used, limit,
    slack. proof: "exact" (every other choice was excluded in exact arithmetic), "HiGHS" (the solver's claim, within its
    tolerances, which `gap` then shows), "bound" (a heuristic or
    a time limit: `gap` says how far from the best the choice can be). table: the chosen rows of the candidates, in the order of
    the layers. time_s: of the solution. states, nodes, undecided: partial solutions looked at, nodes of HiGHS, blocks that
    bounds left open.
    """

    choice: dict[str, str]
    objective: float
    bound: float
    gap: float
    used: pd.DataFrame
    method: str
    proof: str
    time_s: float
    table: pd.DataFrame
    exact_objective: Fraction
    exact_bound: Fraction | None
    states: int
    nodes: int
    undecided: int
    default: Any
    problem: Problem

    @cached_property
    def plan(self) -> Plan:
        """The choice as a plan: of `hw.score`, `hw.evaluate`, `nf.nn.emulate`. Raises ValueError for schemes that numfmt does
        not know."""
        from hwmodel.search.allocation.plans import plan_of

        return plan_of(self.choice, self.default)

    @cached_property
    def counts(self) -> pd.Series:
        """How many layers have each scheme."""
        return self.table["scheme"].value_counts()

    def curve(self, column: str | None = None, points: int | Sequence[Any] | None = None) -> pd.DataFrame:
        """The trade-off between the objective and a cost column (default: the first budget's); see `hw.allocation_curve`.

        The groups, the fixed layers and the budgets of other columns are those of this allocation.
        """
        from hwmodel.search.allocation.curve import curve_of

        chosen = column or self.problem.limits[0].column
        return curve_of(self.problem, chosen, points)

    def to_csv(self, path: str | Path) -> None:
        """`.table` at `path`, `.used` beside it as NAME.used.csv; both or neither. Raises OSError."""
        from hwmodel.report.exports import write_csv

        write_csv({"table": self.table, "used": self.used.reset_index()}, path)

    def to_json(self, path: str | Path) -> None:
        """Objective, bound, gap, budgets and choice as one strict JSON document, all of it or nothing. Raises OSError."""
        from hwmodel.report.exports import write_json

        write_json("allocation", self.facts(), {"used": self.used.reset_index(), "layers": self.table}, path)

    def to_yaml(self, path: str | Path) -> None:
        """`.plan` as the YAML that `nf.Plan.parse` reads, all of it or nothing. Raises OSError, ValueError as `plan`."""
        import yaml

        from hwmodel.report.save import write_whole
        from hwmodel.search.allocation.plans import plan_document

        text = yaml.safe_dump(plan_document(self.plan), sort_keys=False, width=1000)
        write_whole(Path(path).expanduser(), text.encode())

    def facts(self) -> dict[str, Any]:
        """What is no table."""
        names = ("objective", "bound", "gap", "method", "proof", "time_s", "states", "nodes", "undecided")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        uses = ", ".join(f"{name} {row.used:.6g}" for name, row in self.used.iterrows())
        how = f"{self.method}, {self.proof}"
        return f"Allocation({len(self.choice)} layers: loss {self.objective:.6g}, gap {self.gap:.2g}, {uses}; {how})"


def result(
    problem: Problem,
    choice: list[int],
    bound: Fraction | None,
    proof: str,
    method: str,
    time_s: float,
    default: Any,
    counts: tuple[int, int, int] = (0, 0, 0),
) -> Allocation:
    """The answer of a choice (option of each block); every figure is summed again from the user's numbers. `bound` is of the
    loss."""
    rows = problem.rows(choice)
    objective = problem.loss(rows)
    used = []
    for limit in problem.limits:
        total = problem.total(limit.column, rows)
        slack = limit.sign * (limit.value - total)
        assert slack >= 0, (limit, total)
        used.append((limit.column, float(total), float(limit.value), float(slack)))
    assert bound is None or bound <= objective
    gap = float("nan") if bound is None else 0.0 if bound == objective else float((objective - bound) / (abs(objective) or 1))
    table = problem.candidates.frame.iloc[rows].reset_index(drop=True)
    table.attrs = {}
    return Allocation(
        choice=dict(zip(table["layer"].tolist(), table["scheme"].tolist(), strict=True)),
        objective=float(objective),
        bound=float("nan") if bound is None else below(bound),
        gap=gap,
        used=pd.DataFrame(used, columns=["budget", "used", "limit", "slack"]).set_index("budget"),
        method=method,
        proof=proof,
        time_s=time_s,
        table=table,
        exact_objective=objective,
        exact_bound=bound,
        states=counts[0],
        nodes=counts[1],
        undecided=counts[2],
        default=default,
        problem=problem,
    )
