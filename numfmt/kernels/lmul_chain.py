"""Sums of L-Mul products: float32 bit patterns added as integers, in front of an adder that rounds at each step."""

from __future__ import annotations

import numba
import numpy as np

from . import lanes
from .jit import held_rows, inlined, kernel, left32, parallel_kernel, right32
from .steps import NEAREST_EVEN, round_nearest, round_step, signed_sum

_SIGN = np.int32(-(1 << 31))
_SIZE = np.int32((1 << 31) - 1)
_ONE = np.int32(1 << 23)  # the fraction's carry
_FRACTION = np.int32((1 << 23) - 1)
_LAST = np.int32(1)
_COLUMNS = 1024  # of a tile: a row of them stays in the first cache
_DEPTH = 64  # rows of b in a tile, which stays in the second cache


@kernel
def add_zeros(word, others, row):
    """Products of a zero: they change an accumulator of -0 alone."""
    for j in range(row.size):
        row[j] += lanes.from_bits(lanes.both(lanes.differ(word, others[j]), _SIGN))


@kernel
def words_of(x, least, up, out):
    """out = the words of float32 values, those below `least` as zeros, the others with `up` added. Two axes, rows contiguous."""
    held_rows(x)
    held_rows(out)
    for i in range(x.shape[0]):
        _words_of(lanes.row_of(x, i), least, up, lanes.row_of(out, i))


@kernel
def _words_of(x, least, up, out):
    lanes.wide_vectors()
    for j in range(x.size):
        word = lanes.bits(np.float32(x[j]))
        kept = lanes.add(word, up)
        out[j] = lanes.both(word, _SIGN) if lanes.both(word, _SIZE) < least else kept


@kernel
def _sure(row, a0, a1, a2, a3, b0, b1, b2, b3):
    lanes.wide_vectors()
    for j in range(row.size):
        s = np.float32(row[j] + lanes.from_bits(lanes.add(a0, b0[j])))
        s = np.float32(s + lanes.from_bits(lanes.add(a1, b1[j])))
        s = np.float32(s + lanes.from_bits(lanes.add(a2, b2[j])))
        row[j] = np.float32(s + lanes.from_bits(lanes.add(a3, b3[j])))


@inlined
def _product(base, sign, other, least):
    total = lanes.add(base, lanes.both(other, _SIZE))
    total = np.int32(0) if total < least else total
    return lanes.from_bits(lanes.either(total, lanes.differ(sign, lanes.both(other, _SIGN))))


@kernel
def _two(row, a0, a1, b0, b1, offset, least):
    lanes.wide_vectors()
    x0, x1 = lanes.add(lanes.both(a0, _SIZE), offset), lanes.add(lanes.both(a1, _SIZE), offset)
    s0, s1 = lanes.both(a0, _SIGN), lanes.both(a1, _SIGN)
    for j in range(row.size):
        row[j] = np.float32(np.float32(row[j] + _product(x0, s0, b0[j], least)) + _product(x1, s1, b1[j], least))


@kernel
def _one(row, word, others, offset, least):
    if lanes.both(word, _SIZE) == 0:
        add_zeros(word, others, row)
        return
    base, sign = lanes.add(lanes.both(word, _SIZE), offset), lanes.both(word, _SIGN)
    for j in range(row.size):
        row[j] = np.float32(row[j] + _product(base, sign, others[j], least))


