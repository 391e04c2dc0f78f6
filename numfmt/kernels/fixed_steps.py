"""Fixed-point sums that quantize and overflow at each step, k upward, as ap_fixed code does: SIMD over output columns.

Everything is computed in the integer type of the accumulators (`out`: int32 or int64); the operands come as int32 or int64 and are
widened first. The caller proves that nothing leaves that type. A *rule* is a tuple of that type's integers, see `fixed_rule.py`:
shift, base, negative, odd (the quantization), kind, low, high, keep, swap, raised, probe, equal, width (the overflow), place (of
the lanes' sign bit), span (high - low). Rows of zeros at the end of k change nothing, so k comes in multiples of four.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from .jit import kernel, parallel_kernel
from .lanes import above, add, both, differ, larger, like, mul, right_signed, sub, wide_vectors

# kinds of overflow
CLAMP, WRAP, FORCE, MIRROR, MIRROR_FLOOR = 0, 1, 2, 3, 4
# what a quantization looks at: nothing, the sign, the lowest kept bit, or whichever the rule names
PLAIN, BY_SIGN, BY_BIT, ANY = 0, 1, 2, 3
_ROWS = 32  # rows a thread takes at a time
_NEAR = 16  # k at a time: as many rows of b stay in the first-level cache


@intrinsic
def smaller(typing_context, x, y):
    """The smaller of two signed integers of one type."""
    if not isinstance(x, types.Integer) or x != y:
        return None

    def codegen(context, builder, signature, args):
        return builder.select(builder.icmp_signed("<", *args), *args)

    return x(x, y), codegen


@kernel
def rounded(v, shift, base, negative, odd):
    """v / 2**shift as an integer, shift >= 0: (v + base + (v < 0) * negative + odd * (the lowest kept bit)) >> shift. int64."""
    return (v + base + (negative if v < 0 else np.int64(0)) + (odd & (v >> shift))) >> shift


@kernel
def quantized(v, rule, mode):
    """v / 2**shift as an integer: (v + base + (v < 0) * negative + odd * (the lowest kept bit)) >> shift.

    The seven quantizations of ap_fixed are choices of the three addends; see `fixed_rule.addends`.
    """
    total = add(v, rule[1])
    if mode in (BY_SIGN, ANY):
        total = add(total, both(right_signed(v, rule[13]), rule[2]))
    if mode in (BY_BIT, ANY):
        total = add(total, both(right_signed(v, rule[0]), rule[3]))
    return right_signed(total, rule[0])


@kernel
def wrapped(v, rule):
    """The low bits of v, read in two's complement where the type has a sign."""
    return sub(differ(both(v, rule[7]), rule[9]), rule[9])


@kernel
def forced(v, floor, rule, kind):
    """v where it is in range; else some of its low bits, perhaps inverted, below bits that its sign dictates.

    UG1399, "Overflow Modes": zero, wrap with N > 0, and wrap in sign-magnitude; `floor` is what v was rounded from, rounded down.
    """
    lead = right_signed(v, rule[13])  # all ones below zero
    word = v
    if kind != FORCE:
        zero, one = like(0, v), like(1, v)
        if kind == MIRROR_FLOOR:
            lead = sub(zero, both(right_signed(floor, rule[12]), one))
        bit = sub(zero, both(right_signed(v, rule[10]), one))
        word = differ(v, differ(differ(bit, lead), rule[11]))
    made = add(both(word, rule[7]), differ(both(lead, rule[8]), rule[9]))
    return made if above(sub(v, rule[5]), rule[14]) else v


@kernel
def into_range(v, floor, rule, kind):
    """v as the type holds it."""
    if kind == CLAMP:
        return larger(smaller(v, rule[6]), rule[5])
    if kind == WRAP:
        return wrapped(v, rule)
    return forced(v, floor, rule, kind)


