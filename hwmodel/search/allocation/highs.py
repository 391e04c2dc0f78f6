"""The integer programme by HiGHS (scipy.optimize.milp) at relative gap 0, with every answer weighed again in integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwmodel._highs import milp
from hwmodel.search.allocation.core import Core
from hwmodel.search.allocation.relax import Bound

_TOLERANCE = 1e-5  # of the window: HiGHS's own absolute gap and feasibility (1e-6), with room
_TIGHTER = (0.0, 1e-9, 1e-8, 1e-7, 1e-6)


@dataclass(frozen=True, eq=False)
class Answer:
    """What HiGHS found: a choice (None: nothing that fits), a lower bound in units of Bound.value, and whether it had ended."""

    choice: list[int] | None
    bound: int
    ended: bool
    nodes: int


def solved(core: Core, bound: Bound, window: int, time_limit: float | None) -> Answer:
    """The best solution of loss * bound.scale <= bound.value + window.

    In reduced costs, with the priced slack of each row as a variable and everything in units of the window, so that HiGHS's
    absolute tolerances are small against what is left to decide, whatever the scales of loss and costs are. A solution that
    exceeds a limit by a rounding error is not taken: the rows are tightened and the rest solved again.
    """
    keep = [[j for j, d in enumerate(row) if d <= window] for row in bound.reduced]
    for tight in _TIGHTER:
        answer = _once(core, bound, window, keep, tight, time_limit)
        if answer.choice is None or core.fits(answer.choice):
            break
        answer = Answer(None, bound.value, False, answer.nodes)
    if tight and answer.choice is not None:
        return Answer(answer.choice, bound.value, False, answer.nodes)  # the tightened rows prove nothing about the true ones
    return answer


def _once(core: Core, bound: Bound, window: int, keep: list[list[int]], tight: float, time_limit: float | None) -> Answer:
    from scipy.optimize import Bounds, LinearConstraint
    from scipy.sparse import coo_matrix, csr_matrix, hstack

    unit = window or 1
    block = np.repeat(np.arange(core.blocks), [len(k) for k in keep])
    extra = np.array([bound.reduced[b][j] / unit for b, k in enumerate(keep) for j in k])
    priced = [r for r, p in enumerate(bound.price) if p]
    table, ends = [], []
    for r, costs in enumerate(core.costs):
        weigh = bound.price[r] if bound.price[r] else 1
        per = unit if bound.price[r] else max(1, core.limits[r])
        table.append([weigh * costs[b][j] / per for b, k in enumerate(keep) for j in k])
        ends.append(weigh * core.limits[r] / per)
    limits = np.array(ends) * (1 - tight)
    slack = coo_matrix((np.ones(len(priced)), (priced, range(len(priced)))), shape=(len(ends), len(priced)))
    one = csr_matrix((np.ones(block.size), (block, np.arange(block.size))), shape=(core.blocks, block.size))
    rows = hstack([csr_matrix(np.array(table).reshape(len(ends), block.size)), slack])
    lowest = np.where([p > 0 for p in bound.price], limits, -np.inf) if len(ends) else limits
    constraints = [
        LinearConstraint(hstack([one, csr_matrix((core.blocks, len(priced)))]), 1, 1),
        LinearConstraint(rows, lowest, limits),
    ]
    objective = np.concatenate([extra, np.ones(len(priced))])
    variables = Bounds(np.zeros(objective.size), np.concatenate([np.ones(block.size), np.full(len(priced), np.inf)]))
    whole = np.concatenate([np.ones(block.size), np.zeros(len(priced))])
    options: dict[str, float] = {"mip_rel_gap": 0.0}
    if time_limit is not None:
        options["time_limit"] = max(0.01, time_limit)
    found = milp(
        objective, constraints=constraints if len(ends) else constraints[:1], integrality=whole, bounds=variables, options=options
    )
    proven = getattr(found, "mip_dual_bound", None)
    low = bound.value
    if proven is not None and np.isfinite(proven):
        low = max(low, bound.value + int((min(float(proven), 1.0) - _TOLERANCE) * 2**40) * unit // 2**40)
    nodes = int(getattr(found, "mip_node_count", None) or 0)
    if found.x is None:
        ended = found.status == 2
        return Answer(None, bound.value + window if ended else low, ended, nodes)
    ends_at = np.cumsum([len(k) for k in keep])[:-1]
    choice = [k[int(np.argmax(x))] for k, x in zip(keep, np.split(found.x[: block.size], ends_at), strict=True)]
    return Answer(choice, low, found.status == 0, nodes)
