"""Balanced trees of products, each node rounded: neighbours are added level by level, an odd last one passes up.

The sums of complete subtrees stand on a stack, as the ones of a binary counter of terms; what is left at the end joins from
the right, which is the same tree. SIMD over output columns; the state lasts from one call to the next, so k may come in pieces.
"""

from __future__ import annotations

import numpy as np

from .float_chain import product_near, split
from .float_wide import full, held, held_reals, odd
from .jit import kernel
from .lanes import bits, both, from_bits, larger, wide_vectors

_SIZE = np.int32(0x7FFFFFFF)


@kernel
def _eight(a, b, row, pl, pm, sf):
    """The tree of eight products."""
    wide_vectors()
    a0, a1, a2, a3, a4, a5, a6, a7 = a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    for j in range(row.size):
        x = split(np.float32(product_near(a0, b0[j], pl, pm) + product_near(a1, b1[j], pl, pm)), sf)
        y = split(np.float32(product_near(a2, b2[j], pl, pm) + product_near(a3, b3[j], pl, pm)), sf)
        row[j] = split(np.float32(x + y), sf)
    b4, b5, b6, b7 = b[4], b[5], b[6], b[7]
    for j in range(row.size):
        x = split(np.float32(product_near(a4, b4[j], pl, pm) + product_near(a5, b5[j], pl, pm)), sf)
        y = split(np.float32(product_near(a6, b6[j], pl, pm) + product_near(a7, b7[j], pl, pm)), sf)
        row[j] = split(np.float32(row[j] + split(np.float32(x + y), sf)), sf)


@kernel
def _join(left, right, sf):
    wide_vectors()
    top = np.int32(0)
    for j in range(left.size):
        s = split(np.float32(left[j] + right[j]), sf)
        left[j] = s
        top = larger(top, both(bits(np.float32(s)), _SIZE))
    return top


@kernel
def tree32(a, b, stack, before, product, total, top):
    """Add trees of eight products to the stacks. a: (M, K), b: (K, N) float32, K a multiple of 8; stack: (M, levels, N).

    before: how many eights came earlier. product, total, top: as `float_chain.chain32`; products lie so far below the limit that
    eight of them do not reach it.
    """
    wide_vectors()
    pl, pm, sf = product[0], product[1], from_bits(total[4])
    for i in range(a.shape[0]):
        count, level = before, 0
        while count:
            count &= count - 1
            level += 1
        for n in range(a.shape[1] // 8):
            _eight(a[i, 8 * n : 8 * n + 8], b[8 * n : 8 * n + 8], stack[i, level], pl, pm, sf)
            level += 1
            done = before + n + 1
            while done & 1 == 0:
                top[i] = larger(top[i], _join(stack[i, level - 2], stack[i, level - 1], sf))
                level -= 1
                done >>= 1


@kernel
def tree32_end(stack, level, c, total, top):
    """c = round(c + the tree): what stands on the stacks joins from the right, then c is added."""
    sf = from_bits(total[4])
    for i in range(c.shape[0]):
        for n in range(level - 1, 0, -1):
            top[i] = larger(top[i], _join(stack[i, n - 1], stack[i, n], sf))
        top[i] = larger(top[i], _join(c[i], stack[i, 0], sf))


@kernel
def _leaf(row, x, b, rounded, pw, pr):
    wide_vectors()
    words, reals = held(pw), held_reals(pr)
    if rounded:
        for j in range(row.size):
            row[j] = full(x * b[j], words, reals)
    else:
        for j in range(row.size):
            row[j] = x * b[j]


@kernel
def _join_full(left, right, tw, tr, zero):
    wide_vectors()
    words, reals = held(tw), held_reals(tr)
    for j in range(left.size):
        left[j] = full(odd(left[j], right[j], zero), words, reals)


@kernel
def tree64(a, b, stack, before, rounded, pw, pr, tw, tr, zero):
    """`tree32` of single products in float64, right for every operand and mode; arguments as `float_wide.chain64`."""
    for i in range(a.shape[0]):
        count, level = before, 0
        while count:
            count &= count - 1
            level += 1
        for k in range(a.shape[1]):
            _leaf(stack[i, level], a[i, k], b[k], rounded, pw, pr)
            level += 1
            done = before + k + 1
            while done & 1 == 0:
                _join_full(stack[i, level - 2], stack[i, level - 1], tw, tr, zero)
                level -= 1
                done >>= 1


@kernel
def tree64_end(stack, level, c, tw, tr, zero):
    """`tree32_end`."""
    for i in range(c.shape[0]):
        for n in range(level - 1, 0, -1):
            _join_full(stack[i, n - 1], stack[i, n], tw, tr, zero)
        _join_full(c[i], stack[i, 0], tw, tr, zero)


@kernel
def integer_tree(a, b, stack, c, low, high):
    """c = clamp(c + tree of exact products), each node clamped. int64: a (M, K), b (K, N), stack (levels, N), c (M, N)."""
    for i in range(a.shape[0]):
        level = 0
        for k in range(a.shape[1]):
            for j in range(c.shape[1]):
                stack[level, j] = a[i, k] * b[k, j]
            level += 1
            done = k + 1
            while done & 1 == 0:
                _clamped(stack[level - 2], stack[level - 1], low, high)
                level -= 1
                done >>= 1
        for n in range(level - 1, 0, -1):
            _clamped(stack[n - 1], stack[n], low, high)
        if level:
            _clamped(c[i], stack[0], low, high)


@kernel
def _clamped(left, right, low, high):
    for j in range(left.size):
        left[j] = min(max(left[j] + right[j], low), high)
