"""Loops over blocks of elements that every quantizer needs."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import wide_vectors


@kernel
def largest_word(words):
    """The largest magnitude among float32 words (int32, flat) as a word: at or above 0x7F800000 for infinities and NaN."""
    wide_vectors()
    top = np.int32(0)
    for i in range(words.size):
        top = max(top, np.int32(words[i] & np.int32(0x7FFFFFFF)))
    return top
