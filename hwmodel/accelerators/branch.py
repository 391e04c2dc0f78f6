"""The search over tilings and loop orders: branch and bound, loop by loop, with the bounds of `bounds`; the same optimum as
trying all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwmodel.accelerators.bounds import fixed_sizes, least, link_costs, room
from hwmodel.accelerators.flow import bits_moved, energies, too_small, transfers, word_bits
from hwmodel.accelerators.nest import free_of
from hwmodel.accelerators.waiting import cycles
from numfmt.kernels.jit import inlined, kernel

ENERGY, LATENCY, EDP = range(3)
ORDERS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])


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


@inlined
def rank(pj: float, time: float, objective: int, base: float) -> float:
    """What the search visits first; among equal times those of less energy."""
    if objective == 0:
        return pj
    return time * (1 + 1e-9 * (pj + base)) if objective == 1 else (pj + base) * time


@kernel
def assemble(rows: Any, order: Any, layer: Any, machine: Any) -> tuple[Any, Any, Any]:
    """The nest of block extents `rows` with the groups of each block in `order` (L, 3), innermost first; G outermost."""
    bounds = layer[0]
    holds = machine[0]
    blocks = rows.shape[0] - 1
    loops = np.empty(8 * blocks, dtype=np.int64)
    tiles = np.empty((8 * blocks + 1, 8), dtype=np.int64)
    edges = np.zeros((3, blocks), dtype=np.int64)
    tiles[0] = rows[0]
    n = 0
    for b in range(blocks):
        for place in range(4):
            group = order[b, place] if place < 3 else 3
            for d in range(8):
                if free_of(d) == group and rows[b, d] < bounds[d] and rows[b + 1, d] > rows[b, d]:
                    loops[n] = d
                    tiles[n + 1] = tiles[n]
                    tiles[n + 1, d] = rows[b + 1, d]
                    n += 1
        for x in range(3):
            if holds[x, b]:
                edges[x, b] = n
    return loops[:n].copy(), tiles[: n + 1].copy(), edges


@kernel
def exact(rows: Any, order: Any, layer: Any, machine: Any, step: float, timed: bool) -> tuple[float, float]:
    """(pJ of accesses and wires, cycles) of one mapping; infinite where it does not fit."""
    nest = assemble(rows, order, layer, machine)
    moved, links, held = transfers(nest, layer, machine)
    wide = word_bits(links, layer, machine)
    if too_small(held, wide, machine) >= 0:
        return np.inf, np.inf
    bits = bits_moved(moved, links, wide, machine)
    energy, wires = energies(bits, links, wide, machine)
    time = 0.0
    if timed:
        time = cycles(nest, layer, machine, moved, links, held, wide, bits, step).sum()
    return energy.sum() + wires.sum(), time


@kernel
def distinct_orders(rows: Any, bounds: Any, energy_only: bool, orders: Any) -> tuple[Any, Any, Any]:
    """Which groups run in each block (L, 3), and the orders of them that can matter (L, 6), so many (L,).

    For energy only the innermost group of a block counts; for time the outermost one as well, so all orders.
    """
    blocks = rows.shape[0] - 1
    present = np.zeros((blocks, 3), dtype=np.int64)
    for b in range(blocks):
        for d in range(8):
            if free_of(d) < 3 and rows[b, d] < bounds[d] and rows[b + 1, d] > rows[b, d]:
                present[b, free_of(d)] = 1
    many = np.zeros(blocks, dtype=np.int64)
    choices = np.zeros((blocks, 6), dtype=np.int64)
    keys = np.zeros(6, dtype=np.int64)
    for b in range(blocks):
        for o in range(6):
            key = 0  # the groups present, innermost first, as digits
            for place in range(3):
                if present[b, orders[o, place]] and not (energy_only and key):
                    key = 4 * key + orders[o, place] + 1
            fresh = True
            for p in range(many[b]):
                fresh = fresh and keys[p] != key
            if fresh:
                keys[many[b]] = key
                choices[b, many[b]] = o
                many[b] += 1
    return present, choices, many


@kernel
def leaf(
    rows: Any, layer: Any, machine: Any, constants: Any, found: Any, goal: Any, orders: Any, floor: float, best: Any, kept: Any
) -> None:
    """Try the loop orders of one tiling that can matter; goal: (step, objective, base, tolerance); kept: (rows, order) of
    the best.
    """
    step, objective, base, tolerance = goal
    operand = constants[0]
    blocks = rows.shape[0] - 1
    present, choices, many = distinct_orders(rows, layer[0], objective == 0, orders)
    total = 1
    for b in range(blocks):
        total *= many[b]
    order = np.zeros((blocks, 3), dtype=np.int64)
    for number in range(total):
        rest = number
        for b in range(blocks):
            order[b] = orders[choices[b, rest % many[b]]]
            rest //= many[b]
        pj = -constants[4]
        for i in range(operand.size):
            b = int(found[i, 0])
            stays = True
            if 0 <= b < blocks:
                for place in range(3):
                    if present[b, order[b, place]]:
                        stays = order[b, place] == operand[i]
                        break
            pj += found[i, 1] if stays else found[i, 5]
        if not better(pj, floor, best, objective, base, tolerance):
            continue
        energy, time = exact(rows, order, layer, machine, step, objective > 0)
        if energy < np.inf and better(energy, time, best, objective, base, 1e-12):
            best[0], best[1] = energy, time
            kept[0][:] = rows
            kept[1][:] = order


@kernel
def search(
    layer: Any,
    machine: Any,
    constants: Any,
    ways: Any,
    along: Any,
    made: Any,
    goal: Any,
    orders: Any,
    limit: int,
    best: Any,
    kept: Any,
) -> tuple[int, bool]:
    """Depth first over the loops `along`, best bound first.

    ways: chains (n, L), extents of each way to cut a loop as indices; starts (9,), where each loop's begin; extents (8, m),
    of which 0 is what the array unrolls and 1 beyond all. made: `bounds.tables`. best: pJ and cycles, as found before;
    updated, with kept. Returns the nodes seen and whether the search was complete.
    """
    chains, starts, extents = ways
    step, objective, base, tolerance = goal
    unrolled, bounds = layer[2], layer[0]
    blocks = chains.shape[1]
    deepest = along.size - 1
    widest = 1
    compute = step
    for d in range(8):
        widest = max(widest, starts[d + 1] - starts[d])
        compute *= -(-bounds[d] // unrolled[d])
    fixed = fixed_sizes(bounds)
    rows, sizes = np.ones((blocks + 1, 8), dtype=np.int64), np.zeros((blocks + 1, 8), dtype=np.int64)
    rows[0] = 0
    plain, actual = np.zeros((blocks + 1, 8), dtype=np.int64), np.empty((blocks + 1, 8), dtype=np.int64)
    plain[blocks] = 1
    found = np.zeros((constants[0].size, 9))
    busy = np.zeros((blocks, 4))
    present = np.zeros(blocks, dtype=np.int64)
    link_costs(plain, layer, machine, constants, made, fixed, True, present, found)
    most = found[:, 5].copy()
    score = np.zeros((deepest + 2, widest))
    waiting = np.zeros((deepest + 2, widest), dtype=np.int64)
    count, place = np.zeros(deepest + 2, dtype=np.int64), np.zeros(deepest + 2, dtype=np.int64)
    nodes, depth, opened = 0, 0, True
    while depth >= 0:
        d = along[depth] if deepest >= 0 else 0
        if opened:  # bounds of all ways to cut loop d, sorted
            n = 0
            for c in range(starts[d], starts[d + 1]):
                rows[1:, d] = chains[c]
                sizes[1:, d] = chains[c]
                nodes += 1
                if room(sizes, layer, machine, made):
                    link_costs(rows, layer, machine, constants, made, fixed, False, present, found)
                    pj, time = least(found, machine, constants, most, compute, objective > 0, busy)
                    if better(pj, time, best, objective, base, tolerance):
                        score[depth, n] = rank(pj, time, objective, base)
                        waiting[depth, n] = c
                        n += 1
            waiting[depth, :n] = waiting[depth, :n][np.argsort(score[depth, :n], kind="mergesort")]
            count[depth], place[depth], opened = n, 0, False
        if place[depth] >= count[depth] or nodes > limit:
            rows[1:, d] = 1
            sizes[1:, d] = 0
            depth -= 1
            continue
        c = waiting[depth, place[depth]]
        place[depth] += 1
        rows[1:, d] = chains[c]
        sizes[1:, d] = chains[c]
        link_costs(rows, layer, machine, constants, made, fixed, depth >= deepest, present, found)
        pj, time = least(found, machine, constants, most, compute, objective > 0, busy)
        if not better(pj, time, best, objective, base, tolerance):
            continue
        if depth >= deepest:
            for b in range(blocks + 1):
                for e in range(8):
                    actual[b, e] = extents[e, rows[b, e]]
            leaf(actual, layer, machine, constants, found, goal, orders, time, best, kept)
        else:
            depth += 1
            opened = True
    return nodes, nodes <= limit
