"""ggml's ternary and binary blocks: TQ1_0, TQ2_0 (256 elements, absmax) and Q1_0 (128 elements, mean magnitude).

x, out of decoders: float32, flat, whole blocks; data, out of encoders: uint8, flat; codes: uint8, flat, 0 .. 2 for -1 .. 1. Source:
ggml-org/ggml, src/ggml-quants.c, quantize_row_tq1_0_ref, quantize_row_tq2_0_ref, quantize_row_q1_0_ref and dequantize_row_*.
"""

from __future__ import annotations

import numpy as np

from .gguf import largest_size
from .gguf_words import read_half, write_half
from .jit import kernel
from .lanes import copy_sign, from_bits, like, wide_vectors

_BLOCK = 256
_TRITS = 54  # bytes of TQ1_0: 48 with five trits, 4 with four, float16


@kernel
def ternary_codes(x, at, codes):
    """codes = 1 + x * (1 / max|x|) rounded, ties away from zero; returns max|x|.

    A reciprocal that overflows gives codes 1: undefined in C, what x86-64 gives.
    """
    almost = np.float32(0.49999997)
    d = from_bits(largest_size(x, at, _BLOCK))
    inverse = np.float32(1.0) / d if d != 0 else np.float32(0.0)
    inverse = np.float32(0.0) if np.isinf(inverse) else inverse
    for j in range(_BLOCK):
        scaled = x[np.uint64(at + j)] * inverse
        codes[j] = np.uint8(like(scaled + copy_sign(almost, scaled), np.int32(0)) + 1)
    return d


@kernel
def pack_trits(codes, first, step, count, out, at):
    """Byte m: codes first + m + n * step, n = 0 .. 4, as base-3 digits, the first the most significant, times 256 / 243, up."""
    for m in range(step):
        value = 0
        for n in range(5):
            value = value * 3 + (np.int64(codes[np.uint64(first + m + n * step)]) if n < count else 0)
        out[np.uint64(at + m)] = np.uint8((value * 256 + 242) // 243)


@kernel
def unpack_trits(data, at, step, count, codes, first):
    """The inverse: digit n is the integer part of 3 * frac(byte * 3**n / 256)."""
    power = 1
    for n in range(count):
        for m in range(step):
            codes[np.uint64(first + m + n * step)] = np.uint8((((np.int64(data[np.uint64(at + m)]) * power) & 255) * 3) >> 8)
        power *= 3


@kernel
def encode_tq1(x, out):
    """TQ1_0, 54 bytes: 160 codes in 32 bytes, 80 in 16, 16 in 4 (a fifth digit 0), d = max|x| as float16."""
    wide_vectors()
    codes = np.empty(_BLOCK, np.uint8)
    for block in range(x.size // _BLOCK):
        to = block * _TRITS
        d = ternary_codes(x, block * _BLOCK, codes)
        pack_trits(codes, 0, 32, 5, out, to)
        pack_trits(codes, 160, 16, 5, out, to + 32)
        pack_trits(codes, 240, 4, 4, out, to + 48)
        write_half(out, to + 52, d)


@kernel
def decode_tq1(data, out):
    """Values of TQ1_0: (code - 1) * d."""
    wide_vectors()
    codes = np.empty(_BLOCK, np.uint8)
    for block in range(out.size // _BLOCK):
        at, to = block * _TRITS, block * _BLOCK
        unpack_trits(data, at, 32, 5, codes, 0)
        unpack_trits(data, at + 32, 16, 5, codes, 160)
        unpack_trits(data, at + 48, 4, 4, codes, 240)
        d = read_half(data, at + 52)
        for j in range(_BLOCK):
            out[np.uint64(to + j)] = np.float32(np.int32(codes[j]) - 1) * d


@kernel
def encode_tq2(x, out):
    """TQ2_0, 66 bytes: byte m of each half holds codes m, m + 32, m + 64, m + 96 of two bits, low first; d = max|x| as float16."""
    wide_vectors()
    codes = np.empty(_BLOCK, np.uint8)
    for block in range(x.size // _BLOCK):
        to = block * 66
        d = ternary_codes(x, block * _BLOCK, codes)
        for half in range(2):
            for m in range(32):
                q = half * 128 + m
                out[np.uint64(to + half * 32 + m)] = np.uint8(
                    codes[q] | codes[q + 32] << 2 | codes[q + 64] << 4 | codes[q + 96] << 6
                )
        write_half(out, to + 64, d)


@kernel
def decode_tq2(data, out):
    """Values of TQ2_0: (code - 1) * d; the code 3, which no quantizer writes, is 2 d."""
    wide_vectors()
    for block in range(out.size // _BLOCK):
        at, to = block * 66, block * _BLOCK
        d = read_half(data, at + 64)
        for half in range(2):
            for n in range(4):
                for m in range(32):
                    code = (np.int32(data[np.uint64(at + half * 32 + m)]) >> (2 * n)) & 3
                    out[np.uint64(to + half * 128 + n * 32 + m)] = np.float32(code - 1) * d


@kernel
def encode_q1(x, out):
    """Q1_0, 18 bytes: d = sum of |x| in order / 128 as float16, bit j % 8 of byte j // 8 set where x >= 0 (-0 too)."""
    for block in range(x.size // 128):
        at, to = block * 128, block * 18
        total = np.float32(0.0)
        for j in range(128):
            total += abs(x[np.uint64(at + j)])
        write_half(out, to, total / np.float32(128.0))
        for byte in range(16):
            word = 0
            for j in range(8):
                word |= (1 << j) if x[np.uint64(at + 8 * byte + j)] >= 0 else 0
            out[to + 2 + byte] = np.uint8(word)


@kernel
def decode_q1(data, out):
    """Values of Q1_0: d or -d."""
    for block in range(out.size // 128):
        at, to = block * 18, block * 128
        d = read_half(data, at)
        for byte in range(16):
            for j in range(8):
                out[np.uint64(to + 8 * byte + j)] = d if data[at + 2 + byte] >> j & 1 else -d
