"""`hw.allocate`: the scheme of every layer, the best there is under budgets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pandas as pd

from hwmodel._checks import finite, unknown
from hwmodel.search.allocation import heuristics
from hwmodel.search.allocation.core import Core, reduced
from hwmodel.search.allocation.infeasible import explain
from hwmodel.search.allocation.problem import Objective, Problem, read
from hwmodel.search.allocation.relax import relaxed
from hwmodel.search.allocation.result import Allocation, result
from hwmodel.search.allocation.solve import solve

METHODS = ("ilp", "lagrangian", "greedy")
_PROOFS = {"enumerated": "exact", "HiGHS": "HiGHS", "none": "bound"}


def allocate(
    candidates: pd.DataFrame,
    budget: Mapping[str, Any],
    *,
    objective: Objective = "loss",
    groups: Any = None,
    fixed: Mapping[str, str] | None = None,
    method: str = "ilp",
    missing: str = "refuse",
    default: Any = None,
    time_limit_s: float | None = 60.0,
) -> Allocation:
    """The scheme of every layer with the least summed loss whose summed costs stay within the budgets.

    candidates: one row a layer and scheme: columns layer, scheme, loss and any cost columns, units in their names (size_mib,
    bops, energy_j, latency_s, area_mm2, lut, ...); `hw.allocation_table` makes one. Schemes are names of numfmt's schemes or
    plans of one layer ("w=int4/g128; a=int8/token"), or labels of one's own (then `.plan` has nothing to give).
    budget: column -> limit in the column's unit: a number; "50%": that far from the sum of every layer's least to the sum of
    every layer's largest cost (HAWQ-V3's definition); or (least, most), either of them None. Units are not converted.
    objective: a column to minimise, or columns with weights: {"loss": 1, "energy_j": 1e-3}, {"sqnr_db": -1} to maximise.
    groups: layers that must have the same scheme: a list of lists of names or patterns; a column `group` of candidates does the
    same.
    fixed: layer or pattern -> scheme. missing: "refuse" layers that lack a scheme which others have, or "exclude" those pairs.
    method: "ilp" (the best, proven), "lagrangian" (prices of the linear relaxation, rounded and repaired, with the bound they
    give), "greedy" (no bound). default: plan of layers that the table does not have. time_limit_s: of HiGHS, None: no limit.

    Numbers are taken as exactly what their floats are: a sum that exceeds a limit by the last bit does not fit. The same input
    gives the same answer; no option is taken that another of its layer matches in loss and every budget and beats in one.

    Raises ValueError for tables, budgets, groups and fixed layers that make no sense, `Infeasible` (a ValueError, with the
    closest values that can be met) where no choice meets the budgets, ImportError without scipy (extra `search`).
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if time_limit_s is not None:
        finite("time_limit_s", time_limit_s, above=0)
    start = time.perf_counter()
    return answer(read(candidates, budget, objective, groups, fixed, missing), method, default, time_limit_s, start)


def answer(problem: Problem, method: str, default: Any, time_limit_s: float | None, start: float | None = None) -> Allocation:
    """The allocation of a programme that has been read."""
    _needs_scipy()
    start = time.perf_counter() if start is None else start
    core, unit = problem.core, problem.loss_unit
    if method != "ilp":
        choice, bound = _heuristic(core, method)
        low = None if bound is None else bound / unit
        if choice is None:
            if solve(core, time_limit_s).choice is None:
                raise explain(problem, time_limit_s)
            raise ValueError(f"method {method!r} found no choice within the budgets, though there is one; use method='ilp'")
        return result(problem, choice, low, "bound", method, time.perf_counter() - start, default)
    found = solve(core, time_limit_s)
    if found.choice is None:
        if found.proof == "none":
            raise ValueError(f"no choice was found in time_limit_s={time_limit_s}, nor that there is none; give more time")
        raise explain(problem, time_limit_s)
    counts = (found.states, found.nodes, found.core_blocks)
    took = time.perf_counter() - start
    return result(problem, found.choice, found.bound / unit, _PROOFS[found.proof], method, took, default, counts)


def _heuristic(core: Core, method: str) -> tuple[list[int] | None, Fraction | None]:
    """A choice and, of the Lagrangian, its bound."""
    small = reduced(core)
    if small is None:
        return None, None
    if method == "greedy":
        choice, low = heuristics.greedy(small), None
    else:
        bound = relaxed(small)
        if bound is None:
            return None, None
        choice, low = heuristics.best_start(small, bound), Fraction(bound.value, bound.scale)
    if choice is None:
        return None, low
    if low is not None:
        low = min(low, Fraction(small.value(choice)))
    return [small.kept[b][j] for b, j in enumerate(choice)], low


def _needs_scipy() -> None:
    try:
        import scipy.optimize  # noqa: F401
    except ImportError as error:
        raise ImportError("hw.allocate needs scipy, which is not installed; pip install 'numfmt-hwmodel[search]'") from error
