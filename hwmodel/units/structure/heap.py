"""Sums of many words as carry-save compressors and one carry-propagate adder.

Rows of three words go through a level of compressors until two words are left, as Yosys maps a sum of products. A sign extension
repeats one signal over many columns: compressors whose inputs are all extensions are the same in every column and stand once.
"""

from __future__ import annotations

import numpy as np

from hwmodel.units.structure.assembly import Assembly, part

ZERO, SIGN, DATA = 0, 1, 2  # what a column of a word holds: nothing, a copy of the sign, a bit of its own
Word = np.ndarray


def word(low: int, bits: int, width: int, signed: bool = False) -> Word:
    """`bits` bits from column `low`, sign-extended to `width` columns if signed."""
    out = np.zeros(width, np.int8)
    out[low : low + bits] = DATA
    if signed:
        out[low + bits :] = SIGN
    return out


def rows(a: int, b: int, width: int, signed: bool) -> list[Word]:
    """The partial products of a x b bits, a row for each bit of the narrower operand."""
    a, b = max(a, b), min(a, b)
    return [word(i, a, width, signed) for i in range(b) if i < width]


def compress(words: list[Word], width: int, name: str, activity: str, related: bool = False, overlap: bool = False) -> Assembly:
    """The sum of the words modulo 2**width: a tree of compressors, then an adder.

    `related`: the words are rows of one product, whose extensions are copies of one sign; a bit beside two of them needs no
    compressor of its own. `overlap`: an adder that follows starts with the first bit.
    """
    counts = {"fa": 0.0, "ha": 0.0, "xor": 0.0}
    levels = 0
    while len(words) > 2:
        left = []
        for i in range(0, len(words) - 2, 3):
            left += _row(np.stack(words[i : i + 3]), counts, related)
        words = left + words[len(words) - len(words) % 3 :]
        levels += 1
    tree = part(name, counts, {"compress": levels}, activity)
    if len(words) < 2:
        return tree
    return tree >> final_adder(words, name, activity, overlap)


def _row(three: np.ndarray, counts: dict[str, float], related: bool) -> list[Word]:
    """Sum and carry words of three words; what it takes is added to counts."""
    data, sign = (three == DATA).sum(0), (three == SIGN).sum(0)
    live = data + sign
    full, half = (live == 3) & (data >= (2 if related else 1)), (live == 2) & (data >= 1)
    counts["fa"] += float(full[:-1].sum())
    counts["ha"] += float(half[:-1].sum())
    counts["xor"] += 2 * float(full[-1]) + float(half[-1])  # the topmost column keeps no carry
    only = data == 0
    counts["fa"] += float((only & (live == 3)).any())
    counts["ha"] += float((only & (live == 2)).any())
    kind = np.where(data > 0, DATA, SIGN).astype(np.int8)
    total = np.where(live > 0, kind, ZERO).astype(np.int8)
    carry = np.zeros_like(total)
    carry[1:] = np.where(live > 1, kind, ZERO)[:-1]
    return [total, carry]


def final_adder(words: list[Word], name: str, activity: str, overlap: bool) -> Assembly:
    """Carry-propagate adder over the columns from the first that both words fill."""
    live = (np.stack(words) > 0).sum(0)
    both = np.flatnonzero(live == 2)
    if not len(both):
        return Assembly()
    start = int(both[0])
    inner = live[start + 1 : -1]
    pairs, single = float((inner == 2).sum()), float((inner == 1).sum())
    top = float(live[-1]) if start < len(live) - 1 else 0.0  # the topmost column keeps no carry
    cells = {"cpa": pairs, "ha": single + 1, "xor": top}
    return part(f"{name} adder", cells, {"carry": 1.0 if overlap else len(live) - start, "gate": 2}, activity)
