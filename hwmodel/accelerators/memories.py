"""On-chip memories of an accelerator that a model of the technology or the user's own values describe."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwmodel.sources import Fact
from hwmodel.technology.memory import Memory, memory
from hwmodel.technology.sram import SramPoint


@dataclass(frozen=True)
class MemoryModel:
    """How a memory is priced: `hwmodel.technology.memory` with these arguments, or `values` of one's own (read and write in
    pJ a word, area in mm2, leakage in mW)."""

    model: str = "fit"
    cell: str = "itrs-lop"
    node_nm: float = 45.0
    banks: int = 1
    scaling: str | None = None
    values: tuple[Fact, Fact, Fact, Fact | None] | None = None

    def at(self, capacity_kib: float, word_bits: int) -> Memory:
        """The memory of that size. Raises ValueError as `hwmodel.technology.memory`."""
        if self.values is not None:
            return Memory("own values", capacity_kib, word_bits, self.banks, *self.values)
        model, cell, node, scaling = self.model, self.cell, self.node_nm, self.scaling
        return memory(capacity_kib, word_bits, banks=self.banks, node_nm=node, cell=cell, model=model, scaling=scaling)


@dataclass(frozen=True)
class ModelPoint(SramPoint):
    """A modelled memory where rows of a table are expected; `leakage_mw` 0 where it is unknown."""

    memory: Memory

    @property
    def leakage_mw(self) -> float:
        return self.memory.leakage_mw or 0.0

    def facts(self, name: str) -> tuple[Fact, ...]:
        return named(name, self.memory)


def point(made: Memory) -> ModelPoint:
    """The memory as a point of a table."""
    read = made.read
    return ModelPoint(made.word_bits, made.read_pj, made.write_pj, made.area_mm2, read.source, read.status, made)


def named(name: str, made: Memory) -> tuple[Fact, ...]:
    """The memory's constants under the name of what it serves as."""
    return tuple(fact if fact.name.startswith(name) else replace(fact, name=f"{name}: {fact.name}") for fact in made.facts())
