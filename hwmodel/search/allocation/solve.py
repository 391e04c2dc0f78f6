"""The exact answer: bounds, what they exclude, and a search of the little that is left."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction

from hwmodel.search.allocation import highs
from hwmodel.search.allocation.core import Core, reduced
from hwmodel.search.allocation.heuristics import best_start
from hwmodel.search.allocation.relax import Bound, relaxed
from hwmodel.search.allocation.window import Found, within

_MOST = 150_000  # partial solutions looked at before HiGHS is asked
_QUICK = 4  # a share of them comes before branch and bound,
_NODE = 8  # a node of which takes as long as so many of them
_AFTER = 5  # times as many to prove what it found
_FIRST = 40  # options beyond the relaxation's that the first window lets in


@dataclass(frozen=True, eq=False)
class Solution:
    """A choice (options of the programme as given), its loss, a lower bound on every choice's loss, and who proved it.

    proof: "enumerated" (every choice within the bound's window was excluded or weighed in integers), "HiGHS" (its claim, within
    its tolerances) or "none" (it ran out of time; `bound` still holds). `choice` None: there is no solution.
    """

    choice: list[int] | None
    value: int
    bound: Fraction
    proof: str
    states: int = 0
    nodes: int = 0
    core_blocks: int = 0


def solve(core: Core, time_limit: float | None = None, most: int = _MOST) -> Solution:
    """The choice of least loss within the limits; of equal ones always the same."""
    start = time.monotonic()
    small = reduced(core)
    if small is None:
        return Solution(None, 0, Fraction(0), "enumerated")
    bound = relaxed(small)
    if bound is None:
        return Solution(None, 0, Fraction(0), "HiGHS")
    search = _Search(small, bound, most)
    choice = search.run(None if time_limit is None else start + time_limit)
    proof, low = search.proof, Fraction(search.low, bound.scale)
    if choice is None:
        return Solution(None, 0, low, proof, search.states, search.nodes)
    value = small.value(choice)
    own = [small.kept[b][j] for b, j in enumerate(choice)]
    low = Fraction(value) if proof == "enumerated" else min(low, Fraction(value))
    return Solution(own, value, low, proof, search.states, search.nodes, search.blocks)


class _Search:
    def __init__(self, core: Core, bound: Bound, most: int) -> None:
        self.core, self.bound, self.most = core, bound, most
        self.best = best_start(core, bound)
        self.low, self.proof = bound.value, "none"
        self.states = self.nodes = self.blocks = self.way = 0

    def _take(self, choice: list[int] | None) -> None:
        if choice is not None and (self.best is None or self.core.value(choice) < self.core.value(self.best)):
            self.best = choice

    @property
    def gap(self) -> int | None:
        return None if self.best is None else self.core.value(self.best) * self.bound.scale - self.bound.value

    def run(self, until: float | None) -> list[int] | None:
        """The answer; sets `low`, `proof`."""
        stuck = self._widen(0)
        if stuck is None or self._settled():
            return self.best
        left = None if until is None else until - time.monotonic()
        window = self.gap if self.gap is not None else self._everything()
        answer = highs.solved(self.core, self.bound, window, left)
        self.nodes += answer.nodes
        if answer.choice is None and answer.ended and self.best is None:
            self.proof = "HiGHS"
            return None
        self._take(answer.choice)
        self.low = max(self.low, answer.bound)
        self.proof = "HiGHS" if answer.ended else "none"
        if not self._settled() and self.gap is not None and self.gap < 2 * stuck:
            self.most *= _AFTER
            self._widen(self.gap)
        return self.best

    def _settled(self) -> bool:
        """Whether no loss lies between the bound and the best: losses differ by multiples of a common divisor."""
        if self.best is None:
            return False
        step = math.gcd(*(v - row[0] for row in self.core.loss for v in row))
        better = (self.core.value(self.best) - step) * self.bound.scale
        if step and better < self.low:
            self.proof = "enumerated"
            return True
        return False

    def _everything(self) -> int:
        slack = sum(p * limit for p, limit in zip(self.bound.price, self.core.limits, strict=True))
        return sum(max(row) for row in self.bound.reduced) + slack

    def _widen(self, window: int) -> int | None:
        """Search windows that double until one holds a solution; None when proven, else the window that was too large."""
        steps = sorted(d for row in self.bound.reduced for d in row if d)
        window = window or (steps[min(_FIRST, len(steps) - 1)] if steps else 0)
        last = self._everything()
        while True:
            top = self.gap if self.gap is not None else last
            window = min(window, top)
            self.blocks = sum(sum(d <= window for d in row) > 1 for row in self.bound.reduced)
            found = self._looked(window)
            if found is None:
                return window
            if found.choice is not None:
                self.best = found.choice
            if found.choice is not None or window >= top:
                self.proof = "enumerated"
                return None
            self.low = self.bound.value + window
            window *= 2

    def _looked(self, window: int) -> Found | None:
        """What is within the window, by the first way that ends; None where none does."""
        ways = [(self.most // _QUICK, False), (self.most // _NODE, True), (self.most, False)]
        for most, nodes in ways[self.way :]:
            found = within(self.core, self.bound, window, most, nodes)
            self.states += found.states
            if found.ended:
                return found
            self._take(found.choice)
            self.way = min(self.way + 1, 1)  # what was too much for a narrow window is so for a wider one
        return None
