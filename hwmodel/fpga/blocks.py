"""A circuit on an FPGA as named parts, each a count of pieces of logic, carry chains, DSP blocks and registers; and its path.

Every count is a number, or an array over the units of a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from hwmodel.fpga.counting import Number, larger

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

Counts = Mapping[str, Number]
_TIE = 1e-9  # lengths closer than this are the same


def total(*counts: Counts) -> dict[str, Number]:
    out: dict[str, Number] = {}
    for one in counts:
        for name, n in one.items():
            out[name] = out[name] + n if name in out else n
    return out


def _length(path: Counts) -> Number:
    return sum(_LEVELS[step] * n for step, n in path.items())


def longer(a: Counts, b: Counts) -> Counts:
    first = _length(a) >= _length(b) - _TIE
    if not isinstance(first, np.ndarray):
        return a if first else b
    return {step: np.where(first, a.get(step, 0.0), b.get(step, 0.0)) for step in {**a, **b}}


@dataclass(frozen=True)
class Part:
    """`cells`: pieces of logic by name. `chains`: bits of carry chains and how many there are of them; `idle` bits of them all
    together make no carry. `dsp`: blocks. `ff`: registers of one bit."""

    name: str
    cells: Counts = field(default_factory=dict)
    chains: tuple[tuple[Number, Number], ...] = ()
    dsp: Number = 0
    ff: Number = 0
    idle: Number = 0

    def times(self, count: Number) -> Part:
        cells = {c: count * n for c, n in self.cells.items()}
        chains = tuple((bits, count * n) for bits, n in self.chains)
        return Part(self.name, cells, chains, self.dsp * count, self.ff * count, self.idle * count)


@dataclass(frozen=True)
class Block:
    """Parts and the longest path through them. `table`: inputs and outputs of a function small enough to be one table. `result`:
    bits that come out, where known."""

    parts: tuple[Part, ...] = ()
    path: Counts = field(default_factory=dict)
    table: tuple[Number, Number] | None = None
    result: int | None = None

    def __rshift__(self, other: Block) -> Block:
        """`other` works on the results of this one."""
        path = total(self.path, other.path)
        if "bit" in path:  # carries of the second chain follow those of the first bit by bit, unless it waits for the last one
            path["bit"] = larger(self.path.get("bit", 0.0), other.path.get("bit", 0.0))
        return Block(self.parts + other.parts, path)

    def __or__(self, other: Block) -> Block:
        """Both at once."""
        return Block(self.parts + other.parts, longer(self.path, other.path))

    def __mul__(self, count: Number) -> Block:
        """`count` of it side by side."""
        return Block(tuple(p.times(count) for p in self.parts), self.path)

    def repeated(self, count: Number) -> Block:
        """`count` of it one after another."""
        if not isinstance(count, np.ndarray) and count < 1:
            return Block()
        path = {step: n * (count > 0 if step == "bit" else count) for step, n in self.path.items()}
        return Block((self * count).parts, path)

    def settled(self) -> Block:
        """What follows waits for the last bit of its chains."""
        path = {step: n for step, n in self.path.items() if step != "bit"}
        return replace(self, path=total(path, {"waited": self.path.get("bit", 0.0)}))

    def bounded(self, inputs: Number, outputs: Number) -> Block:
        """No mapping of a small unit takes more LUTs than a table of its function."""
        return replace(self, table=(inputs, outputs))

    def cells(self) -> dict[str, Number]:
        return total(*(p.cells for p in self.parts))


def when(condition: Number, made: Block) -> Block:
    """The block in the units where the condition holds, nothing in the others."""
    if not isinstance(condition, np.ndarray):
        return made if condition else Block()
    held = condition.astype(np.int64)
    return Block((made * held).parts, {step: n * held for step, n in made.path.items()})


def either(condition: Number, yes: Block, no: Block) -> Block:
    if not isinstance(condition, np.ndarray):
        return yes if condition else no
    return when(condition, yes) >> when(~condition, no)


def _some(n: Number) -> bool:
    return isinstance(n, np.ndarray) or bool(n)


def part(
    name: str,
    cells: Counts | None = None,
    path: Counts | None = None,
    chains: tuple[tuple[Number, Number], ...] = (),
    dsp: Number = 0,
    ff: Number = 0,
    idle: Number = 0,
) -> Block:
    """One part, without what it has none of."""
    kept = {cell: n for cell, n in (cells or {}).items() if _some(n)}
    real = tuple(one for one in chains if _some(one[1]))
    return Block((Part(name, kept, real, dsp, ff, idle),) if kept or real or _some(dsp) or _some(ff) else (), path or {})
