"""Operand words of matrix units: their float32 values, the exponents they are aligned by, and which rows need care.

A format's facts are an int64 array, indexed by the names below. Matrices of words come as their bytes, low byte first, so that one
compiled kernel serves words of 1, 2 and 4 bytes.
"""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import bits, from_bits

MAN, BIAS, SIGN_BIT, MASK, INF_AT, NAN_FROM, EMIN, LOW, HIGH, BYTES = range(10)
ABSENT = -16000  # the exponent of a zero; two of them still fit 16 bits


@kernel
def word_at(row, k, facts):
    """Word k of a row of bytes."""
    if facts[BYTES] == 1:
        return np.int64(row[k])
    if facts[BYTES] == 2:
        return np.int64(row[2 * k]) | np.int64(row[2 * k + 1]) << 8
    low = np.int64(row[4 * k]) | np.int64(row[4 * k + 1]) << 8
    return low | np.int64(row[4 * k + 2]) << 16 | np.int64(row[4 * k + 3]) << 24


@kernel
def magnitude_of(word, facts):
    """The word without sign and without the bits that the unit ignores."""
    return np.int64(word) & facts[MASK] & ((np.int64(1) << facts[SIGN_BIT]) - 1)


@kernel
def value_of(word, facts):
    """The float32 value of a finite word (any number for Inf and NaN). No subnormal is multiplied: some machines do that slowly."""
    magnitude = magnitude_of(word, facts)
    man = facts[MAN]
    if facts[BIAS] == 127:  # the exponent of float32: the word is its upper part
        size = from_bits(np.int32(magnitude << (23 - man)))
    else:
        field = magnitude >> man
        significand = magnitude & ((np.int64(1) << man) - 1)
        if field > 0:
            significand += np.int64(1) << man
        exponent = max(field, np.int64(1)) - facts[BIAS] - man
        size = np.float32(np.int32(significand)) * from_bits(np.int32((exponent + 127) << 23))
    return -size if (np.int64(word) >> facts[SIGN_BIT]) & 1 else size


@kernel
def exponent_of(value, emin):
    """The exponent that a unit aligns a float32 value by: that of its float format, never below emin; ABSENT for zero."""
    magnitude = np.int64(bits(np.float32(value))) & 0x7FFFFFFF
    if magnitude == 0:
        return np.int64(ABSENT)
    return max((magnitude >> 23) - 127, emin)


@kernel
def largest_magnitude(words, facts):
    """The largest magnitude word below Inf and NaN."""
    limit = min(facts[INF_AT], facts[NAN_FROM])
    largest = np.int64(0)
    for i in range(words.shape[0]):
        row = words[i]
        for k in range(row.size // facts[BYTES]):
            magnitude = magnitude_of(word_at(row, k, facts), facts)
            largest = max(largest, magnitude if magnitude < limit else np.int64(0))
    return largest


@kernel
def find_odd(words, facts, odd):
    """Mark the rows that hold Inf, NaN or a magnitude outside [LOW, HIGH), zero apart."""
    low, high = facts[LOW], facts[HIGH]
    for i in range(words.shape[0]):
        found = np.int64(0)
        row = words[i]
        for k in range(row.size // facts[BYTES]):
            magnitude = magnitude_of(word_at(row, k, facts), facts)
            found |= np.int64(magnitude >= high) | (np.int64(magnitude < low) & np.int64(magnitude != 0))
        odd[i] = found != 0
