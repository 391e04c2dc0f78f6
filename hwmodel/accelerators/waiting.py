"""Latency of a mapping: computing, stalls at the ports of the memories, and what comes before and after.

Each link moves a tile once a period; a memory's port takes bits / width for it, and may do so while the array computes on the
tile before: in a double-buffered memory during the whole period, else once the last pass over the tile has begun. What is
left over stalls the array. Movements that share a port wait for each other; ports work side by side. The rule is ZigZag's
latency model (DATE 2022), but windows of several movements at a port are taken to overlap as far as they can, and no
port ever moves more than its width.
"""

from __future__ import annotations

from typing import Any

from hwmodel.accelerators.flow import (
    BITS,
    BUFFERED,
    COUNT,
    HELD,
    MOVED,
    N_CAPACITY,
    N_READ_BITS,
    N_WRITE_BITS,
    READ_IN,
    READ_OUT,
    REAL,
    SHARE,
    SURPLUS,
    WINDOW,
    WRITE_IN,
    WRITE_OUT,
    above,
    stored_bits,
)
from hwmodel.accelerators.nest import free_of
from numfmt.kernels.jit import kernel

# what `cycles` returns
COMPUTE, STALL, PRELOAD, OFFLOAD = range(4)


@kernel
def top(x: int, q: int, nest: Any, alike: int) -> float:
    """Iterations of the outermost loops of a tile that x does not depend on (or, `alike`, does depend on)."""
    product, i = 1.0, q - 1
    while i >= 0 and int(free_of(nest[i, 8]) != x) == alike:
        product *= nest[i + 1, nest[i, 8]] / nest[i, nest[i, 8]]
        i -= 1
    return product


@kernel
def buffered(nest: Any, wiring: Any, numbers: Any, flow: Any) -> None:
    """Whether each operand's tile in each memory is filled while the one before it is in use (column BUFFERED)."""
    size = wiring.shape[0]
    for level in range(size):
        used = 0.0
        for x in range(3):
            flow[x, level + 1, SHARE] = 0.0
            if wiring[level, x] and level < size - 1:
                bits = flow[x, level + 1, HELD] * stored_bits(x, level, wiring, flow)
                share = bits / top(x, int(flow[x, level + 1, 5]), nest, 1) / numbers[level, N_CAPACITY]
                flow[x, level + 1, SHARE] = share
                used += share
        for x in range(3):
            if not wiring[level, x]:
                continue
            if wiring[level, 13] == 2 or level == size - 1:
                flow[x, level + 1, BUFFERED] = 1
            elif wiring[level, 13] == 1:
                if used <= 0.5:
                    flow[x, level + 1, BUFFERED] = 1
                elif flow[x, level + 1, SHARE] <= 1 - used:
                    flow[x, level + 1, BUFFERED] = 1
                    used += flow[x, level + 1, SHARE]


