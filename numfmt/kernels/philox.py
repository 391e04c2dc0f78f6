"""Philox4x32-10: random bits as a function of a seed and an index, with no state (Salmon et al., SC 2011)."""

from __future__ import annotations

import numpy as np

from .jit import kernel

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)


@kernel
def philox_block(counter, seed):
    """The four 32-bit words of block `counter` (uint64, the low words of the counter) under the 64-bit key `seed`."""
    c0, c1 = np.uint32(counter & _LOW), np.uint32(counter >> np.uint64(32))
    c2, c3 = np.uint32(0), np.uint32(0)
    k0, k1 = np.uint32(seed & _LOW), np.uint32(seed >> np.uint64(32))
    for _ in range(10):
        p0, p1 = _M0 * np.uint64(c0), _M1 * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(p1 >> np.uint64(32)) ^ c1 ^ k0,
            np.uint32(p1 & _LOW),
            np.uint32(p0 >> np.uint64(32)) ^ c3 ^ k1,
            np.uint32(p0 & _LOW),
        )
        k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@kernel
def philox_bits(out, start, seed, width):
    """out[i] = the top `width` bits of word (start + i) of the stream: word w is number w % 4 of block w // 4. out: uint32."""
    shift = np.uint32(32 - width)
    for i in range(out.size):
        word = start + i
        block = philox_block(np.uint64(word >> 2), seed)
        out[i] = block[word & 3] >> shift
