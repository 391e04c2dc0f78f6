"""Latency of a mapping: computing, stalls at the ports of the memories, and what comes before and after.

Each link moves a tile once a period; a memory's port takes bits / width for it, and may do so while the array computes on the
tile before: in a double-buffered memory during the whole period, else once the last pass over the tile has begun. What is
left over stalls the array. Movements that share a port wait for each other; ports work side by side. The rule is ZigZag's
(hardware.md 3.3), with these differences: windows of several movements at a port are taken to overlap as far as they can, and
no port ever moves more than its width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwmodel.accelerators.flow import (
    N_CAPACITY,
    N_READ_BITS,
    N_WRITE_BITS,
    READ_IN,
    READ_OUT,
    WRITE_IN,
    WRITE_OUT,
    above,
    stored_bits,
)
from hwmodel.accelerators.nest import free_of
from numfmt.kernels.jit import inlined, kernel

# what `cycles` returns
COMPUTE, STALL, PRELOAD, OFFLOAD = range(4)


@inlined
def trips(i: int, nest: Any) -> float:
    tiles, d = nest[1], nest[0][i]
    return tiles[i + 1, d] / tiles[i, d]


@inlined
def top(x: int, q: int, nest: Any, alike: bool) -> float:
    """Iterations of the outermost loops of a tile that x does not depend on (or, `alike`, does depend on)."""
    product, i = 1.0, q - 1
    while i >= 0 and (free_of(nest[0][i]) != x) == alike:
        product *= trips(i, nest)
        i -= 1
    return product


@kernel
def buffered(nest: Any, machine: Any, links: Any, held: Any, wide: Any) -> Any:
    """Whether each operand's tile in each memory is filled while the one before it is in use (3, L)."""
    holds, numbers, double_buffer = machine[0], machine[6], machine[4]
    size = holds.shape[1]
    out = np.zeros((3, size))
    for level in range(size):
        share = np.zeros(3)
        for x in range(3):
            if holds[x, level] and level < size - 1:
                bits = held[x, level] * stored_bits(x, level, wide, holds)
                share[x] = bits / top(x, int(links[x, level + 1, 5]), nest, True) / numbers[level, N_CAPACITY]
        used = share.sum()
        for x in range(3):
            if not holds[x, level]:
                continue
            if double_buffer[level] == 2 or level == size - 1:
                out[x, level] = 1
            elif double_buffer[level] == 1:
                if used <= 0.5:
                    out[x, level] = 1
                elif share[x] <= 1 - used:
                    out[x, level] = 1
                    used += share[x]
    return out


@kernel
def cycles(nest: Any, layer: Any, machine: Any, moved: Any, links: Any, held: Any, wide: Any, bits: Any, step: float) -> Any:
    """(compute, stall, preload, offload) cycles; `step`: cycles of one operation of an element."""
    holds, ports, numbers = machine[0], machine[3], machine[6]
    size = holds.shape[1]
    steps = 1.0
    for d in range(8):
        steps *= -(-layer[0][d] // layer[2][d])
    compute = steps * step
    free = buffered(nest, machine, links, held, wide)
    # movements: cycles of one transfer, transfers, window of one
    real, count, window = np.zeros((3, size, 4)), np.zeros((3, size, 4)), np.zeros((3, size, 4))
    for x in range(3):
        low = -1
        while low < size - 1:
            up = above(x, low, holds)
            times = links[x, low + 1, 0]
            q = int(links[x, low + 1, 5])
            share = 1.0 if low < 0 or free[x, low] else 1.0 / top(x, q, nest, False)
            for side in range(2):
                level = low if side == 0 else up
                if level < 0:
                    continue
                toward = (WRITE_OUT, READ_OUT) if side == 0 else (READ_IN, WRITE_IN)
                for way in toward:
                    if moved[x, level, way] <= 0:
                        continue
                    passes = times
                    if x == 2 and (way in (WRITE_OUT, READ_IN)):
                        passes = max(1.0, times * moved[x, level, way] / links[x, low + 1, 1 + side])
                    width = numbers[level, N_READ_BITS] if way in (READ_IN, READ_OUT) else numbers[level, N_WRITE_BITS]
                    real[x, level, way] = bits[x, level, way] / (passes * links[x, low + 1, 3 + side]) / width
                    count[x, level, way] = passes
                    window[x, level, way] = share * compute / times
            low = up
    stall, busiest = 0.0, 0.0
    for level in range(size):
        for port in range(4 if ports[level] == 4 else ports[level]):
            short, slack, open_, widest, busy = 0.0, 0.0, 0.0, 0.0, 0.0
            for x in range(3):
                for way in range(4):
                    if ports[level] == 2 and (way in (READ_IN, READ_OUT)) != (port == 0):
                        continue
                    if ports[level] == 4 and way != port:
                        continue
                    n = count[x, level, way] - 1
                    busy += real[x, level, way] * (n + 1)
                    if n <= 0:
                        continue
                    behind = (real[x, level, way] - window[x, level, way]) * n
                    if behind > 0:
                        short += behind
                    else:
                        slack += behind
                    open_ += window[x, level, way] * n
                    widest = max(widest, window[x, level, way] * (n + 1))
            stall = max(stall, short + max(0.0, slack + open_ - widest))
            busiest = max(busiest, busy)
    before, after = _ends(nest, machine, links, real, count, compute + stall)
    stall = max(stall, busiest - compute - before - after)
    return np.array([compute, stall, before, after])


@kernel
def _ends(nest: Any, machine: Any, links: Any, real: Any, count: Any, running: float) -> tuple[float, float]:
    """Cycles before the first and after the last operation: first tiles pass all links, the last outputs too.

    What passes once hides in what its port leaves free while the array runs, but for the part that the first (last) tile
    inside needs.
    """
    holds, ports = machine[0], machine[3]
    size = holds.shape[1]
    surplus = np.zeros((size, 2))
    for level in range(size):
        for port in range(2):
            busy = 0.0
            for x in range(3):
                for way in range(4):
                    if ports[level] != 1 and (way in (READ_IN, READ_OUT)) != (port == 0):
                        continue
                    if count[x, level, way] > 1:
                        busy += real[x, level, way] * count[x, level, way]
            surplus[level, port] = max(0.0, running - busy)
    shared, alone = np.zeros(2), np.zeros(2)
    after = 0.0
    for x in range(3):
        low = -1
        while low < size - 1:
            up = above(x, low, holds)
            if low >= 0:
                inner = READ_OUT if x == 2 else WRITE_OUT
                outer = WRITE_IN if x == 2 else READ_IN
                port = 0 if x < 2 or ports[up] == 1 else 1
                time = max(real[x, low, inner], real[x, up, outer])
                if links[x, low + 1, 0] <= 1:
                    if x < 2:  # what the level below takes first
                        under = low - 1
                        while under >= 0 and not holds[x, under]:
                            under -= 1
                        row = links[x, under + 1]
                        need = time * (row[2] / row[0] / row[4]) / max(1.0, links[x, low + 1, 1] / links[x, low + 1, 3])
                    else:
                        need = time / top(x, nest[0].size, nest, True)
                    left = max(min(time, need), time - surplus[up, port])
                    surplus[up, port] -= time - left
                    if ports[up] == 1:
                        surplus[up, 1 - port] = surplus[up, port]
                    time = left
                if x == 2:
                    after += time
                elif holds[0, up] and holds[1, up]:
                    shared[x] += time
                else:
                    alone[x] += time
            low = up
    first = shared[0] + max(shared[1] + alone[1], alone[0])
    second = shared[1] + max(shared[0] + alone[0], alone[1])
    return min(first, second), after
