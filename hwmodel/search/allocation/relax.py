"""Lower bounds: the linear relaxation's multipliers, and what they prove in exact arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hwmodel.search.allocation.core import Core
from hwmodel.search.allocation.exact import ratio


@dataclass(frozen=True, eq=False)
class Bound:
    """Multipliers of the rows and what they prove.

    Everything in units of loss over `scale`: `value` is a lower bound on the loss, `reduced[block][option]` how much more than
    it any solution with that option costs at least, `price[row]` what a unit of slack costs. `first[block]` is the option of
    reduced cost 0, `lp` the relaxation's solution (None where it was not solved).
    """

    scale: int
    price: list[int]
    value: int
    reduced: list[list[int]]
    lp: list[np.ndarray] | None = None

    @property
    def first(self) -> list[int]:
        return [row.index(0) for row in self.reduced]


def lagrangian(core: Core, prices: list[Fraction], lp: list[np.ndarray] | None = None) -> Bound:
    """The bound that these prices (loss per unit of cost, at least 0) give; valid whatever they are."""
    scale = math.lcm(*(p.denominator for p in prices))
    price = [int(p * scale) for p in prices]
    total, found = -sum(p * limit for p, limit in zip(price, core.limits, strict=True)), []
    for b in range(core.blocks):
        row = [v * scale for v in core.loss[b]]
        for p, costs in zip(price, core.costs, strict=True):
            if p:
                row = [v + p * c for v, c in zip(row, costs[b], strict=True)]
        low = min(row)
        total += low
        found.append([v - low for v in row])
    return Bound(scale, price, total, found, lp)


def relaxed(core: Core) -> Bound | None:
    """The bound with the multipliers of the linear relaxation (HiGHS). None where the relaxation has no solution."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    if not core.limits:
        return lagrangian(core, [])
    width = max(map(len, core.loss))
    unit = max(max(row) - min(row) for row in core.loss) or 1
    there = np.arange(width)[None, :] < np.array([len(row) for row in core.loss])[:, None]
    block = np.nonzero(there)[0]
    objective = ratio([[v - min(row) for v in row] for row in core.loss], unit, width, 0.0)[there]
    table = np.stack([ratio(costs, limit, width, 0.0)[there] for costs, limit in zip(core.costs, core.limits, strict=True)])
    one = csr_matrix((np.ones(block.size), (block, np.arange(block.size))), shape=(core.blocks, block.size))
    found = linprog(
        objective, A_ub=table, b_ub=np.ones(len(table)), A_eq=one, b_eq=np.ones(core.blocks), bounds=(0, 1), method="highs"
    )
    if found.status == 2:
        return None
    if found.status != 0:
        return lagrangian(core, [Fraction(0)] * len(core.limits))
    ends = np.cumsum([len(row) for row in core.loss])[:-1]
    prices = [
        _rounded(Fraction(max(0.0, -marginal)) * unit / limit)
        for marginal, limit in zip(found.ineqlin.marginals.tolist(), core.limits, strict=True)
    ]
    return lagrangian(core, prices, np.split(found.x, ends))


def _rounded(value: Fraction) -> Fraction:
    """To a binary fraction of 40 digits, which keeps the integers short."""
    places = 40 + max(0, value.denominator.bit_length() - value.numerator.bit_length()) if value else 0
    return Fraction(round(value * 2**places), 2**places)
