"""Loop nests, counted exactly: how often each operand's words cross each boundary of a memory hierarchy.

A layer has eight loops: G (groups, or a batch of unrelated products), B (images or tokens), K (outputs), C (inputs), OY, OX,
FY, FX. An array unrolls some of them in space; the rest run in time, in blocks, one block a memory, each loop's tile a multiple of
the tile below (the last one may be cut off). A word of X crosses into a memory in each iteration of the loops above it,
except those that X does not depend on and that lie contiguously innermost (Timeloop's and ZigZag's rule). Inputs depend on OY
and FY (OX and FX) together: tiles hold the union of the windows. Everything is closed form; `tests/reference/loopnest.py`
walks the loops.

Counts are float64, exact below 2**53.
"""

from __future__ import annotations

from typing import Any

from numfmt.kernels.jit import inlined, kernel

LOOPS = ("G", "B", "K", "C", "OY", "OX", "FY", "FX")
OPERANDS = ("weights", "inputs", "outputs")
G, B, K, C, OY, OX, FY, FX = range(8)
W, I, O = range(3)  # noqa: E741
#: the one operand that does not depend on a loop (3: none); no loop is irrelevant to two operands
FREE = (3, W, I, O, W, W, O, O)


@inlined
def free_of(d: int) -> int:
    """The operand that loop d leaves alone, or 3."""
    if d == 1 or d == 4 or d == 5:
        return 0
    if d == 2:
        return 1
    return 2 if d == 3 or d >= 6 else 3


@inlined
def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@inlined
def visits(bound: int, tile: int, lanes: int) -> float:
    """Sum over the tiles of a loop of the lanes that are at work (1 where one copy serves all)."""
    n = ceil_div(bound, tile)
    if lanes == 1:
        return float(n)
    return float((n - 1) * min(lanes, tile) + min(lanes, bound - (n - 1) * tile))


@inlined
def distinct(a: int, b: int, step_a: int, step_b: int) -> int:
    """How many values i * step_a + j * step_b takes for i < a, j < b."""
    if a <= 0 or b <= 0:
        return 0
    x, y = step_a, step_b
    while y:
        x, y = y, x % y
    over_a, over_b = a - step_b // x, b - step_a // x
    return a * b - over_a * over_b if over_a > 0 and over_b > 0 else a * b


@inlined
def run(i: int, bound: int, tile: int, lanes: int) -> tuple[int, int]:
    """(length, how many) of the i-th kind of stretch into which tiles, and lanes within them, cut a loop; i < 3."""
    n = ceil_div(bound, tile)
    rest = bound - (n - 1) * tile
    if i == 0:
        return tile // lanes, (n - 1) * lanes
    if lanes == 1:
        return (rest, 1) if i == 1 else (0, 0)
    return (ceil_div(rest, lanes), rest % lanes) if i == 1 else (rest // lanes, lanes - rest % lanes)


@kernel
def windows(
    out: int, tile_out: int, lanes_out: int, taps: int, tile_taps: int, lanes_taps: int, stride: int, dilation: int
) -> float:
    """Input rows (or columns) that all tiles of output positions and filter taps touch together, each tile its own union.

    lanes > 1: the loop is spread over elements with copies of their own, which hold every lanes-th position.
    """
    total = 0.0
    for i in range(3):
        a, many_a = run(i, out, tile_out, lanes_out)
        if many_a == 0:
            continue
        for j in range(3):
            b, many_b = run(j, taps, tile_taps, lanes_taps)
            if many_b:
                total += float(many_a * many_b) * distinct(a, b, stride * lanes_out, dilation * lanes_taps)
    return total


@kernel
def crossings(x: int, nest: Any, q: int, sizes: Any, split: Any, side: int) -> float:
    """Words of operand x that are moved in all, where tiles of the extents nest[q] (per loop) are moved once each.

    sizes (3, 8): bounds of the loops, elements in space, and stride y, x, dilation y, x; split[side] (0 or 1 a loop) says
    whether copies are held apart (counted each) or one copy serves them all.
    """
    total = 1.0
    for d in range(8):
        lanes = sizes[1, d] if split[side, d] else 1
        if free_of(d) == x:
            total *= visits(sizes[0, d], nest[q, d], lanes)
        elif x != 1 or d < 4:
            total *= sizes[0, d]
    if x == 1:
        for axis in range(2):
            o, f = 4 + axis, 6 + axis
            if sizes[0, f] == 1 and sizes[1, f] == 1:
                total *= sizes[0, o]
            else:
                lo, lf = sizes[1, o] if split[side, o] else 1, sizes[1, f] if split[side, f] else 1
                total *= windows(sizes[0, o], nest[q, o], lo, sizes[0, f], nest[q, f], lf, sizes[2, axis], sizes[2, 2 + axis])
    return total


@kernel
def tile_words(x: int, nest: Any, q: int, sizes: Any, split: Any, side: int) -> float:
    """Words of operand x in the largest tile, of extents nest[q], of one memory."""
    total = 1.0
    for d in range(8):
        lanes = sizes[1, d] if split[side, d] else 1
        length = min(ceil_div(nest[q, d], lanes), ceil_div(sizes[0, d], lanes))
        if free_of(d) != x and (x != 1 or d < 4):
            total *= length
    if x == 1:
        for axis in range(2):
            o, f = 4 + axis, 6 + axis
            lo, lf = sizes[1, o] if split[side, o] else 1, sizes[1, f] if split[side, f] else 1
            a, b = ceil_div(min(nest[q, o], sizes[0, o]), lo), ceil_div(min(nest[q, f], sizes[0, f]), lf)
            total *= distinct(a, b, sizes[2, axis] * lo, sizes[2, 2 + axis] * lf)
    return total
