"""A unit as named parts, each a count of primitives with a depth and an activity class; and its critical path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import inf, log2
from typing import TypeVar, cast

# Primitives that are counted. `fa` compresses three bits to two, `cpa` is a bit of a carry-propagate adder, `ha` a bit of an
# increment, `gate` any simple two-input gate.
CELLS = ("fa", "cpa", "ha", "and", "xor", "mux", "gate")
# Classes of activity: random operands, partial products and their sums, shifters, counters of zeros and flags, high bits of
# accumulators and empty places, float accumulators (which toggle little once they have grown).
ACTIVITIES = ("data", "product", "shift", "count", "sum", "float sum")
# Primitives of a path: a carry, a level of compressors, of muxes, of gates; `fan` doublings of fanout to be buffered.
STEPS = ("carry", "compress", "mux", "gate", "fan")
# Length of a step in unit gates (an xor is two) of a library's own cells.
LEVELS = {"carry": 2.0, "compress": 4.0, "mux": 2.0, "gate": 1.0, "fan": 1.0}
# The same as synthesised, roughly: to tell which of two paths is longer.
ORDER = {"carry": 1.75, "compress": 6.0, "mux": 1.6, "gate": 1.0, "fan": 0.15}

Counts = Mapping[str, float]
Build = TypeVar("Build", bound=Callable[..., "Assembly"])


def total(*counts: Counts) -> dict[str, float]:
    out: dict[str, float] = {}
    for one in counts:
        for name, n in one.items():
            out[name] = out.get(name, 0.0) + n
    return out


def scaled(factor: float, counts: Counts) -> dict[str, float]:
    return {name: factor * n for name, n in counts.items()}


def length(path: Counts) -> float:
    """Unit gates of a path."""
    return sum(LEVELS[step] * n for step, n in path.items())


def travel(path: Counts) -> dict[str, float]:
    """Steps that signals really travel: a carry dies out after about the logarithm of a chain's length."""
    return {step: log2(n + 1) if step == "carry" else n for step, n in path.items() if step != "fan"}


def longer(a: Counts, b: Counts) -> Counts:
    return a if _order(a) >= _order(b) else b


def most(a: Counts, b: Counts) -> Counts:
    """The larger count of each step: signals of both meet in what follows."""
    return {step: max(a.get(step, 0.0), b.get(step, 0.0)) for step in {**a, **b}}


def _order(path: Counts) -> float:
    return sum(ORDER[step] * n for step, n in path.items())


@dataclass(frozen=True)
class Part:
    """`depth`: the steps by which arrivals in its middle may differ. `activity`: class of its operands."""

    name: str
    cells: Counts
    activity: str = "data"
    depth: Counts = field(default_factory=dict)


@dataclass(frozen=True)
class Assembly:
    """Parts and the longest path through them.

    `table`: gates of a two-level table of the whole unit, which bounds what a small one can cost.
    """

    parts: tuple[Part, ...] = ()
    path: Counts = field(default_factory=dict)
    travel: Counts = field(default_factory=dict)
    table: float = inf

    def __rshift__(self, other: Assembly) -> Assembly:
        """`other` works on the results of this one."""
        later = other.parts
        if self.travel:
            later = tuple(replace(p, depth=total(p.depth, self.travel)) for p in later)
        return Assembly(self.parts + later, total(self.path, other.path), total(self.travel, other.travel))

    def __or__(self, other: Assembly) -> Assembly:
        """Both at once."""
        return Assembly(self.parts + other.parts, longer(self.path, other.path), most(self.travel, other.travel))

    def __mul__(self, count: int) -> Assembly:
        """`count` of it side by side."""
        parts = tuple(replace(p, cells=scaled(count, p.cells)) for p in self.parts)
        return Assembly(parts, self.path, self.travel)

    def classed(self, activity: str) -> Assembly:
        """The same with another class of activity."""
        return Assembly(tuple(replace(p, activity=activity) for p in self.parts), self.path, self.travel)

    def bounded(self, inputs: int, outputs: int) -> Assembly:
        """No synthesis takes more than a table of `outputs` functions of `inputs` bits: 2**inputs / inputs gates each, and a mux
        an input on the path, each with twice the fanout of the one before."""
        table = outputs * 2.0 ** min(inputs, 100) / inputs
        path = {"mux": inputs, "fan": inputs * (inputs - 1) / 2}
        small = table < 2 * sum(self.cells().values()) and _order(path) < _order(self.path)  # most cells are two gates
        return replace(self, table=table, path=path if small else self.path)

    def cells(self) -> dict[str, float]:
        return total(*(p.cells for p in self.parts))


def part(name: str, cells: Counts, path: Counts | None = None, activity: str = "data", chain: float = 0.0) -> Assembly:
    """One part. `chain`: length of the carry chain that it belongs to if that is not in its own path."""
    path = path or {}
    far: Counts = travel(path)
    if chain:
        far = longer(far, travel({"carry": chain}))
    kept = {cell: n for cell, n in cells.items() if n}
    return Assembly((Part(name, kept, activity, scaled(0.5, far)),) if kept else (), path, far)


def remembered(build: Build) -> Build:
    """Parts return again and again in a sweep, and nothing changes one: each is made once."""
    return cast(Build, lru_cache(maxsize=1 << 12)(build))
