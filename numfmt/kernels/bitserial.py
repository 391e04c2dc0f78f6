"""BitMoD's bit-serial processing element, four lanes a cycle, one weight term a cycle.

Steps and widths: BitMoD, HPCA 2025, section IV-B and the repository's hardware/pe (exp_match, bs_mul, grp_accum).
"""

from __future__ import annotations

import numba
import numpy as np

from .jit import kernel, left32, parallel_kernel, right32

LANES = 4
GUARD_BITS = 3
KEPT_BITS = 14  # magnitude bits of the accumulator
FRACTION = 28  # the accumulator stands for m * 2**(e - FRACTION)

_I = np.int32
_MOST = np.int32(31)  # a shift by 31 leaves nothing of these numbers, which are below 2**24


@kernel
def _smaller(x, y):
    return x if x < y else y


@kernel
def _larger(x, y):
    return x if x > y else y


@kernel
def _lane(magnitude, negative, term, behind):
    """One lane's signed addend: its significand where the term has a bit, truncated by the alignment."""
    kept = _I(magnitude & _I(-_I(right32(term, _I(2)) & _I(1))))
    size = right32(kept, _smaller(behind, _MOST))
    minus = _I(negative ^ right32(term, _I(3)))
    return _I(_I(size ^ _I(-minus)) + minus)


@parallel_kernel
def bitserial_run(significands, exponents, negatives, terms, bsig, rtl, mantissas, powers):
    """Accumulate one run from reset. All arithmetic is int32: sums are 23 bits wide, exponents 6.

    significands, exponents, negatives: (M, K) int32, the float16 activations (11-bit significand, biased exponent 1..30, 0/1).
    terms: (T, K, N) uint8 = exponent (2 bits) | bit << 2 | sign << 3; bsig: (T,) int32, shift of each term. K is a multiple of
    four. mantissas, powers: (M, N) int32, the accumulator after the run. Chunks of four in order; terms in order inside a chunk.
    """
    columns = terms.shape[2]
    for i in numba.prange(significands.shape[0]):
        mantissa = mantissas[i]
        power = powers[i]
        for k in range(0, significands.shape[1], LANES):
            e0, e1, e2, e3 = exponents[i, k], exponents[i, k + 1], exponents[i, k + 2], exponents[i, k + 3]
            m0, m1 = _I(significands[i, k] << GUARD_BITS), _I(significands[i, k + 1] << GUARD_BITS)
            m2, m3 = _I(significands[i, k + 2] << GUARD_BITS), _I(significands[i, k + 3] << GUARD_BITS)
            s0, s1, s2, s3 = negatives[i, k], negatives[i, k + 1], negatives[i, k + 2], negatives[i, k + 3]
            for t in range(terms.shape[0]):
                shift = bsig[t]
                w0, w1, w2, w3 = terms[t, k], terms[t, k + 1], terms[t, k + 2], terms[t, k + 3]
                for j in range(columns):
                    t0, t1, t2, t3 = _I(w0[j]), _I(w1[j]), _I(w2[j]), _I(w3[j])
                    v0, v1 = _I(e0 + _I(t0 & _I(3))), _I(e1 + _I(t1 & _I(3)))
                    v2, v3 = _I(e2 + _I(t2 & _I(3))), _I(e3 + _I(t3 & _I(3)))
                    # a lane without a bit still takes part in `top`, as in the RTL
                    top = _larger(_larger(v0, v1), _larger(v2, v3))
                    low = _I(_lane(m0, s0, t0, _I(top - v0)) + _lane(m1, s1, t1, _I(top - v1)))
                    high = _I(_lane(m2, s2, t2, _I(top - v2)) + _lane(m3, s3, t3, _I(top - v3)))
                    total = left32(_I(low + high), shift)
                    highest = _larger(top, power[j])
                    behind = _I(highest - power[j])
                    held = right32(mantissa[j], _smaller(behind, _MOST))
                    held = _I(0) if behind >= KEPT_BITS else held
                    if not rtl:
                        total = right32(total, _smaller(_I(highest - top), _MOST))
                    total = _I(total + held)
                    if rtl:  # the published sum is 23 bits wide
                        total = _I(_I(_I(total + _I(4194304)) & _I(8388607)) - _I(4194304))
                    size = _I(abs(total))
                    drop = _I(0)
                    for b in range(9):
                        drop = _I(drop + _I(size >= (1 << (KEPT_BITS + b))))
                    mantissa[j] = right32(total, drop)
                    power[j] = _I(_I(highest + drop) & _I(63)) if rtl else _I(highest + drop)
