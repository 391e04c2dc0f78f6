"""Codes of up to 8 bits to values, in lanes where a few operations on their bits give them."""

from __future__ import annotations

import numpy as np

from .jit import held_rows, kernel
from .lanes import above, add, bits, both, either, from_bits, left, like, right_signed, row_of, sub, wide_vectors


@kernel
def decode_rows(codes, out, words):
    """out = values of codes (uint8, two axes, rows contiguous). words: [0, bits, signed, ...] of integers in two's complement, or
    [1, bits, man_bits, what to add to the moved word, word of the least subnormal, magnitude's code above which NaN stands, that of
    infinity] of floats with a sign, an exponent and a mantissa.
    """
    held_rows(codes)
    held_rows(out)
    top = np.int32(32 - words[1])
    if words[0] == 0:
        signed = words[2] != 0
        for i in range(codes.shape[0]):
            if signed:
                _integers(row_of(codes, i), row_of(out, i), top)
            else:
                _naturals(row_of(codes, i), row_of(out, i))
        return
    size = np.int32((1 << (words[1] - 1)) - 1)
    up, least_normal = np.int32(23 - words[2]), np.int32(1 << words[2])
    for i in range(codes.shape[0]):
        _floats(
            row_of(codes, i),
            row_of(out, i),
            size,
            np.int32(top),
            up,
            least_normal,
            words[3],
            from_bits(words[4]),
            words[5],
            words[6],
        )


@kernel
def _integers(codes, out, top):
    wide_vectors()
    for j in range(codes.size):
        out[j] = np.float32(right_signed(left(like(codes[j], top), top), top))


@kernel
def _naturals(codes, out):
    wide_vectors()
    for j in range(codes.size):
        out[j] = np.float32(like(codes[j], np.int32(0)))


@kernel
def _floats(codes, out, size, top, up, least_normal, offset, least, most, endless):
    wide_vectors()
    sign_bit = np.int32(-(1 << 31))
    for j in range(codes.size):
        word = like(codes[j], up)
        magnitude = both(word, size)
        normal = from_bits(add(left(magnitude, up), offset))
        value = normal if magnitude >= least_normal else np.float32(magnitude) * least
        value = np.float32(np.inf) if magnitude == endless else value
        value = np.float32(np.nan) if magnitude > most else value
        sign = both(left(word, top), sign_bit)
        out[j] = from_bits(either(bits(np.float32(value)), sign))


@kernel
def code_range(codes, size):
    """The largest code less its sign, and the smallest one but 0. codes: uint8, two axes, rows contiguous; size: its mask."""
    held_rows(codes)
    most, least = np.uint8(0), np.uint8(255)
    for i in range(codes.shape[0]):
        high, low = _code_range(row_of(codes, i), size)
        most, least = max(most, high), min(least, low)
    return int(most), int(least) + 1


@kernel
def _code_range(codes, size):
    wide_vectors()
    most, least = np.uint8(0), np.uint8(255)
    for j in range(codes.size):
        code = both(codes[j], size)
        below = sub(code, np.uint8(1))  # of 0: 255
        most = code if above(code, most) else most
        least = below if above(least, below) else least
    return most, least


@kernel
def look_up(codes, table, out):
    """out = table[codes], in the type of `out`. Two axes."""
    for i in range(codes.shape[0]):
        for j in range(codes.shape[1]):
            out[i, j] = table[codes[i, j]]


@kernel
def mark(codes, seen):
    """seen[code] = True for every code. Two axes."""
    for i in range(codes.shape[0]):
        for j in range(codes.shape[1]):
            seen[codes[i, j]] = True
