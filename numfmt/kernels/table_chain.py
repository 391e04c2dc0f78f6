"""Sums of products looked up in a table of two codes."""

from __future__ import annotations

import numba
import numpy as np

from .jit import parallel_kernel
from .steps import round_step, signed_sum

_STEPS = 4  # of k whose table rows stay in the first-level cache together
_LOW = np.int64(0xFFFFFFFF)


@parallel_kernel
def table_fours(table, upper, a, b, out):
    """out[i, j] += table[a[i, k], b[k, j]] over all k, exact while no sum leaves 31 bits.

    table: (A, B) int64, upper: table << 32; a: (M, K), b: (K, N) uint8 codes, M and K multiples of 4; out: (M, N) int64. Entries of
    two rows i stand in one 64-bit word, and two such pairs share the loads of b; the lower sum's borrow is corrected at the end.
    """
    for four in numba.prange(a.shape[0] // 4):
        top = 4 * four
        total = np.zeros((2, b.shape[1]), np.int64)
        t0, t1 = total[0], total[1]
        entries = np.empty((2 * _STEPS, table.shape[1]), np.int64)
        p0, p1, p2, p3 = entries[0], entries[1], entries[2], entries[3]
        q0, q1, q2, q3 = entries[4], entries[5], entries[6], entries[7]
        for k in range(0, a.shape[1], _STEPS):
            for step in range(_STEPS):
                x, y = table[a[top, k + step]], upper[a[top + 1, k + step]]
                u, v = table[a[top + 2, k + step]], upper[a[top + 3, k + step]]
                into, other = entries[step], entries[_STEPS + step]
                for c in range(into.size):
                    into[c] = x[c] + y[c]
                    other[c] = u[c] + v[c]
            b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
            for j in range(t0.size):
                c0, c1, c2, c3 = b0[j], b1[j], b2[j], b3[j]
                t0[j] += (p0[c0] + p1[c1]) + (p2[c2] + p3[c3])
                t1[j] += (q0[c0] + q1[c1]) + (q2[c2] + q3[c3])
        for pair in range(2):
            for j in range(t0.size):
                lower = np.int64(np.int32(total[pair, j] & _LOW))
                out[top + 2 * pair, j] += lower
                out[top + 2 * pair + 1, j] += (total[pair, j] - lower) >> 32


@parallel_kernel
def table_steps(table, a, b, out, low, high, saturate):
    """`table_fours` in 64-bit sums for any sizes; with `saturate` clamped to low..high at each k."""
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            entries = table[a[i, k]]
            if saturate:
                for j in range(row.size):
                    row[j] = min(max(row[j] + entries[b[k, j]], low), high)
            else:
                for j in range(row.size):
                    row[j] += entries[b[k, j]]


@parallel_kernel
def table_single(table, a, b, out):
    """out[i, j] += table[...] at each k in float32. table: float32; out: (M, N) float32."""
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            entries = table[a[i, k]]
            for j in range(row.size):
                row[j] += entries[b[k, j]]


@parallel_kernel
def table_rounded(table, a, b, out, mode, man_bits, emin, max_value, infinite):
    """`table_single` with the sum rounded by `round_step`. table: float64 of at most 29 bits; out: (M, N) float64."""
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            entries = table[a[i, k]]
            for j in range(row.size):
                total = signed_sum(row[j], entries[b[k, j]], mode)
                row[j] = round_step(total, mode, man_bits, emin, max_value, infinite)
