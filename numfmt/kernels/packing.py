"""Codes of any width in bytes and back. A dense stream is one long integer, its bytes low first."""

from __future__ import annotations

import numpy as np

from .jit import kernel

_EIGHT = np.uint64(8)
_BYTE = np.uint64(0xFF)


@kernel
def pack_low(codes, width, out):
    """Code i takes bits i * width .. (i + 1) * width - 1 of the stream. width 1..64; out: uint8, ceil(n * width / 8) bytes."""
    held, count, place = np.uint64(0), 0, 0
    for i in range(codes.size):
        code = np.uint64(codes[i])
        held |= code << np.uint64(count)
        total = count + width
        if total >= 64:  # 64 bits are complete; what did not fit comes next
            for _ in range(8):
                out[place] = held & _BYTE
                held >>= _EIGHT
                place += 1
            total -= 64
            used = width - total
            held = code >> np.uint64(used) if used < 64 else np.uint64(0)
        count = total
    while count > 0:
        out[place] = held & _BYTE
        held >>= _EIGHT
        place += 1
        count -= 8


@kernel
def unpack_low(packed, width, first, out):
    """Codes first .. first + out.size - 1 of the stream that `pack_low` writes."""
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1) if width < 64 else ~np.uint64(0)
    for i in range(out.size):
        position = np.int64(first + i) * width
        byte = position >> 3
        shift = np.uint64(position & 7)
        word = np.uint64(0)
        needed = ((position & 7) + width + 7) >> 3  # 1 to 9 bytes
        for j in range(min(needed, 8)):
            word |= np.uint64(packed[byte + j]) << (_EIGHT * np.uint64(j))
        word >>= shift
        if needed == 9:
            word |= np.uint64(packed[byte + 8]) << (np.uint64(64) - shift)
        out[i] = word & mask


@kernel
def pack_in_bytes(codes, width, low_first, out):
    """Widths 1, 2, 4, 8: 8 / width codes to a byte, the first in the low bits, or in the high bits; zeros fill the last byte."""
    per = 8 // width
    whole = codes.size // per
    for i in range(whole):
        byte = np.uint32(0)
        for j in range(per):
            place = j if low_first else per - 1 - j
            byte |= np.uint32(codes[i * per + j]) << np.uint32(place * width)
        out[i] = byte
    if whole * per < codes.size:
        byte = np.uint32(0)
        for j in range(codes.size - whole * per):
            place = j if low_first else per - 1 - j
            byte |= np.uint32(codes[whole * per + j]) << np.uint32(place * width)
        out[whole] = byte


@kernel
def pack_nibbles(codes, low_first, out):
    """`pack_in_bytes` for four bits."""
    for i in range(codes.size // 2):
        a, b = np.uint8(codes[2 * i]), np.uint8(codes[2 * i + 1])
        out[i] = (a | np.uint8(b << 4)) if low_first else (b | np.uint8(a << 4))
    if codes.size % 2:
        last = np.uint8(codes[codes.size - 1])
        out[codes.size // 2] = last if low_first else np.uint8(last << 4)


@kernel
def unpack_in_bytes(packed, width, low_first, first, out):
    """Codes first .. first + out.size - 1 of what `pack_in_bytes` writes."""
    per = 8 // width
    mask = (1 << width) - 1
    for i in range(out.size):
        index = first + i
        place = index % per if low_first else per - 1 - index % per
        out[i] = (packed[index // per] >> (place * width)) & mask


@kernel
def pack_halves(codes, half, out):
    """Four-bit codes in blocks of 2 * half: byte j of a block holds code j in its low and code j + half in its high nibble."""
    for block in range(codes.size // (2 * half)):
        base = block * 2 * half
        for j in range(half):
            out[block * half + j] = np.uint8(codes[base + j]) | np.uint8(np.uint8(codes[base + half + j]) << 4)


@kernel
def unpack_halves(packed, half, first, out):
    """Codes first .. first + out.size - 1 of what `pack_halves` writes; first and out.size: multiples of 2 * half."""
    for block in range(out.size // (2 * half)):
        base = block * 2 * half
        source = first // 2 + block * half
        for j in range(half):
            byte = packed[source + j]
            out[base + j] = byte & np.uint8(15)
            out[base + half + j] = byte >> np.uint8(4)
