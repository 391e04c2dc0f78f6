"""ggml's simple blocks of 32: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1.

x, out of decoders: float32, flat, whole blocks; data, out of encoders: uint8, flat. Each operation of a rule is one float32
operation. Element j of a block and element j + 16 share a byte, j in the low half. Source: ggml-org/ggml, src/ggml-quants.c,
quantize_row_*_ref and dequantize_row_*. Where C converts a float beyond int32 (undefined there), the code is 0, which is what
x86-64 gives: inputs so small that the reciprocal of the scale overflows, or a range that overflows.

half: half a block, a run-time count: loops of a constant count are unrolled before they are made vectors. Unsigned indices spare
Numba's check for negative ones.
"""

from __future__ import annotations

import numpy as np

from .gguf_words import from_order_key, order_key, read_half, size_bits, write_half
from .jit import kernel
from .lanes import add, bits, both, copy_sign, differ, either, from_bits, left, like, right, sub, wide_vectors

_BLOCK = 32


@kernel
def largest_size(x, at, count):
    """The bits of the largest magnitude among x[at : at + count]."""
    most = np.int32(0)
    for j in range(count):
        size = size_bits(x[at + j])
        most = size if size > most else most
    return most


@kernel
def first_of_size(x, at, count, size):
    """The first of x[at : at + count] whose magnitude has the bits `size`."""
    first = np.int32(count)
    for j in range(count):
        index = np.int32(j) if size_bits(x[at + j]) == size else np.int32(count)
        first = index if index < first else first
    return x[at + first]


@kernel
def largest_signed(x, at):
    """The first of 32 values that has the largest magnitude; 0.0 where all are zeros."""
    above, below = np.int32(0), np.int32(0)  # as words, positive values are in order, and so are negative ones without their sign
    for j in range(_BLOCK):
        word = bits(x[at + j])
        turned = differ(word, np.int32(-0x80000000))
        above = word if word > above else above
        below = turned if turned > below else below
    if above != below:
        return from_bits(above) if above > below else -from_bits(below)
    return first_of_size(x, at, _BLOCK, above) if above != 0 else np.float32(0.0)


@kernel
def fifth_bits(out, at, codes):
    """The fifth bits of 32 codes as four bytes, code j at bit j."""
    for byte in range(4):
        word = np.int32(0)
        for j in range(8):
            word = either(word, left(both(right(codes[8 * byte + j], np.int32(4)), np.int32(1)), np.int32(j)))
        out[at + byte] = np.uint8(word)


@kernel
def pack_nibbles(out, at, codes, half):
    """The low four bits of codes j and j + half in byte `at` + j."""
    low = np.int32(15)
    for j in range(half):
        out[np.uint64(at + j)] = np.uint8(either(both(codes[j], low), left(both(codes[half + j], low), np.int32(4))))