@kernel
def lmul_single(a, b, out, offset, least, sure):
    """out[i, j] += lmul(a[i, k], b[k, j]) in float32 to nearest even, k upward; the adder's product, none beyond the largest value.

    a: (M, K), b: (K, N) int32 words of float32 values, finite, zero or normal in the product's format; K a multiple of 4, beyond
    the depth +0 in a and -0 in b. offset: added to the sum of two words, -(127 << 23) + 2**(23 - l); the exponents of b are raised
    (its zeros stay) and `offset` is lowered so far that a zero of b makes a sum below `least`, the least normal magnitude. A sum
    below `least` is a zero. sure: no b is zero and no product leaves the normal range: signs and magnitudes add in one word.
    """
    for j0 in range(0, out.shape[1], _COLUMNS):
        j1 = min(j0 + _COLUMNS, out.shape[1])
        for k0 in range(0, a.shape[1], _DEPTH):
            k1 = min(k0 + _DEPTH, a.shape[1])
            for i in range(a.shape[0]):
                row = out[i, j0:j1]
                for k in range(k0, k1, 4):
                    a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                    b0, b1, b2, b3 = b[k, j0:j1], b[k + 1, j0:j1], b[k + 2, j0:j1], b[k + 3, j0:j1]
                    sizes = lanes.both(a0, _SIZE), lanes.both(a1, _SIZE), lanes.both(a2, _SIZE), lanes.both(a3, _SIZE)
                    if sizes[0] == 0 or sizes[1] == 0 or sizes[2] == 0 or sizes[3] == 0:
                        _one(row, a0, b0, offset, least)
                        _one(row, a1, b1, offset, least)
                        _one(row, a2, b2, offset, least)
                        _one(row, a3, b3, offset, least)
                    elif sure:
                        x0, x1 = lanes.add(a0, offset), lanes.add(a1, offset)
                        x2, x3 = lanes.add(a2, offset), lanes.add(a3, offset)
                        _sure(row, x0, x1, x2, x3, b0, b1, b2, b3)
                    else:
                        _two(row, a0, a1, b0, b1, offset, least)
                        _two(row, a2, a3, b2, b3, offset, least)


@parallel_kernel
def lmul_rows(a, b, out, formula, offset, least, most, over, drop, mode, man_bits, emin, max_value, infinite):
    """out[i, j] = round(out[i, j] + lmul(a[i, k], b[k, j])) at each k in float64, the adder's product or the formula's.

    a: (M, K), b: (K, N): words as in `lmul_single`, exponents as they are; a sum of words above `most` becomes `over`. drop: 23 -
    the product's mantissa bits. out: (M, N) float64. To nearest even, a float64 sum may be rounded again where the product has no
    more bits than the accumulator (53 >= 2p + 2); else it is rounded to odd first.
    """
    plain = mode == NEAREST_EVEN and 23 - drop <= man_bits
    half = left32(np.int32(1), np.int32(drop))  # of a last bit, in units of the halved fraction
    overflow = np.inf if infinite else max_value
    emin_bits = np.int64(emin + 1023) << 52
    magic_bits = np.int64(52 - man_bits) << 52
    for i in numba.prange(a.shape[0]):
        row = out[i]
        products = np.empty(row.size, np.float32)
        for k in range(a.shape[1]):
            word = a[i, k]
            size = lanes.both(word, _SIZE)
            base = lanes.add(size, np.int32(offset))
            for j in range(row.size):
                other = b[k, j]
                magnitude = lanes.both(other, _SIZE)
                total = lanes.add(base, magnitude)
                if formula:
                    # the carry of the fractions moves the value by one binade, and the rest of the sum by half of itself
                    rest = lanes.add(lanes.both(size, _FRACTION), lanes.both(magnitude, _FRACTION))
                    rest = lanes.add(rest, np.int32(offset + (np.int32(127) << 23)))
                    extra = lanes.sub(rest, _ONE)
                    if extra >= 0:
                        kept = right32(extra, np.int32(drop + 1))
                        odd = lanes.both(kept, _LAST)
                        kept = right32(lanes.add(lanes.add(extra, lanes.sub(half, _LAST)), odd), np.int32(drop + 1))
                        total = lanes.add(lanes.sub(total, extra), left32(kept, np.int32(drop)))
                total = over if total > most else total
                total = np.int32(0) if total < least or magnitude == 0 or size == 0 else total
                products[j] = lanes.from_bits(lanes.either(total, lanes.both(lanes.differ(word, other), _SIGN)))
            if plain:
                for j in range(row.size):
                    row[j] = round_nearest(row[j] + np.float64(products[j]), emin_bits, magic_bits, max_value, overflow)
            else:
                for j in range(row.size):
                    total64 = signed_sum(row[j], np.float64(products[j]), mode)
                    row[j] = round_step(total64, mode, man_bits, emin, max_value, infinite)


@parallel_kernel
def add_products(total, products, mode, man_bits, emin, max_value, infinite):
    """total = round(total + products), float64 (M, N), the products of at most 29 bits."""
    for i in numba.prange(total.shape[0]):
        for j in range(total.shape[1]):
            exact = signed_sum(total[i, j], products[i, j], mode)
            total[i, j] = round_step(exact, mode, man_bits, emin, max_value, infinite)