@kernel
def cycles(loops: int, nest: Any, sizes: Any, wiring: Any, numbers: Any, flow: Any, step: float, took: Any) -> float:
    """took: (compute, stall, preload, offload) cycles; returns their sum. `step`: cycles of one operation of an element."""
    size = wiring.shape[0]
    steps = 1.0
    for d in range(8):
        steps *= -(-sizes[0, d] // sizes[1, d])
    compute = steps * step
    buffered(nest, wiring, numbers, flow)
    for x in range(3):
        low = -1
        while low < size - 1:
            up = above(x, low, wiring)
            times = flow[x, low + 1, 0]
            q = int(flow[x, low + 1, 5])
            share = 1.0 if low < 0 or flow[x, low + 1, BUFFERED] > 0 else 1.0 / top(x, q, nest, 0)
            for side in range(2):
                level = low if side == 0 else up
                if level < 0:
                    continue
                for turn in range(2):  # first what goes inwards
                    way = (WRITE_OUT if turn == 0 else READ_OUT) if side == 0 else (READ_IN if turn == 0 else WRITE_IN)
                    moved = flow[x, level + 1, MOVED + way]
                    if moved <= 0:
                        continue
                    passes = times
                    if x == 2 and turn == 0:
                        passes = max(1.0, times * moved / flow[x, low + 1, 1 + side])
                    width = numbers[level, N_READ_BITS] if way in (READ_IN, READ_OUT) else numbers[level, N_WRITE_BITS]
                    real = flow[x, level + 1, BITS + way] / (passes * flow[x, low + 1, 3 + side]) / width
                    flow[x, level + 1, REAL + way] = real
                    flow[x, level + 1, COUNT + way] = passes
                    flow[x, level + 1, WINDOW + way] = share * compute / times
            low = up
    stall, busiest = 0.0, 0.0
    for level in range(size):
        for port in range(wiring[level, 12]):
            short, slack, open_, widest, busy = 0.0, 0.0, 0.0, 0.0, 0.0
            for x in range(3):
                for way in range(4):
                    if wiring[level, 12] == 2 and (way in (READ_IN, READ_OUT)) != (port == 0):
                        continue
                    if wiring[level, 12] == 4 and way != port:
                        continue
                    n = flow[x, level + 1, COUNT + way] - 1
                    busy += flow[x, level + 1, REAL + way] * (n + 1)
                    if n <= 0:
                        continue
                    behind = (flow[x, level + 1, REAL + way] - flow[x, level + 1, WINDOW + way]) * n
                    if behind > 0:
                        short += behind
                    else:
                        slack += behind
                    open_ += flow[x, level + 1, WINDOW + way] * n
                    widest = max(widest, flow[x, level + 1, WINDOW + way] * (n + 1))
            stall = max(stall, short + max(0.0, slack + open_ - widest))
            busiest = max(busiest, busy)
    _ends(loops, nest, wiring, flow, compute + stall, took)
    before, after = took[2], took[3]
    stall = max(stall, busiest - compute - before - after)
    took[0], took[1] = compute, stall
    return compute + stall + before + after


@kernel
def _ends(n: int, nest: Any, wiring: Any, flow: Any, running: float, took: Any) -> None:
    """Cycles before the first and after the last operation: first tiles pass all links, the last outputs too.

    What passes once hides in what its port leaves free while the array runs, but for the part that the first (last) tile
    inside needs.
    """
    size = wiring.shape[0]
    for level in range(size):
        for port in range(2):
            busy = 0.0
            for x in range(3):
                for way in range(4):
                    if wiring[level, 12] != 1 and (way in (READ_IN, READ_OUT)) != (port == 0):
                        continue
                    if flow[x, level + 1, COUNT + way] > 1:
                        busy += flow[x, level + 1, REAL + way] * flow[x, level + 1, COUNT + way]
            flow[port, level + 1, SURPLUS] = max(0.0, running - busy)
    after = 0.0
    weights, weights_alone, inputs, inputs_alone = 0.0, 0.0, 0.0, 0.0
    for x in range(3):
        low = -1
        while low < size - 1:
            up = above(x, low, wiring)
            if low >= 0:
                inner = READ_OUT if x == 2 else WRITE_OUT
                outer = WRITE_IN if x == 2 else READ_IN
                port = 0 if x < 2 or wiring[up, 12] == 1 else 1
                time = max(flow[x, low + 1, REAL + inner], flow[x, up + 1, REAL + outer])
                if flow[x, low + 1, 0] <= 1:
                    if x < 2:  # what the level below takes first
                        under = low - 1
                        while under >= 0 and not wiring[under, x]:
                            under -= 1
                        one = flow[x, under + 1, 2] / flow[x, under + 1, 0] / flow[x, under + 1, 4]
                        need = time * one / max(1.0, flow[x, low + 1, 1] / flow[x, low + 1, 3])
                    else:
                        need = time / top(x, n, nest, 1)
                    left = max(min(time, need), time - flow[port, up + 1, SURPLUS])
                    flow[port, up + 1, SURPLUS] -= time - left
                    if wiring[up, 12] == 1:
                        flow[1 - port, up + 1, SURPLUS] = flow[port, up + 1, SURPLUS]
                    time = left
                if x == 2:
                    after += time
                elif wiring[up, 0] and wiring[up, 1]:
                    weights, inputs = weights + (time if x == 0 else 0.0), inputs + (time if x == 1 else 0.0)
                else:
                    weights_alone += time if x == 0 else 0.0
                    inputs_alone += time if x == 1 else 0.0
            low = up
    first = weights + max(inputs + inputs_alone, weights_alone)
    second = inputs + max(weights + weights_alone, inputs_alone)
    took[2], took[3] = min(first, second), after
