"""Aligned block sums of whole matrix products: what a tensor core adds, in SIMD lanes.

A product of two significands is exact in float32. Scaled by a power of two and converted to an integer, it is cut towards zero
exactly as the unit cuts it at alignment; 32-bit integers then add without loss. So one block costs a maximum of exponents, two
multiplications and a conversion a term. Several short loops over columns, with scratch rows, let every one of them vectorise.
Rows and columns marked odd (Inf, NaN, exponents that float32 has no room for) are left to `aligned_careful`.
"""

from __future__ import annotations

import numba
import numpy as np

from .aligned_words import ABSENT, EMIN, exponent_of, value_of, word_at
from .jit import kernel, left32, parallel_kernel
from .lanes import add, bits, both, cut, from_bits, larger, like, sub, wide_vectors

RZ, SHORT, HALF = range(3)  # float32 towards zero, the same with 13 fraction bits, float16 to nearest even
_COLUMNS = 256  # of a tile of decoded b: 256 * 128 * 6 bytes stay in a second-level cache
_FAINT = np.int32(-8000)  # exponents below: no product but zeros


@kernel
def half_even(x):
    """x (float64 that is far inside its range) rounded to float16 to nearest even; +0 for zero, infinite from 65520 up."""
    exponent = both(bits(np.float64(x)), np.int64(0x7FF0000000000000))
    exponent = larger(exponent, np.int64((1023 - 14) << 52))
    magic = from_bits(exponent + np.int64(42 << 52))
    size = (np.abs(x) + magic) - magic
    size = np.inf if size > 65504.0 else size
    return np.float32(np.copysign(size, x) + 0.0)


@kernel
def decode_rows(words, order, first, facts, values, exponents):
    """Rows `first` on of operand a at the columns `order` (-1: absent). values, exponents: (rows, columns)."""
    emin = facts[EMIN]
    for i in range(values.shape[0]):
        row = words[first + i]
        for k in range(order.size):
            value = value_of(word_at(row, order[k], facts), facts) if order[k] >= 0 else np.float32(0)
            values[i, k] = value
            exponents[i, k] = exponent_of(value, emin)


@kernel
def decode_columns(words, order, first, count, odd, facts, values, exponents):
    """Rows `first` on of operand b, (N, K), as columns: values, exponents (columns of `order`, rows). Odd ones become zero."""
    emin = facts[EMIN]
    for j in range(count):
        row = words[first + j]
        keep = not odd[first + j]
        for k in range(order.size):
            value = value_of(word_at(row, order[k], facts), facts) if keep and order[k] >= 0 else np.float32(0)
            values[k, j] = value
            exponents[k, j] = exponent_of(value, emin)


@kernel
def largest_exponents(a, b, first, last, top):
    """top[j] = max over k in [first, last) of a[k] + b[k, j], int16."""
    wide_vectors()
    n = top.size
    x, row = a[first], b[first]
    for j in range(n):
        top[j] = add(x, row[j])
    k = first + 1
    if last - first == 8 or last - first == 16 or last - first == 32:  # the others of a whole block: eight at once, the first again
        k = first
    while k + 7 < last:
        x0, x1, x2, x3, x4, x5, x6, x7 = a[k], a[k + 1], a[k + 2], a[k + 3], a[k + 4], a[k + 5], a[k + 6], a[k + 7]
        b0, b1, b2, b3, b4, b5, b6, b7 = b[k], b[k + 1], b[k + 2], b[k + 3], b[k + 4], b[k + 5], b[k + 6], b[k + 7]
        for j in range(n):
            low = larger(larger(add(x0, b0[j]), add(x1, b1[j])), larger(add(x2, b2[j]), add(x3, b3[j])))
            high = larger(larger(add(x4, b4[j]), add(x5, b5[j])), larger(add(x6, b6[j]), add(x7, b7[j])))
            top[j] = larger(top[j], larger(low, high))
        k += 8
    while k < last:
        x, row = a[k], b[k]
        for j in range(n):
            top[j] = larger(top[j], add(x, row[j]))
        k += 1


