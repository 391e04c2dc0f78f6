"""All solutions whose loss is at most a window above a lower bound, block by block, in NumPy.

A solution's loss is the bound plus the reduced costs of its options plus the price of what it leaves of each row. So the
reduced costs of what has been chosen may not exceed the window, and neither may the price of the slack that is certain by then.
The same holds for every other set of prices; a few beside the best ones cut what the best ones let through. Floats only reject:
whatever might be within the window by a rounding error stays, and what is left in the end is weighed in integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwmodel.search.allocation.core import Core
from hwmodel.search.allocation.relax import Bound

_STEPS = (0.03, 0.3, 3.0)  # prices beside the best: by how many windows they move the whole core's slack


@dataclass(frozen=True, eq=False)
class Found:
    """The best solution within the window, if any (`choice` None), how many partial solutions were looked at, and whether
    that were all: if not, `choice` is only one that was met."""

    choice: list[int] | None
    states: int
    ended: bool = True


def within(core: Core, bound: Bound, window: int, most: int, nodes: bool = False) -> Found:
    """The best solution of loss * bound.scale <= bound.value + window; of equal ones that of least uses, row by row.

    most: partial solutions, block by block, or with `nodes` those of branch and bound.
    """
    keep = [[j for j, d in enumerate(row) if d <= window] for row in bound.reduced]
    fixed = [row[0] if len(row) == 1 else None for row in keep]
    free = [b for b, only in enumerate(fixed) if only is None]
    base = [0 if j is None else j for j in fixed]
    spent = [sum(costs[b][base[b]] for b in range(core.blocks) if fixed[b] is not None) for costs in core.costs]
    limits = [limit - s for limit, s in zip(core.limits, spent, strict=True)]
    if any(limit < 0 for limit in limits):
        return Found(None, 0)
    if not free:
        return Found(base if _inside(core, bound, window, base) else None, 1)
    tree = _Tree(core, bound, window, keep, free, limits)
    ends = tree.branched(most) if nodes else tree.grow(most)
    return Found(_best(core, bound, window, base, ends) if ends else None, tree.states, tree.ended)


def _inside(core: Core, bound: Bound, window: int, choice: list[int]) -> bool:
    return core.fits(choice) and core.value(choice) * bound.scale <= bound.value + window


@dataclass(frozen=True, eq=False)
class Ends:
    """Solutions that floats cannot reject: options (solution x block of `order`), the least first by their rounded loss."""

    choices: np.ndarray
    order: list[int]
    rough: np.ndarray
    tolerance: float


class _Tree:
    """Partial solutions, one array entry each: reduced cost, uses, and the options taken."""

    def __init__(self, core: Core, bound: Bound, window: int, keep: list[list[int]], free: list[int], limits: list[int]) -> None:
        rows = [r for r, limit in enumerate(limits) if sum(max(core.costs[r][b][j] for j in keep[b]) for b in free) > 0]
        self.core, self.keep, self.states, self.ended = core, keep, 0, True
        unit = window or 1
        # In windows, and in shares of what is left of each row: 1 is all there may be.
        self.extra = {b: np.array([bound.reduced[b][j] / unit for j in keep[b]]) for b in free}
        self.use = {
            b: np.array([[core.costs[r][b][j] / max(1, limits[r]) for j in keep[b]] for r in rows]).reshape(len(rows), -1)
            for b in free
        }
        self.room = np.array([1.0 if limits[r] else 0.0 for r in rows])
        self.price = np.array([bound.price[r] * limits[r] / unit for r in rows])
        reach = {b: float(u.max(axis=1).max()) if len(rows) else 0.0 for b, u in self.use.items()}
        self.order = sorted(free, key=lambda b: (-reach[b], b))
        self.window = float(window > 0)
        # Sums of small integers are exact in float64, and only then can equal partial solutions be told from near ones.
        self.whole = [_whole(core.costs[r], keep, free) for r in rows]
        self.loss_whole = _whole(core.loss, keep, free)
        per = 1 if self.loss_whole else max(1, unit // bound.scale)
        lows = {b: min(core.loss[b]) for b in free}
        self.losses = {b: np.array([(core.loss[b][j] - lows[b]) / per for j in keep[b]]) for b in free}
        self.rows = rows
        self.tolerance = 1e-15 * (len(free) + 8)

    def grow(self, most: int) -> Ends | None:
        """The solutions that are left in the end; None where there are too many on the way."""
        width = len(self.rows)
        extra, use = np.zeros(1), np.zeros((1, width))
        loss, counted = np.zeros(1), np.zeros((1, width))
        taken: list[tuple[np.ndarray, np.ndarray]] = []
        rest_low, rest_high, other, rest_other = self._rests()
        for depth, b in enumerate(self.order):
            options = len(self.extra[b])
            grown = extra[:, None] + self.extra[b][None, :]
            alive = np.flatnonzero((grown <= self.window + self.tolerance).ravel())
            parent, option = alive // options, alive % options
            extra = grown.ravel()[alive]
            use = use[parent] + self.use[b].T[option]
            good = (use + rest_low[depth] <= self.room + self.tolerance * (1 + self.room)).all(axis=1)
            left = np.maximum(0.0, self.room - use - rest_high[depth]) @ self.price
            good &= extra + left <= self.window + self.tolerance * (1 + self.price.sum())
            for delta, rest in zip(other, rest_other, strict=True):
                floor = extra + (use - self.room) @ delta + rest[depth]
                good &= floor <= self.window + self.tolerance * (2 + 2 * np.abs(delta).sum())
            parent, option, extra, use = parent[good], option[good], extra[good], use[good]
            loss = loss[parent] + self.losses[b][option]
            counted = counted[parent] + self._numbers(b)[option]
            stay = self._unbeaten(loss, counted)
            if stay is not None:
                parent, option, extra, use, loss, counted = (a[stay] for a in (parent, option, extra, use, loss, counted))
            taken.append((parent.astype(np.int32), option.astype(np.int16)))
            self.states += len(parent)
            if self.states > most:
                self.ended = False
                return None
            if not len(parent):
                return Ends(np.zeros((0, len(self.order)), dtype=np.int64), self.order, np.zeros(0), 0.0)
        rough = extra + np.maximum(0.0, self.room - use) @ self.price
        first = np.argsort(rough, kind="stable")
        return Ends(self._traced(taken, first), self.order, rough[first], self.tolerance * (2 + 2 * float(self.price.sum())))

    def branched(self, most: int) -> Ends:
        """The same by branch and bound over nodes; where there are too many, what was met by then."""
        from hwmodel.search.allocation.branch import searched

        width = max(len(self.keep[b]) for b in self.order)
        extra = np.full((len(self.order), width), np.inf)
        use = np.zeros((len(self.rows), *extra.shape))
        for i, b in enumerate(self.order):
            extra[i, : len(self.keep[b])] = self.extra[b]
            use[:, i, : len(self.keep[b])] = self.use[b]
        made = searched(extra, use, self.room, self.price, self.window, most)
        self.states, self.ended = made.count, made.ended
        at = np.arange(len(self.order))
        uses = use[:, at, made.choices].sum(axis=2).T.reshape(-1, len(self.rows))
        rough = extra[at, made.choices].sum(axis=1) + np.maximum(0.0, self.room - uses) @ self.price
        first = np.argsort(rough, kind="stable")
        chosen = [[self.keep[b][j] for b, j in zip(self.order, row, strict=True)] for row in made.choices[first].tolist()]
        picked = np.array(chosen, dtype=np.int64).reshape(-1, len(self.order))
        return Ends(picked, self.order, rough[first], self.tolerance * (2 + 2 * float(self.price.sum())))

    def _numbers(self, b: int) -> np.ndarray:
        """Uses of the options (option x row) as numbers whose sums are exact where `whole`."""
        out = self.use[b].T.copy()
        for i, (r, whole) in enumerate(zip(self.rows, self.whole, strict=True)):
            if whole:
                out[:, i] = [self.core.costs[r][b][j] for j in self.keep[b]]
        return out

    def _rests(self) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[np.ndarray]]:
        """Least and largest uses of the blocks after each one; prices beside the best, and what the rest then costs at
        least."""
        low = [self.use[b].min(axis=1) if len(self.rows) else np.zeros(0) for b in self.order]
        high = [self.use[b].max(axis=1) if len(self.rows) else np.zeros(0) for b in self.order]
        spread = np.sum(high, axis=0) if len(high) else np.zeros(len(self.rows))
        other = []
        for r in range(len(self.rows)):
            for step in _STEPS:
                for sign in (1.0, -1.0):
                    delta = np.zeros(len(self.rows))
                    delta[r] = (
                        sign * step / max(float(spread[r]) / max(1.0, len(self.order) ** 0.5), 1e-300) * max(self.window, 1e-9)
                    )
                    if self.price[r] + delta[r] < 0:
                        delta[r] = -self.price[r]
                    if delta[r]:
                        other.append(delta)
        floors = [np.array([float((self.extra[b] + delta @ self.use[b]).min()) for b in self.order]) for delta in other]
        return _after(np.array(low)), _after(np.array(high)), other, [_after(f) for f in floors]

    def _unbeaten(self, loss: np.ndarray, counted: np.ndarray) -> np.ndarray | None:
        """Partial solutions that no other one is sure to be as good as; None keeps all. The loss behind them is the same."""
        if len(loss) < 32:
            return None
        if counted.shape[1] == 1:
            return self._front(loss, counted[:, 0])
        if all(self.whole):
            order = np.lexsort((loss, *counted.T[::-1]))
            same = (np.diff(counted[order], axis=0) == 0).all(axis=1)
            more = np.diff(loss[order]) >= (0.0 if self.loss_whole else self._near(loss))
            drop = np.zeros(len(loss), dtype=bool)
            drop[1:] = same & more
            return np.sort(order[~drop])
        return None

    def _near(self, loss: np.ndarray) -> float:
        """Losses nearer than this may have changed places by rounding."""
        return self.tolerance * 4 * max(1.0, float(np.abs(loss).max()))

    def _front(self, loss: np.ndarray, use: np.ndarray) -> np.ndarray:
        slack_use = 0.0 if self.whole[0] else self.tolerance * 2
        slack_loss = 0.0 if self.loss_whole else self._near(loss)
        order = np.lexsort((loss, use))
        low = np.minimum.accumulate(loss[order])
        sorted_use = use[order]
        # What is surely no dearer: entries whose use lies at least `slack_use` below.
        before = np.searchsorted(sorted_use, sorted_use - slack_use, side="right") - 1 if slack_use else np.arange(len(order)) - 1
        beaten = np.zeros(len(order), dtype=bool)
        valid = before >= 0
        beaten[valid] = low[before[valid]] <= loss[order][valid] - slack_loss
        return np.sort(order[~beaten])

    def _traced(self, taken: list[tuple[np.ndarray, np.ndarray]], at: np.ndarray) -> np.ndarray:
        out = np.zeros((len(at), len(taken)), dtype=np.int64)
        for depth in range(len(taken) - 1, -1, -1):
            parent, option = taken[depth]
            out[:, depth] = np.array(self.keep[self.order[depth]])[option[at]]
            at = parent[at]
        return out


def _whole(table: list[list[int]], keep: list[list[int]], free: list[int]) -> bool:
    return sum(max(abs(table[b][j]) for j in keep[b]) for b in free) < 2**52


def _after(values: np.ndarray) -> np.ndarray:
    """Sums of the entries behind each one."""
    total = np.cumsum(values[::-1], axis=0)[::-1]
    return np.concatenate([total[1:], np.zeros_like(total[:1])])


def _best(core: Core, bound: Bound, window: int, base: list[int], ends: Ends) -> list[int] | None:
    """The best of what is left, weighed exactly: those that come later by more than a rounding error are no better."""
    best, least, enough = None, None, np.inf
    for row, rough in zip(ends.choices, ends.rough.tolist(), strict=True):
        if rough > enough:
            break
        choice = base.copy()
        for b, j in zip(ends.order, row.tolist(), strict=True):
            choice[b] = j
        uses, value = core.uses(choice), core.value(choice)
        if any(u > limit for u, limit in zip(uses, core.limits, strict=True)) or value * bound.scale > bound.value + window:
            continue
        if least is None or (value, uses) < least:
            if best is None:
                enough = rough + 2 * ends.tolerance
            best, least = choice, (value, uses)
    return best
