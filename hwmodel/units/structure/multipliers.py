"""Multipliers by style: textbook arrays, Dadda trees, Booth recoding; squarers; products with constants."""

from __future__ import annotations

from hwmodel.units.structure import parts
from hwmodel.units.structure.adders import add, dadda, style_of
from hwmodel.units.structure.assembly import Assembly, part
from hwmodel.units.structure.parts import log
from hwmodel.units.structure.registers import chain

MULTIPLIERS = ("tree", "array", "dadda", "booth")


def multiply(W: int, A: int, S: int = 1, style: str = "tree", name: str = "product") -> Assembly:
    """W x A bits. tree: as synthesised (calibrated); array: rows of adders; dadda; booth: radix 4."""
    style_of("multiplier style", style, MULTIPLIERS)
    if style == "tree":
        return parts.product(W, A, bool(S), name).bounded(W + A, W + A)
    if style == "booth":
        return booth(W, A, S, name)
    m, n = max(W, A), min(W, A)
    ands = part(f"{name} bits", {"and": m * n, "gate": 2 * S}, {"gate": 1, "fan": log(m)}, "product")
    if n == 1:
        return ands
    if style == "dadda":
        heights = [min(i + 1, n, m + n - 1 - i) for i in range(m + n - 1)]
        if S:  # Baugh and Wooley: two constants
            heights[m] += 1
            heights.append(1)
        return ands >> dadda(heights, name)
    rows = part(f"{name} rows", {"fa": m * (n - 2) + 2 * S, "ha": m}, {"carry": m + n - 2, "compress": 0.5 * (n - 2)}, "product")
    return ands >> rows


def booth(W: int, A: int, S: int, name: str) -> Assembly:
    """Radix 4: a row for each two bits of the narrower operand; a selector (two and-or, an xor) a bit, an encoder a row."""
    m, n = max(W, A), min(W, A)
    rows = (n + 1) // 2 if S else n // 2 + 1
    bits = m + 1
    encode = part(f"{name} encoders", {"xor": 2 * rows, "gate": 2 * rows}, {"gate": 3, "fan": log(bits)}, "product")
    select = part(f"{name} selectors", {"and": 2 * rows * bits, "xor": rows * bits}, {"gate": 4}, "product")
    heights = [0] * (m + n)
    for r in range(rows):
        for i in range(2 * r, min(2 * r + bits, m + n)):
            heights[i] += 1
        for i in (2 * r, 2 * r + bits, 2 * r + bits + 1):  # the increment of a negative row, and constants for its sign
            if i < m + n:
                heights[i] += 1
    return encode >> select >> dadda(heights, name)


def square(A: int, S: int = 0) -> Assembly:
    """A squarer: equal products of two bits stand once, one place higher."""
    heights = [0] * (2 * A)
    for i in range(A):
        heights[2 * i] += 1
        for j in range(i + 1, A):
            heights[i + j + 1] += 1
    ands = part("square bits", {"and": A * (A - 1) / 2, "gate": A * S}, {"gate": 1, "fan": log(A)}, "product")
    return ands >> dadda(heights, "square")


def csd(C: int) -> list[int]:
    """Digits -1, 0, 1 of a constant from the lowest, no two neighbours of which are nonzero."""
    digits, rest = [], abs(C)
    while rest:
        digit = 2 - rest % 4 if rest & 1 else 0
        digits.append(digit if C > 0 else -digit)
        rest = (rest - digit) // 2
    return digits


def constant(A: int, C: int) -> Assembly:
    """A bits times a constant: an adder or subtractor for each nonzero digit but the first, over the bits that overlap."""
    made, width, places = Assembly(), A, [i for i, d in enumerate(csd(C)) if d]
    for number, place in enumerate(places[1:]):
        shift = place - places[0]
        bits = max(width - shift, A) + 1
        made = chain(made, add(bits, name=f"digit {number + 1}", activity="product"))
        width = shift + bits
    return made


def divide(W: int, A: int, name: str = "quotient") -> Assembly:
    """W bits by A bits, unsigned magnitudes, truncated: a row of subtract and select for each bit of the quotient."""
    row = part(f"{name} subtract", {"cpa": A + 1}, {"carry": A + 1, "gate": 2}) >> parts.select(A + 1, f"{name} select")
    made = row * W
    path, travel = ({k: W * v for k, v in t.items()} for t in (row.path, row.travel))
    return Assembly(made.parts, path, travel)
