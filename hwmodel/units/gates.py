"""A unit as named parts, each a count of cells, and a depth; and the parts that every unit is made of.

Counts are structural formulas over library cells (full adders included), not synthesis results: mapping the same
circuit without adder cells takes 1.4 to 1.5 times more area.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2

Cells = dict[str, float]


def add(*cells: Mapping[str, float]) -> Cells:
    """The cells of several parts together."""
    out: Cells = {}
    for part in cells:
        for cell, count in part.items():
            out[cell] = out.get(cell, 0) + count
    return out


def times(factor: float, cells: Mapping[str, float]) -> Cells:
    return {cell: factor * count for cell, count in cells.items()}


@dataclass(frozen=True)
class Netlist:
    """Parts with their cells, and the depth in unit-gate levels. A part may work less often than once an operation:
    `activity` gives the fraction (1 where not named)."""

    parts: tuple[tuple[str, Cells], ...]
    levels: float
    activity: tuple[tuple[str, float], ...] = ()

    def __add__(self, other: Netlist) -> Netlist:
        """One after the other."""
        return Netlist(self.parts + other.parts, self.levels + other.levels, self.activity + other.activity)

    def beside(self, other: Netlist) -> Netlist:
        """Both at once."""
        return Netlist(self.parts + other.parts, max(self.levels, other.levels), self.activity + other.activity)

    def repeated(self, count: int) -> Netlist:
        """`count` of it side by side."""
        return Netlist(tuple((name, times(count, cells)) for name, cells in self.parts), self.levels, self.activity)

    def in_series(self, count: int) -> Netlist:
        """`count` of it one after the other."""
        return Netlist(self.repeated(count).parts, self.levels * count, self.activity)

    def seldom(self, fraction: float) -> Netlist:
        """The same hardware, used once in 1/fraction operations."""
        busy = tuple((name, dict(self.activity).get(name, 1.0) * fraction) for name, _ in self.parts)
        return Netlist(self.parts, self.levels, busy)


def one(name: str, cells: Cells, levels: float) -> Netlist:
    return Netlist(((name, cells),), levels)


def bits_of(n: int) -> int:
    """Bits of a shift amount or index below n."""
    return max(1, ceil(log2(n))) if n > 1 else 0


def adder(bits: int, name: str = "adder") -> Netlist:
    """Ripple-carry adder of `bits` full adders."""
    return one(name, {"full_adder": bits}, 2 * bits)


def incrementer(bits: int, name: str = "increment") -> Netlist:
    return one(name, {"half_adder": bits}, 2 + bits)


def multiplier(a: int, b: int, signed: bool = False, name: str = "multiplier") -> Netlist:
    """Array multiplier, unsigned or Baugh-Wooley: a*b AND, (b-2) rows of full adders and one of half adders, b <= a."""
    a, b = max(a, b), min(a, b)
    cells: Cells = {"and2": a * b}
    if b > 1:
        cells |= {"full_adder": a * (b - 2), "half_adder": a}
    if signed:
        cells = add(cells, {"inv": 2, "full_adder": 2})
    return one(name, cells, 1 + (2 * (a + b - 2) if b > 1 else 0))


def shifter(bits: int, places: int | None = None, name: str = "shifter") -> Netlist:
    """Barrel shifter of `bits` by 0 to `places`-1 (default: by anything below its width): a mux2 row a stage."""
    stages = bits_of(bits if places is None else places)
    return one(name, {"mux2": bits * stages}, 2 * stages)


def widening_shifter(bits: int, places: int, limit: int, name: str = "align") -> Netlist:
    """Left shifter whose rows grow with the shift: bits plus 2**stage - 1 places, at most `limit`."""
    stages = bits_of(places)
    return one(name, {"mux2": sum(min(limit, bits + 2 ** (s + 1) - 1) for s in range(stages))}, 2 * stages)


def leading_zeros(bits: int, name: str = "leading zeros") -> Netlist:
    """Tree counter, about 3.3 nand2 a bit (measured at 24 to 64 bits)."""
    return one(name, {"nand2": 3.3 * bits}, 2 * bits_of(bits))


def comparator(bits: int, name: str = "compare") -> Netlist:
    """Magnitude comparator, about 4.4 nand2 a bit (measured)."""
    return one(name, {"nand2": 4.4 * bits}, 2 * bits_of(bits) + 1)


def xors(bits: int, name: str = "negate") -> Netlist:
    return one(name, {"xor2": bits}, 2)


def muxes(bits: float, name: str = "select") -> Netlist:
    return one(name, {"mux2": bits}, 2)


def rounder(bits: int, name: str = "round") -> Netlist:
    """Nearest even: guard, round, sticky (5 nand2), an incrementer and the overflow mux."""
    return one(name, {"nand2": 5, "half_adder": bits, "mux2": bits}, 4 + bits_of(max(bits, 2)) * 2)


def glue(gates: float, name: str = "special cases") -> Netlist:
    return one(name, {"nand2": gates}, 2)


def register(bits: int, name: str = "register") -> Netlist:
    return one(name, {"dff": bits}, 0)


def table(entries: int, bits: int, name: str = "table") -> Netlist:
    """Look-up of constants: a mux tree that folds to about half a mux2 an entry and bit."""
    return one(name, {"mux2": 0.5 * max(entries - 1, 1) * bits}, 2 * bits_of(entries))


def adder_tree(terms: int, bits: int, name: str = "adder tree") -> Netlist:
    """terms - 1 adders; the operands grow by a bit a level."""
    cells, width, left, levels = 0.0, bits, terms, 0
    while left > 1:
        cells += (left // 2) * width
        left, width, levels = left - left // 2, width + 1, levels + 1
    return one(name, {"full_adder": cells}, 4 * max(levels - 1, 0) + (2 * width if levels else 0))
