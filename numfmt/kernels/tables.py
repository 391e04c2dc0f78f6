"""Codes to values by table."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import both, right, wide_vectors


@kernel
def look_up(codes, table, out):
    """out[i] = table[codes[i]]; table holds 2**k entries. Returns the bits of all codes together: 2**k or more if one is too large.

    codes: unsigned integers; too large a code reads the entry of its low k bits.
    """
    mask = np.uint64(table.size - 1)
    seen = np.uint64(0)
    for i in range(codes.size):
        code = np.uint64(codes[i])
        seen |= code
        out[i] = table[code & mask]
    return seen


@kernel
def look_up_all(codes, table, out):
    """`look_up` where the type of the codes rules out that one is too large: table holds an entry for every number of the type."""
    for i in range(codes.size):
        out[i] = table[codes[i]]


@kernel
def look_up_groups(packed, table, out):
    """out[i, :] = table[packed[i]]: several values to a byte. packed: uint8 (n,); table: (256, k); out: (n, k)."""
    for i in range(packed.size):
        row = table[packed[i]]
        for j in range(table.shape[1]):
            out[i, j] = row[j]


@kernel
def _pick(t, code):
    """t[code], 16 entries, by selections; code: int32. Vectors have no look-up of their own on every machine."""
    one, two, four, eight = (
        both(code, np.int32(1)) != 0, both(code, np.int32(2)) != 0, both(code, np.int32(4)) != 0, both(code, np.int32(8)) != 0
    )  # fmt: skip
    a = t[1] if one else t[0]
    b = t[3] if one else t[2]
    c = t[5] if one else t[4]
    d = t[7] if one else t[6]
    e = t[9] if one else t[8]
    f = t[11] if one else t[10]
    g = t[13] if one else t[12]
    h = t[15] if one else t[14]
    a = b if two else a
    c = d if two else c
    e = f if two else e
    g = h if two else g
    a = c if four else a
    e = g if four else e
    return e if eight else a


@kernel
def _entries(t):
    return (t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15])


@kernel
def look_up_nibbles(packed, table, out):
    """Values of the four-bit codes of each byte, the low nibble first; table: 16 entries; out: two for each byte."""
    wide_vectors()
    t = _entries(table)
    for i in range(packed.size):
        byte = np.int32(packed[i])
        out[2 * i] = _pick(t, byte)
        out[2 * i + 1] = _pick(t, right(byte, np.int32(4)))


@kernel
def look_up_nibbles_high(packed, table, out):
    """`look_up_nibbles`, the high nibble first."""
    wide_vectors()
    t = _entries(table)
    for i in range(packed.size):
        byte = np.int32(packed[i])
        out[2 * i] = _pick(t, right(byte, np.int32(4)))
        out[2 * i + 1] = _pick(t, byte)


@kernel
def look_up_halves(packed, table, half, out):
    """Values of four-bit codes in blocks of 2 * half: byte j of a block holds code j (low nibble) and code j + half. table: 16."""
    wide_vectors()
    t = _entries(table)
    for block in range(packed.size // half):
        at = block * half
        for j in range(half):
            out[2 * at + j] = _pick(t, np.int32(packed[at + j]))
        for j in range(half):
            out[2 * at + half + j] = _pick(t, right(np.int32(packed[at + j]), np.int32(4)))
