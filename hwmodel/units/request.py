"""What a datapath unit is asked for, and what a builder makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwmodel.units.operands import Operand
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.parts import bits_of
from hwmodel.units.structure.registers import chain, named, rated
from numfmt import Datapath, Format


@dataclass(frozen=True)
class Request:
    """Operands and options. `group`: products that share a scale, or of one sum where nothing is scaled. `lanes`: multipliers
    side by side. `share`: elements that share the term encoder and the outer accumulator of a bit-serial column."""

    path: Datapath
    w: Operand
    a: Operand
    group: int
    lanes: int
    share: int
    scales: tuple[Format, ...] = ()

    @property
    def name(self) -> str:
        return str(self.path)

    def refused(self, why: str, remedy: str) -> ValueError:
        return ValueError(f"datapath {self.name} has no price: {why}; {remedy}")


@dataclass(frozen=True)
class Made:
    """`structure` of one operation of `macs` products; `result` bits of its sum; `widths` on which numerics and cost depend."""

    structure: Assembly
    macs: float
    result: int
    widths: Mapping[str, int] = field(default_factory=dict)


def tree(lanes: int, group: int, adder: Assembly, state: Assembly) -> tuple[Assembly, Assembly]:
    """(adders, registers) of a balanced tree over `group` terms, `lanes` of which come at once: lanes - 1 adders of the tree's
    lower levels, then for each level above an adder and a register, which work half as often as the level below. Registers stand
    between those levels, so one of them is the path."""
    made, left, level = Assembly(), lanes, 0
    while left > 1:
        level += 1
        made = chain(made, named(f"tree level {level}", adder) * (left // 2))
        left -= left // 2
    registers, rate = Assembly(), 1.0
    for number in range(bits_of(-(-group // lanes))):
        rate /= 2
        made = made | named(f"tree level {level + number + 1}", rated(adder, rate))
        registers = registers | named(f"tree level {level + number + 1}", state)
    return made, registers
