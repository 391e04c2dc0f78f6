"""A unit as named parts, each a count of primitives with a depth and an activity class; and its critical path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# Primitives that are counted. `fa` compresses three bits to two, `cpa` is a bit of a carry-propagate adder, `ha` a bit of an
# increment, `gate` any simple two-input gate.
CELLS = ("fa", "cpa", "ha", "and", "xor", "mux", "gate")
# Primitives of a path: a carry, a level of compressors, of muxes, of gates; `fan` doublings of fanout to be buffered.
STEPS = ("carry", "compress", "mux", "gate", "fan")
# Nominal length of a step in unit gates (an xor is two): only to tell which of two paths is longer, and the depth of a part.
LEVELS = {"carry": 2.0, "compress": 4.0, "mux": 2.0, "gate": 1.0, "fan": 1.0}

Counts = Mapping[str, float]


def total(*counts: Counts) -> dict[str, float]:
    out: dict[str, float] = {}
    for one in counts:
        for name, n in one.items():
            out[name] = out.get(name, 0.0) + n
    return out


def scaled(factor: float, counts: Counts) -> dict[str, float]:
    return {name: factor * n for name, n in counts.items()}


def length(path: Counts) -> float:
    return sum(LEVELS[step] * n for step, n in path.items())


@dataclass(frozen=True)
class Part:
    """`depth`: unit gates between the inputs of the unit and the middle of the part. `activity`: class of its operands."""

    name: str
    cells: Counts
    activity: str = "data"
    depth: float = 0.0


@dataclass(frozen=True)
class Assembly:
    """Parts and the longest path through them."""

    parts: tuple[Part, ...] = ()
    path: Counts = field(default_factory=dict)

    def __rshift__(self, other: Assembly) -> Assembly:
        """`other` works on the results of this one."""
        later = tuple(replace(p, depth=p.depth + length(self.path)) for p in other.parts)
        return Assembly(self.parts + later, total(self.path, other.path))

    def __or__(self, other: Assembly) -> Assembly:
        """Both at once."""
        longer = self.path if length(self.path) >= length(other.path) else other.path
        return Assembly(self.parts + other.parts, longer)

    def __mul__(self, count: int) -> Assembly:
        """`count` of it side by side."""
        return Assembly(tuple(replace(p, cells=scaled(count, p.cells)) for p in self.parts), self.path)

    def classed(self, activity: str) -> Assembly:
        """The same with another class of activity."""
        return Assembly(tuple(replace(p, activity=activity) for p in self.parts), self.path)

    def off_path(self) -> Assembly:
        """The same, never on the critical path."""
        return Assembly(self.parts, {})

    def cells(self) -> dict[str, float]:
        return total(*(p.cells for p in self.parts))


def part(name: str, cells: Counts, path: Counts | None = None, activity: str = "data") -> Assembly:
    path = path or {}
    return Assembly((Part(name, {k: v for k, v in cells.items() if v}, activity, length(path) / 2),), path)
