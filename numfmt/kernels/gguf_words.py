"""Words that ggml's blocks hold: float16 scales and the rounding of its super-blocks, one at a time."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import add, bits, both, differ, either, from_bits, left, right, right_signed, sub, wide_vectors


@kernel
def half_word(v):
    """The float16 word of a float32, to nearest even; NaN is 0x7E00 with v's sign."""
    word = bits(v)
    size = both(word, np.int32(0x7FFFFFFF))
    sign = both(right(word, np.int32(16)), np.int32(0x8000))
    # The sum with 0.5 ends at 2**-24, the step of float16's subnormals.
    small = sub(bits(from_bits(size) + np.float32(0.5)), np.int32(0x3F000000))
    odd = both(right(size, np.int32(13)), np.int32(1))
    normal = sub(right(add(add(size, np.int32(0xFFF)), odd), np.int32(13)), np.int32(112 << 10))
    out = small if size < np.int32(0x38800000) else normal
    out = np.int32(0x7C00) if size >= np.int32(0x477FF000) else out
    out = np.int32(0x7E00) if size > np.int32(0x7F800000) else out
    return either(out, sign)


@kernel
def half_value(word):
    """The float32 value of a float16 word (int32)."""
    size = both(word, np.int32(0x7FFF))
    value = from_bits(left(size, np.int32(13))) * np.float32(2.0**112)
    value = from_bits(either(left(size, np.int32(13)), np.int32(0x7F800000))) if size >= np.int32(0x7C00) else value
    return -value if both(word, np.int32(0x8000)) != 0 else value


@kernel
def read_half(data, at):
    """The float16 at bytes `at` and `at + 1` as float32."""
    return half_value(np.int32(np.int32(data[at]) | (np.int32(data[at + 1]) << 8)))


@kernel
def write_half(out, at, v):
    """v as float16 into bytes `at` and `at + 1`; returns the value that was stored."""
    word = half_word(v)
    out[at] = np.uint8(word & 255)
    out[at + 1] = np.uint8(word >> 8)
    return half_value(word)


@kernel
def magic_int(v):
    """ggml's nearest_int: v + 1.5 * 2**23 leaves round(v), ties to even, in the low 23 bits (beyond 2**22 whatever is there)."""
    return sub(both(bits(v + np.float32(12582912.0)), np.int32(0x7FFFFF)), np.int32(0x400000))


@kernel
def size_bits(v):
    """The bits of |v|."""
    return both(bits(v), np.int32(0x7FFFFFFF))


@kernel
def order_key(v):
    """int32 keys in the order of the floats, -0 below +0. `from_order_key` takes them back."""
    word = bits(v)
    return differ(word, both(right_signed(word, np.int32(31)), np.int32(0x7FFFFFFF)))


@kernel
def from_order_key(key):
    """The float32 of an `order_key`."""
    return from_bits(differ(key, both(right_signed(key, np.int32(31)), np.int32(0x7FFFFFFF))))


@kernel
def split_nibbles(data, out, size, head, runs, half):
    """Codes of blocks of `size` bytes: behind `head` bytes, runs of `half` bytes, `half` low and then `half` high nibbles."""
    wide_vectors()
    for block in range(data.size // size):
        for run in range(runs):
            at, to = block * size + head + run * half, (block * runs + run) * 2 * half
            for j in range(half):
                byte = data[np.uint64(at + j)]
                out[np.uint64(to + j)] = byte & np.uint8(15)
                out[np.uint64(to + half + j)] = byte >> np.uint8(4)


@kernel
def join_nibbles(codes, out, size, head, runs, half):
    """The inverse of `split_nibbles`; the bytes before the nibbles stay as they are."""
    wide_vectors()
    for block in range(out.size // size):
        for run in range(runs):
            to, at = block * size + head + run * half, (block * runs + run) * 2 * half
            for j in range(half):
                out[np.uint64(to + j)] = np.uint8(
                    (codes[np.uint64(at + j)] & np.uint8(15)) | (codes[np.uint64(at + half + j)] << np.uint8(4))
                )
