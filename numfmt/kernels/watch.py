"""Accumulators under observation: each step counts what it lost. Slow beside the plain kernels, and equal to them in every bit."""

from __future__ import annotations

import numpy as np

from .aligned import HALF
from .aligned_careful import _NOTHING, _NUMBER, block, fields, joined, moved, whole
from .aligned_words import MAN, exponent_of
from .exact import DIGITS, add_product, normalise
from .jit import kernel
from .steps import round_step, signed_sum

# places of the counts
TRUNCATED, FLUSHED, ROUNDED, ABSORBED, SATURATED, WRAPPED, OVERFLOWED = range(7)
COUNTS = 7


@kernel
def watch_floats(total, terms, cut, mode, man_bits, emin, max_value, infinite, counts):
    """One step of every element: total = round(total + term).

    total, terms: (M, N) float64, the terms exact products. cut: fraction bits, emin, largest value and infinities of the format
    that each term is rounded to first (fraction bits below zero: none).
    """
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            exact = terms[i, j]
            term = exact
            if cut[0] >= 0:
                term = round_step(exact, mode, np.int64(cut[0]), np.int64(cut[1]), cut[2], cut[3] != 0.0)
                if np.isfinite(exact) and term != exact:
                    if np.abs(exact) > cut[2]:
                        counts[OVERFLOWED if np.isinf(term) else SATURATED] += 1
                    else:
                        counts[TRUNCATED] += 1
                        counts[FLUSHED] += term == 0.0
            before = total[i, j]
            wide = signed_sum(before, term, mode)
            after = round_step(wide, mode, man_bits, emin, max_value, infinite)
            total[i, j] = after
            if np.isfinite(wide):
                if after != wide:
                    beyond = np.abs(wide) > max_value and (np.isinf(after) or np.abs(after) == max_value)
                    if beyond and np.isinf(after):
                        counts[OVERFLOWED] += 1
                    elif beyond:
                        counts[SATURATED] += 1
                    else:
                        counts[ROUNDED] += 1
                if term != 0.0 and after == before:
                    counts[ABSORBED] += 1
            elif np.isinf(wide) and not infinite and np.isfinite(before):
                counts[SATURATED] += 1


@kernel
def watch_integers(total, terms, low, high, width, saturate, counts):
    """One step of every element of an integer accumulator: clamped, or wrapped to `width` bits. int64 (M, N)."""
    lost = np.int64(64) - width
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            wide = total[i, j] + terms[i, j]
            if saturate:
                after = min(max(wide, low), high)
                counts[SATURATED] += after != wide
            else:
                after = (wide << lost) >> lost
                carried = (total[i, j] >= 0) == (terms[i, j] >= 0) and (wide >= 0) != (total[i, j] >= 0)  # of 64 bits
                counts[WRAPPED] += after != wide or carried
            total[i, j] = after


@kernel
def extent(a, b, start, low, high):
    """Least and largest partial sums start + a[i, 0] b[j, 0] + ..., all of int64: written to low[0] and high[0]."""
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            total = start[i, j]
            low[0], high[0] = min(low[0], total), max(high[0], total)
            for k in range(a.shape[1]):
                total += a[i, k] * b[j, k]
                low[0], high[0] = min(low[0], total), max(high[0], total)


@kernel
def larger(digits, best):
    """Whether a normalised register of a number above zero exceeds another."""
    for d in range(digits.size - 1, -1, -1):
        if digits[d] != best[d]:
            return digits[d] > best[d]
    return False


@kernel
def keep(digits, scratch, low, high):
    """Keep the register's value where it is the least or the largest so far; `low` holds the size of a number below zero."""
    scratch[:] = digits
    normalise(scratch)
    if scratch[scratch.size - 1] < 0:
        for d in range(scratch.size):
            scratch[d] = -scratch[d]
        normalise(scratch)
        if larger(scratch, low):
            low[:] = scratch
    elif larger(scratch, high):
        high[:] = scratch


