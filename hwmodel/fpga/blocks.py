"""A circuit on an FPGA as named parts, each a count of pieces of logic, carry chains, DSP blocks and registers; and its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# Pieces of logic, each with a price in LUTs on every fabric (data/fabrics.csv says what a piece is).
CELLS = (
    "add",
    "increment",
    "compare",
    "accumulate",
    "add sub",
    "compress",
    "compress once",
    "shared",
    "half",
    "leaf",
    "addend",
    "product bit",
    "mask",
    "invert",
    "mux2",
    "mux4",
    "place4",
    "fill",
    "pick",
    "swap",
    "normalise",
    "zero node",
    "zero mux",
    "any",
    "sticky",
    "limit",
    "round",
    "wide",
    "xor",
    "gate",
    # The cells of an Assembly of units.structure, whose drawing knows no LUTs.
    *(f"drawn {cell}" for cell in ("fa", "cpa", "ha", "and", "xor", "mux", "gate")),
)
# Cells that sit in the LUT of a carry chain: no table of a unit's function replaces them.
CHAINED = ("add", "increment", "compare", "accumulate", "add sub")
# Steps of a path: entering a carry chain, one of its bits, a level of compressors, of two-way muxes, of any other logic.
# `waited`: bits of a chain whose last carry what follows needs.
STEPS = ("chain", "bit", "waited", "compress", "mux2", "gate")
_LEVELS = {
    "chain": 1.0,
    "bit": 0.05,
    "waited": 0.05,
    "compress": 1.0,
    "mux2": 0.6,
    "gate": 0.8,
}  # only to tell which path is longer

Counts = Mapping[str, float]


def total(*counts: Counts) -> dict[str, float]:
    out: dict[str, float] = {}
    for one in counts:
        for name, n in one.items():
            out[name] = out.get(name, 0.0) + n
    return out


def longer(a: Counts, b: Counts) -> Counts:
    def length(path: Counts) -> float:
        return sum(_LEVELS[step] * n for step, n in path.items())

    return a if length(a) >= length(b) else b


@dataclass(frozen=True)
class Part:
    """`cells`: pieces of logic by name. `chains`: bits of each carry chain; `idle` of them all together make no carry.
    `dsp`: blocks. `ff`: registers of one bit."""

    name: str
    cells: Counts = field(default_factory=dict)
    chains: tuple[int, ...] = ()
    dsp: int = 0
    ff: int = 0
    idle: int = 0


@dataclass(frozen=True)
class Block:
    """Parts and the longest path through them. `table`: inputs and outputs of a function small enough to be one table."""

    parts: tuple[Part, ...] = ()
    path: Counts = field(default_factory=dict)
    table: tuple[int, int] | None = None

    def __rshift__(self, other: Block) -> Block:
        """`other` works on the results of this one."""
        path = total(self.path, other.path)
        if path.get("bit"):  # carries of the second chain follow those of the first bit by bit, unless it waits for the last one
            path["bit"] = max(self.path.get("bit", 0.0), other.path.get("bit", 0.0))
        return Block(self.parts + other.parts, path)

    def __or__(self, other: Block) -> Block:
        """Both at once."""
        return Block(self.parts + other.parts, longer(self.path, other.path))

    def __mul__(self, count: int) -> Block:
        """`count` of it side by side."""
        many = (
            Part(p.name, {c: count * n for c, n in p.cells.items()}, p.chains * count, p.dsp * count, p.ff * count, p.idle * count)
            for p in self.parts
        )
        return Block(tuple(many), self.path)

    def settled(self) -> Block:
        """What follows waits for the last bit of its chains."""
        path = {step: n for step, n in self.path.items() if step != "bit"}
        return replace(self, path=total(path, {"waited": self.path.get("bit", 0.0)}))

    def bounded(self, inputs: int, outputs: int) -> Block:
        """No mapping of a small unit takes more LUTs than a table of its function."""
        return replace(self, table=(inputs, outputs))

    def cells(self) -> dict[str, float]:
        return total(*(p.cells for p in self.parts))


def part(
    name: str,
    cells: Counts | None = None,
    path: Counts | None = None,
    chains: tuple[int, ...] = (),
    dsp: int = 0,
    ff: int = 0,
    idle: int = 0,
) -> Block:
    """One part; chains of at most two bits are gates, as Yosys maps them."""
    kept = {cell: float(n) for cell, n in (cells or {}).items() if n}
    return Block((Part(name, kept, chains, dsp, ff, idle),) if kept or chains or dsp or ff else (), path or {})
