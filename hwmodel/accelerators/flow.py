"""What one mapping moves and how long it takes: all operands, all memories, from closed forms.

Arrays, L memories from the innermost outwards. Few and all of one kind, and none made inside: compiling takes a newcomer's time.
nest (n + 1 rows or more, 12), n loops innermost first, none with a single iteration: row i has the extents of the eight loops
after i of them (row 0: what the array unrolls), the loop that comes next (column `LOOP`), and for memory i how many
loops lie inside each operand's tile (columns from `EDGE`).
sizes (3, 8): bounds; elements in space; stride y, x, dilation y, x. bits (4,): weight, input, output, partial sum.
wiring (L, 15) and numbers (L, 9): a machine, columns `M_*` and `N_*`.
flow (3, L + 1, 38): what comes out, for each operand and memory (row 1 + its number; row 0: the array), columns `LINK` to
`SURPLUS`. split (2, 8): room to work in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwmodel.accelerators.nest import ceil_div, crossings, free_of, tile_words
from numfmt.kernels.jit import inlined, kernel

# movements of a memory: to and from the one inside it (or the array), to and from the one outside it
READ_IN, WRITE_IN, READ_OUT, WRITE_OUT = range(4)
# columns of a machine: three of the operands it holds, eight 1 where one copy serves all elements that a loop is spread over
M_HOLDS, M_SHARED, M_LATCH, M_PORTS, M_DOUBLE, M_MULTICAST = 0, 3, 11, 12, 13, 14
N_CAPACITY, N_WORD, N_GRANULE, N_READ_PJ, N_WRITE_PJ, N_READ_BITS, N_WRITE_BITS, N_LINK_PJ, N_LEAKAGE = range(9)
MULTICAST_ALL, MULTICAST_IRRELEVANT, MULTICAST_NONE = range(3)
SINGLE, AUTO, DOUBLE = range(3)
# columns of a nest
LOOP, EDGE = 8, 9
# columns of a flow. LINK: to the next memory outside: how often a tile passes, words inside and outside in all, copies inside
# and outside, loops below its cut, words of its largest tile inside and outside. MOVED words, BITS and PJ of the movements (four
# columns each), pJ of the WIRE that delivers words here, bits of a word on the link (WIDE), words of the largest tile (HELD)
LINK, MOVED, BITS, PJ, WIRE, WIDE, HELD = 0, 8, 12, 16, 20, 21, 22
# of each movement: cycles of one transfer, transfers, window of one; whether a tile is filled while the one before is in use,
# the share of the memory that this takes; cycles that a port (operand 0: reads, 1: writes) leaves free
REAL, COUNT, WINDOW, BUFFERED, SHARE, SURPLUS, COLUMNS = 23, 27, 31, 35, 36, 37, 38


@inlined
def above(x: int, level: int, wiring: Any) -> int:
    """The next memory outside `level` (-1: the array) that holds operand x."""
    up = level + 1
    while not wiring[up, x]:
        up += 1
    return up


@kernel
def views(x: int, low: int, up: int, wiring: Any, split: Any) -> None:
    """Which loops are split over copies: as seen by the memory `low` (-1: the array), split[0], and by the one that feeds
    it, split[1]."""
    cast = wiring[up, 14]
    for d in range(8):
        split[0, d] = 0 if low >= 0 and wiring[low, 3 + d] else 1
        split[1, d] = 0 if wiring[up, 3 + d] else 1
        lone = cast == 2 or (cast == 1 and x == 1 and d >= 4)
        if x != 2 and lone and split[0, d]:
            split[1, d] = 1


@inlined
def copies(split: Any, side: int, sizes: Any) -> float:
    total = 1.0
    for d in range(8):
        if split[side, d]:
            total *= sizes[1, d]
    return total


@kernel
def transfers(n: int, nest: Any, sizes: Any, wiring: Any, split: Any, flow: Any) -> None:
    """The columns LINK, MOVED and HELD of a mapping of n loops; all others become 0."""
    size = wiring.shape[0]
    for x in range(3):
        for row in range(size + 1):
            for column in range(38):
                flow[x, row, column] = 0.0
    for x in range(3):
        low = -1
        while low < size - 1:
            up = above(x, low, wiring)
            edge = nest[low, 9 + x] if low >= 0 else 0
            # loops inside a tile that is moved once: those of the tile, and the ones above that x does not depend on
            q = edge if low >= 0 or wiring[up, 11] else 0
            if low >= 0 or wiring[up, 11]:
                while q < n and free_of(nest[q, 8]) == x:
                    q += 1
            views(x, low, up, wiring, split)
            times = 1.0
            for d in range(8):
                times *= ceil_div(sizes[0, d], nest[q, d])
            flow[x, low + 1, 0] = times
            for side in range(2):
                flow[x, low + 1, 1 + side] = crossings(x, nest, q, sizes, split, side)
                flow[x, low + 1, 3 + side] = copies(split, side, sizes)
                flow[x, low + 1, 6 + side] = tile_words(x, nest, q, sizes, split, side)
                if side == 0 and low >= 0:
                    flow[x, low + 1, HELD] = tile_words(x, nest, edge, sizes, split, side)
            flow[x, low + 1, 5] = q
            inside, outside = flow[x, low + 1, 1], flow[x, low + 1, 2]
            if x < 2:
                flow[x, up + 1, MOVED + READ_IN] = outside
                if low >= 0:
                    flow[x, low + 1, MOVED + WRITE_OUT] = inside
            else:
                flow[x, up + 1, MOVED + WRITE_IN] = outside
                if low >= 0:
                    flow[x, low + 1, MOVED + READ_OUT] = inside
            low = up
        for side in range(1):  # what comes from a range is an int64; a bare 0 would compile `tile_words` once more, for itself
            for d in range(8):
                split[side, d] = 0
            flow[x, size, HELD] = tile_words(x, nest, n, sizes, split, side)
    # partial sums: a visit to a word reads it, except the first of its stay, where nothing came back from outside
    total = 1.0
    for d in range(6):
        if free_of(d) != 2:
            total *= sizes[0, d]
    back, fresh = 0.0, total
    for up in range(size - 1, -1, -1):
        if not wiring[up, 2]:
            continue
        flow[2, up + 1, MOVED + WRITE_OUT] = back
        fresh = total if up == size - 1 else flow[2, up + 1, MOVED + READ_OUT]
        back = max(0.0, flow[2, up + 1, MOVED + WRITE_IN] - fresh + back)
        flow[2, up + 1, MOVED + READ_IN] = back


@inlined
def padded(bits: float, granule: float) -> float:
    """Bits of a transfer with the unused rest of its last granule."""
    if granule <= 1.0 or bits <= 0.0:
        return bits
    return np.ceil(bits / granule - 1e-9) * granule


@inlined
def stored_bits(x: int, level: int, wiring: Any, flow: Any) -> float:
    """Bits of a word as a memory keeps it: without its share of a group's scale, which lies elsewhere; outputs as they come
    from inside, which are partial sums where these are added up."""
    if x < 2:
        return max(1.0, np.floor(flow[x, level + 1, 21]))
    low = level - 1
    while low >= 0 and not wiring[low, 2]:
        low -= 1
    return flow[2, low + 1, 21]


@kernel
def needed_bits(level: int, wiring: Any, flow: Any) -> float:
    """Bits that a mapping keeps in one copy of a memory, twice where it is double-buffered."""
    need = 0.0
    for x in range(3):
        if wiring[level, x]:
            need += flow[x, level + 1, HELD] * stored_bits(x, level, wiring, flow)
    return 2 * need if wiring[level, 13] == 2 else need


@kernel
def widths(sizes: Any, bits: Any, wiring: Any, numbers: Any, flow: Any) -> int:
    """The column WIDE, bits of a word on each link: outputs are partial sums where they come back, or where the array adds into
    them. Returns the first memory that cannot keep what the mapping puts there, or -1."""
    size = wiring.shape[0]
    words = float(sizes[0, 0] * sizes[0, 1] * sizes[0, 2] * sizes[0, 4] * sizes[0, 5])
    for row in range(size + 1):
        for x in range(3):
            flow[x, row, WIDE] = bits[x]
        if row == 0 or flow[2, row, 2] > words:
            flow[2, row, WIDE] = max(bits[2], bits[3])
    for level in range(size):
        if needed_bits(level, wiring, flow) > numbers[level, N_CAPACITY]:
            return level
    return -1


@kernel
def charges(wiring: Any, numbers: Any, flow: Any) -> float:
    """The columns BITS, granules filled up, PJ and WIRE. Returns their pJ."""
    size = wiring.shape[0]
    accesses, wires = 0.0, 0.0
    for x in range(3):
        low = -1
        while low < size - 1:
            up = above(x, low, wiring)
            wide = flow[x, low + 1, WIDE]
            flow[x, low + 1, WIRE] = flow[x, low + 1, 1] * wide * numbers[up, N_LINK_PJ]
            wires += flow[x, low + 1, WIRE]
            for side in range(2):
                level = low if side == 0 else up
                if level < 0:
                    continue
                one = flow[x, low + 1, 6 + side] * max(1.0, np.floor(wide))
                ratio = padded(one, numbers[level, N_GRANULE]) / one
                for turn in range(2):  # first what goes inwards
                    way = (WRITE_OUT if turn == 0 else READ_OUT) if side == 0 else (READ_IN if turn == 0 else WRITE_IN)
                    each = flow[2, 0, WIDE] if x == 2 and turn == 0 else wide
                    flow[x, level + 1, BITS + way] = flow[x, level + 1, MOVED + way] * each * ratio
            low = up
        for level in range(size):
            for way in range(4):
                pj = numbers[level, N_READ_PJ] if way in (READ_IN, READ_OUT) else numbers[level, N_WRITE_PJ]
                flow[x, level + 1, PJ + way] = flow[x, level + 1, BITS + way] / numbers[level, N_WORD] * pj
                accesses += flow[x, level + 1, PJ + way]
    return accesses + wires
