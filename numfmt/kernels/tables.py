"""Codes to values by table."""

from __future__ import annotations

import numpy as np

from .jit import kernel


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
def look_up_halves(packed, table, half, out):
    """Values of four-bit codes in blocks of 2 * half: byte j of a block holds code j (low nibble) and code j + half. table: 16."""
    for block in range(packed.size // half):
        source = packed[block * half : block * half + half]
        low = out[2 * half * block : 2 * half * block + half]
        high = out[2 * half * block + half : 2 * half * block + 2 * half]
        for j in range(half):
            byte = source[j]
            low[j] = table[byte & np.uint8(15)]
            high[j] = table[byte >> np.uint8(4)]
