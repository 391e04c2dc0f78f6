"""BitMoD's bit-serial processing element, four lanes a cycle, one weight term a cycle.

Steps and widths: BitMoD, HPCA 2025, section IV-B and the repository's hardware/pe (exp_match, bs_mul, grp_accum).
"""

from __future__ import annotations

import numba
import numpy as np

from .jit import parallel_kernel

LANES = 4
GUARD_BITS = 3
KEPT_BITS = 14  # magnitude bits of the accumulator
FRACTION = 28  # the accumulator stands for m * 2**(e - FRACTION)


@parallel_kernel
def bitserial_run(significands, exponents, negatives, terms, bsig, rtl, mantissas, powers):
    """Accumulate one run from reset.

    significands, exponents, negatives: (M, K) int64, the float16 activations (11-bit significand, biased exponent 1..30, 0/1).
    terms: (T, K, N) uint8 = exponent (2 bits) | bit << 2 | sign << 3; bsig: (T,) shift of each term. K is a multiple of four.
    mantissas, powers: (M, N) int64, the accumulator after the run. Chunks of four in order; terms in order inside a chunk.
    """
    columns = terms.shape[2]
    for i in numba.prange(significands.shape[0]):
        mantissa = mantissas[i]
        power = powers[i]
        for k in range(0, significands.shape[1], LANES):
            e0, e1, e2, e3 = exponents[i, k], exponents[i, k + 1], exponents[i, k + 2], exponents[i, k + 3]
            m0, m1 = significands[i, k] << GUARD_BITS, significands[i, k + 1] << GUARD_BITS
            m2, m3 = significands[i, k + 2] << GUARD_BITS, significands[i, k + 3] << GUARD_BITS
            s0, s1, s2, s3 = negatives[i, k], negatives[i, k + 1], negatives[i, k + 2], negatives[i, k + 3]
            for t in range(terms.shape[0]):
                shift = bsig[t]
                w0, w1, w2, w3 = terms[t, k], terms[t, k + 1], terms[t, k + 2], terms[t, k + 3]
                for j in range(columns):
                    t0, t1, t2, t3 = np.int64(w0[j]), np.int64(w1[j]), np.int64(w2[j]), np.int64(w3[j])
                    v0, v1, v2, v3 = e0 + (t0 & 3), e1 + (t1 & 3), e2 + (t2 & 3), e3 + (t3 & 3)
                    top = max(max(v0, v1), max(v2, v3))
                    # magnitudes are truncated at the guard bits; a lane without a bit still takes part in `top`, as in the RTL
                    p0 = (m0 * ((t0 >> 2) & 1)) >> (top - v0)
                    p1 = (m1 * ((t1 >> 2) & 1)) >> (top - v1)
                    p2 = (m2 * ((t2 >> 2) & 1)) >> (top - v2)
                    p3 = (m3 * ((t3 >> 2) & 1)) >> (top - v3)
                    n0, n1, n2, n3 = s0 ^ (t0 >> 3), s1 ^ (t1 >> 3), s2 ^ (t2 >> 3), s3 ^ (t3 >> 3)
                    total = (p0 ^ -n0) + n0 + (p1 ^ -n1) + n1 + (p2 ^ -n2) + n2 + (p3 ^ -n3) + n3
                    total <<= shift
                    highest = max(top, power[j])
                    behind = highest - power[j]
                    held = mantissa[j] >> min(behind, np.int64(62))
                    held = np.int64(0) if behind >= KEPT_BITS else held
                    if not rtl:
                        total >>= highest - top
                    total += held
                    if rtl:  # the published sum is 23 bits wide
                        total = ((total + 4194304) & 8388607) - 4194304
                    size = abs(total)
                    drop = np.int64(0)
                    for b in range(9):
                        drop += np.int64(size >= (np.int64(1) << (KEPT_BITS + b)))
                    mantissa[j] = total >> drop
                    power[j] = (highest + drop) & 63 if rtl else highest + drop
