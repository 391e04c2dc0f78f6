"""The candidates of a search: how an array may be spread over loops, and how a loop may be cut into blocks."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np

from hwmodel.accelerators.hierarchy import Axis, Hierarchy
from hwmodel.accelerators.layer import LayerLoops
from hwmodel.accelerators.nest import LOOPS
from hwmodel.numeric import Ints

Spread = tuple[tuple[str, str, int], ...]


@lru_cache(maxsize=4096)
def divisors(n: int) -> tuple[int, ...]:
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return tuple(sorted({*small, *(n // d for d in small)}))


@lru_cache(maxsize=4096)
def factors(n: int, imperfect: bool) -> tuple[int, ...]:
    """Iterations that a block may run of a loop of n: its divisors; imperfect: also all that lead to another number of tiles."""
    if not imperfect:
        return divisors(n)
    return tuple(sorted({*divisors(n), *(-(-n // tiles) for tiles in range(1, n + 1))}))


@lru_cache(maxsize=4096)
def chains(n: int, allowed: tuple[bool, ...], imperfect: bool) -> Ints:
    """All ways (ways, blocks) to cut a loop of n iterations: extents inside each block, each a multiple of the one before.

    The last block runs what is left. Ways whose extents only differ beyond n are given once.
    """
    made: dict[tuple[int, ...], tuple[int, ...]] = {}

    def cut(block: int, extent: int, so_far: tuple[int, ...]) -> None:
        if block == len(allowed) - 1:
            whole = extent * -(-n // extent)
            if allowed[block] or extent >= n:
                way = (*so_far, whole)
                made.setdefault(tuple(min(e, n) for e in way), way)
            return
        left = -(-n // extent)
        for f in factors(left, imperfect) if allowed[block] else (1,):
            cut(block + 1, extent * f, (*so_far, extent * f))

    cut(0, 1, ())
    return np.array(list(made.values()), dtype=np.int64).reshape(-1, len(allowed))


def spreads(layer: LayerLoops, acc: Hierarchy, most: int = 8, slack: float = 1.02) -> tuple[Spread, ...]:
    """The ways to spread the layer's loops over the axes that keep the most elements at work: at most `most`, none that takes
    more than `slack` times the fewest steps. Sorted by steps, then by the axes' order of preference."""
    ways = [_axis_ways(axis, layer) for axis in acc.axes]
    found: list[tuple[float, int, Spread]] = []
    for number, choice in enumerate(product(*ways)):
        taken: dict[str, int] = {}
        clash = False
        for way in choice:
            for loop, n in way:
                clash |= n > 1 and taken.get(loop, 1) > 1
                taken[loop] = n if n > 1 else taken.get(loop, n)
        if clash:
            continue
        steps = float(np.prod([-(-b // taken.get(d, 1)) for d, b in zip(LOOPS, layer.bounds, strict=True)], dtype=float))
        spread = tuple((axis.name, d, n) for axis, way in zip(acc.axes, choice, strict=True) for d, n in way if n > 1)
        found.append((steps, number, spread))
    found.sort()
    return tuple(spread for steps, _, spread in found if steps <= slack * found[0][0])[:most]


def _axis_ways(axis: Axis, layer: LayerLoops, most: int = 4) -> list[tuple[tuple[str, int], ...]]:
    """Ways to fill one axis, the fullest first; at most so many for each set of loops."""
    ways: list[tuple[float, int, tuple[tuple[str, int], ...]]] = []
    sizes = [_counts(layer.size(loop), axis.size) for loop in axis.loops]
    for number, choice in enumerate(product(*sizes)):
        used = int(np.prod(choice, dtype=np.int64))
        if used <= axis.size:
            steps = 1.0
            for loop, n in zip(axis.loops, choice, strict=True):
                steps *= -(-layer.size(loop) // n)
            ways.append((steps, number, tuple(zip(axis.loops, choice, strict=True))))
    ways.sort()
    kept: list[tuple[tuple[str, int], ...]] = []
    seen: dict[tuple[str, ...], int] = {}
    for _, _, way in ways:
        used_loops = tuple(loop for loop, n in way if n > 1)
        seen[used_loops] = seen.get(used_loops, 0) + 1
        if seen[used_loops] <= most:
            kept.append(way)
    return kept


def _counts(bound: int, size: int) -> tuple[int, ...]:
    """How many iterations of a loop may lie on an axis, most first: those that need one element less for the same steps
    stand for all.
    """
    found = {-(-bound // steps) for steps in range(1, bound + 1)} if bound <= 4096 else {min(bound, size), 1}
    kept = sorted((n for n in found if n <= size), reverse=True)
    return tuple(kept[:8]) + ((1,) if 1 not in kept[:8] else ())
