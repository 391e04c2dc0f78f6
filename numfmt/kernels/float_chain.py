"""Float accumulators that round product and sum at each step, in float32 lanes: k upward, SIMD over output columns.

Each output keeps its own strict order of k, so results depend neither on tiles nor on threads.

*Product.* Adding and subtracting B = 1.5 * 2**(exponent + 23 - man_bits), whose last bit is the last one kept, rounds to nearest,
ties to even, subnormals included. The fused a * b + B rounds the exact product once, whatever a and b; only the exponent comes from
the machine's product, and where that was rounded up to a power of two, so is the result.

*Sum.* Terms of man_bits + 1 <= 11 bits: float32's sum rounded again is the sum rounded once, as 24 >= 2 * 11 + 2. Terms are
multiples of the least subnormal, so sums below the normal range are exact, and Veltkamp's splitting (multiply by 2**(23 - man_bits)
+ 1, subtract twice), which knows no subnormals, leaves them alone.

*Toward zero.* Float32's sum, one unit nearer to zero where its error has the other sign, is the exact sum cut to
float32; masks cut on.

*Overflow* is left out and noticed: `top`. The facts of a format are int32 words: [least normal exponent, what to add to an exponent
for the added number B, mask of the bits kept, 0, factor of the splitting].
"""

from __future__ import annotations

import numpy as np

from .jit import fused, inlined, kernel
from .lanes import add, bits, both, from_bits, larger, wide_vectors

ROUNDED, SPLIT, NATIVE, FUSED, FUSED_SPLIT, CUT = range(6)
_EXPONENT = np.int32(0x7F800000)
_SIZE = np.int32(0x7FFFFFFF)
_COLUMNS = 1024  # of a tile: a row of them stays in the first cache
_DEPTH = 64  # rows of b in a tile, which stays in the second cache


@kernel
def product_near(x, y, least, magic):
    """x * y rounded once; a zero has lost its sign. Right up to the largest exponent for which the added number is finite."""
    big = from_bits(add(larger(both(bits(np.float32(x * y)), _EXPONENT), least), magic))
    return np.float32(fused(x, y, big) - big)


@kernel
def split(x, factor):
    """x rounded to nearest even where it is not subnormal and its product with `factor` finite."""
    c = np.float32(x * factor)
    return np.float32(c - np.float32(c - x))


@kernel
def _rounded(row, a0, a1, a2, a3, b0, b1, b2, b3, pl, pm, sf):
    wide_vectors()
    top = np.int32(0)
    for j in range(row.size):
        s = split(np.float32(row[j] + product_near(a0, b0[j], pl, pm)), sf)
        s = split(np.float32(s + product_near(a1, b1[j], pl, pm)), sf)
        s = split(np.float32(s + product_near(a2, b2[j], pl, pm)), sf)
        s = split(np.float32(s + product_near(a3, b3[j], pl, pm)), sf)
        row[j] = s
        top = larger(top, both(bits(np.float32(s)), _SIZE))
    return top


@kernel
def _split(row, a0, a1, a2, a3, b0, b1, b2, b3, pf, sf):
    wide_vectors()
    top = np.int32(0)
    for j in range(row.size):
        s = split(np.float32(row[j] + split(np.float32(a0 * b0[j]), pf)), sf)
        s = split(np.float32(s + split(np.float32(a1 * b1[j]), pf)), sf)
        s = split(np.float32(s + split(np.float32(a2 * b2[j]), pf)), sf)
        s = split(np.float32(s + split(np.float32(a3 * b3[j]), pf)), sf)
        row[j] = s
        top = larger(top, both(bits(np.float32(s)), _SIZE))
    return top


@kernel
def _native(row, a0, a1, a2, a3, b0, b1, b2, b3):
    wide_vectors()
    for j in range(row.size):
        s = row[j]
        s = np.float32(s + np.float32(a0 * b0[j]))
        s = np.float32(s + np.float32(a1 * b1[j]))
        s = np.float32(s + np.float32(a2 * b2[j]))
        s = np.float32(s + np.float32(a3 * b3[j]))
        row[j] = s


@kernel
def _fused(row, a0, a1, a2, a3, b0, b1, b2, b3):
    wide_vectors()
    for j in range(row.size):
        row[j] = fused(a3, b3[j], fused(a2, b2[j], fused(a1, b1[j], fused(a0, b0[j], row[j]))))


