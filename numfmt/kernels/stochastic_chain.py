"""Float accumulators whose sums are rounded stochastically: away where floor(dropped part * 2**N) + R >= 2**N (P3109's form A)."""

from __future__ import annotations

import numpy as np

from .float_wide import full, held, held_reals, odd
from .jit import inlined, kernel
from .lanes import add, bits, both, copy_sign, from_bits, larger, sub, wide_vectors
from .philox import philox_rounds

_EXPONENT = np.int64(0x7FF0000000000000)


@inlined
def stochastic(x, random, steps, words, reals):
    """x rounded; random: an integer below steps = 2**N, as float64. x is exact to N bits below, the last is sticky."""
    size = np.abs(x)
    exponent = larger(both(bits(np.float64(x)), _EXPONENT), words[0])
    unit = from_bits(sub(exponent, words[2]))
    scaled = size * from_bits(add(sub(np.int64(2046 << 52), exponent), words[2]))
    whole = np.floor(scaled)
    away = np.floor((scaled - whole) * steps) + random >= steps
    y = (whole + (1.0 if away else 0.0)) * unit
    y = reals[2] if (y > reals[0]) | (size == np.inf) else y
    y = x if np.isnan(x) else y
    return copy_sign(y, x)


@kernel
def _step(row, x, b, random, steps, rounded, pw, pr, tw, tr, zero):
    wide_vectors()
    of_product, reals_of_product, words, reals = held(pw), held_reals(pr), held(tw), held_reals(tr)
    for j in range(row.size):
        p = x * b[j]
        p = full(p, of_product, reals_of_product) if rounded else p
        row[j] = stochastic(odd(row[j], p, zero), random[j], steps, words, reals)


@kernel
def stochastic_chain(a, b, out, random, width, rounded, pw, pr, tw, tr, zero):
    """out = stochastic(out + product) at each k. float64: a (M, K), b (K, N), out (M, N); random: (M, K, N), below 2**width."""
    steps = np.float64(np.int64(1) << width)
    drawn = np.empty(out.shape[1])
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(drawn.size):
                drawn[j] = np.float64(random[i, k, j])
            _step(out[i], a[i, k], b[k], drawn, steps, rounded, pw, pr, tw, tr, zero)


@kernel
def draw(random, width, seed, rows, columns, first, batch):
    """random[i, k, j] = the upper `width` bits of word K & 3 of Philox4x32-10 under `seed`, counter (J, I, K >> 2, batch), where
    I, J, K are the places in the whole product: i, j, k beyond rows, columns, first. uint32."""
    k0, k1 = np.uint32(seed & np.uint64(0xFFFFFFFF)), np.uint32(seed >> np.uint64(32))
    down = np.uint32(32 - width)
    for i in range(random.shape[0]):
        for k in range(random.shape[1]):
            at = first + k
            for j in range(random.shape[2]):
                w0, w1, w2, w3 = philox_rounds(
                    np.uint32(columns + j), np.uint32(rows + i), np.uint32(at >> 2), np.uint32(batch), k0, k1
                )
                word = w0 if at & 3 == 0 else w1 if at & 3 == 1 else w2 if at & 3 == 2 else w3
                random[i, k, j] = word >> down
