"""Aligned block sums of whole matrix products: what a tensor core adds, in SIMD lanes.

A product of two significands is exact in float32. Scaled by a power of two and converted to an integer, it is cut towards zero
exactly as the unit cuts it at alignment; 32-bit integers then add without loss. So one block costs a maximum of exponents, two
multiplications and a conversion a term. Several short loops over columns, with scratch rows, let every one of them vectorise.
Rows and columns marked odd (Inf, NaN, exponents that float32 has no room for) are left to `aligned_careful`.
"""

from __future__ import annotations

import numba
import numpy as np

from .aligned_words import ABSENT, EMIN, exponent_of, value_of
from .jit import kernel, left32, parallel_kernel
from .lanes import add, bits, both, cut, from_bits, larger, like, sub

RZ, SHORT, HALF = range(3)  # float32 towards zero, the same with 13 fraction bits, float16 to nearest even
_COLUMNS = 256  # of a tile of decoded b: 256 * 128 * 6 bytes stay in a second-level cache
_ROWS = 256
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
            value = value_of(row[order[k]], facts) if order[k] >= 0 else np.float32(0)
            values[i, k] = value
            exponents[i, k] = exponent_of(value, emin)


@kernel
def decode_columns(words, order, first, odd, facts, values, exponents):
    """Rows `first` on of operand b, (N, K), as columns: values, exponents (columns of `order`, rows). Odd ones become zero."""
    emin = facts[EMIN]
    for j in range(values.shape[1]):
        row = words[first + j]
        keep = not odd[first + j]
        for k in range(order.size):
            value = value_of(row[order[k]], facts) if keep and order[k] >= 0 else np.float32(0)
            values[k, j] = value
            exponents[k, j] = exponent_of(value, emin)


@kernel
def largest_exponents(a, b, top):
    """top[j] = max over k of a[k] + b[k, j], int16."""
    n = top.size
    for j in range(n):
        top[j] = add(a[0], b[0, j])
    k = 1
    while k + 3 < a.size:
        x0, x1, x2, x3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
        for j in range(n):
            high = larger(larger(add(x0, b0[j]), add(x1, b1[j])), larger(add(x2, b2[j]), add(x3, b3[j])))
            top[j] = larger(top[j], high)
        k += 4
    while k < a.size:
        x, row = a[k], b[k]
        for j in range(n):
            top[j] = larger(top[j], add(x, row[j]))
        k += 1


@kernel
def add_cut(a, b, unit, total):
    """total[j] += the sum over k of a[k] * b[k, j] * unit[j], each term cut towards zero to an integer."""
    n = total.size
    k = 0
    while k + 3 < a.size:
        x0, x1, x2, x3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
        for j in range(n):
            u = unit[j]
            low = add(cut(x0 * b0[j] * u), cut(x1 * b1[j] * u))
            high = add(cut(x2 * b2[j] * u), cut(x3 * b3[j] * u))
            total[j] = add(total[j], add(low, high))
        k += 4
    while k < a.size:
        x, row = a[k], b[k]
        for j in range(n):
            total[j] = add(total[j], cut(x * row[j] * unit[j]))
        k += 1


@kernel
def align(top, start, frac_bits, floor, emin, unit, back, total, wide):
    """Before a block: the power of two that makes a product an integer of the sum, its inverse, and the accumulator cut so."""
    for j in range(top.size):
        word = both(bits(start[j]), np.int32(0x7FFFFFFF))
        exponent = larger(sub(np.int32(word >> 23), np.int32(127)), emin)
        exponent = np.int32(ABSENT) if word == 0 else exponent
        most = larger(larger(exponent, like(top[j], np.int32(0))), floor)
        most = larger(most, np.int32(-100))  # reached only where every product is zero: see `finish`
        unit[j] = from_bits(left32(add(sub(frac_bits, most), np.int32(127)), np.int32(23)))
        back[j] = from_bits(left32(add(sub(most, frac_bits), np.int32(127)), np.int32(23)))
        wide[j] = np.float64(cut(start[j] * unit[j]))
        total[j] = np.int32(0)


