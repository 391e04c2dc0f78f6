"""The best mapping of a layer: `best_mapping`, exhaustive over tilings and loop orders, with pruning that loses nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hwmodel._checks import finite
from hwmodel.accelerators.bounds import BEYOND, F_MOVES, L_MOST, link_constants, link_costs, tables
from hwmodel.accelerators.branch import ORDER, ORDERS, S_CUT, S_NODES, S_OPENED, leaf, search
from hwmodel.accelerators.flow import COLUMNS
from hwmodel.accelerators.hierarchy import Hierarchy, one_of
from hwmodel.accelerators.layer import LayerLoops
from hwmodel.accelerators.mapping import Mapping
from hwmodel.accelerators.nest import FREE, LOOPS
from hwmodel.accelerators.tilings import Spread, chains, spreads
from hwmodel.numeric import Ints

OBJECTIVES = ("energy", "latency", "edp")
LIMIT = 400_000
TOLERANCE = {"energy": 0.001, "latency": 0.01, "edp": 0.01}


@dataclass(frozen=True)
class Found:
    """The best mapping of a layer, whether it is proven best among all tilings of the spreads tried, and how many nodes were
    seen.
    """

    mapping: Mapping
    proven: bool
    nodes: int


def best_mapping(
    layer: LayerLoops,
    acc: Hierarchy,
    objective: str | None = None,
    *,
    step: float = 1.0,
    element_pj: float = 0.0,
    tolerance: float | None = None,
    limit: int = LIMIT,
) -> Found:
    """The mapping with the least energy, latency or product of both (`objective`; None: the accelerator's own).

    The loops of each level may be any tiling (divisors, with `acc.imperfect` all others too) in any order; loops are spread
    over the axes in the ways of `tilings.spreads`. Leakage, which follows latency, is not part of the energy that is
    compared; ties go to less energy, then to the first found. `tolerance`: the share by which a better mapping may be missed
    (None: 0.001 for energy, 0.01 else; 0: the optimum).
    `limit`: nodes (for time, mappings priced too) after which the search stops (`Found.proven` is then False).

    Raises ValueError where no tiling fits the levels: which level, and how much the smallest tile needs.
    """
    one_of("objective", objective or acc.objective, OBJECTIVES)
    return _cached(layer, acc, *_goal(objective or acc.objective, tolerance), float(step), float(element_pj), limit)


def _goal(objective: str, tolerance: float | None) -> tuple[str, float]:
    wide = TOLERANCE[objective] if tolerance is None else finite("tolerance", tolerance, minimum=0)
    return objective, wide


@lru_cache(maxsize=4096)
def _cached(
    layer: LayerLoops, acc: Hierarchy, objective: str, tolerance: float, step: float, element_pj: float, limit: int
) -> Found:
    goal = (step, OBJECTIVES.index(objective), element_pj * layer.macs, max(tolerance, 1e-12))
    best = np.array([np.inf, np.inf])
    winner: tuple[Spread, Any] | None = None
    nodes, proven = 0, True
    every = spreads(layer, acc)
    for number, spread in enumerate(every):
        share = (limit - nodes) // (len(every) - number)  # what earlier spreads did not use is left to the others
        plan, seen, complete = _one(layer, acc, spread, goal, share, best)
        nodes, proven = nodes + seen, proven and complete
        if plan is not None:
            winner = spread, plan
    if winner is None:
        raise ValueError(_why_none_fits(layer, acc))
    return Found(_mapping(layer, acc, *winner), proven, nodes)


def _one(
    layer: LayerLoops, acc: Hierarchy, spread: Spread, wanted: tuple[float, int, float, float], limit: int, best: Any
) -> tuple[Any, int, bool]:
    """(the plan of the best mapping of a spread, None where none is better than `best`; nodes; whether all were tried)."""
    seed = Mapping(spread, (), ())
    unrolled, blocks = seed.unrolled(), len(acc.levels)
    (sizes, bits), (wiring, numbers) = layer.arrays(unrolled), acc.machine(seed.axis_of(acc))
    ways = _ways(layer, acc, unrolled)
    starts = np.cumsum([0, *(len(cut) for cut in ways)])
    extents, counts, chained = _indexed(ways, unrolled)
    along = [d for d in range(8) if ways[d][0][-1] > unrolled[d]] or [0]
    along.sort(key=lambda d: (-layer.bounds[d] / unrolled[d], d))
    lines, planes = np.ones((8, extents.shape[1], 5)), np.ones((2, extents.shape[1], extents.shape[1], 8))
    tables(extents, counts, sizes, lines, planes)
    links, table, saved = link_constants(sizes, bits, wiring, numbers)
    step, objective, base, tolerance = wanted
    compute = step * math.prod(float(-(-n // u)) for n, u in zip(layer.bounds, unrolled, strict=True))
    goal = np.array([step, compute, base, tolerance, saved])
    # loops that the array covers whole have their only chain at index 0, as what it unrolls; they stay out of the search
    rows, tiles = np.ones((blocks + 1, 8), dtype=np.int64), np.zeros((blocks + 1, 8), dtype=np.int64)
    rows[0] = 0
    found, busy, out = np.zeros((len(links), 9)), np.zeros((blocks, 4)), np.zeros(2)
    present, state = np.zeros(blocks, dtype=np.int64), np.zeros(5, dtype=np.int64)
    plain = tiles.copy()
    plain[blocks] = 1
    link_costs(plain, bits, wiring, links, table, lines, planes, 1, present, found)
    table[:, L_MOST] = found[:, F_MOVES]
    waiting = np.empty((len(along), max(map(len, ways)), 3))
    plan, kept = np.zeros((blocks + 1, ORDER + 3), dtype=np.int64), np.zeros((blocks + 1, ORDER + 3), dtype=np.int64)
    work, nest = np.zeros((blocks, 16), dtype=np.int64), np.zeros((8 * blocks + 1, 12), dtype=np.int64)
    flow, took, loops = np.empty((3, blocks + 1, COLUMNS)), np.empty(4), np.arange(8)
    split = np.zeros((2, 8), dtype=np.int64)
    ordered, before = np.array(along, dtype=np.int64), best.copy()
    state[S_OPENED] = 1
    bound = (bits, wiring, numbers, links, table, lines, planes, chained, starts, ordered, goal, objective, limit, best)
    while search(*bound, rows, tiles, found, busy, present, waiting, out, state):
        plan[:, :ORDER] = extents[loops, rows]
        room = (ORDERS, work, nest, split, flow, took, best, kept)
        tried = leaf(plan, sizes, bits, wiring, numbers, links, found, goal, objective, float(out[1]), *room)
        state[S_NODES] += tried if objective else 0
    changed = kept if (best != before).any() else None
    return changed, int(state[S_NODES]), not state[S_CUT]


def _ways(layer: LayerLoops, acc: Hierarchy, unrolled: tuple[int, ...]) -> list[Ints]:
    """All ways to cut each loop."""
    ways = []
    for d, loop in enumerate(LOOPS):
        allowed = tuple(level.loops is None or loop in level.loops for level in acc.levels)
        cut = chains(-(-layer.bounds[d] // unrolled[d]), allowed, acc.imperfect) * unrolled[d]
        if not len(cut):
            raise ValueError(f"no level of {acc} may run loop {loop} in time; add it to the loops of {acc.levels[-1].name}")
        ways.append(cut)
    return ways


def _indexed(ways: list[Ints], unrolled: tuple[int, ...]) -> tuple[Ints, Ints, Ints]:
    """(extents (8, m), how many of each row count, chains as indices): index 0 what the array unrolls, 1 beyond all."""
    values = [[u, BEYOND, *sorted(set(cut.ravel().tolist()) - {u})] for cut, u in zip(ways, unrolled, strict=True)]
    extents = np.full((8, max(map(len, values))), BEYOND, dtype=np.int64)
    chained = []
    for d, row in enumerate(values):
        extents[d, : len(row)] = row
        where = {extent: k for k, extent in enumerate(row)}
        chained.append(np.array([[where[e] for e in way] for way in ways[d].tolist()], dtype=np.int64))
    return extents, np.array([len(row) for row in values], dtype=np.int64), np.concatenate(chained)


def _mapping(layer: LayerLoops, acc: Hierarchy, spread: Spread, plan: Any) -> Mapping:
    """The mapping of a plan: the extents of each block and the order of the groups in it."""
    loops: list[tuple[str, int]] = []
    outside: list[int] = []
    for block in range(len(acc.levels) - 1, -1, -1):
        outside.append(len(loops))
        inner: list[tuple[str, int]] = []
        for group in (*plan[block, ORDER:].tolist(), 3):
            for d, loop in enumerate(LOOPS):
                low, high = int(plan[block, d]), int(plan[block + 1, d])
                if FREE[d] == group and low < layer.bounds[d] and high > low:
                    inner.append((loop, high // low))
        loops += reversed(inner)
    tiles = [(level.name, operand, n) for level, n in zip(acc.levels, reversed(outside), strict=True) for operand in level.operands]
    return Mapping(spread, tuple(loops), tuple(tiles))


def _why_none_fits(layer: LayerLoops, acc: Hierarchy) -> str:
    """The level that cannot hold even the smallest tiles, in words."""
    from hwmodel.accelerators.assess import assess

    spread = spreads(layer, acc)[0]
    unrolled = {loop: n for _, loop, n in spread}
    loops = tuple((d, -(-b // unrolled.get(d, 1))) for d, b in zip(LOOPS, layer.bounds, strict=True) if b > unrolled.get(d, 1))
    last = len(acc.levels) - 1
    tiles = tuple((lv.name, o, 0 if i == last else len(loops)) for i, lv in enumerate(acc.levels) for o in lv.operands)
    try:
        assess(layer, acc, Mapping(spread, loops, tiles))
    except ValueError as error:
        return f"no mapping of {layer.bounds} fits {acc}: even with tiles of one word an element, {error}"
    return f"no mapping of {layer.bounds} fits {acc}: the loops that its levels may run leave none; widen `loops` of a level"


def energy_floor(layer: LayerLoops) -> float:
    """Words that any mapping moves across the last level: each operand once."""
    return math.fsum(_sizes(layer))


def _sizes(layer: LayerLoops) -> tuple[float, float, float]:
    g, b, k, c, oy, ox, fy, fx = layer.bounds
    return float(g * k * c * fy * fx), float(g * b * c * oy * ox), float(g * b * k * oy * ox)
