"""Registers, parts that work less often than once an operation, and names: what a unit adds to its combinational logic.

Registers are a primitive of their own, `dff`, outside the synthesis model, which was fitted to combinational units: their area
and energy come from the library (`hwmodel/units/data/registers.csv`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwmodel.units.structure.assembly import Assembly, Part

DFF = "dff"


@dataclass(frozen=True)
class Rated(Part):
    """`rate`: operations of this part for one of the unit."""

    rate: float = 1.0


def rate_of(part: Part) -> float:
    """Operations of the part for one of its unit."""
    return part.rate if isinstance(part, Rated) else 1.0


def rated(made: Assembly, fraction: float) -> Assembly:
    """The same hardware, which works once in 1 / fraction operations."""
    parts = tuple(Rated(p.name, p.cells, p.activity, p.depth, rate_of(p) * fraction) for p in made.parts)
    return replace(made, parts=parts)


def seldom(made: Assembly, fraction: float) -> Assembly:
    """The same, which has all of that time and so is on no path."""
    return off_path(rated(made, fraction))


def off_path(made: Assembly) -> Assembly:
    """The same hardware, whose delay counts in a cycle of its own."""
    return Assembly(made.parts)


def register(bits: float, name: str = "register") -> Assembly:
    """Flip-flops, clocked every cycle."""
    return Assembly((Part(name, {DFF: bits}),)) if bits else Assembly()


def named(prefix: str, made: Assembly) -> Assembly:
    """The same with a prefix to the names of its parts."""
    return replace(made, parts=tuple(replace(p, name=f"{prefix}: {p.name}") for p in made.parts))


def without(made: Assembly, *names: str) -> Assembly:
    """The same without some parts, whose share of the path stays."""
    return replace(made, parts=tuple(p for p in made.parts if p.name not in names))


def only(made: Assembly, *names: str) -> Assembly:
    """Some parts of it, on no path."""
    return Assembly(tuple(p for p in made.parts if p.name in names))


def beside(*units: Assembly) -> Assembly:
    """All at once."""
    out = Assembly()
    for one in units:
        out = out | one
    return out


def chain(*units: Assembly) -> Assembly:
    """One after the other."""
    out = Assembly()
    for one in units:
        out = out >> one
    return out
