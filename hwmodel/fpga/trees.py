"""Sums of many words on LUTs: rows of compressors until two words are left, which a carry chain adds.

Yosys compresses rows of three words. A bit that depends on few inputs is one LUT, whatever compressors it stands for: so every
bit carries the set of inputs that it depends on. Copies of a sign make equal compressors in many columns, counted once; in
columns that hold only signs and an addend, two of the functions of the signs are made once for all columns.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from hwmodel.fpga.blocks import Block, part

LUT_INPUTS = 6
_MADE = 1 << 40  # names of bits from here on are outputs of compressors
# A word: column -> (name of the bit, set of inputs as a bit mask, or None when they are too many for a LUT).
Word = dict[int, tuple[int, int | None]]


@dataclass
class Inputs:
    """Numbers the inputs of a tree. `inner`: bits of operands that are not signs. `addends`: bits of plain words."""

    count: int = 0
    inner: int = 0
    addends: int = 0

    def take(self, n: int) -> int:
        self.count += n
        return self.count - n

    def word(self, bits: int, width: int | None = None, behind: int = 1) -> Word:
        """A word of `bits`, sign-extended to `width`; each bit is a function of `behind` inputs."""
        first = self.take(bits * behind)
        masks = [((1 << behind) - 1) << (first + behind * i) for i in range(bits)]
        if behind == 1:
            self.addends |= sum(masks)
        return {i: (first + min(i, bits - 1), masks[min(i, bits - 1)]) for i in range(width or bits)}

    def product(self, a: int, b: int, width: int, signed: bool) -> list[Word]:
        """The rows of a x b bits, one for each bit of the narrower operand."""
        a, b = max(a, b), min(a, b)
        x, y = self.take(a), self.take(b)
        self.inner |= ((1 << (a - 1)) - 1) << x
        rows: list[Word] = []
        for j in range(b):
            top = width - j if signed else min(a, width - j)
            row: Word = {}
            for i in range(max(top, 0)):
                k = min(i, a - 1)
                row[i + j] = ((x + k) << 16 | (y + j), 1 << (x + k) | 1 << (y + j))
            rows.append(row)
        return rows

    def union(self, *masks: int | None) -> int | None:
        """The inputs of a function of these bits, None if no LUT takes them."""
        out = 0
        for mask in masks:
            if mask is None:
                return None
            out |= mask
        n = out.bit_count()
        here = out & self.addends
        if here and not out & self.inner:
            n = max(n - 2, here.bit_count())
        return out if n <= LUT_INPUTS else None


def compress(words: list[Word], width: int, inputs: Inputs, name: str) -> Block:
    """The sum of the words modulo 2**width."""
    counts: dict[str, float] = defaultdict(float)
    made: dict[tuple[int, ...], tuple[int, int | None]] = {}
    levels, narrow = 0, len(words) == 3
    while len(words) > 2:
        left: list[Word] = []
        for i in range(0, len(words) - 2, 3):
            left += _row(words[i : i + 3], width, inputs, counts, made, levels, narrow)
        words = left + words[len(words) - len(words) % 3 :]
        levels += 1
    tree = part(name, counts, {"compress": levels})
    if len(words) < 2:
        return tree
    live = [sum(column in w for w in words) for column in range(width)]
    start = next((c for c, n in enumerate(live) if n == 2), width)
    both = [c for c in range(start, width) if live[c] == 2]
    made_both = sum(all(w[c][0] >= _MADE for w in words) for c in both)
    cells = {"add": sum(n > 0 for n in live[start:]), "addend": made_both}
    return tree >> part(f"{name} adder", cells, {"chain": 1, "bit": width - start}, (width,), idle=start)


def _row(
    three: list[Word],
    width: int,
    inputs: Inputs,
    counts: dict[str, float],
    made: dict[tuple[int, ...], tuple[int, int | None]],
    level: int,
    narrow: bool,
) -> list[Word]:
    """Sum and carry words of three words; what they take goes into `counts`.

    `narrow`: there is only this row, and the chain that adds its two words takes its inputs as they are.
    """
    total: Word = {}
    carry: Word = {}
    for column in range(width):
        bits = [w[column] for w in three if column in w]
        if len(bits) < 2:
            if bits:
                total[column] = bits[0]
            continue
        key = (level, *sorted(b[0] for b in bits))
        if key not in made:
            mask = inputs.union(*(b[1] for b in bits))
            made[key] = (_MADE + 2 * len(made), mask)
            outputs = 2 if column < width - 1 else 1
            if len(bits) == 2:
                counts["half"] += outputs / 2
            elif mask is not None:
                counts["shared"] += outputs
            elif len(bits) == 3:
                counts["compress once" if narrow else "compress"] += outputs / 2
            if mask is None:
                counts["leaf"] += sum(b[0] >= _MADE and b[1] is not None and b[1].bit_count() > 2 for b in bits)
        first, mask = made[key]
        total[column] = (first, mask)
        if column + 1 < width:
            carry[column + 1] = (first + 1, mask)
    return [total, carry]
