"""ggml's blocks of E2M1: MXFP4 (32 elements, one E8M0 scale) and NVFP4 (64 elements, four UE4M3 scales).

x, out of decoders: float32, flat, whole blocks; data, out of encoders: uint8, flat. Codes stand for twice their E2M1 value (0, 1,
2, 3, 4, 6, 8, 12) and scales for half of theirs. Source: ggml-org/ggml, src/ggml-quants.c and ggml-impl.h.

half: half a block, a run-time count: loops of a constant count are unrolled before they are made vectors. Unsigned indices spare
Numba's check for negative ones.
"""

from __future__ import annotations

import numpy as np

from .gguf import largest_size
from .gguf_words import size_bits
from .jit import kernel
from .lanes import add, bits, both, either, from_bits, left, like, right, sub, wide_vectors


@kernel
def half_scale(e):
    """2**(e - 128) of an int32 0 to 255: half the value of an E8M0 code; 255 is not NaN here."""
    return from_bits(np.int32(0x200000 << e if e < 2 else (e - 1) << 23))


@kernel
def nearest_code(v, d, top):
    """Code whose value times d is nearest to v: at the middle the smaller magnitude; no -0; at most `top`.

    The middles are half-integer multiples of d, so the comparisons are exact like the distances they stand for.
    """
    a = abs(v)
    one, zero = np.int32(1), np.int32(0)
    code = one if a > np.float32(0.5) * d else zero
    code = add(code, one if a > np.float32(1.5) * d else zero)
    code = add(code, one if a > np.float32(2.5) * d else zero)
    code = add(code, one if a > np.float32(3.5) * d else zero)
    code = add(code, one if a > np.float32(5.0) * d else zero)
    code = add(code, one if a > np.float32(7.0) * d else zero)
    code = add(code, one if a > np.float32(10.0) * d else zero)
    code = code if code < top else top
    return either(code, np.int32(8) if (v < 0) and (code != zero) else zero)


