"""Float accumulators in float64 lanes: exact products, every rounding and overflow; k upward, SIMD over output columns.

`full` is right for every operand and mode. The narrower loops assume what `numfmt.arith.chains` proves first. Words of a format:
[least normal exponent, what to add to an exponent for the number whose last bit is the last one kept, man_bits] << 52; reals: see
`full`; the factor of Veltkamp's splitting, 2**(52 - man_bits) + 1, is reals[9].
"""

from __future__ import annotations

import numpy as np

from .jit import fused, inlined, kernel
from .lanes import add, bits, both, copy_sign, from_bits, larger, sub, wide_vectors

FULL, NEAR, FUSED_NEAR, FUSED_SPLIT = range(4)
_EXPONENT = np.int64(0x7FF0000000000000)
_SIZE = np.int64(0x7FFFFFFFFFFFFFFF)
_COLUMNS = 512
_DEPTH = 32


@inlined
def odd(x, y, zero):
    """x + y rounded to odd: the sum, its last bit set where bits were lost (Boldo and Melquiond, 2008). `zero`: what an exact
    zero sum of terms of different sign is (IEEE 754-2019 section 6.3: -0 rounding down)."""
    total = x + y
    back = total - x
    lost = (x - (total - back)) + (y - back)
    word = bits(np.float64(total))
    inexact = ((lost > 0.0) | (lost < 0.0)) & (both(word, np.int64(1)) == 0)
    toward = np.int64(1) if (lost > 0.0) == (total > 0.0) else np.int64(-1)
    total = from_bits(add(word, toward if inexact else np.int64(0)))
    apart = (bits(np.float64(x)) ^ bits(np.float64(y))) < 0
    return zero if (total == 0.0) & apart else total


@inlined
def full(x, words, reals):
    """x rounded by any mode, with its overflow. reals: [largest value; overflow, infinity, step inward below and outward above
    (in units of the last place, of the magnitude less its nearest neighbour) for x >= 0; the same for x < 0; splitting factor]."""
    size = np.abs(x)
    exponent = larger(both(bits(np.float64(x)), _EXPONENT), words[0])
    big = from_bits(add(exponent, words[1]))
    unit = from_bits(sub(exponent, words[2]))
    y = (size + big) - big
    off = size - y
    negative = bits(np.float64(x)) < 0
    inward = (reals[7] if negative else reals[3]) * unit
    outward = (reals[8] if negative else reals[4]) * unit
    y = y + (unit if off > outward else 0.0)
    y = y - (unit if off < inward else 0.0)
    beyond = reals[5] if negative else reals[1]
    endless = reals[6] if negative else reals[2]
    over = endless if size == np.inf else beyond
    y = over if y > reals[0] else y
    return copy_sign(y, x)


@kernel
def held(words):
    """An array of three words as numbers: loops that write floats would read the array anew at every step."""
    return words[0], words[1], words[2]


@kernel
def held_reals(reals):
    """`held` for reals."""
    return reals[0], reals[1], reals[2], reals[3], reals[4], reals[5], reals[6], reals[7], reals[8]


@kernel
def near(x, words):
    """x rounded to nearest even, subnormals included; no overflow. A zero has lost its sign."""
    big = from_bits(add(larger(both(bits(np.float64(x)), _EXPONENT), words[0]), words[1]))
    return (x + big) - big


@kernel
def split(x, factor):
    """x rounded to nearest even where it is not subnormal."""
    c = x * factor
    return c - (c - x)


@kernel
def _full(row, x, b, rounded, pw, pr, tw, tr, zero):
    wide_vectors()
    of_product, reals_of_product, of_sum, reals_of_sum = held(pw), held_reals(pr), held(tw), held_reals(tr)
    if rounded:
        for j in range(row.size):
            row[j] = full(odd(row[j], full(x * b[j], of_product, reals_of_product), zero), of_sum, reals_of_sum)
    else:
        for j in range(row.size):
            row[j] = full(odd(row[j], x * b[j], zero), of_sum, reals_of_sum)


@kernel
def _near(row, a0, a1, b0, b1, pw, tf):
    wide_vectors()
    words = held(pw)
    top = np.int64(0)
    for j in range(row.size):
        s = split(row[j] + near(a0 * b0[j], words), tf)
        s = split(s + near(a1 * b1[j], words), tf)
        row[j] = s
        top = larger(top, both(bits(np.float64(s)), _SIZE))
    return top


@kernel
def _fused_near(row, a0, a1, b0, b1, tw):
    wide_vectors()
    words = held(tw)
    top = np.int64(0)
    for j in range(row.size):
        t = fused(a0, b0[j], row[j])
        s = copy_sign(near(t, words), t)
        t = fused(a1, b1[j], s)
        s = copy_sign(near(t, words), t)
        row[j] = s
        top = larger(top, both(bits(np.float64(s)), _SIZE))
    return top


@kernel
def _fused_split(row, a0, a1, a2, a3, b0, b1, b2, b3, tf):
    wide_vectors()
    top = np.int64(0)
    for j in range(row.size):
        s = split(fused(a0, b0[j], row[j]), tf)
        s = split(fused(a1, b1[j], s), tf)
        s = split(fused(a2, b2[j], s), tf)
        s = split(fused(a3, b3[j], s), tf)
        row[j] = s
        top = larger(top, both(bits(np.float64(s)), _SIZE))
    return top


@kernel
def chain64(a, b, out, kind, depth, rounded, pw, pr, tw, tr, zero, top):
    """out[i, j] = round(out[i, j] + round(a[i, k] * b[k, j])) for k < depth. float64, contiguous: a (M, K), b (K, N), out (M, N).

    Beyond FULL, K is a multiple of 4 (zeros beyond `depth`). rounded: products are rounded (pw, pr), not exact (FULL). tw, tr: the
    format of the sums; pw, pr: of the products. top: (M,) int64, raised to the largest word of a magnitude among every second
    or fourth sum of a row, NaN above all (not FULL).
    """
    wide_vectors()
    factor = tr[9]
    for j0 in range(0, out.shape[1], _COLUMNS):
        j1 = min(j0 + _COLUMNS, out.shape[1])
        for k0 in range(0, depth, _DEPTH):
            k1 = min(k0 + _DEPTH, depth)
            for i in range(a.shape[0]):
                row = out[i, j0:j1]
                if kind == FULL:
                    for k in range(k0, k1):
                        _full(row, a[i, k], b[k, j0:j1], rounded, pw, pr, tw, tr, zero)
                    continue
                for k in range(k0, k1, 4):
                    a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                    b0, b1, b2, b3 = b[k, j0:j1], b[k + 1, j0:j1], b[k + 2, j0:j1], b[k + 3, j0:j1]
                    if kind == NEAR:
                        first = _near(row, a0, a1, b0, b1, pw, factor)
                        reached = larger(first, _near(row, a2, a3, b2, b3, pw, factor))
                    elif kind == FUSED_NEAR:
                        first = _fused_near(row, a0, a1, b0, b1, tw)
                        reached = larger(first, _fused_near(row, a2, a3, b2, b3, tw))
                    else:
                        reached = _fused_split(row, a0, a1, a2, a3, b0, b1, b2, b3, factor)
                    top[i] = larger(top[i], reached)
