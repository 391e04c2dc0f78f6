"""Block-wise codebooks as bitsandbytes 0.50 computes them on the CPU: four bits packed in pairs, eight bits by its table.

The tensor is flattened; blocks of `block` elements share an absmax; the last block may be short. Sources: bitsandbytes 0.50.2,
backends/default/ops.py (quantize_4bit: torch operations), csrc/cpu_ops.cpp (quantize_cpu_impl), functional.py (double
quantization). All arithmetic is float32, one rounding an operation.
"""

from __future__ import annotations

import numpy as np

from .group_scale import largest_word
from .jit import fused, kernel
from .lanes import add, bits, both, from_bits, left, like, wide_vectors

_ONE = np.float32(1.0)
_NONE = np.float32(0.0)
_HALF = np.float32(0.5)
_UNIT = np.int32(1)
_FOUR = np.int32(4)
_NOTHING = np.int32(0)
_LEAST = np.float32(1e-38)  # what bitsandbytes raises a smaller absmax to before it divides; a subnormal
_BINS = np.float32(65535.0)
_CHUNK = 1 << 13


@kernel
def above16(v, t):
    """How many of the 15 ascending thresholds lie below v, int32."""
    a = add(add(like(v > t[0], _UNIT), like(v > t[1], _UNIT)), add(like(v > t[2], _UNIT), like(v > t[3], _UNIT)))
    b = add(add(like(v > t[4], _UNIT), like(v > t[5], _UNIT)), add(like(v > t[6], _UNIT), like(v > t[7], _UNIT)))
    c = add(add(like(v > t[8], _UNIT), like(v > t[9], _UNIT)), add(like(v > t[10], _UNIT), like(v > t[11], _UNIT)))
    d = add(add(like(v > t[12], _UNIT), like(v > t[13], _UNIT)), like(v > t[14], _UNIT))
    return add(add(a, b), add(c, d))


@kernel
def _points(t):
    return (t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14])


@kernel
def pack4(x, thresholds, pairs, packed, absmax):
    """Codes of whole blocks, two to a byte, the first in the high nibble. Returns the bits of the largest magnitude.

    x: float32 (blocks, block), block even; thresholds: 15 ascending float32 (a value on one goes down); pairs: uint8 (256,), the
    byte of codes for a byte of two indices, or empty where they are the same; packed: uint8 (blocks, block // 2).
    """
    wide_vectors()
    t = _points(thresholds)
    worst = _NOTHING
    for g in range(x.shape[0]):
        word = largest_word(x, g)
        worst = word if word > worst else worst
        top = from_bits(word)
        absmax[g] = top
        inverse = _ONE / (_LEAST if top < _LEAST else top)
        for i in range(packed.shape[1]):
            high = above16(x[g, 2 * i] * inverse, t)
            packed[g, i] = add(left(high, _FOUR), above16(x[g, 2 * i + 1] * inverse, t))
        if pairs.size:
            for i in range(packed.shape[1]):
                packed[g, i] = pairs[packed[g, i]]
    return worst


@kernel
def spread4(packed, codes):
    """codes, uint8 (n,), of packed bytes, the high nibble first."""
    wide_vectors()
    for i in range(codes.size // 2):
        byte = packed[i]
        codes[2 * i] = byte >> np.uint8(4)
        codes[2 * i + 1] = byte & np.uint8(15)
    if codes.size % 2:
        codes[codes.size - 1] = packed[packed.size - 1] >> np.uint8(4)


@kernel
def pack4_short(x, thresholds, pairs, packed, absmax):
    """The same for the short last block, float32 (n,): it divides by the absmax, keeps 1e-38 where that is less, and fills up
    an odd count with a zero. absmax: (1,).
    """
    t = _points(thresholds)
    top = _NONE
    for i in range(x.size):
        top = abs(x[i]) if abs(x[i]) > top else top
    top = _LEAST if top < _LEAST else top
    absmax[0] = top
    for i in range(packed.size):
        high = above16(x[2 * i] / top, t)
        low = above16(x[2 * i + 1] / top if 2 * i + 1 < x.size else _NONE, t)
        byte = add(left(high, _FOUR), low)
        packed[i] = pairs[byte] if pairs.size else byte


@kernel
def code8(x, block, bins, codes, absmax):
    """Eight-bit codes of a flat float32 tensor by a table of 65536 bins of [-1, 1]; codes: uint8 (n,), absmax: (blocks,).

    A block of zeros gets code 0. Returns whether a value or an absmax is NaN or infinite.
    """
    wide_vectors()
    places = np.empty(_CHUNK, np.int32)
    wrong = False
    for b in range(absmax.size):
        start, stop = b * block, min((b + 1) * block, x.size)
        most = _NOTHING
        for i in range(start, stop):
            word = both(bits(x[i]), np.int32(0x7FFFFFFF))
            most = word if word > most else most
        top = from_bits(most)
        absmax[b] = top
        wrong |= not np.isfinite(top)
        if most == 0:
            codes[start:stop] = 0
            continue
        inverse = _ONE / top
        for first in range(start, stop, _CHUNK):
            count = min(stop - first, _CHUNK)
            for i in range(count):
                places[i] = bin_of(x[first + i] * inverse)
            for i in range(count):
                codes[first + i] = bins[places[i]]
    return wrong


@kernel
def bin_of(v):
    """Which of 65536 bins of [-1, 1] holds v; multiply and add are fused, as the compiled library has them. NaN (a zero times an
    infinite reciprocal) gives 0.
    """
    v = -_ONE if v < -_ONE else v
    v = _ONE if v > _ONE else v
    place = fused((v + _ONE) * _HALF, _BINS, _HALF)
    return np.int32(place if place == place else _NONE)
