"""Lower bounds of what a partly chosen mapping costs, for the search; exact where all of it is chosen (but for unused ends of
granules).

`rows` (L + 1, 8): which extent (an index into `tables`) each loop's tile has, row 0 what the array unrolls, row b + 1 what
lies inside block b; a loop that is not chosen yet has index 1, an extent beyond its bound, as if it ran once. Counts only
grow when a loop is chosen, so the bound is admissible. A link's tile stays while only loops that its operand does not depend
on run above it: those of the blocks before its deciding block (the first with any other loop), and those of the deciding
block if they are put innermost there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hwmodel.accelerators.flow import (
    N_GRANULE,
    N_LINK_PJ,
    N_READ_BITS,
    N_READ_PJ,
    N_WORD,
    N_WRITE_BITS,
    N_WRITE_PJ,
    views,
)
from hwmodel.accelerators.nest import distinct, free_of, tile_words, visits, windows
from numfmt.kernels.jit import inlined, kernel

BEYOND = 1 << 40
# columns of a link's constants; L_FIRST: the loops that its operand depends on (inputs: without the windows), L_MOST: its pJ
# where all tiles are as small as can be
L_LOW, L_UP, L_PER_IN, L_PER_OUT, L_BACK_IN, L_BACK_OUT, L_SHARE_IN, L_SHARE_OUT, L_WORST, L_FIRST, L_MOST = range(11)
# columns of a link's integers: its operand, and which loops are split over copies, inside and outside
OPERAND, APART = 0, 1
# columns of a link's bound: its deciding block, then pJ, words inside, outside, bits of a word if its operand stays there,
# and if not
F_DECIDE, F_STAYS, F_MOVES = 0, 1, 5
# columns of a table of loops: visits, and lengths of tiles (the second of each: copies held apart), whether it ends inside
VISITS, LENGTHS, INSIDE = 0, 2, 4


@kernel
def tables(extents: Any, counts: Any, sizes: Any, lines: Any, planes: Any) -> None:
    """Factors of every extent: lines (8, n, 5), see above, and planes (2, n, n, 8), of two loops that inputs depend on
    together: windows (4 columns: 2 x copies of the outputs held apart + those of the taps) and their tiles (4).

    extents (8, n), the first `counts` of each row used; lines and planes are filled.
    """
    for d in range(8):
        for k in range(counts[d]):
            lines[d, k, 4] = 1.0 if extents[d, k] < sizes[0, d] else 0.0
            for split in range(2):
                lanes = sizes[1, d] if split else 1
                lines[d, k, split] = visits(sizes[0, d], extents[d, k], lanes)
                lines[d, k, 2 + split] = -(-min(extents[d, k], sizes[0, d]) // lanes)
    for axis in range(2):
        o, f = 4 + axis, 6 + axis
        stride, dilation = sizes[2, axis], sizes[2, 2 + axis]
        for k in range(counts[o]):
            for j in range(counts[f]):
                for ab in range(4):
                    a, b = ab >> 1, ab & 1
                    lo, lf = sizes[1, o] if a else 1, sizes[1, f] if b else 1
                    planes[axis, k, j, ab] = windows(
                        sizes[0, o], extents[o, k], lo, sizes[0, f], extents[f, j], lf, stride, dilation
                    )
                    long, wide = int(lines[o, k, 2 + a]), int(lines[f, j, 2 + b])
                    planes[axis, k, j, 4 + ab] = distinct(long, wide, stride * lo, dilation * lf)


def link_constants(sizes: Any, bits: Any, wiring: Any, numbers: Any) -> tuple[Any, Any, float]:
    """(integers of each link (n, 17), constants (n, 11), pJ that all mappings save).

    Cost of a link = bits x (L_PER_IN x words inside + L_PER_OUT x words outside) + L_BACK_IN x inside + L_BACK_OUT x outside:
    the last two are the partial sums that come back, which follow from the outputs that leave.
    """
    g, b, k, c, oy, ox, fy, fx = (float(n) for n in sizes[0])
    first = (g * k * c * fy * fx, g * b * c, g * b * k * oy * ox)
    links, table, saved = [], [], 0.0
    split, array = np.empty((2, 8), dtype=np.int64), np.ascontiguousarray(sizes[1:2])
    for x in range(3):
        low, back = -1, 0.0
        for up in np.flatnonzero(wiring[:, x]).tolist():
            views(x, low, up, wiring, split)
            read, write = (float(numbers[up, pj] / numbers[up, N_WORD]) for pj in (N_READ_PJ, N_WRITE_PJ))
            if low < 0:  # what the array takes at once is known
                one = tile_words(x, array, 0, sizes, split, 1) * max(1.0, math.floor(bits[3] if x == 2 else bits[x]))
                grain = numbers[up, N_GRANULE]
                ratio = np.ceil(one / grain - 1e-9) * grain / one if grain > 1 else 1.0
                read, write = read * ratio, write * ratio
            row = np.zeros(11)
            row[[L_LOW, L_UP, L_FIRST]] = low, up, first[x]
            row[L_PER_IN] = numbers[up, N_LINK_PJ]
            row[L_PER_OUT] = write if x == 2 else read
            row[L_SHARE_IN], row[L_SHARE_OUT] = (math.prod(sizes[1, split[side] == 1].tolist()) for side in range(2))
            below = 0.0
            if low >= 0:
                row[L_PER_IN] += numbers[low, N_READ_PJ if x == 2 else N_WRITE_PJ] / numbers[low, N_WORD]
                below = numbers[low, N_WRITE_PJ] / numbers[low, N_WORD]
            if x == 2:
                row[L_BACK_IN] = -back
                back += bits[3] * (read + below)
                row[L_BACK_OUT] = back
                more = row[L_SHARE_IN] / row[L_SHARE_OUT]
                if more * (row[L_BACK_IN] + bits[2] * row[L_PER_IN]) + back + bits[2] * row[L_PER_OUT] < 0:
                    row[L_WORST] = 1
            links.append([x, *split[0].tolist(), *split[1].tolist()])
            table.append(row)
            low = up
        if x == 2:
            saved = back * first[2]
    return np.array(links, dtype=np.int64), np.array(table), float(saved)


@inlined
def words_of(rows: Any, tile: int, cut: int, links: Any, i: int, at: int, first: float, lines: Any, planes: Any) -> float:
    """Words that cross link i whose tiles have the extents rows[tile] (indices), rows[cut] in the loops that its operand does not
    depend on; copies are held apart as the link's columns from `at` say."""
    x = links[i, 0]
    if x == 1:
        rows_y = planes[0, rows[tile, 4], rows[tile, 6], 2 * links[i, at + 4] + links[i, at + 6]]
        rows_x = planes[1, rows[tile, 5], rows[tile, 7], 2 * links[i, at + 5] + links[i, at + 7]]
        return first * lines[2, rows[cut, 2], links[i, at + 2]] * (rows_y * rows_x)
    words = first
    for d in range(8):
        if free_of(d) == x:
            words *= lines[d, rows[cut, d], links[i, at + d]]
    return words


