"""Philox4x32-10: random bits as a function of a seed and an index, with no state (Salmon et al., SC 2011)."""

from __future__ import annotations

import numpy as np

from .jit import kernel

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
RUN = 64  # blocks whose lanes stand together, so that the loops over them become SIMD code


@kernel
def _rounds(c0, c1, c2, c3, k0, k1):
    """The ten rounds on one 128-bit counter (four uint32 words, low first) under a 64-bit key."""
    for _ in range(10):
        p0, p1 = _M0 * np.uint64(c0), _M1 * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(p1 >> _HALF) ^ c1 ^ k0,
            np.uint32(p1 & _LOW),
            np.uint32(p0 >> _HALF) ^ c3 ^ k1,
            np.uint32(p0 & _LOW),
        )
        k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@kernel
def philox_blocks(first, out0, out1, out2, out3, high, seed):
    """The four words of the blocks whose counters are first, first + 1, ... (uint64; `high` is the counter's upper half)."""
    k0, k1 = np.uint32(seed & _LOW), np.uint32(seed >> _HALF)
    h0, h1 = np.uint32(high & _LOW), np.uint32(high >> _HALF)
    for j in range(out0.size):
        counter = first + np.uint64(j)
        words = _rounds(np.uint32(counter & _LOW), np.uint32(counter >> _HALF), h0, h1, k0, k1)
        out0[j], out1[j], out2[j], out3[j] = words


@kernel
def _fill_runs(out, first_run, lane_bits, width, seed):
    """Whole runs: out (uint32, a multiple of 64 * 128 / lane_bits) from run `first_run` on."""
    words = np.empty((4, RUN), np.uint32)
    lanes = 128 // lane_bits
    to_word = 32 // lane_bits
    for run in range(out.size // (RUN * lanes)):
        philox_blocks(np.uint64((first_run + run) * RUN), words[0], words[1], words[2], words[3], np.uint64(0), seed)
        for lane in range(lanes):
            word = words[lane // to_word]
            left = np.uint32(32 - lane_bits * (lane % to_word + 1))  # the lane's upper end, and from there its top bits
            right = np.uint32(32 - width)
            base = (run * lanes + lane) * RUN
            target = out[base : base + RUN]
            for j in range(RUN):
                target[j] = np.uint32(np.uint32(word[j] << left) >> right)


@kernel
def philox_bits(out, start, seed, width):
    """out[i] = R(start + i): `width` random bits (1..32) for each element of a long array; out: uint32, seed: uint64.

    Which bits: lanes of b = 8, 16 or 32 bits, the smallest that hold `width`. Block c of the stream (counter c, key `seed`) is
    128 bits, word 0 lowest, hence 128 / b lanes, lane 0 lowest. Elements come in runs of 64 * 128 / b: element e of run r takes
    lane e // 64 of block 64 * r + e % 64; R is the top `width` bits of that lane.
    """
    lane_bits = 8 if width <= 8 else (16 if width <= 16 else 32)
    size = RUN * (128 // lane_bits)
    head = min(out.size, (size - start % size) % size)
    whole = (out.size - head) // size * size
    if head or head + whole < out.size:
        run = np.empty(size, np.uint32)
        if head:
            _fill_runs(run, start // size, lane_bits, width, seed)
            begin = start % size
            out[:head] = run[begin : begin + head]
        if head + whole < out.size:
            _fill_runs(run, (start + head + whole) // size, lane_bits, width, seed)
            out[head + whole :] = run[: out.size - head - whole]
    if whole:
        _fill_runs(out[head : head + whole], (start + head) // size, lane_bits, width, seed)
