"""Sums of many words on LUTs: rows of compressors until two words are left, which a carry chain adds.

Yosys compresses rows of three words. A bit that depends on few inputs is one LUT, whatever compressors it stands for: so every
bit carries the set of inputs that it depends on. Copies of a sign make equal compressors in neighbouring columns, counted once; in
columns that hold only signs and an addend, two of the functions of the signs are made once for all columns.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from hwmodel.fpga.blocks import Block, part
from hwmodel.fpga.counting import Number
from hwmodel.fpga.tree_kernel import OUTPUTS, counts_of

# What a tree adds up (columns of the kernel): a word of `first` bits, `lanes` times a product or a word, a word of `last` bits.
COLUMNS = ("width", "first", "lanes", "a", "b", "signed", "bits", "span", "behind", "last")


def compress(
    name: str,
    width: Number,
    lanes: Number = 1,
    product: tuple[Number, Number, Number] = (0, 0, 0),
    word: tuple[Number, Number, Number] = (0, 0, 1),
    first: Number = 0,
    last: Number = 0,
) -> Block:
    """The sum modulo 2**width of `lanes` products or words and of up to two words more; nothing where width is 0.

    product: bits of both operands, and whether they are signed; its rows are summed, one for each bit of the narrower operand.
    word: where product has no bits; its bits, the bits that it is sign-extended to, and of how many inputs each bit is a function.
    first, last: bits of the words before and after, sign-extended to the width; 0 for none.
    """
    given = (width, first, lanes, *product, *word, last)
    arrays = [n for n in given if isinstance(n, np.ndarray)]
    if arrays:
        rows = np.empty((len(arrays[0]), len(COLUMNS)), np.int64)
        for column, n in enumerate(given):
            rows[:, column] = n
        found = dict(zip(OUTPUTS, _distinct(rows).T, strict=True))
    else:
        found = dict(zip(OUTPUTS, _one(tuple(int(n) for n in given)), strict=True))
    cells = {cell: found[cell] for cell in ("half", "shared", "compress", "compress once", "leaf")}
    tree = part(name, cells, {"compress": found["levels"]})
    adder = found["adder"]
    ends = {"add": found["add"], "addend": found["addend"]}
    return tree >> part(
        f"{name} adder", ends, {"chain": adder, "bit": found["bit"]}, ((width, _whole(adder)),), idle=_whole(found["idle"])
    )


def _whole(n: Number) -> Number:
    return n.astype(np.int64) if isinstance(n, np.ndarray) else int(n)


@lru_cache(maxsize=1 << 12)
def _one(tree: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(_counted(np.array([tree], np.int64))[0].tolist())


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Counts of trees, each distinct one made once."""
    if not len(rows):
        return np.zeros((0, len(OUTPUTS)))
    spread = rows.max(0) + 1
    if np.log2(spread.astype(float)).sum() < 62:
        key = np.zeros(len(rows), np.int64)
        for column in np.flatnonzero(spread > 1):
            key = key * spread[column] + rows[:, column]
        _, where, back = np.unique(key, return_index=True, return_inverse=True)
        return _counted(rows[where])[back]
    trees, back = np.unique(rows, axis=0, return_inverse=True)
    return _counted(trees)[back.reshape(-1)]


def _counted(trees: np.ndarray) -> np.ndarray:
    out = np.zeros((len(trees), len(OUTPUTS)))
    counts_of(np.ascontiguousarray(trees), out)
    return out
