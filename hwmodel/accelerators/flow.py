"""What one mapping moves and how long it takes: all operands, all memories, from closed forms.

Arrays, L memories from the innermost outwards:
nest = (loops (n,): which loop, innermost first, none with a single iteration; tiles (n + 1, 8): extents after each loop, the first
what the array unrolls in space; edges (3, L): how many loops lie inside each operand's tile of each memory).
layer = (bounds (8,), conv (4,): stride y, x, dilation y, x; unrolled (8,); bits (4,): weight, input, output, partial sum).
machine = (holds (3, L), shared (L, 8): 1 where one copy serves all elements that a loop is spread over; latch, ports,
double_buffer, multicast (L,); numbers (L, 9): see `N_*`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwmodel.accelerators.nest import crossings, free_of, tile_words, times_moved
from numfmt.kernels.jit import inlined, kernel

# movements of a memory: to and from the one inside it (or the array), to and from the one outside it
READ_IN, WRITE_IN, READ_OUT, WRITE_OUT = range(4)
# columns of a machine's numbers
N_CAPACITY, N_WORD, N_GRANULE, N_READ_PJ, N_WRITE_PJ, N_READ_BITS, N_WRITE_BITS, N_LINK_PJ, N_LEAKAGE = range(9)
MULTICAST_ALL, MULTICAST_IRRELEVANT, MULTICAST_NONE = range(3)
SINGLE, AUTO, DOUBLE = range(3)


@inlined
def above(x: int, level: int, holds: Any) -> int:
    """The next memory outside `level` (-1: the array) that holds operand x."""
    up = level + 1
    while not holds[x, up]:
        up += 1
    return up


@kernel
def views(x: int, low: int, up: int, shared: Any, multicast: Any) -> tuple[Any, Any]:
    """Which loops are split over copies: as seen by the memory `low` (-1: the array), and by the one that feeds it."""
    mine, theirs = np.ones(8, dtype=np.int64), np.ones(8, dtype=np.int64)
    for d in range(8):
        if low >= 0 and shared[low, d]:
            mine[d] = 0
        if shared[up, d]:
            theirs[d] = 0
        lone = multicast[up] == 2 or (multicast[up] == 1 and x == 1 and d >= 4)
        if x != 2 and lone and mine[d]:
            theirs[d] = 1
    return mine, theirs


@inlined
def copies(split: Any, unrolled: Any) -> float:
    total = 1.0
    for d in range(8):
        if split[d]:
            total *= unrolled[d]
    return total


@kernel
def cut_of(x: int, edge: int, loops: Any) -> int:
    """Loops inside a tile of x that are moved once: those of the tile, and the ones above that x does not depend on."""
    q = edge
    while q < loops.size and free_of(loops[q]) == x:
        q += 1
    return q


@kernel
def transfers(nest: Any, layer: Any, machine: Any) -> tuple[Any, Any, Any]:
    """Words moved (3, L, 4), links (3, L + 1, 8) and words of the largest tiles (3, L) of a mapping.

    A link joins a memory (row 1 + its number; row 0: the array) to the next one outside: how often a tile passes, words inside
    and outside in all, copies inside and outside, loops below its cut, words of its largest tile inside and outside.
    """
    loops, tiles, edges = nest
    bounds, conv, unrolled, _ = layer
    holds, shared, latch, _, _, multicast, _ = machine
    size = holds.shape[1]
    moved = np.zeros((3, size, 4))
    links = np.zeros((3, size + 1, 8))
    held = np.zeros((3, size))
    for x in range(3):
        low = -1
        while low < size - 1:
            up = above(x, low, holds)
            edge = edges[x, low] if low >= 0 else 0
            skip = low >= 0 or latch[up]
            q = cut_of(x, edge, loops) if skip else 0
            mine, theirs = views(x, low, up, shared, multicast)
            inside = crossings(x, tiles[q], bounds, conv, unrolled, mine)
            outside = crossings(x, tiles[q], bounds, conv, unrolled, theirs)
            links[x, low + 1, 0] = times_moved(tiles[q], bounds)
            links[x, low + 1, 1] = inside
            links[x, low + 1, 2] = outside
            links[x, low + 1, 3] = copies(mine, unrolled)
            links[x, low + 1, 4] = copies(theirs, unrolled)
            links[x, low + 1, 5] = q
            links[x, low + 1, 6] = tile_words(x, tiles[q], bounds, conv, unrolled, mine)
            links[x, low + 1, 7] = tile_words(x, tiles[q], bounds, conv, unrolled, theirs)
            if low >= 0:
                held[x, low] = tile_words(x, tiles[edge], bounds, conv, unrolled, mine)
            if x < 2:
                moved[x, up, READ_IN] = outside
                if low >= 0:
                    moved[x, low, WRITE_OUT] = inside
            else:
                moved[x, up, WRITE_IN] = outside
                if low >= 0:
                    moved[x, low, READ_OUT] = inside
            low = up
        held[x, size - 1] = tile_words(x, tiles[tiles.shape[0] - 1], bounds, conv, unrolled, np.zeros(8, dtype=np.int64))
    # partial sums: a visit to a word reads it, except the first of its stay, where nothing came back from outside
    total = 1.0
    for d in range(8):
        if free_of(d) != 2 and d < 6:
            total *= bounds[d]
    back, fresh = 0.0, total
    for up in range(size - 1, -1, -1):
        if not holds[2, up]:
            continue
        moved[2, up, WRITE_OUT] = back
        fresh = total if up == size - 1 else moved[2, up, READ_OUT]
        back = max(0.0, moved[2, up, WRITE_IN] - fresh + back)
        moved[2, up, READ_IN] = back
    return moved, links, held


@inlined
def partial(link: Any, words: float) -> bool:
    """Whether a link carries partial sums: its tiles pass more often than the outputs need."""
    return link[2] > words


@kernel
def word_bits(links: Any, layer: Any, machine: Any) -> Any:
    """Bits of a word on each link (3, L + 1): outputs are partial sums where they come back, or where the array adds into them."""
    bounds, _, _, bits = layer
    size = machine[0].shape[1]
    words = bounds[0] * bounds[1] * bounds[2] * bounds[4] * bounds[5]
    out = np.zeros((3, size + 1))
    for x in range(3):
        for row in range(size + 1):
            out[x, row] = bits[x]
    for row in range(size + 1):
        if row == 0 or links[2, row, 2] > words:
            out[2, row] = max(bits[2], bits[3])
    return out


@inlined
def padded(bits: float, granule: float) -> float:
    """Bits of a transfer with the unused rest of its last granule."""
    if granule <= 1.0 or bits <= 0.0:
        return bits
    return np.ceil(bits / granule - 1e-9) * granule


@kernel
def bits_moved(moved: Any, links: Any, wide: Any, machine: Any) -> Any:
    """Bits of each movement (3, L, 4), granules filled up."""
    holds, numbers = machine[0], machine[6]
    size = holds.shape[1]
    out = np.zeros((3, size, 4))
    for x in range(3):
        low = -1
        while low < size - 1:
            up = above(x, low, holds)
            link = links[x, low + 1]
            for side in range(2):
                level = low if side == 0 else up
                if level < 0:
                    continue
                one = link[6 + side] * max(1.0, np.floor(wide[x, low + 1]))
                ratio = padded(one, numbers[level, N_GRANULE]) / one
                toward = (WRITE_OUT, READ_OUT) if side == 0 else (READ_IN, WRITE_IN)
                for way in toward:
                    back = x == 2 and (way in (WRITE_OUT, READ_IN))
                    bits = wide[2, 0] if back else wide[x, low + 1]
                    out[x, level, way] = moved[x, level, way] * bits * ratio
            low = up
    return out


@kernel
def energies(bits: Any, links: Any, wide: Any, machine: Any) -> tuple[Any, Any]:
    """pJ of each movement (3, L, 4), and of the wires that deliver words into each memory or the array (3, L + 1)."""
    holds, numbers = machine[0], machine[6]
    size = holds.shape[1]
    out = np.zeros((3, size, 4))
    wires = np.zeros((3, size + 1))
    for x in range(3):
        for level in range(size):
            for way in range(4):
                pj = numbers[level, N_READ_PJ] if way in (READ_IN, READ_OUT) else numbers[level, N_WRITE_PJ]
                out[x, level, way] = bits[x, level, way] / numbers[level, N_WORD] * pj
        low = -1
        while low < size - 1:
            up = above(x, low, holds)
            wires[x, low + 1] = links[x, low + 1, 1] * wide[x, low + 1] * numbers[up, N_LINK_PJ]
            low = up
    return out, wires


@inlined
def stored_bits(x: int, level: int, wide: Any, holds: Any) -> float:
    """Bits of a word as a memory keeps it: without its share of a group's scale, which lies elsewhere; outputs as they come
    from inside, which are partial sums where these are added up."""
    if x < 2:
        return max(1.0, np.floor(wide[x, level + 1]))
    low = level - 1
    while low >= 0 and not holds[2, low]:
        low -= 1
    return wide[2, low + 1]


@kernel
def needed_bits(level: int, held: Any, wide: Any, machine: Any) -> float:
    """Bits that a mapping keeps in one copy of a memory, twice where it is double-buffered."""
    holds, double_buffer = machine[0], machine[4]
    need = 0.0
    for x in range(3):
        if holds[x, level]:
            need += held[x, level] * stored_bits(x, level, wide, holds)
    return 2 * need if double_buffer[level] == 2 else need


@kernel
def too_small(held: Any, wide: Any, machine: Any) -> int:
    """The first memory that cannot keep what a mapping puts there, or -1."""
    numbers = machine[6]
    for level in range(numbers.shape[0]):
        if needed_bits(level, held, wide, machine) > numbers[level, N_CAPACITY]:
            return level
    return -1