@kernel
def encode_signed(x, out, middle, size, wide):
    """Q4_0 (middle 8, blocks of `size` 18 bytes) and Q5_0 (middle 16, 22 bytes, `wide`).

    d = m / -middle of the element m of largest magnitude (the first of equals); code = trunc(x * (1/d) + middle + 0.5), at most
    2 * middle - 1; d is stored as float16, but 1/d is of the float32 one.
    """
    wide_vectors()
    codes = np.empty(_BLOCK, np.int32)
    top, four = np.int32(2 * middle - 1), np.int32(4)
    minus = np.float32(-middle)
    for block in range(x.size // _BLOCK):
        at, to = block * _BLOCK, block * size
        d = largest_signed(x, at) / minus
        inverse = np.float32(1.0) / d if d != 0 else np.float32(0.0)
        offset = np.float32(0.5) - minus
        if np.isinf(inverse):
            inverse = offset = np.float32(0.0)
        write_half(out, to, d)
        if wide:
            for j in range(_BLOCK):
                code = like(x[at + j] * inverse + offset, top)
                codes[j] = code if code < top else top
            fifth_bits(out, to + 2, codes)
            pack_nibbles(out, to + 6, codes, 16)
        else:
            for j in range(16):
                low = like(x[at + j] * inverse + offset, top)
                high = like(x[at + 16 + j] * inverse + offset, top)
                low, high = low if low < top else top, high if high < top else top
                out[to + 2 + j] = np.uint8(either(low, left(high, four)))


@kernel
def least_value(x, at):
    """The least of 32 values; of zeros, the first one's sign."""
    least = np.int32(0x7FFFFFFF)
    for j in range(_BLOCK):
        key = order_key(x[at + j])
        least = key if key < least else least
    value = from_order_key(least)
    return first_of_size(x, at, _BLOCK, np.int32(0)) if value == 0 else value


@kernel
def largest_value(x, at):
    """The greatest of 32 values."""
    most = np.int32(-0x7FFFFFFF - 1)
    for j in range(_BLOCK):
        key = order_key(x[at + j])
        most = key if key > most else most
    return from_order_key(most)


@kernel
def encode_ranged(x, out, levels, size, wide):
    """Q4_1 (15 levels, blocks of `size` 20 bytes) and Q5_1 (31 levels, 24 bytes, `wide`).

    m = least value, d = (greatest - m) / levels; code = trunc((x - m) * (1/d) + 0.5), at most levels; d and m are stored as
    float16.
    """
    wide_vectors()
    codes = np.empty(_BLOCK, np.int32)
    top, four, half = np.int32(levels), np.int32(4), np.float32(0.5)
    for block in range(x.size // _BLOCK):
        at, to = block * _BLOCK, block * size
        low = least_value(x, at)
        d = (largest_value(x, at) - low) / np.float32(levels)
        inverse = np.float32(1.0) / d if d != 0 else np.float32(0.0)
        write_half(out, to, d)
        write_half(out, to + 2, low)
        if np.isinf(inverse) or np.isinf(d):
            low = inverse = np.float32(0.0)
        if wide:
            for j in range(_BLOCK):
                code = like((x[at + j] - low) * inverse + half, top)
                codes[j] = code if code < top else top
            fifth_bits(out, to + 4, codes)
            pack_nibbles(out, to + 8, codes, 16)
        else:
            for j in range(16):
                first = like((x[at + j] - low) * inverse + half, top)
                second = like((x[at + 16 + j] - low) * inverse + half, top)
                first, second = first if first < top else top, second if second < top else top
                out[to + 4 + j] = np.uint8(either(first, left(second, four)))


@kernel
def encode_bytes(x, out, head, size, half):
    """Q8_0 (head 2, blocks of `size` 34 bytes) and Q8_1 (head 4, 36 bytes, with float16(d * sum of codes) behind d).

    d = max|x| / 127; code = x * (1/d) rounded to the nearest integer, ties away from zero.
    """
    wide_vectors()
    # Just below a half: added to a magnitude it carries exactly from .5 on, and never below.
    almost = np.float32(0.49999997)
    for block in range(x.size // _BLOCK):
        at, to = block * _BLOCK, block * size
        d = from_bits(largest_size(x, at, _BLOCK)) / np.float32(127.0)
        inverse = np.float32(1.0) / d if d != 0 else np.float32(0.0)
        inverse = np.float32(0.0) if np.isinf(inverse) else inverse
        write_half(out, to, d)
        start = to + head
        for j in range(2 * half):
            scaled = x[np.uint64(at + j)] * inverse
            out[np.uint64(start + j)] = np.uint8(like(scaled + copy_sign(almost, scaled), np.int32(0)))
        if head == 4:
            total = np.int32(0)
            for j in range(2 * half):
                total = add(total, np.int32(np.int8(out[np.uint64(start + j)])))
            write_half(out, to + 2, np.float32(total) * d)


@kernel
def decode_signed(data, out, middle, size, wide, half):
    """Values of Q4_0 and Q5_0 blocks: (code - middle) * d."""
    wide_vectors()
    less, four = np.int32(middle), np.int32(4)
    codes = np.empty(_BLOCK, np.int32)
    for block in range(out.size // _BLOCK):
        at, to = block * size, block * _BLOCK
        d = read_half(data, at)
        if wide:
            unpack_five(data, at + 2, codes)
            for j in range(2 * half):
                out[np.uint64(to + j)] = like(sub(codes[j], less), d) * d
        else:
            for j in range(half):
                byte = like(data[np.uint64(at + 2 + j)], four)
                out[np.uint64(to + j)] = like(sub(both(byte, np.int32(15)), less), d) * d
                out[np.uint64(to + 16 + j)] = like(sub(right(byte, four), less), d) * d


@kernel
def unpack_five(data, at, codes):
    """32 codes of five bits: their fifth bits in four bytes, then 16 bytes of nibbles."""
    one = np.int32(1)
    high = np.int32(0)
    for j in range(4):
        high = either(high, left(like(data[np.uint64(at + j)], one), np.int32(8 * j)))
    for j in range(16):
        byte = like(data[np.uint64(at + 4 + j)], one)
        codes[j] = either(both(byte, np.int32(15)), left(both(right(high, np.int32(j)), one), np.int32(4)))
        codes[16 + j] = either(right(byte, np.int32(4)), left(both(right(high, np.int32(16 + j)), one), np.int32(4)))


@kernel
def decode_ranged(data, out, size, wide, half):
    """Values of Q4_1 and Q5_1 blocks: code * d + m, product and sum rounded."""
    wide_vectors()
    four = np.int32(4)
    codes = np.empty(_BLOCK, np.int32)
    for block in range(out.size // _BLOCK):
        at, to = block * size, block * _BLOCK
        d, low = read_half(data, at), read_half(data, at + 2)
        if wide:
            unpack_five(data, at + 4, codes)
            for j in range(2 * half):
                out[np.uint64(to + j)] = like(codes[j], d) * d + low
        else:
            for j in range(half):
                byte = like(data[np.uint64(at + 4 + j)], four)
                out[np.uint64(to + j)] = like(both(byte, np.int32(15)), d) * d + low
                out[np.uint64(to + 16 + j)] = like(right(byte, four), d) * d + low


@kernel
def decode_bytes(data, out, head, size, half):
    """Values of Q8_0 and Q8_1 blocks: code * d."""
    wide_vectors()
    for block in range(out.size // _BLOCK):
        at, to = block * size, block * _BLOCK
        d = read_half(data, at)
        for j in range(2 * half):
            out[np.uint64(to + j)] = np.float32(np.int8(data[np.uint64(at + head + j)])) * d