@kernel
def _fused_split(row, a0, a1, b0, b1, sf):
    """Two steps that round the sum alone. Where a term is absorbed whole, the sum may stand on a false tie: the row is given up."""
    wide_vectors()
    top = np.int32(0)
    for j in range(row.size):
        s = row[j]
        t = fused(a0, b0[j], s)
        gone = _SIZE if (t == np.float32(a0 * b0[j])) & (s != np.float32(0.0)) else np.int32(0)
        s = split(t, sf)
        t = fused(a1, b1[j], s)
        lost = _SIZE if (t == np.float32(a1 * b1[j])) & (s != np.float32(0.0)) else np.int32(0)
        s = split(t, sf)
        row[j] = s
        top = larger(top, larger(larger(gone, lost), both(bits(np.float32(s)), _SIZE)))
    return top


@inlined
def cut_sum(x, y, mask):
    """x + y rounded toward zero to the bits that `mask` keeps, where no sum overflows or is inexact and subnormal."""
    total = np.float32(x + y)
    back = np.float32(total - x)
    lost = np.float32(np.float32(x - np.float32(total - back)) + np.float32(y - back))
    word = bits(np.float32(total))
    beyond = (lost != np.float32(0.0)) & ((lost > np.float32(0.0)) != (total > np.float32(0.0)))
    return from_bits(both(add(word, np.int32(-1) if beyond else np.int32(0)), mask))


@inlined
def cut_product(x, y, mask):
    """x * y, exact in float32, toward zero to the bits kept."""
    return from_bits(both(bits(np.float32(x * y)), mask))


@kernel
def _cut(row, a0, a1, a2, a3, b0, b1, b2, b3, pk, sk):
    wide_vectors()
    top = np.int32(0)
    for j in range(row.size):
        s = cut_sum(row[j], cut_product(a0, b0[j], pk), sk)
        s = cut_sum(s, cut_product(a1, b1[j], pk), sk)
        s = cut_sum(s, cut_product(a2, b2[j], pk), sk)
        s = cut_sum(s, cut_product(a3, b3[j], pk), sk)
        row[j] = s
        top = larger(top, both(bits(np.float32(s)), _SIZE))
    return top


@kernel
def chain32(a, b, out, kind, product, total, top):
    """out[i, j] = round(out[i, j] + round(a[i, k] * b[k, j])) at each k. a: (M, K), b: (K, N), out: (M, N), float32, contiguous.

    K is a multiple of 4: pad with zeros. product, total: facts of the formats of products and sums. kind: ROUNDED, SPLIT (no
    product is subnormal or more than 24 bits long), NATIVE (float32 itself), FUSED (float32, exact products), FUSED_SPLIT (exact
    products, no sum is subnormal and inexact), CUT (toward zero; no product is subnormal or more than 24 bits long).
    top: (M,) int32, raised to the largest word of a magnitude among every fourth or second sum of a row, NaN above all.
    """
    wide_vectors()
    pl, pm = product[0], product[1]
    pf, sf = from_bits(product[4]), from_bits(total[4])
    for j0 in range(0, out.shape[1], _COLUMNS):
        j1 = min(j0 + _COLUMNS, out.shape[1])
        for k0 in range(0, a.shape[1], _DEPTH):
            k1 = min(k0 + _DEPTH, a.shape[1])
            for i in range(a.shape[0]):
                row = out[i, j0:j1]
                for k in range(k0, k1, 4):
                    a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                    b0, b1, b2, b3 = b[k, j0:j1], b[k + 1, j0:j1], b[k + 2, j0:j1], b[k + 3, j0:j1]
                    if kind == ROUNDED:
                        top[i] = larger(top[i], _rounded(row, a0, a1, a2, a3, b0, b1, b2, b3, pl, pm, sf))
                    elif kind == SPLIT:
                        top[i] = larger(top[i], _split(row, a0, a1, a2, a3, b0, b1, b2, b3, pf, sf))
                    elif kind == CUT:
                        top[i] = larger(top[i], _cut(row, a0, a1, a2, a3, b0, b1, b2, b3, product[2], total[2]))
                    elif kind == NATIVE:
                        _native(row, a0, a1, a2, a3, b0, b1, b2, b3)
                    elif kind == FUSED_SPLIT:
                        first = _fused_split(row, a0, a1, b0, b1, sf)
                        top[i] = larger(top[i], larger(first, _fused_split(row, a2, a3, b2, b3, sf)))
                    else:
                        _fused(row, a0, a1, a2, a3, b0, b1, b2, b3)