@kernel
def add_cut(a, b, first, last, unit, total):
    """total[j] += the sum over k in [first, last) of a[k] * b[k, j] * unit[j], each term cut towards zero to an integer."""
    wide_vectors()
    n = total.size
    k = first
    while k + 7 < last:
        x0, x1, x2, x3, x4, x5, x6, x7 = a[k], a[k + 1], a[k + 2], a[k + 3], a[k + 4], a[k + 5], a[k + 6], a[k + 7]
        b0, b1, b2, b3, b4, b5, b6, b7 = b[k], b[k + 1], b[k + 2], b[k + 3], b[k + 4], b[k + 5], b[k + 6], b[k + 7]
        for j in range(n):
            u = unit[j]
            low = add(add(cut(x0 * b0[j] * u), cut(x1 * b1[j] * u)), add(cut(x2 * b2[j] * u), cut(x3 * b3[j] * u)))
            high = add(add(cut(x4 * b4[j] * u), cut(x5 * b5[j] * u)), add(cut(x6 * b6[j] * u), cut(x7 * b7[j] * u)))
            total[j] = add(total[j], add(low, high))
        k += 8
    while k < last:
        x, row = a[k], b[k]
        for j in range(n):
            total[j] = add(total[j], cut(x * row[j] * unit[j]))
        k += 1


@kernel
def align(top, start, frac_bits, floor, emin, narrow, unit, total, kept):
    """Before a block: the power of two that makes a product an integer of the sum, and the accumulator cut so.

    It goes into `total` where 32 bits hold every sum of the block (`narrow`), else it waits in `kept`.
    """
    wide_vectors()
    for j in range(top.size):
        word = both(bits(start[j]), np.int32(0x7FFFFFFF))
        exponent = larger(sub(np.int32(word >> 23), np.int32(127)), emin)
        exponent = np.int32(ABSENT) if word == 0 else exponent
        most = larger(larger(exponent, like(top[j], np.int32(0))), floor)
        most = larger(most, np.int32(-100))  # reached only where every product is zero: see `finish`
        power = from_bits(left32(add(sub(frac_bits, most), np.int32(127)), np.int32(23)))
        unit[j] = power
        held = cut(start[j] * power)
        total[j] = held if narrow else np.int32(0)
        kept[j] = held


@kernel
def align_add(a, b, first, top, start, frac_bits, floor, emin, narrow, unit, total, kept):
    """`align` and the first eight terms of `add_cut` in one loop."""
    wide_vectors()
    k = first
    x0, x1, x2, x3, x4, x5, x6, x7 = a[k], a[k + 1], a[k + 2], a[k + 3], a[k + 4], a[k + 5], a[k + 6], a[k + 7]
    b0, b1, b2, b3, b4, b5, b6, b7 = b[k], b[k + 1], b[k + 2], b[k + 3], b[k + 4], b[k + 5], b[k + 6], b[k + 7]
    for j in range(top.size):
        word = both(bits(start[j]), np.int32(0x7FFFFFFF))
        exponent = larger(sub(np.int32(word >> 23), np.int32(127)), emin)
        exponent = np.int32(ABSENT) if word == 0 else exponent
        most = larger(larger(exponent, like(top[j], np.int32(0))), floor)
        most = larger(most, np.int32(-100))  # reached only where every product is zero: see `finish`
        u = from_bits(left32(add(sub(frac_bits, most), np.int32(127)), np.int32(23)))
        unit[j] = u
        held = cut(start[j] * u)
        low = add(add(cut(x0 * b0[j] * u), cut(x1 * b1[j] * u)), add(cut(x2 * b2[j] * u), cut(x3 * b3[j] * u)))
        high = add(add(cut(x4 * b4[j] * u), cut(x5 * b5[j] * u)), add(cut(x6 * b6[j] * u), cut(x7 * b7[j] * u)))
        total[j] = add(held if narrow else np.int32(0), add(low, high))
        kept[j] = held


