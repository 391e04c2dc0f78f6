"""Lower bounds of what a partly chosen mapping costs, for the search; exact where all of it is chosen (but for unused ends of
granules).

`rows` (L + 1, 8): which extent (an index into `Tables`) each loop's tile has, row 0 what the array unrolls, row b + 1 what
lies inside block b; a loop that is not chosen yet has index 1, an extent beyond its bound, as if it ran once. Counts only
grow when a loop is chosen, so the bound is admissible. A link's tile stays while only loops that its operand does not depend
on run above it: those of the blocks before its deciding block (the first with any other loop), and those of the deciding
block if they are put innermost there.
"""

from __future__ import annotations

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
    above,
    copies,
    padded,
    views,
)
from hwmodel.accelerators.nest import distinct, free_of, tile_words, visits, windows
from numfmt.kernels.jit import inlined, kernel

BEYOND = 1 << 40
# columns of a link's constants
L_LOW, L_UP, L_PER_IN, L_PER_OUT, L_BACK_IN, L_BACK_OUT, L_SHARE_IN, L_SHARE_OUT, L_WORST = range(9)
# columns of a link's bound: its deciding block, then pJ, words inside, outside, bits of a word if its operand stays there,
# and if not
F_DECIDE, F_STAYS, F_MOVES = 0, 1, 5


