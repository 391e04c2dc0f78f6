"""ggml's IQ4_NL: blocks of 32, each element an index into a table of 16 integers, one float16 scale.

x, out of decoders: float32, flat, whole blocks; data, out of encoders: uint8, flat; table: float32 (16,). 128 blocks are the lanes
of the inner loops. Source: ggml-org/ggml, src/ggml-quants.c, quantize_row_iq4_nl_impl and best_index_int8.
"""

from __future__ import annotations

import numpy as np

from .gguf_words import read_half, write_half
from .jit import kernel
from .lanes import add, both, like, right, wide_vectors

_LANES = 128
_EPS = np.float32(1e-15)


@kernel
def nearest_entry(v, table):
    """Index of the entry nearest to v, the upper one at the middle (distances in float32); NaN gives 15."""
    upper = np.int32(1)
    for k in range(1, 15):
        upper = np.int32(upper + 1) if not v < table[k] else upper
    below, above = table[upper - 1], table[upper]
    index = upper - np.int32(1) if v - below < above - v else upper
    index = np.int32(0) if v <= table[0] else index
    return np.int32(15) if v >= table[15] else np.int32(index)


@kernel
def middles(table, cuts):
    """cuts[k] = the least float32 for which `nearest_entry` gives more than k, by bisection of the floats."""
    for k in range(15):
        low, high = table[k], table[k + 1]
        for _ in range(64):
            middle = np.float32((np.float64(low) + np.float64(high)) * 0.5)
            if middle in (low, high):
                break
            if nearest_entry(middle, table) > k:
                high = middle
            else:
                low = middle
        cuts[k] = high


@kernel
def sums(v, factor, cuts, table, sum_qx, sum_q2):
    """Weighted sums (weights x * x) of q * x and q * q, q the entries nearest to factor * x, by blocks."""
    wide_vectors()
    sum_qx[:] = np.float32(0.0)
    sum_q2[:] = np.float32(0.0)
    # In names, so that they stay in registers: the stores to the sums might alter an array.
    c0, c1, c2, c3, c4, c5, c6, c7 = cuts[0], cuts[1], cuts[2], cuts[3], cuts[4], cuts[5], cuts[6], cuts[7]
    c8, c9, c10, c11, c12, c13, c14 = cuts[8], cuts[9], cuts[10], cuts[11], cuts[12], cuts[13], cuts[14]
    t0, t1, t2, t3, t4, t5, t6, t7 = table[0], table[1], table[2], table[3], table[4], table[5], table[6], table[7]
    t8, t9, t10, t11 = table[8], table[9], table[10], table[11]
    t12, t13, t14, t15 = table[12], table[13], table[14], table[15]
    for i in range(32):
        for g in range(_LANES):
            a = v[i, g]
            scaled = factor[g] * a
            q = t0
            q = q if scaled < c0 else t1
            q = q if scaled < c1 else t2
            q = q if scaled < c2 else t3
            q = q if scaled < c3 else t4
            q = q if scaled < c4 else t5
            q = q if scaled < c5 else t6
            q = q if scaled < c6 else t7
            q = q if scaled < c7 else t8
            q = q if scaled < c8 else t9
            q = q if scaled < c9 else t10
            q = q if scaled < c10 else t11
            q = q if scaled < c11 else t12
            q = q if scaled < c12 else t13
            q = q if scaled < c13 else t14
            q = q if scaled < c14 else t15
            part = a * a * q
            sum_qx[g] += part * a
            sum_q2[g] += part * q


@kernel
def indices(v, factor, cuts, codes):
    """codes = the indices of the entries nearest to factor * v, by blocks."""
    wide_vectors()
    zero, one = np.int32(0), np.int32(1)
    c0, c1, c2, c3, c4, c5, c6, c7 = cuts[0], cuts[1], cuts[2], cuts[3], cuts[4], cuts[5], cuts[6], cuts[7]
    c8, c9, c10, c11, c12, c13, c14 = cuts[8], cuts[9], cuts[10], cuts[11], cuts[12], cuts[13], cuts[14]
    for i in range(32):
        for g in range(_LANES):
            scaled = factor[g] * v[i, g]
            q = zero
            q = add(q, zero if scaled < c0 else one)
            q = add(q, zero if scaled < c1 else one)
            q = add(q, zero if scaled < c2 else one)
            q = add(q, zero if scaled < c3 else one)
            q = add(q, zero if scaled < c4 else one)
            q = add(q, zero if scaled < c5 else one)
            q = add(q, zero if scaled < c6 else one)
            q = add(q, zero if scaled < c7 else one)
            q = add(q, zero if scaled < c8 else one)
            q = add(q, zero if scaled < c9 else one)
            q = add(q, zero if scaled < c10 else one)
            q = add(q, zero if scaled < c11 else one)
            q = add(q, zero if scaled < c12 else one)
            q = add(q, zero if scaled < c13 else one)
            q = add(q, zero if scaled < c14 else one)
            codes[i, g] = q


