"""The integer programme itself, in integers: one option of each block, least loss, every row within its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Core:
    """`loss[block][option]` and `costs[row][block][option]`, all integers of a scale that is the caller's; `limits[row]`.

    Costs are at least 0 and every block has an option of cost 0 in every row (`shifted` makes it so), so that a limit is what
    may be spent beyond the cheapest options. `kept[block]` are the options' places in the problem that this one came from.
    """

    loss: list[list[int]]
    costs: list[list[list[int]]]
    limits: list[int]
    kept: list[list[int]]

    @property
    def blocks(self) -> int:
        return len(self.loss)

    def value(self, choice: Sequence[int]) -> int:
        """Loss of a choice (one option a block)."""
        return sum(row[j] for row, j in zip(self.loss, choice, strict=True))

    def uses(self, choice: Sequence[int]) -> tuple[int, ...]:
        """What it takes of each row."""
        return tuple(sum(row[j] for row, j in zip(costs, choice, strict=True)) for costs in self.costs)

    def fits(self, choice: Sequence[int]) -> bool:
        return all(u <= limit for u, limit in zip(self.uses(choice), self.limits, strict=True))


def shifted(loss: list[list[int]], costs: list[list[list[int]]], limits: list[int]) -> Core:
    """The programme with each block's least cost taken off its options and off the limits."""
    floors = [[min(row) for row in row_costs] for row_costs in costs]
    moved = [[[c - low for c in row] for row, low in zip(r, f, strict=True)] for r, f in zip(costs, floors, strict=True)]
    left = [limit - sum(f) for limit, f in zip(limits, floors, strict=True)]
    return Core(loss, moved, left, [list(range(len(row))) for row in loss])


def reduced(core: Core) -> Core | None:
    """Without options that no solution can have, without dominated ones and without rows that cannot bind.

    An option is dominated by one that is as good in loss and every row; of equal ones the first stays. None: no solution.
    """
    core = _thinned(core)  # before rows go: of options that differ only there, the cheaper one
    while True:
        made = _without_too_dear(core)
        if made is None:
            return None
        core, changed = made
        if not changed:
            break
    most = [sum(max(row) for row in costs) for costs in core.costs]
    binding = [r for r, limit in enumerate(core.limits) if most[r] > limit]
    core = replace(core, costs=[core.costs[r] for r in binding], limits=[core.limits[r] for r in binding])
    return _thinned(core)


def _thinned(core: Core) -> Core:
    return selected(core, [_undominated([core.loss[b], *(costs[b] for costs in core.costs)]) for b in range(core.blocks)])


def selected(core: Core, keep: list[list[int]]) -> Core:
    """The programme with only these options of each block, costs counted from the cheapest that is left."""

    def pick(rows: list[list[int]]) -> list[list[int]]:
        return [[row[j] for j in chosen] for row, chosen in zip(rows, keep, strict=True)]

    made = shifted(pick(core.loss), [pick(costs) for costs in core.costs], core.limits)
    return replace(made, kept=pick(core.kept))


def _without_too_dear(core: Core) -> tuple[Core, bool] | None:
    if any(limit < 0 for limit in core.limits):
        return None
    keep, changed = [], False
    for b in range(core.blocks):
        rows = [(costs[b], limit) for costs, limit in zip(core.costs, core.limits, strict=True)]
        here = [j for j in range(len(core.loss[b])) if all(row[j] <= limit for row, limit in rows)]
        if not here:
            return None
        changed |= len(here) < len(core.loss[b])
        keep.append(here)
    return (selected(core, keep) if changed else core), changed


def _undominated(columns: list[list[int]]) -> list[int]:
    count = len(columns[0])
    if count == 1:
        return [0]
    table = np.empty((len(columns), count), dtype=np.int64)
    for i, column in enumerate(columns):
        place = {v: k for k, v in enumerate(sorted(set(column)))}
        table[i] = [place[v] for v in column]
    no_worse = (table[:, :, None] <= table[:, None, :]).all(axis=0)
    equal = no_worse & no_worse.T
    earlier = np.arange(count)[:, None] < np.arange(count)[None, :]
    beaten = (no_worse & (~equal | earlier)).any(axis=0)
    return [int(j) for j in np.flatnonzero(~beaten)]