@kernel
def tables(extents: Any, sizes: Any, layer: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Factors of every extent: visits (8, n, 2), lengths of tiles (8, n, 2), windows and their tiles (2, n, n, 2, 2), which
    end inside (8, n).

    extents (8, n), the first `sizes` of each row used; the last index: 1 where copies are held apart.
    """
    bounds, conv, unrolled, _ = layer
    n = extents.shape[1]
    times, lengths = np.ones((8, n, 2)), np.ones((8, n, 2))
    inputs, patches = np.ones((2, n, n, 2, 2)), np.ones((2, n, n, 2, 2))
    inside = np.zeros((8, n), dtype=np.bool_)
    for d in range(8):
        for k in range(sizes[d]):
            inside[d, k] = extents[d, k] < bounds[d]
            for split in range(2):
                lanes = unrolled[d] if split else 1
                times[d, k, split] = visits(bounds[d], extents[d, k], lanes)
                lengths[d, k, split] = -(-min(extents[d, k], bounds[d]) // lanes)
    for axis in range(2):
        o, f = 4 + axis, 6 + axis
        for k in range(sizes[o]):
            for j in range(sizes[f]):
                for a in range(2):
                    for b in range(2):
                        lo, lf = unrolled[o] if a else 1, unrolled[f] if b else 1
                        whole = windows(bounds[o], extents[o, k], lo, bounds[f], extents[f, j], lf, conv[axis], conv[2 + axis])
                        inputs[axis, k, j, a, b] = whole
                        long, wide = int(lengths[o, k, a]), int(lengths[f, j, b])
                        patches[axis, k, j, a, b] = distinct(long, wide, conv[axis] * lo, conv[2 + axis] * lf)
    return times, lengths, inputs, patches, inside


@kernel
def link_constants(layer: Any, machine: Any) -> tuple[Any, Any, Any, Any, float]:
    """(operand of each link, constants (n, 9), split inside and outside (n, 8), pJ that all mappings save).

    Cost of a link = bits x (L_PER_IN x words inside + L_PER_OUT x words outside) + L_BACK_IN x inside + L_BACK_OUT x outside:
    the last two are the partial sums that come back, which follow from the outputs that leave.
    """
    bounds, conv, unrolled, bits = layer
    holds, shared, _, _, _, multicast, numbers = machine
    size = holds.shape[1]
    total = holds.sum()
    operand = np.zeros(total, dtype=np.int64)
    out = np.zeros((total, 9))
    inside, outside = np.ones((total, 8), dtype=np.int64), np.ones((total, 8), dtype=np.int64)
    saved = 0.0
    i = 0
    for x in range(3):
        low, back = -1, 0.0
        while low < size - 1:
            up = above(x, low, holds)
            mine, theirs = views(x, low, up, shared, multicast)
            inside[i], outside[i] = mine, theirs
            operand[i] = x
            read, write = numbers[up, N_READ_PJ] / numbers[up, N_WORD], numbers[up, N_WRITE_PJ] / numbers[up, N_WORD]
            if low < 0:  # what the array takes at once is known
                one = tile_words(x, unrolled, bounds, conv, unrolled, theirs) * max(1.0, np.floor(bits[3] if x == 2 else bits[x]))
                ratio = padded(one, numbers[up, N_GRANULE]) / one
                read, write = read * ratio, write * ratio
            out[i, L_LOW], out[i, L_UP] = low, up
            out[i, L_PER_IN] = numbers[up, N_LINK_PJ]
            out[i, L_PER_OUT] = write if x == 2 else read
            out[i, L_SHARE_IN], out[i, L_SHARE_OUT] = copies(mine, unrolled), copies(theirs, unrolled)
            below = 0.0
            if low >= 0:
                ways = N_READ_PJ if x == 2 else N_WRITE_PJ
                out[i, L_PER_IN] += numbers[low, ways] / numbers[low, N_WORD]
                below = numbers[low, N_WRITE_PJ] / numbers[low, N_WORD]
            if x == 2:
                out[i, L_BACK_IN] = -back
                back += bits[3] * (read + below)
                out[i, L_BACK_OUT] = back
                more = out[i, L_SHARE_IN] / out[i, L_SHARE_OUT]
                if more * (out[i, L_BACK_IN] + bits[2] * out[i, L_PER_IN]) + back + bits[2] * out[i, L_PER_OUT] < 0:
                    out[i, L_WORST] = 1
            low = up
            i += 1
        if x == 2:
            words = 1.0
            for d in range(6):
                if d != 3:
                    words *= bounds[d]
            saved = back * words
    return operand, out, inside, outside, saved


@inlined
def words_of(x: int, tile: Any, cut: Any, split: Any, fixed: Any, made: Any) -> float:
    """Words that cross a link whose tiles have the extents `tile` (indices), `cut` in the loops that x does not depend on;
    copies are held apart as `split` says."""
    times, inputs = made[0], made[2]
    if x == 0:
        return fixed[0] * times[1, cut[1], split[1]] * times[4, cut[4], split[4]] * times[5, cut[5], split[5]]
    if x == 1:
        rows = inputs[0, tile[4], tile[6], split[4], split[6]] * inputs[1, tile[5], tile[7], split[5], split[7]]
        return fixed[1] * times[2, cut[2], split[2]] * rows
    return fixed[2] * times[3, cut[3], split[3]] * times[6, cut[6], split[6]] * times[7, cut[7], split[7]]


@kernel
def fixed_sizes(bounds: Any) -> Any:
    """Product of the loops that each operand depends on (inputs: without the windows)."""
    g, b, k, c, oy, ox, fy, fx = bounds
    return np.array([float(g * k * c * fy * fx), float(g * b * c), float(g * b * k * oy * ox)])


@kernel
def link_costs(
    rows: Any, layer: Any, machine: Any, constants: Any, made: Any, fixed: Any, both: bool, present: Any, found: Any
) -> None:
    """For each link in `found` (n, 9), columns F_*; those of operands that move only if `both`. present (L,) is used inside."""
    operand, table, inside, outside, _ = constants
    bits, latch, ends = layer[3], machine[2], made[4]
    blocks = rows.shape[0] - 1
    sums = max(bits[2], bits[3])
    for b in range(blocks):
        present[b] = 0
        for d in range(8):
            if rows[b, d] != rows[b + 1, d] and ends[d, rows[b, d]]:
                present[b] |= 1 << free_of(d)
    for i in range(operand.size):
        x, low, up = operand[i], int(table[i, 0]), int(table[i, 1])
        decide = blocks
        lone = low < 0 and not latch[up]
        if lone:
            decide = -1
        else:
            for b in range(low + 1, blocks):
                if present[b] & ~(1 << x):
                    decide = b
                    break
        found[i, 0] = decide
        for way in range(2 if both else 1):
            if way == 1 and (lone or decide == blocks or not present[decide] & (1 << x)):
                found[i, 5:] = found[i, 1:5]
                break
            tile = 0 if lone else blocks if decide == blocks else low + 1
            cut = tile if lone or decide == blocks else decide + 1 - way
            into = words_of(x, rows[tile], rows[cut], inside[i], fixed, made)
            out = words_of(x, rows[tile], rows[cut], outside[i], fixed, made)
            wide = bits[x]
            if x == 2 and (low < 0 or out > fixed[2]):
                wide = sums
            at = 1 + 4 * way
            found[i, at] = wide * (table[i, 2] * into + table[i, 3] * out) + table[i, 4] * into + table[i, 5] * out
            found[i, at + 1], found[i, at + 2], found[i, at + 3] = into, out, wide


@kernel
def least(found: Any, machine: Any, constants: Any, most: Any, compute: float, timed: bool, busy: Any) -> tuple[float, float]:
    """(pJ of accesses, cycles) that no completion of these links undercuts."""
    operand, table = constants[0], constants[1]
    ports, numbers = machine[3], machine[6]
    pj = -constants[4]
    for i in range(operand.size):
        pj += min(found[i, 1], most[i]) if table[i, L_WORST] else found[i, 1]
    if not timed:
        return pj, compute
    busy[:] = 0.0
    for i in range(operand.size):
        x, low, up = operand[i], int(table[i, L_LOW]), int(table[i, L_UP])
        for side in range(2):
            level = low if side == 0 else up
            if level < 0:
                continue
            reads = (side == 0) == (x == 2)
            width = numbers[level, N_READ_BITS] if reads else numbers[level, N_WRITE_BITS]
            port = 0 if ports[level] == 1 else 1 - int(reads) if ports[level] == 2 else 2 * side + int(reads)
            busy[level, port] += found[i, 2 + side] * found[i, 4] / table[i, L_SHARE_IN + side] / width
    return pj, max(compute, busy.max())


@kernel
def room(rows: Any, layer: Any, machine: Any, made: Any) -> bool:
    """Whether tiles of these extents fit, outputs counted as narrow as they may be (a necessary condition)."""
    bits = layer[3]
    holds, shared, _, _, double_buffer, _, numbers = machine
    lengths, patches = made[1], made[3]
    for level in range(numbers.shape[0] - 1):
        need = 0.0
        at, apart = rows[level + 1], 1 - shared[level]
        for x in range(3):
            if not holds[x, level]:
                continue
            words = 1.0
            for d in range(8):
                if free_of(d) != x and (x != 1 or d < 4):
                    words *= lengths[d, at[d], apart[d]]
            if x == 1:
                for axis in range(2):
                    o, f = 4 + axis, 6 + axis
                    words *= patches[axis, at[o], at[f], apart[o], apart[f]]
            need += words * (min(bits[2], bits[3]) if x == 2 else max(1.0, np.floor(bits[x])))
        if need * (2 if double_buffer[level] == 2 else 1) > numbers[level, 0]:
            return False
    return True