@kernel
def link_costs(
    rows: Any, bits: Any, wiring: Any, links: Any, table: Any, lines: Any, planes: Any, both: int, present: Any, found: Any
) -> None:
    """For each link in `found` (n, 9), columns F_*; those of operands that move only if `both`. present (L,) is used inside."""
    blocks = rows.shape[0] - 1
    sums = max(bits[2], bits[3])
    for b in range(blocks):
        present[b] = 0
        for d in range(8):
            if rows[b, d] != rows[b + 1, d] and lines[d, rows[b, d], 4] > 0:
                present[b] |= 1 << free_of(d)
    for i in range(links.shape[0]):
        x, low, up = links[i, 0], int(table[i, 0]), int(table[i, 1])
        decide = blocks
        lone = low < 0 and not wiring[up, 11]
        if lone:
            decide = -1
        else:
            for b in range(low + 1, blocks):
                if present[b] & ~(1 << x):
                    decide = b
                    break
        found[i, 0] = decide
        for way in range(1 + both):
            if way == 1 and (lone or decide == blocks or not present[decide] & (1 << x)):
                for column in range(4):
                    found[i, 5 + column] = found[i, 1 + column]
                break
            tile = 0 if lone else blocks if decide == blocks else low + 1
            cut = tile if lone or decide == blocks else decide + 1 - way
            at = 1 + 4 * way
            for side in range(2):
                found[i, at + 1 + side] = words_of(rows, tile, cut, links, i, 1 + 8 * side, table[i, 9], lines, planes)
            into, out = found[i, at + 1], found[i, at + 2]
            wide = bits[x]
            if x == 2 and (low < 0 or out > table[i, 9]):
                wide = sums
            found[i, at] = wide * (table[i, 2] * into + table[i, 3] * out) + table[i, 4] * into + table[i, 5] * out
            found[i, at + 3] = wide


@kernel
def least(
    found: Any, wiring: Any, numbers: Any, links: Any, table: Any, saved: float, compute: float, timed: int, busy: Any, out: Any
) -> None:
    """out: (pJ of accesses, cycles) that no completion of these links undercuts. busy (L, 4) is used inside."""
    pj, time = -saved, compute
    for i in range(links.shape[0]):
        pj += min(found[i, 1], table[i, 10]) if table[i, 8] > 0 else found[i, 1]
    if timed:
        for level in range(wiring.shape[0]):
            for port in range(4):
                busy[level, port] = 0.0
        for i in range(links.shape[0]):
            for side in range(2):
                level = int(table[i, L_LOW + side])
                if level < 0:
                    continue
                reads = int((side == 0) == (links[i, 0] == 2))
                width = numbers[level, N_READ_BITS] if reads else numbers[level, N_WRITE_BITS]
                ports = wiring[level, 12]
                port = 0 if ports == 1 else 1 - reads if ports == 2 else 2 * side + reads
                busy[level, port] += found[i, 2 + side] * found[i, 4] / table[i, L_SHARE_IN + side] / width
                time = max(time, busy[level, port])
    out[0], out[1] = pj, time


@kernel
def room(rows: Any, bits: Any, wiring: Any, numbers: Any, lines: Any, planes: Any) -> bool:
    """Whether tiles of these extents fit, outputs counted as narrow as they may be (a necessary condition)."""
    for level in range(numbers.shape[0] - 1):
        need = 0.0
        at = level + 1
        for x in range(3):
            if not wiring[level, x]:
                continue
            words = 1.0
            for d in range(8):
                if free_of(d) != x and (x != 1 or d < 4):
                    words *= lines[d, rows[at, d], 3 - wiring[level, 3 + d]]
            if x == 1:
                for axis in range(2):
                    o, f = 4 + axis, 6 + axis
                    apart = 2 * (1 - wiring[level, 3 + o]) + 1 - wiring[level, 3 + f]
                    words *= planes[axis, rows[at, o], rows[at, f], 4 + apart]
            need += words * (min(bits[2], bits[3]) if x == 2 else max(1.0, np.floor(bits[x])))
        if need * (2 if wiring[level, 13] == 2 else 1) > numbers[level, 0]:
            return False
    return True
