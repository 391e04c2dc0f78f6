"""Philox4x32-10: random bits as a function of a seed and an index, with no state (Salmon et al., SC 2011)."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import wide_vectors

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
RUN = 64  # blocks whose lanes stand together, so that the loops over them become SIMD code


@kernel
def _round(c0, c1, c2, c3, k0, k1):
    p0, p1 = _M0 * np.uint64(c0), _M1 * np.uint64(c2)
    return (
        np.uint32(p1 >> _HALF) ^ c1 ^ k0,
        np.uint32(p1 & _LOW),
        np.uint32(p0 >> _HALF) ^ c3 ^ k1,
        np.uint32(p0 & _LOW),
    )


@kernel
def philox_rounds(c0, c1, c2, c3, k0, k1):
    """The ten rounds on one 128-bit counter (four uint32 words, low first) under a 64-bit key; written out, to become SIMD."""
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return _round(c0, c1, c2, c3, k0, k1)


@kernel
def philox_blocks(first, words, high, seed):
    """Word w of the block with counter first + j (uint64; `high` is the counter's upper half) to words[64 * w + j], j = 0..63."""
    wide_vectors()
    k0, k1 = np.uint32(seed & _LOW), np.uint32(seed >> _HALF)
    h0, h1 = np.uint32(high & _LOW), np.uint32(high >> _HALF)
    c1 = np.uint32(first >> _HALF)  # `first` is a multiple of 64, so the counters of a run differ in their low word alone
    base = np.uint32(first & _LOW)
    for j in range(RUN):
        w0, w1, w2, w3 = philox_rounds(np.uint32(base + np.uint32(j)), c1, h0, h1, k0, k1)
        words[j] = w0
        words[RUN + j] = w1
        words[2 * RUN + j] = w2
        words[3 * RUN + j] = w3


@kernel
def philox_runs(out, first_run, seed):
    """Runs first_run, first_run + 1, ...: run r is the 256 words that `philox_blocks` gives from counter 64 * r. out: uint32."""
    wide_vectors()
    for run in range(out.size // (4 * RUN)):
        philox_blocks(np.uint64((first_run + run) * RUN), out[4 * RUN * run : 4 * RUN * (run + 1)], np.uint64(0), seed)
