"""The search over tilings and loop orders: branch and bound, loop by loop, with the bounds of `bounds`; the same optimum as
trying all.

`search` runs to the next whole tiling and comes back, `leaf` tries its loop orders: two kernels that do not call each other
compile in half the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwmodel.accelerators.bounds import least, link_costs, room
from hwmodel.accelerators.flow import charges, transfers, widths
from hwmodel.accelerators.nest import free_of
from hwmodel.accelerators.waiting import cycles
from numfmt.kernels.jit import inlined, kernel

ENERGY, LATENCY, EDP = range(3)
ORDERS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
# a goal's numbers: cycles of one operation, of all of them, pJ beside the accesses, share by which a better mapping may be
# missed, pJ that all mappings save
G_STEP, G_COMPUTE, G_BASE, G_TOLERANCE, G_SAVED = range(5)
# where a search stands: nodes seen, loops chosen, whether the next loop's ways are to be bounded, whether it ended early,
# whether all loops are chosen
S_NODES, S_DEPTH, S_OPENED, S_CUT, S_WHOLE = range(5)
# a tiling and its orders (L + 1, 11): extents of the eight loops inside each block, then the groups of block b from the innermost
ORDER = 8


@inlined
def better(pj: float, time: float, best: Any, objective: int, base: float, tolerance: float) -> bool:
    """Whether (pj, time) beats the best so far, (pj, time), by more than the tolerance (a share)."""
    if objective == 0:
        return pj * (1 + tolerance) < best[0]
    if objective == 1:
        if tolerance > 1e-9:
            return time * (1 + tolerance) < best[1]
        return time * (1 + tolerance) < best[1] or (time <= best[1] * (1 + tolerance) and pj * (1 + tolerance) < best[0])
    return (pj + base) * time * (1 + tolerance) < (best[0] + base) * best[1]


@kernel
def assemble(plan: Any, sizes: Any, wiring: Any, nest: Any) -> int:
    """Write the nest of a plan, G outermost in each block; returns how many loops."""
    n = 0
    for d in range(8):
        nest[0, d] = plan[0, d]
    for b in range(wiring.shape[0]):
        for place in range(4):
            group = plan[b, 8 + place] if place < 3 else 3
            for d in range(8):
                if free_of(d) == group and plan[b, d] < sizes[0, d] and plan[b + 1, d] > plan[b, d]:
                    nest[n, 8] = d
                    for e in range(8):
                        nest[n + 1, e] = nest[n, e]
                    nest[n + 1, d] = plan[b + 1, d]
                    n += 1
        for x in range(3):
            nest[b, 9 + x] = n
    return n


@kernel
def distinct_orders(plan: Any, sizes: Any, energy_only: int, orders: Any, work: Any) -> int:
    """Which groups run in each block (work[b, :3]), the orders of them that can matter (work[b, 3:9]), so many (work[b, 9]).
    Returns how many plans that makes.

    For energy only the innermost group of a block counts; for time the outermost one as well, so all orders.
    """
    total = 1
    for b in range(plan.shape[0] - 1):
        for x in range(3):
            work[b, x] = 0
        for d in range(8):
            if free_of(d) < 3 and plan[b, d] < sizes[0, d] and plan[b + 1, d] > plan[b, d]:
                work[b, free_of(d)] = 1
        many = 0
        for o in range(6):
            key = 0  # the groups present, innermost first, as digits
            for place in range(3):
                if work[b, orders[o, place]] and not (energy_only and key):
                    key = 4 * key + orders[o, place] + 1
            fresh = True
            for p in range(many):
                fresh = fresh and work[b, 10 + p] != key
            if fresh:
                work[b, 10 + many] = key
                work[b, 3 + many] = o
                many += 1
        work[b, 9] = many
        total *= many
    return total


@kernel
def leaf(
    plan: Any,
    sizes: Any,
    bits: Any,
    wiring: Any,
    numbers: Any,
    links: Any,
    found: Any,
    goal: Any,
    objective: int,
    floor: float,
    orders: Any,
    work: Any,
    nest: Any,
    split: Any,
    flow: Any,
    took: Any,
    best: Any,
    kept: Any,
) -> int:
    """Try the loop orders of one tiling (in plan) that can matter; kept: the best plan. Returns how many were priced."""
    blocks = wiring.shape[0]
    total = distinct_orders(plan, sizes, int(objective == 0), orders, work)
    tried = 0
    for number in range(total):
        rest = number
        for b in range(blocks):
            for place in range(3):
                plan[b, 8 + place] = orders[work[b, 3 + rest % work[b, 9]], place]
            rest //= work[b, 9]
        pj = -goal[4]
        for i in range(links.shape[0]):
            b = int(found[i, 0])
            stays = True
            if 0 <= b < blocks:
                for place in range(3):
                    if work[b, plan[b, 8 + place]]:
                        stays = plan[b, 8 + place] == links[i, 0]
                        break
            pj += found[i, 1] if stays else found[i, 5]
        if not better(pj, floor, best, objective, goal[2], goal[3]):
            continue
        tried += 1
        n = assemble(plan, sizes, wiring, nest)
        transfers(n, nest, sizes, wiring, split, flow)
        if widths(sizes, bits, wiring, numbers, flow) >= 0:
            continue
        energy = charges(wiring, numbers, flow)
        time = cycles(n, nest, sizes, wiring, numbers, flow, goal[0], took) if objective > 0 else 0.0
        if better(energy, time, best, objective, goal[2], 1e-12):
            best[0], best[1] = energy, time
            for b in range(blocks + 1):
                for column in range(11):
                    kept[b, column] = plan[b, column]
    return tried


@kernel
def search(
    bits: Any,
    wiring: Any,
    numbers: Any,
    links: Any,
    table: Any,
    lines: Any,
    planes: Any,
    chains: Any,
    starts: Any,
    along: Any,
    goal: Any,
    objective: int,
    limit: int,
    best: Any,
    rows: Any,
    tiles: Any,
    found: Any,
    busy: Any,
    present: Any,
    waiting: Any,
    out: Any,
    state: Any,
) -> bool:
    """Depth first over the loops `along`, best bound first, to the next whole tiling that may be better than `best`; False: none.

    chains (n, L): extents of each way to cut a loop as indices (0 what the array unrolls, 1 beyond all); starts (9,): where
    each loop's begin. rows, tiles (L + 1, 8): indices as chosen, those of loops not chosen beyond all, or as unrolled;
    waiting (depth, widest, 3): pJ, cycles and number of the ways that are still to be tried (number -1: tried).
    """
    last = along.size - 1
    timed = int(objective > 0)
    blocks = wiring.shape[0]
    while state[S_DEPTH] >= 0:
        depth = state[S_DEPTH]
        d = along[depth]
        first, many = starts[d], starts[d + 1] - starts[d]
        state[S_WHOLE] = 0
        if state[S_OPENED]:
            for i in range(many):  # bounds of all ways to cut loop d
                for b in range(blocks):
                    rows[b + 1, d] = chains[first + i, b]
                    tiles[b + 1, d] = chains[first + i, b]
                waiting[depth, i, 2] = -1
                if room(tiles, bits, wiring, numbers, lines, planes):
                    link_costs(rows, bits, wiring, links, table, lines, planes, state[S_WHOLE], present, found)
                    least(found, wiring, numbers, links, table, goal[4], goal[1], timed, busy, out)
                    waiting[depth, i, 0], waiting[depth, i, 1], waiting[depth, i, 2] = out[0], out[1], i
            state[S_NODES] += many
            state[S_OPENED] = 0
        if state[S_NODES] > limit and best[0] < np.inf:
            state[S_CUT] = 1
        chosen = -1
        lowest, tie = np.inf, np.inf
        if not state[S_CUT]:
            for i in range(many):
                if waiting[depth, i, 2] < 0:
                    continue
                pj, time = waiting[depth, i, 0], waiting[depth, i, 1]
                if not better(pj, time, best, objective, goal[2], goal[3]):
                    waiting[depth, i, 2] = -1
                    continue
                rank = pj if objective == 0 else time if objective == 1 else (pj + goal[2]) * time
                if rank < lowest or (rank == lowest and pj < tie):
                    chosen, lowest, tie = i, rank, pj
        for b in range(blocks):
            rows[b + 1, d] = chains[first + chosen, b] if chosen >= 0 else 1
            tiles[b + 1, d] = chains[first + chosen, b] if chosen >= 0 else 0
        if chosen < 0:
            state[S_DEPTH] = depth - 1
            continue
        waiting[depth, chosen, 2] = -1
        if depth >= last:
            state[S_WHOLE] = 1
            link_costs(rows, bits, wiring, links, table, lines, planes, state[S_WHOLE], present, found)
            out[0], out[1] = waiting[depth, chosen, 0], waiting[depth, chosen, 1]
            # each block lets one operand stay, the one that gains most by it; the sum is rounded in another order than `leaf`'s
            pj = -goal[4]
            for i in range(links.shape[0]):
                pj += found[i, 5]
            for b in range(blocks):
                most = 0.0
                for x in range(3):
                    gain = 0.0
                    for i in range(links.shape[0]):
                        if links[i, 0] == x and found[i, 0] == b:
                            gain += found[i, 5] - found[i, 1]
                    most = max(most, gain)
                pj -= most
            if better(pj - 1e-9 * abs(pj), out[1], best, objective, goal[2], goal[3]):
                return True
            continue
        state[S_DEPTH] = depth + 1
        state[S_OPENED] = 1
    return False
