"""The best mapping of a layer: `best_mapping`, exhaustive over tilings and loop orders, with pruning that loses nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hwmodel._checks import finite
from hwmodel.accelerators.bounds import BEYOND, link_constants, tables
from hwmodel.accelerators.branch import ORDERS, search
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
    `limit`: nodes after which a search of one spread stops (`Found.proven` is then False).

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
    winner: tuple[Spread, Any, Any] | None = None
    nodes, proven = 0, True
    for spread in spreads(layer, acc):
        rows, order, seen, complete = _one(layer, acc, spread, goal, limit, best)
        nodes, proven = nodes + seen, proven and complete
        if rows is not None:
            winner = spread, rows, order
    if winner is None:
        raise ValueError(_why_none_fits(layer, acc))
    return Found(_mapping(layer, acc, *winner), proven, nodes)


def _one(
    layer: LayerLoops, acc: Hierarchy, spread: Spread, goal: tuple[float, int, float, float], limit: int, best: Any
) -> tuple[Any, Any, int, bool]:
    seed = Mapping(spread, (), ())
    unrolled = seed.unrolled()
    arrays, machine = layer.arrays(unrolled), acc.machine(seed.axis_of(acc))
    ways = []
    for d, loop in enumerate(LOOPS):
        allowed = tuple(level.loops is None or loop in level.loops for level in acc.levels)
        cut = chains(-(-layer.bounds[d] // unrolled[d]), allowed, acc.imperfect) * unrolled[d]
        if not len(cut):
            raise ValueError(f"no level of {acc} may run loop {loop} in time; add it to the loops of {acc.levels[-1].name}")
        ways.append(cut)
    starts = np.cumsum([0, *(len(cut) for cut in ways)])
    extents, sizes, indices = _indexed(ways, unrolled)
    along = [d for d in range(8) if ways[d][0][-1] > unrolled[d]] or [0]
    along.sort(key=lambda d: (-layer.bounds[d] / unrolled[d], d))
    # loops that the array covers whole have their only chain at index 0, as what it unrolls; they stay out of the search
    kept = np.zeros((len(acc.levels) + 1, 8), dtype=np.int64), np.zeros((len(acc.levels), 3), dtype=np.int64)
    before = best.copy()
    seen, complete = search(
        arrays,
        machine,
        link_constants(arrays, machine),
        (indices, starts, extents),
        np.array(along, dtype=np.int64),
        tables(extents, sizes, arrays),
        goal,
        ORDERS,
        limit,
        best,
        kept,
    )
    if (best == before).all():
        return None, None, int(seen), bool(complete)
    return *kept, int(seen), bool(complete)


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


def _mapping(layer: LayerLoops, acc: Hierarchy, spread: Spread, rows: Any, order: Any) -> Mapping:
    """The mapping of the extents of each block and the order of the groups in it."""
    loops: list[tuple[str, int]] = []
    outside: list[int] = []
    for block in range(len(acc.levels) - 1, -1, -1):
        outside.append(len(loops))
        inner: list[tuple[str, int]] = []
        for group in (*order[block].tolist(), 3):
            for d, loop in enumerate(LOOPS):
                low, high = int(rows[block, d]), int(rows[block + 1, d])
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
