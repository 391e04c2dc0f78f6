"""Memories of a width and a depth in LUTs, block RAM and UltraRAM. All sizes are arrays or numbers that broadcast."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwmodel._checks import unknown
from hwmodel._data import csv_rows
from hwmodel.fpga.layers.facts import PACKAGE, whole

Ints = NDArray[np.int64]
# Where a memory lies: LUTs, block RAM, UltraRAM, or off the chip (or streamed in from elsewhere).
STYLES = ("distributed", "block", "ultra", "external")


def ints(value: ArrayLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def up(a: ArrayLike, b: ArrayLike) -> Ints:
    """a / b rounded up."""
    return -(-ints(a) // ints(b))


@cache
def shapes() -> tuple[tuple[int, int], ...]:
    """Width in bits and words of a BRAM18 in each of its modes, narrowest first."""
    return tuple((int(r["width"]), int(r["words"])) for r in csv_rows(PACKAGE, "bram18"))


def bram18(width: ArrayLike, words: ArrayLike) -> Ints:
    """BRAM18 blocks of a memory as FINN counts them: the narrowest mode that holds the width; the widest one up to 512 words."""
    w, d = np.broadcast_arrays(ints(width), ints(words))
    modes = shapes()
    out = up(d, modes[-1][1]) * up(w, modes[-1][0])
    second, last = modes[-2], modes[-1]
    out = np.where((w <= second[0]) | (d > last[1]), up(d, second[1]) * up(w, second[0]), out)
    for bits, deep in reversed(modes[:-2]):
        out = np.where(w <= bits, up(d, deep) * up(w, bits), out)
    return out


def bram18_best(width: ArrayLike, words: ArrayLike) -> Ints:
    """BRAM18 blocks in the mode that needs fewest: what a synthesis tool is free to choose."""
    w, d = np.broadcast_arrays(ints(width), ints(words))
    return np.min([up(w, bits) * up(d, deep) for bits, deep in shapes()], axis=0)


def uram(width: ArrayLike, words: ArrayLike) -> Ints:
    """UltraRAM blocks of a memory."""
    return up(width, whole("uram.width")) * up(words, whole("uram.words"))


def lutram(width: ArrayLike, words: ArrayLike) -> Ints:
    """LUTs of a memory: one a bit of the width and 64 words."""
    return ints(width) * up(words, whole("finn.lutram_words"))


def held(style: str, width: ArrayLike, words: ArrayLike) -> tuple[Ints, Ints, Ints]:
    """LUTs, BRAM18 and URAM of a memory of that style. Raises ValueError for an unknown style."""
    zero = ints(width) * ints(words) * 0
    if style == "distributed":
        return lutram(width, words) + zero, zero, zero
    if style == "block":
        return zero, bram18(width, words), zero
    if style == "ultra":
        return zero, zero, uram(width, words) + zero
    if style == "external":
        return zero, zero, zero
    raise unknown("memory style", style, STYLES)


def efficiency(bits: ArrayLike, bram18_blocks: ArrayLike = 0, uram_blocks: ArrayLike = 0) -> NDArray[np.float64]:
    """Share of the blocks' bits that `bits` of data fill; 1 where there is no block."""
    room = ints(bram18_blocks) * whole("bram18.bits") + ints(uram_blocks) * whole("uram.width") * whole("uram.words")
    return np.where(room > 0, ints(bits) / np.maximum(room, 1), 1.0)