@kernel
def encode_mxfp4(x, out, rises):
    """e = floor(log2f(max|x|)) - 2 + 127 (its low byte; 0 for a zero block), then the nearest code of each element.

    rises: int32 (277,), for the exponents -149 to 127 of max|x| the mantissa from which on log2f rounds up to the next integer.
    A code whose value overflows at that scale is never nearest: `top` leaves those out.
    """
    wide_vectors()
    for block in range(x.size // 32):
        at, to = block * 32, block * 17
        size = largest_size(x, at, 32)
        e = np.int32(0)
        if size != 0:
            field, lowest = size >> 23, -127
            if field == 0:  # subnormal: the exponent of the integer
                size = bits(np.float32(size))
                field, lowest = size >> 23, -127 - 149
            floor = field + lowest
            floor += 1 if (size & 0x7FFFFF) >= rises[floor + 149] else 0
            e = np.int32((floor - 2 + 127) & 255)
        out[to] = np.uint8(e)
        d = half_scale(e)
        top = np.int32(7 if e < 253 else 5 if e == 253 else 3 if e == 254 else 1)
        for j in range(16):
            code = nearest_code(x[at + j], d, top)
            out[to + 1 + j] = np.uint8(either(code, left(nearest_code(x[at + 16 + j], d, top), np.int32(4))))


@kernel
def doubled(code):
    """Twice the E2M1 value of a code (int32), an int32; no -0."""
    size = both(code, np.int32(7))
    odd = either(both(size, np.int32(1)), np.int32(2))
    exponent = sub(right(size, np.int32(1)), np.int32(1))
    value = left(odd, exponent if exponent > 0 else np.int32(0))
    value = size if size < 2 else value
    return sub(np.int32(0), value) if both(code, np.int32(8)) != 0 else value


@kernel
def decode_mxfp4(data, out, half):
    """Values of MXFP4 blocks."""
    wide_vectors()
    for block in range(out.size // 32):
        at, to = block * 17, block * 32
        d = half_scale(np.int32(data[at]))
        for j in range(half):
            byte = like(data[np.uint64(at + 1 + j)], np.int32(0))
            out[np.uint64(to + j)] = like(doubled(both(byte, np.int32(15))), d) * d
            out[np.uint64(to + 16 + j)] = like(doubled(right(byte, np.int32(4))), d) * d


@kernel
def ue4m3_code(v):
    """ggml's code of a float32: rounded half up by the bit below, no carry out of the subnormals, from 256 on 448, never 0x7F."""
    if not v > 0:
        return 0
    if v >= 256:
        return 0x7E
    word = bits(v)
    exponent = (word >> 23) - 120
    if exponent <= 0:
        return min(int(v * np.float32(512.0) + np.float32(0.5)), 7)
    code = (exponent << 3 | (word >> 20 & 7)) + (word >> 19 & 1)
    return code if code < 0x78 else 0x7E


@kernel
def half_of_ue4m3(code):
    """Half the value of a code: 0 for 0x7F; the top bit is not looked at, except that 0xFF is no 0x7F."""
    if code == 0x7F:
        return np.float32(0.0)
    exponent, mantissa = code >> 3 & 15, code & 7
    if exponent == 0:
        return np.float32(mantissa) * np.float32(2.0**-10)
    return from_bits(np.int32((exponent + 119) << 23 | mantissa << 20))


@kernel
def scanned_code(v, d):
    """The first code whose value times d has the least distance from v, the distances as float32 rounds them; no -0.

    Far beyond 6 d, where the scale is capped, distances round to the same number and the smaller magnitude wins.
    """
    a = abs(v)
    best, least = np.int32(0), a
    for code in range(1, 8):
        level = np.float32(code if code < 5 else 2 * code - 4 if code < 7 else 12)
        distance = abs(level * d - a)
        best = np.int32(code) if distance < least else best
        least = distance if distance < least else least
    return either(best, np.int32(8) if (v < 0) and (best != 0) else np.int32(0))


@kernel
def encode_nvfp4(x, out, half):
    """Scale of each 16: the UE4M3 code of max|x| / 6, then the nearest code; a scale of 0 gives codes 0."""
    wide_vectors()
    for group in range(x.size // 16):
        block, part = group // 4, group % 4
        code = ue4m3_code(from_bits(largest_size(x, group * 16, 16)) / np.float32(6.0))
        out[block * 36 + part] = np.uint8(code)
        d = half_of_ue4m3(code)
        to = block * 36 + 4 + part * 8
        # Where the scale was not capped no distances round together.
        if largest_size(x, group * 16, 16) <= size_bits(d * np.float32(13.0)):
            for j in range(half):
                low = nearest_code(x[np.uint64(group * 16 + j)], d, np.int32(7))
                high = nearest_code(x[np.uint64(group * 16 + 8 + j)], d, np.int32(7))
                out[np.uint64(to + j)] = np.uint8(either(low, left(high, np.int32(4))))
            continue
        for j in range(half):
            low = scanned_code(x[np.uint64(group * 16 + j)], d)
            out[np.uint64(to + j)] = np.uint8(either(low, left(scanned_code(x[np.uint64(group * 16 + 8 + j)], d), np.int32(4))))


@kernel
def decode_nvfp4(data, out, half):
    """Values of NVFP4 blocks."""
    wide_vectors()
    for group in range(out.size // 16):
        block, part = group // 4, group % 4
        d = half_of_ue4m3(np.int32(data[block * 36 + part]))
        at, to = block * 36 + 4 + part * 8, group * 16
        for j in range(half):
            byte = like(data[np.uint64(at + j)], np.int32(0))
            out[np.uint64(to + j)] = like(doubled(both(byte, np.int32(15))), d) * d
            out[np.uint64(to + 8 + j)] = like(doubled(right(byte, np.int32(4))), d) * d