@kernel
def encode_iq4_nl(x, out, table, tries):
    """IQ4_NL, 18 bytes. tries 7: quantize_iq4_nl, which makes files, without importance matrix; -1: quantize_row_iq4_nl_ref.

    m = the element of largest magnitude. Start: factor 1 / (m / table[0]), with tries > 0 1 / (-m / table[0]); indices nearest to
    factor * x; d = sum(x x q x) / sum(x x q q). Then factors (t + table[0]) / m for t = -tries .. tries; one is kept when
    (sum q x)**2 exceeds best * (sum q q). tries > 0: the indices are those nearest to (1 / d) * x; else those of the start. Blocks
    whose magnitudes are below 1e-15 have d = 0 and the index nearest to 0 (C leaves the latter unset with tries = -1).
    """
    wide_vectors()
    zero = np.float32(0.0)
    cuts = np.empty(15, np.float32)
    middles(table, cuts)
    v = np.zeros((32, _LANES), np.float32)
    work, codes = np.empty((7, _LANES), np.float32), np.empty((32, _LANES), np.int32)
    most, top, factor, sum_qx, sum_q2, scale, best = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    blocks = x.size // 32
    for first in range(0, blocks, _LANES):
        held = min(_LANES, blocks - first)
        for g in range(held):
            for i in range(32):
                v[i, g] = x[(first + g) * 32 + i]
        most[:], top[:] = zero, zero
        for i in range(32):
            for g in range(_LANES):
                size = abs(v[i, g])
                top[g] = v[i, g] if size > most[g] else top[g]
                most[g] = size if size > most[g] else most[g]
        for g in range(_LANES):
            start = (-top[g] if tries > 0 else top[g]) / table[0]
            factor[g] = np.float32(1.0) / start
        sums(v, factor, cuts, table, sum_qx, sum_q2)
        for g in range(_LANES):
            scale[g] = sum_qx[g] / sum_q2[g] if sum_q2[g] > zero else zero
            best[g] = scale[g] * sum_qx[g]
        if tries > 0:
            for step in range(-tries, tries + 1):
                for g in range(_LANES):
                    factor[g] = (np.float32(step) + table[0]) / top[g]
                sums(v, factor, cuts, table, sum_qx, sum_q2)
                for g in range(_LANES):
                    better = sum_q2[g] > zero and sum_qx[g] * sum_qx[g] > best[g] * sum_q2[g]
                    scale[g] = sum_qx[g] / sum_q2[g] if better else scale[g]
                    best[g] = scale[g] * sum_qx[g] if better else best[g]
            for g in range(_LANES):
                scale[g] = zero if most[g] < _EPS else scale[g]
                factor[g] = np.float32(1.0) / scale[g] if scale[g] != zero else zero
        else:
            for g in range(_LANES):
                scale[g] = zero if most[g] < _EPS else scale[g]
                factor[g] = zero if most[g] < _EPS else factor[g]
        indices(v, factor, cuts, codes)
        for g in range(held):
            to = (first + g) * 18
            write_half(out, to, scale[g])
            for j in range(16):
                out[np.uint64(to + 2 + j)] = np.uint8(codes[j, g] | codes[16 + j, g] << 4)


@kernel
def decode_table(data, out, table, size):
    """Values of IQ4_NL blocks of `size` bytes: d * table[code]."""
    wide_vectors()
    four = np.int32(4)
    for block in range(out.size // 32):
        at, to = block * size, block * 32
        d = read_half(data, at)
        for j in range(16):
            byte = like(data[np.uint64(at + 2 + j)], four)
            out[np.uint64(to + j)] = d * table[both(byte, np.int32(15))]
            out[np.uint64(to + 16 + j)] = d * table[right(byte, four)]
