"""Sixteen-bit floats to float32, by their words."""

from __future__ import annotations

import numpy as np

from .jit import held_rows, kernel
from .lanes import both, either, from_bits, left, like, row_of, wide_vectors


@kernel
def widen_half(words, out):
    """out = the float16 values whose words are given. words: uint16; out: float32.

    Exponent and mantissa moved to their places stand for the value times 2**-112: subnormals too, so that one exact
    multiplication serves all finite values.
    """
    wide_vectors()
    size_mask, all_ones, sign, infinity = np.int32(0x7FFF), np.int32(0x7C00), np.int32(0x8000), np.int32(0x7F800000)
    up = np.int32(13)
    for i in range(words.size):
        word = like(words[i], up)
        size = both(word, size_mask)
        moved = left(size, up)
        value = from_bits(moved) * np.float32(2.0**112)
        value = from_bits(either(moved, infinity)) if size >= all_ones else value
        out[i] = -value if both(word, sign) != 0 else value


@kernel
def widen_bfloat(words, out):
    """out = the bfloat16 values whose words are given: each is the upper half of a float32. words: uint16; out: float32."""
    wide_vectors()
    to_top = np.int32(16)
    for i in range(words.size):
        out[i] = from_bits(left(like(words[i], to_top), to_top))


@kernel
def widen_bfloat_rows(words, out):
    """`widen_bfloat` of each row, rows contiguous."""
    held_rows(words)
    held_rows(out)
    for i in range(words.shape[0]):
        widen_bfloat(row_of(words, i), row_of(out, i))
