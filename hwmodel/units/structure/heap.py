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


def compress(
    words: list[Word], width: int, name: str, activity: str, related: bool = False, overlap: bool = False, quiet: int | None = None
) -> Assembly:
    """The sum of the words modulo 2**width: a tree of compressors, then an adder.

    `related`: the words are rows of one product, whose extensions are copies of one sign; a bit beside two of them needs no
    compressor of its own. `overlap`: an adder that follows starts with the first bit. `quiet`: from this column on there are only
    extensions and the accumulator's high bits, activity class "sum".
    """
    quiet = width if quiet is None else min(quiet, width)
    low, high = dict.fromkeys(("fa", "ha", "xor"), 0.0), dict.fromkeys(("fa", "ha", "xor"), 0.0)
    levels = 0
    while len(words) > 2:
        left = []
        for i in range(0, len(words) - 2, 3):
            left += _row(np.stack(words[i : i + 3]), (low, high), related, quiet)
        words = left + words[len(words) - len(words) % 3 :]
        levels += 1
    tree = part(name, low, {"compress": levels}, activity) | part(f"{name} extension", high, {"compress": levels}, "sum")
    if len(words) == 2:
        tree = tree >> final_adder(words, f"{name} adder", activity, overlap, quiet)
    return tree


def _row(three: np.ndarray, counts: tuple[dict[str, float], dict[str, float]], related: bool, quiet: int) -> list[Word]:
    """Sum and carry words of three words; what it takes is added to counts (low columns, quiet columns)."""
    data, sign = (three == DATA).sum(0), (three == SIGN).sum(0)
    live = data + sign
    full, half = (live == 3) & (data >= (2 if related else 1)), (live == 2) & (data >= 1)
    for where, count in zip((slice(0, quiet), slice(quiet, None)), counts, strict=True):
        count["fa"] += float(full[:-1][where].sum())
        count["ha"] += float(half[:-1][where].sum())
    top = counts[quiet < len(data)]
    top["xor"] += 2 * float(full[-1]) + float(half[-1])  # the topmost column keeps no carry
    only = data == 0  # the same in every column: once
    counts[0]["fa"] += float((only & (live == 3)).any())
    counts[0]["ha"] += float((only & (live == 2)).any())
    kind = np.where(data > 0, DATA, SIGN).astype(np.int8)
    total = np.where(live > 0, kind, ZERO).astype(np.int8)
    carry = np.zeros_like(total)
    carry[1:] = np.where(live > 1, kind, ZERO)[:-1]
    return [total, carry]


def final_adder(words: list[Word], name: str, activity: str, overlap: bool, quiet: int) -> Assembly:
    """Carry-propagate adder over the columns from the first that both words fill."""
    live = (np.stack(words) > 0).sum(0)
    both = np.flatnonzero(live == 2)
    if not len(both):
        return Assembly()
    start = int(both[0])
    inner = live.copy()
    inner[: start + 1] = inner[-1] = 0
    top = float(live[-1]) if start < len(live) - 1 else 0.0  # the topmost column keeps no carry
    cells = [{"cpa": float((k == 2).sum()), "ha": float((k == 1).sum())} for k in (inner[:quiet], inner[quiet:])]
    cells[0]["ha"] += 1
    cells[quiet < len(live)]["xor"] = top
    chain = float((live[start:] > 0).sum())
    path = {"carry": 1.0 if overlap else chain, "gate": 2}
    return part(name, cells[0], path, activity) | part(f"{name}, high bits", cells[1], {}, "sum", chain)