@kernel
def whole_of_eight(a, b, first, top, start, frac_bits, floor):
    """A block of eight terms in one loop: float32 towards zero, where 32 bits hold the sum. Returns the largest magnitude word."""
    wide_vectors()
    k = first
    x0, x1, x2, x3, x4, x5, x6, x7 = a[k], a[k + 1], a[k + 2], a[k + 3], a[k + 4], a[k + 5], a[k + 6], a[k + 7]
    b0, b1, b2, b3, b4, b5, b6, b7 = b[k], b[k + 1], b[k + 2], b[k + 3], b[k + 4], b[k + 5], b[k + 6], b[k + 7]
    largest = np.int32(0)
    for j in range(top.size):
        before = start[j]
        word = both(bits(before), np.int32(0x7FFFFFFF))
        exponent = larger(sub(np.int32(word >> 23), np.int32(127)), np.int32(-126))
        exponent = np.int32(ABSENT) if word == 0 else exponent
        most = larger(larger(exponent, like(top[j], np.int32(0))), floor)
        most = larger(most, np.int32(-100))  # reached only where every product is zero: see `finish`
        u = from_bits(left32(add(sub(frac_bits, most), np.int32(127)), np.int32(23)))
        low = add(add(cut(x0 * b0[j] * u), cut(x1 * b1[j] * u)), add(cut(x2 * b2[j] * u), cut(x3 * b3[j] * u)))
        high = add(add(cut(x4 * b4[j] * u), cut(x5 * b5[j] * u)), add(cut(x6 * b6[j] * u), cut(x7 * b7[j] * u)))
        value = truncated(add(cut(before * u), add(low, high))) * inverse(u)
        value = before + np.float32(0) if like(top[j], np.int32(0)) < _FAINT else value
        start[j] = value
        largest = larger(largest, both(bits(value), np.int32(0x7FFFFFFF)))
    return largest


@kernel
def truncated(total):
    """An int32 as float32, towards zero: where the conversion rounded away, the float before it."""
    near = np.float32(total)
    back = cut(near)
    away = back > total if total >= 0 else back < total
    return from_bits(sub(bits(near), np.int32(1))) if away else near


@kernel
def finish(top, total, kept, unit, mode, narrow, start):
    """After a block: the rounded sum into `start`. Returns the largest magnitude word.

    Where all products were zero the accumulator stays, as its bits all lie within the sum.
    """
    wide_vectors()
    largest = np.int32(0)
    if mode == HALF:
        for j in range(top.size):
            total_here = np.float64(total[j]) + (0.0 if narrow else np.float64(kept[j]))
            value = half_even(total_here * np.float64(inverse(unit[j])))
            value = start[j] + np.float32(0) if like(top[j], np.int32(0)) < _FAINT else value
            start[j] = value
            largest = larger(largest, both(bits(value), np.int32(0x7FFFFFFF)))
    elif mode == RZ and not narrow:
        for j in range(top.size):
            exact = np.float64(kept[j]) + np.float64(total[j])
            value = np.float32(from_bits(both(bits(exact), np.int64(-1) << np.int64(29)))) * inverse(unit[j])
            value = start[j] + np.float32(0) if like(top[j], np.int32(0)) < _FAINT else value
            start[j] = value
            largest = larger(largest, both(bits(value), np.int32(0x7FFFFFFF)))
    elif mode == RZ:
        for j in range(top.size):
            value = truncated(total[j]) * inverse(unit[j])
            value = start[j] + np.float32(0) if like(top[j], np.int32(0)) < _FAINT else value
            start[j] = value
            largest = larger(largest, both(bits(value), np.int32(0x7FFFFFFF)))
    else:  # SHORT: 32 bits and float32 hold the sum
        for j in range(top.size):
            value = from_bits(both(bits(np.float32(total[j])), np.int32(-1024))) * inverse(unit[j])
            same = from_bits(both(bits(start[j]), np.int32(-1024))) + np.float32(0)
            value = same if like(top[j], np.int32(0)) < _FAINT else value
            start[j] = value
            largest = larger(largest, both(bits(value), np.int32(0x7FFFFFFF)))
    return largest


@kernel
def inverse(power):
    """1 / power of a power of two, both normal."""
    return from_bits(sub(np.int32(254 << 23), bits(power)))


@kernel
def fold(total, kept):
    """Half of a block into `kept`, where 32 bits do not hold a whole one."""
    for j in range(total.size):
        kept[j] = add(kept[j], total[j])
        total[j] = np.int32(0)