@kernel
def finish(top, total, wide, back, mode, start):
    """After a block: the rounded sum into `start`. Returns the largest magnitude word. Where all products were zero the
    accumulator stays, as its bits all lie within the sum."""
    largest = np.int32(0)
    if mode == HALF:
        for j in range(top.size):
            value = half_even((wide[j] + np.float64(total[j])) * np.float64(back[j]))
            value = start[j] + np.float32(0) if like(top[j], np.int32(0)) < _FAINT else value
            start[j] = value
            largest = larger(largest, both(bits(value), np.int32(0x7FFFFFFF)))
        return largest
    kept = np.int64(-1) << np.int64(29 if mode == RZ else 39)
    word_kept = np.int32(-1) if mode == RZ else np.int32(-1024)
    for j in range(top.size):
        value = np.float32(from_bits(both(bits(wide[j] + np.float64(total[j])), kept))) * back[j]
        same = from_bits(both(bits(start[j]), word_kept)) + np.float32(0)
        value = same if like(top[j], np.int32(0)) < _FAINT else value
        start[j] = value
        largest = larger(largest, both(bits(value), np.int32(0x7FFFFFFF)))
    return largest


@kernel
def pour(inner, mode, outer):
    """outer = round(outer + inner), and inner starts again from zero."""
    for j in range(inner.size):
        outer[j] = half_even(np.float64(outer[j] + inner[j])) if mode == HALF else outer[j] + inner[j]
        inner[j] = np.float32(0)


@parallel_kernel
def aligned_matmul(a, b, order, a_facts, b_facts, odd_rows, odd_columns, unit_facts, out, redo):
    """out (M, N) float32: from its start values through every block of a unit, for the rows and columns that are not odd.

    a: (M, K), b: (N, K) words. order: the k of each term in the order of the blocks, -1 where there is none. unit_facts: terms of
    a block, blocks after which the sum is poured into an outer one by an ordinary rounded addition (0: never), fraction bits,
    lowest alignment exponent, output rule, terms that 32 bits can add. redo: marks rows that overflowed (or are odd).
    """
    terms, pour_after, frac_bits, floor, mode, part = unit_facts
    step = terms * max(pour_after, 1)
    depth = step * max(1, 96 // step)
    emin = np.int32(-14 if mode == HALF else -126)
    threads = numba.get_num_threads()
    height = max(1, min(_ROWS, (a.shape[0] + threads - 1) // threads))
    for block in numba.prange((a.shape[0] + height - 1) // height):
        first_row = block * height
        rows = min(height, a.shape[0] - first_row)
        a_values, a_exponents = np.empty((rows, depth), np.float32), np.empty((rows, depth), np.int16)
        b_values, b_exponents = np.empty((depth, _COLUMNS), np.float32), np.empty((depth, _COLUMNS), np.int16)
        tops, totals = np.empty(_COLUMNS, np.int16), np.empty(_COLUMNS, np.int32)
        units, backs, wides = np.empty(_COLUMNS, np.float32), np.empty(_COLUMNS, np.float32), np.empty(_COLUMNS)
        fresh = np.zeros(_COLUMNS, np.float32)
        for first_column in range(0, b.shape[0], _COLUMNS):
            n = min(_COLUMNS, b.shape[0] - first_column)
            top, total, unit, back, wide, inner = tops[:n], totals[:n], units[:n], backs[:n], wides[:n], fresh[:n]
            for first in range(0, order.size, depth):
                k_count = min(depth, order.size - first)
                here = order[first : first + k_count]
                decode_rows(a, here, first_row, a_facts, a_values[:, :k_count], a_exponents[:, :k_count])
                decode_columns(b, here, first_column, odd_columns, b_facts, b_values[:k_count, :n], b_exponents[:k_count, :n])
                for i in range(rows):
                    if odd_rows[first_row + i] or redo[first_row + i]:
                        redo[first_row + i] = True
                        continue
                    result = out[first_row + i, first_column : first_column + n]
                    start = inner if pour_after else result
                    largest = np.int32(0)
                    blocks = 0
                    for k in range(0, k_count, terms):
                        last = min(k + terms, k_count)
                        largest_exponents(a_exponents[i, k:last], b_exponents[k:last, :n], top)
                        align(top, start, np.int32(frac_bits), np.int32(floor), emin, unit, back, total, wide)
                        cuts = k
                        while cuts < last:
                            end = min(cuts + part, last)
                            add_cut(a_values[i, cuts:end], b_values[cuts:end, :n], unit, total)
                            cuts = end
                            if end < last:
                                for j in range(n):
                                    wide[j] += np.float64(total[j])
                                    total[j] = np.int32(0)
                        largest = larger(largest, finish(top, total, wide, back, mode, start))
                        blocks += 1
                        if pour_after and (blocks == pour_after or last == k_count):
                            pour(inner, mode, result)
                            blocks = 0
                    if largest >= np.int32(0x7F800000):
                        redo[first_row + i] = True
                        inner[:] = np.float32(0)