@kernel
def free_row(row, x, b, k, rule, mode):
    """`free_sum` of a row for four k."""
    wide_vectors()
    x0, x1, x2, x3 = x
    for j in range(row.size):
        v = add(row[j], quantized(mul(x0, like(b[k, j], x0)), rule, mode))
        v = add(v, quantized(mul(x1, like(b[k + 1, j], x0)), rule, mode))
        v = add(v, quantized(mul(x2, like(b[k + 2, j], x0)), rule, mode))
        row[j] = add(v, quantized(mul(x3, like(b[k + 3, j], x0)), rule, mode))


@kernel
def free_rows(a, b, out, rule, mode):
    """`free_sum` of some rows."""
    one = rule[1]
    for first in range(0, a.shape[1], _NEAR):
        for i in range(a.shape[0]):
            row = out[i]
            for k in range(first, min(first + _NEAR, a.shape[1]), 4):
                x = like(a[i, k], one), like(a[i, k + 1], one), like(a[i, k + 2], one), like(a[i, k + 3], one)
                if mode == PLAIN:
                    free_row(row, x, b, k, rule, PLAIN)
                elif mode == BY_SIGN:
                    free_row(row, x, b, k, rule, BY_SIGN)
                else:
                    free_row(row, x, b, k, rule, BY_BIT)


