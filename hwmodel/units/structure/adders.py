"""Adders by style, and sums of many words: closed formulas or the very graph, counted."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel._checks import unknown
from hwmodel.units.structure import parts
from hwmodel.units.structure.assembly import Assembly, part
from hwmodel.units.structure.heap import compress, word
from hwmodel.units.structure.parts import bits_of
from hwmodel.units.structure.registers import chain

ADDERS = ("ripple", "sklansky", "kogge_stone", "brent_kung")
TREES = ("carry_save", "dadda", "binary")


def style_of(what: str, style: object, known: tuple[str, ...]) -> str:
    """A style by name. Raises ValueError naming the nearest."""
    if style not in known:
        raise unknown(what, str(style), known)
    return str(style)


def sklansky_nodes(n: int) -> int:
    return sum((j >> i) & 1 for j in range(n) for i in range(bits_of(n)))


def kogge_stone_nodes(n: int) -> int:
    return sum(n - 2**i for i in range(bits_of(n)))


def brent_kung_nodes(n: int) -> int:
    """Up the tree: a node at each multiple of 2, 4, 8, ...; and down: at each odd multiple from three on of ..., 4, 2, 1."""
    up = sum(n // 2**i for i in range(1, bits_of(n) + 1) if 2**i <= n)
    down = sum(max(0, (n - 3 * 2**i) // 2 ** (i + 1) + 1) for i in range(bits_of(n)) if 3 * 2**i <= n)
    return up + down


_NODES: dict[str, tuple[Callable[[int], int], Callable[[int], float], Callable[[int], float]]] = {
    "sklansky": (sklansky_nodes, bits_of, bits_of),
    "kogge_stone": (kogge_stone_nodes, bits_of, lambda n: 1.0),
    "brent_kung": (brent_kung_nodes, lambda n: max(2 * bits_of(n) - 2, 1), lambda n: 1.0),
}


def add(bits: int, style: str = "ripple", name: str = "adder", activity: str = "data") -> Assembly:
    """Adder with carry out. Prefix styles: an and and an xor a bit, an and and an and-or a node, an xor a bit for the sum.

    Source: Sklansky 1960; Kogge and Stone 1973; Brent and Kung 1982.
    """
    if style_of("adder style", style, ADDERS) == "ripple" or bits < 2:
        return parts.adder(bits, name, activity)
    nodes, levels, fan = _NODES[style]
    ends = part(f"{name} generate, propagate", {"and": bits, "xor": bits}, {"gate": 2}, activity)
    tree = part(
        f"{name} prefix", {"and": 2 * nodes(bits), "gate": nodes(bits)}, {"gate": 2 * levels(bits), "fan": fan(bits)}, activity
    )
    return ends >> tree >> part(f"{name} sum", {"xor": bits}, {"gate": 2}, activity)


def dadda(heights: list[int], name: str, activity: str = "product", style: str = "ripple") -> Assembly:
    """The sum of columns of bits: Dadda's reduction to two rows, then an adder over the columns that still hold two."""
    columns, full, half, levels = list(heights), 0, 0, 0
    limits = [2]
    while limits[-1] < max(columns, default=0):
        limits.append(int(limits[-1] * 1.5))
    for limit in reversed(limits[:-1] if len(limits) > 1 else []):
        levels += 1
        carry = 0
        for i, count in enumerate(columns):
            count, out = count + carry, 0
            while count > limit:
                one = count == limit + 1
                count, out = count - (1 if one else 2), out + 1
                half, full = half + one, full + (not one)
            columns[i], carry = count, out
        if carry:
            columns.append(carry)
    tree = part(f"{name} tree", {"fa": full, "ha": half}, {"compress": levels}, activity)
    pairs = [i for i, count in enumerate(columns) if count > 1]
    return tree >> add(len(columns) - pairs[0], style, f"{name} adder", activity) if pairs else tree


def adder_tree(L: int, N: int, style: str = "carry_save", S: int = 1) -> Assembly:
    """The sum of L words of N bits. carry_save: compressors as synthesised; dadda; binary: L - 1 adders in a tree."""
    style_of("style of an adder tree", style, TREES)
    width = N + bits_of(L)
    if style == "carry_save":
        return compress([word(0, N, width, bool(S)) for _ in range(L)], width, "sum", "data")
    if style == "dadda":
        return dadda([L] * N, "sum", "data")
    made, left, bits, level = Assembly(), L, N, 0
    while left > 1:
        level += 1
        made = chain(made, parts.adder(bits, f"level {level}", overlap=level > 1) * (left // 2))
        left, bits = left - left // 2, bits + 1
    return made