@kernel
def pour(inner, mode, outer):
    """outer = round(outer + inner), and inner starts again from zero."""
    for j in range(inner.size):
        outer[j] = half_even(np.float64(outer[j] + inner[j])) if mode == HALF else outer[j] + inner[j]
        inner[j] = np.float32(0)


@kernel
def aligned_rows(a, b, order, a_facts, b_facts, odd_rows, odd_columns, unit_facts, first_row, rows, out, redo):
    """`aligned_matmul` of `rows` rows from `first_row` on.

    A tile of both operands is decoded once; then each block's part of b stays in the first-level cache for all rows.
    """
    terms, pour_after, frac_bits, floor, mode, narrow, part = unit_facts
    emin = np.int32(-14 if mode == HALF else -126)
    step = terms * max(pour_after, 1)
    depth = step * max(1, 96 // step)
    a_values, a_exponents = np.empty((rows, depth), np.float32), np.empty((rows, depth), np.int16)
    b_values, b_exponents = np.empty((depth, _COLUMNS), np.float32), np.empty((depth, _COLUMNS), np.int16)
    tops, totals, heldover = np.empty(_COLUMNS, np.int16), np.empty(_COLUMNS, np.int32), np.empty(_COLUMNS, np.int32)
    units = np.empty(_COLUMNS, np.float32)
    inner = np.zeros((rows if pour_after else 1, _COLUMNS), np.float32)
    for first_column in range(0, b.shape[0], _COLUMNS):
        n = min(_COLUMNS, b.shape[0] - first_column)
        top, total, unit, kept = tops[:n], totals[:n], units[:n], heldover[:n]
        for first in range(0, order.size, depth):
            here = order[first : first + depth]
            decode_rows(a, here, first_row, a_facts, a_values, a_exponents)
            decode_columns(b, here, first_column, n, odd_columns, b_facts, b_values, b_exponents)
            blocks = 0
            for k in range(0, here.size, terms):
                last = min(k + terms, here.size)
                blocks += 1
                for i in range(rows):
                    row = first_row + i
                    if odd_rows[row] or redo[row]:
                        redo[row] = True
                        continue
                    result = out[row, first_column : first_column + n]
                    start = inner[i, :n] if pour_after else result
                    largest_exponents(a_exponents[i], b_exponents, k, last, top)
                    x = a_values[i]
                    if last - k == 8 and mode == RZ and narrow:
                        largest = whole_of_eight(x, b_values, k, top, start, np.int32(frac_bits), np.int32(floor))
                    else:
                        done = k
                        if last - k >= 8:
                            done = k + 8
                            align_add(
                                x, b_values, k, top, start, np.int32(frac_bits), np.int32(floor), emin, narrow, unit, total, kept
                            )
                        else:
                            align(top, start, np.int32(frac_bits), np.int32(floor), emin, narrow, unit, total, kept)
                        add_cut(x, b_values, done, min(last, k + part), unit, total)
                        if last - k > part:
                            fold(total, kept)
                            add_cut(x, b_values, k + part, last, unit, total)
                        largest = finish(top, total, kept, unit, mode, narrow, start)
                    redo[row] |= largest >= 0x7F800000
                    if pour_after and (blocks == pour_after or last == here.size):
                        pour(start, mode, result)
                if blocks == pour_after:
                    blocks = 0
        inner[:] = np.float32(0)


@parallel_kernel
def aligned_matmul(a, b, order, a_facts, b_facts, odd_rows, odd_columns, unit_facts, height, out, redo):
    """out (M, N) float32: from its start values through every block of a unit, for the rows and columns that are not odd.

    a, b: bytes of the words (M, K), (N, K). order: the k of each term in the order of the blocks, -1 where there is
    none. unit_facts: terms of a block, blocks after which the sum is poured into an outer one by an ordinary rounded addition (0:
    never), fraction bits, lowest alignment exponent, output rule, whether 32 bits hold any sum of a block with its accumulator,
    terms whose sum they hold.     height: rows that one thread takes at once. redo: marks rows that overflowed (or are odd).
    """
    for block in numba.prange((a.shape[0] + height - 1) // height):
        first = block * height
        rows = min(height, a.shape[0] - first)
        aligned_rows(a, b, order, a_facts, b_facts, odd_rows, odd_columns, unit_facts, first, rows, out, redo)
