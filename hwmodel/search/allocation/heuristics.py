"""Feasible solutions without proof: greedy exchange from any start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwmodel.search.allocation.core import Core
from hwmodel.search.allocation.exact import ratio
from hwmodel.search.allocation.relax import Bound


@dataclass(frozen=True, eq=False)
class Rounded:
    """A programme in floats: loss over its largest difference, costs over the limits; what is no option is infinite."""

    loss: np.ndarray
    costs: np.ndarray

    @classmethod
    def of(cls, core: Core) -> Rounded:
        width = max(map(len, core.loss))
        unit = max(max(row) - min(row) for row in core.loss) or 1
        loss = ratio([[v - min(row) for v in row] for row in core.loss], unit, width, np.inf)
        costs = [ratio(c, max(1, limit), width, np.inf) for c, limit in zip(core.costs, core.limits, strict=True)]
        return cls(loss, np.array(costs).reshape(len(costs), *loss.shape))


def greedy(core: Core) -> list[int] | None:
    """From the options of least loss, always the exchange that costs least loss for what it takes off the limits' excess; then
    back as long as something fits. None where that leads nowhere."""
    return exchanged(core, Rounded.of(core), [row.index(min(row)) for row in core.loss])


def best_start(core: Core, bound: Bound) -> list[int] | None:
    """The best of what the options of reduced cost 0 and the rounded relaxation lead to; None where neither leads anywhere."""
    rounded = Rounded.of(core)
    starts = [bound.first]
    if bound.lp is not None:
        starts.append([int(x.argmax()) for x in bound.lp])
    found = [made for start in starts if (made := exchanged(core, rounded, start)) is not None]
    return min(found, key=core.value) if found else None


def exchanged(core: Core, rounded: Rounded, choice: list[int]) -> list[int] | None:
    """A feasible solution from `choice` by single exchanges, improved until none is left; None where none is found."""
    now = _repaired(core, rounded, list(choice))
    return None if now is None else _improved(core, rounded, now)


def _repaired(core: Core, rounded: Rounded, choice: list[int]) -> list[int] | None:
    at = np.arange(core.blocks)
    while True:
        over = [u - limit for u, limit in zip(core.uses(choice), core.limits, strict=True)]
        excess = np.array([o / max(1, limit) for o, limit in zip(over, core.limits, strict=True)])
        if all(o <= 0 for o in over):
            return choice
        change = rounded.costs - rounded.costs[:, at, choice][:, :, None]
        before = np.maximum(excess, 0.0).sum()
        after = np.maximum(excess[:, None, None] + change, 0.0).sum(axis=0)
        gain = before - after
        with np.errstate(invalid="ignore", divide="ignore"):
            price = (rounded.loss - rounded.loss[at, choice][:, None]) / gain
        price[~(gain > 0) | ~np.isfinite(rounded.loss)] = np.inf
        best = int(np.argmin(price))
        if not np.isfinite(price.flat[best]):
            return None
        block, option = divmod(best, price.shape[1])
        choice[block] = option


def _improved(core: Core, rounded: Rounded, choice: list[int]) -> list[int]:
    at = np.arange(core.blocks)
    refused = np.zeros(rounded.loss.shape, dtype=bool)
    uses = list(core.uses(choice))
    while True:
        slack = np.array([(limit - u) / max(1, limit) for u, limit in zip(uses, core.limits, strict=True)])
        change = rounded.costs - rounded.costs[:, at, choice][:, :, None]
        better = rounded.loss - rounded.loss[at, choice][:, None]
        fits = (change <= slack[:, None, None] + 1e-12).all(axis=0) & ~refused & (better < 0)
        if not fits.any():
            return choice
        block, option = divmod(int(np.argmin(np.where(fits, better, np.inf))), better.shape[1])
        new = [u + c[block][option] - c[block][choice[block]] for u, c in zip(uses, core.costs, strict=True)]
        worse = core.loss[block][option] >= core.loss[block][choice[block]]
        if worse or any(u > limit for u, limit in zip(new, core.limits, strict=True)):
            refused[block, option] = True
            continue
        choice[block], uses = option, new
        refused[:] = False