@parallel_kernel
def free_sum(a, b, out, rule, mode):
    """out += rounded(a[i, k] * b[k, j]): no overflow, or one that may wait for the end (a wrap modulo 2**width)."""
    for block in numba.prange((a.shape[0] + _ROWS - 1) // _ROWS):
        part = slice(block * _ROWS, min(block * _ROWS + _ROWS, a.shape[0]))
        free_rows(a[part], b, out[part], rule, mode)


@kernel
def clamped_step(v, x, w, rule, mode, inside):
    """clamp(v + the rounded product), which is clamped before unless it is `inside` the range by itself."""
    p = quantized(mul(x, w), rule, mode)
    if not inside:
        p = larger(smaller(p, rule[6]), rule[5])
    return larger(smaller(add(v, p), rule[6]), rule[5])


@kernel
def clamped_row(row, x, b, k, rule, mode, inside):
    """`clamped_sum` of a row for four k."""
    wide_vectors()
    x0, x1, x2, x3 = x
    for j in range(row.size):
        v = clamped_step(row[j], x0, like(b[k, j], x0), rule, mode, inside)
        v = clamped_step(v, x1, like(b[k + 1, j], x0), rule, mode, inside)
        v = clamped_step(v, x2, like(b[k + 2, j], x0), rule, mode, inside)
        row[j] = clamped_step(v, x3, like(b[k + 3, j], x0), rule, mode, inside)


@kernel
def clamped_rows(a, b, out, rule, mode, inside):
    """`clamped_sum` of some rows."""
    one = rule[1]
    for first in range(0, a.shape[1], _NEAR):
        for i in range(a.shape[0]):
            row = out[i]
            for k in range(first, min(first + _NEAR, a.shape[1]), 4):
                x = like(a[i, k], one), like(a[i, k + 1], one), like(a[i, k + 2], one), like(a[i, k + 3], one)
                if mode == PLAIN:
                    if inside:
                        clamped_row(row, x, b, k, rule, PLAIN, True)
                    else:
                        clamped_row(row, x, b, k, rule, PLAIN, False)
                elif mode == BY_SIGN:
                    if inside:
                        clamped_row(row, x, b, k, rule, BY_SIGN, True)
                    else:
                        clamped_row(row, x, b, k, rule, BY_SIGN, False)
                elif inside:
                    clamped_row(row, x, b, k, rule, BY_BIT, True)
                else:
                    clamped_row(row, x, b, k, rule, BY_BIT, False)


@parallel_kernel
def clamped_sum(a, b, out, rule, mode, inside):
    """out = clamp(out + clamp(rounded(a[i, k] * b[k, j]))) at each k; inside: the rounded products are in range by themselves."""
    for block in numba.prange((a.shape[0] + _ROWS - 1) // _ROWS):
        part = slice(block * _ROWS, min(block * _ROWS + _ROWS, a.shape[0]))
        clamped_rows(a[part], b, out[part], rule, mode, inside)


@kernel
def cast_row(row, x, b, k, rule, kind, mode, inside):
    """`cast_sum` of a row for one k."""
    wide_vectors()
    for j in range(row.size):
        exact = mul(x, like(b[k, j], x))
        p = quantized(exact, rule, mode)
        if not inside:
            p = into_range(p, right_signed(exact, rule[0]), rule, kind)
        total = add(row[j], p)
        row[j] = into_range(total, total, rule, kind)


@kernel
def cast_rows(a, b, out, rule, plain, inside):
    """`cast_sum` of some rows."""
    kind = rule[4]
    for first in range(0, a.shape[1], _NEAR):
        for i in range(a.shape[0]):
            row = out[i]
            for k in range(first, min(first + _NEAR, a.shape[1])):
                x = like(a[i, k], rule[1])
                if kind == FORCE:
                    if not inside:
                        cast_row(row, x, b, k, rule, FORCE, ANY, False)
                    elif plain:
                        cast_row(row, x, b, k, rule, FORCE, PLAIN, True)
                    else:
                        cast_row(row, x, b, k, rule, FORCE, ANY, True)
                elif kind == MIRROR:
                    if not inside:
                        cast_row(row, x, b, k, rule, MIRROR, ANY, False)
                    elif plain:
                        cast_row(row, x, b, k, rule, MIRROR, PLAIN, True)
                    else:
                        cast_row(row, x, b, k, rule, MIRROR, ANY, True)
                elif not inside:
                    cast_row(row, x, b, k, rule, MIRROR_FLOOR, ANY, False)
                elif plain:
                    cast_row(row, x, b, k, rule, MIRROR_FLOOR, PLAIN, True)
                else:
                    cast_row(row, x, b, k, rule, MIRROR_FLOOR, ANY, True)


@parallel_kernel
def cast_sum(a, b, out, rule, plain, inside):
    """out = into_range(out + into_range(rounded(a[i, k] * b[k, j]))) at each k: hls4ml's order, for the kinds from FORCE on.

    plain: the quantization looks at nothing. inside: the rounded products are in range by themselves.
    """
    for block in numba.prange((a.shape[0] + _ROWS - 1) // _ROWS):
        part = slice(block * _ROWS, min(block * _ROWS + _ROWS, a.shape[0]))
        cast_rows(a[part], b, out[part], rule, plain, inside)


@kernel
def full_row(row, x, b, k, rule, kind, mode):
    """`full_sum` of a row for one k."""
    wide_vectors()
    for j in range(row.size):
        v, p = row[j], mul(x, like(b[k, j], x))
        floor = add(v, right_signed(p, rule[0]))  # of the exact sum; its sign and parity decide as those of the sum do
        p = add(p, rule[1])
        if mode != BY_BIT:
            p = add(p, both(right_signed(floor, rule[13]), rule[2]))
        if mode != BY_SIGN:
            p = add(p, both(floor, rule[3]))
        total = add(v, right_signed(p, rule[0]))
        row[j] = into_range(total, floor, rule, kind)


@kernel
def full_rows(a, b, out, rule, mode):
    """`full_sum` of some rows."""
    kind = rule[4]
    for first in range(0, a.shape[1], _NEAR):
        for i in range(a.shape[0]):
            row = out[i]
            for k in range(first, min(first + _NEAR, a.shape[1])):
                x = like(a[i, k], rule[1])
                if kind == CLAMP and mode == BY_BIT:
                    full_row(row, x, b, k, rule, CLAMP, BY_BIT)
                elif kind == CLAMP:
                    full_row(row, x, b, k, rule, CLAMP, BY_SIGN)
                elif kind == WRAP:
                    full_row(row, x, b, k, rule, WRAP, ANY)
                elif kind == FORCE:
                    full_row(row, x, b, k, rule, FORCE, ANY)
                elif kind == MIRROR:
                    full_row(row, x, b, k, rule, MIRROR, ANY)
                else:
                    full_row(row, x, b, k, rule, MIRROR_FLOOR, ANY)


@parallel_kernel
def full_sum(a, b, out, rule, mode):
    """out = into_range(rounded(out * 2**shift + a[i, k] * b[k, j])) at each k: the exact product joins, then one assignment."""
    for block in numba.prange((a.shape[0] + _ROWS - 1) // _ROWS):
        part = slice(block * _ROWS, min(block * _ROWS + _ROWS, a.shape[0]))
        full_rows(a[part], b, out[part], rule, mode)


@kernel
def assign_all(values, rule, kind):
    """`assign` for one kind of overflow."""
    wide_vectors()
    for i in range(values.size):
        values[i] = into_range(quantized(values[i], rule, ANY), right_signed(values[i], rule[0]), rule, kind)


@kernel
def assign(values, rule):
    """values (n,) int64 = into_range(rounded(values)), in place: an assignment to the type."""
    wide_vectors()
    kind = rule[4]
    if kind == CLAMP:
        assign_all(values, rule, CLAMP)
    elif kind == WRAP:
        assign_all(values, rule, WRAP)
    elif kind == FORCE:
        assign_all(values, rule, FORCE)
    elif kind == MIRROR:
        assign_all(values, rule, MIRROR)
    else:
        assign_all(values, rule, MIRROR_FLOOR)


@kernel
def spread(source, into, mask, sign):
    """into[:n, :m] = the integers of source (n, m): two's complement of `mask` bits with its sign bit in `sign` (0: none).

    Both of any layout; in square blocks, so that a transposed source costs little. Not a parallel kernel: it is compiled for many
    types and layouts, which takes four times as long for those.
    """
    rows = source.shape[0]
    for top in range(0, rows, 32):
        last = min(top + 32, rows)
        for first in range(0, source.shape[1], 32):
            end = min(first + 32, source.shape[1])
            for i in range(top, last):
                for j in range(first, end):
                    word = both(like(source[i, j], mask), mask)
                    into[i, j] = like(sub(differ(word, sign), sign), into[i, j])


@parallel_kernel
def average_pool(x, out, top, start, stride, size, pads, all_cells, up_sum, up_value, rule):
    """out (h, w, C) int64 = averages of windows of x (H, W, C) int64, as hls4ml's avg: each sum assigned to the accumulator's type
    (rule), then divided by the number of cells, towards zero.

    Output rows start .. start + h; x holds the image's rows from `top` on. stride, size, pads: (rows, columns); pads are those
    above and left. all_cells: divide by the window's size, else by the cells that lie in the image: (height, width) of the image
    are in all_cells[1:]. up_sum and up_value bring accumulator and input to one binary point.
    """
    height, width = all_cells[1], all_cells[2]
    for i in numba.prange(out.shape[0]):
        y0 = (start + i) * stride[0] - pads[0]
        for j in range(out.shape[1]):
            x0 = j * stride[1] - pads[1]
            ya, yb = max(y0, 0), min(y0 + size[0], height)
            xa, xb = max(x0, 0), min(x0 + size[1], width)
            cells = size[0] * size[1] if all_cells[0] else max(yb - ya, 0) * max(xb - xa, 0)
            for c in range(out.shape[2]):
                total = np.int64(0)
                for y in range(ya, yb):
                    for z in range(xa, xb):
                        exact = (total << up_sum) + (x[y - top, z, c] << up_value)
                        total = into_range(quantized(exact, rule, ANY), exact >> rule[0], rule, rule[4])
                out[i, j, c] = 0 if cells == 0 else (total // cells if total >= 0 else -((-total) // cells))