@kernel
def wide_extent(a, b, start, low, high):
    """`extent` of any finite float32 values in wide registers: the sizes of the least and the largest partial sum."""
    digits, scratch = np.empty(DIGITS, np.int64), np.empty(DIGITS, np.int64)
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            digits[:] = 0
            if start[i, j] != 0.0:
                add_product(digits, start[i, j], 1.0)
                keep(digits, scratch, low, high)
            for k in range(a.shape[1]):
                if a[i, k] != 0.0 and b[j, k] != 0.0:
                    add_product(digits, a[i, k], b[j, k])
                    normalise(digits)
                    keep(digits, scratch, low, high)


@kernel
def watch_block(x, y, first, last, start, fraction, unit_facts, after, counts):
    """Count what the alignment of one finite block cuts off its terms, and whether its sum was rounded to `after`."""
    _, _, frac_bits, floor, mode, _, _ = unit_facts
    man, emin = (np.int64(10), np.int64(-14)) if mode == HALF else (np.int64(23), np.int64(-126))
    top = exponent_of(start, emin) if start != 0 else _NOTHING
    begin = top
    for k in range(first, last):
        if x[0][k] != _NUMBER or y[0][k] != _NUMBER:
            return
        if x[1][k] * y[1][k] != 0:
            top = max(top, x[2][k] + y[2][k])
    if top == _NOTHING:
        return
    top = max(top, floor)
    total = np.int64(0)
    if start != 0:
        total += moved(whole(start, man - begin), begin - man - top + frac_bits)
    for k in range(first, last):
        significand = x[1][k] * y[1][k]
        shift = x[2][k] + y[2][k] - fraction - top + frac_bits
        if significand == 0:
            continue
        kept = moved(significand, shift)
        total += kept
        if shift < 0 and (shift < -62 or (kept << -shift) != significand):
            counts[TRUNCATED] += 1
            counts[FLUSHED] += kept == 0
    exact = np.int64(np.float64(total)) == total and np.ldexp(np.float64(total), np.int32(top - frac_bits)) == after
    counts[ROUNDED] += np.isfinite(after) and not exact


@kernel
def finite(x, y, first, last):
    """Whether a block has neither infinities nor NaN."""
    odd = 0
    for k in range(first, last):
        odd += x[0][k] != _NUMBER or y[0][k] != _NUMBER
    return odd == 0


@kernel
def watch_aligned(a, b, order, a_facts, b_facts, unit_facts, start, out, counts):
    """An aligned block sum, element by element, as `aligned_careful` computes it. a, b: words as bytes (rows, K)."""
    depth = order.size
    terms, pour_after, frac_bits, floor, mode, _, _ = unit_facts
    fraction = a_facts[MAN] + b_facts[MAN]
    x_kinds, x_parts = np.empty(depth, np.uint8), np.empty((2, depth), np.int64)
    y_kinds, y_parts = np.empty(depth, np.uint8), np.empty((2, depth), np.int64)
    for i in range(a.shape[0]):
        fields(a[i], order, a_facts, x_kinds, x_parts[0], x_parts[1])
        x = (x_kinds, x_parts[0], x_parts[1])
        for j in range(b.shape[0]):
            fields(b[j], order, b_facts, y_kinds, y_parts[0], y_parts[1])
            y = (y_kinds, y_parts[0], y_parts[1])
            outer = start[i, j]
            inner = np.float32(0) if pour_after else outer
            blocks = 0
            for k in range(0, depth, terms):
                last = min(k + terms, depth)
                before = inner
                inner = block(x, y, k, last, inner, fraction, frac_bits, floor, mode)
                counts[OVERFLOWED] += finite(x, y, k, last) and np.isfinite(before) and np.isinf(inner)
                if np.isfinite(before):
                    watch_block(x, y, k, last, before, fraction, unit_facts, inner, counts)
                blocks += 1
                if pour_after and (blocks == pour_after or last == depth):
                    before = outer
                    outer = joined(outer, inner, mode)
                    counts[OVERFLOWED] += np.isfinite(before) and np.isfinite(inner) and np.isinf(outer)
                    inner = np.float32(0)
                    blocks = 0
            out[i, j] = outer if pour_after else inner
