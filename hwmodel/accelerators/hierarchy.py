"""An accelerator with any number of memories: an array of elements whose axes unroll loops, and the levels that feed it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from hwmodel._checks import finite, positive_int, unknown
from hwmodel.accelerators.flow import AUTO, DOUBLE, MULTICAST_ALL, MULTICAST_IRRELEVANT, MULTICAST_NONE, SINGLE
from hwmodel.accelerators.model import Array, ProcessingElement
from hwmodel.accelerators.nest import LOOPS, OPERANDS
from hwmodel.accelerators.vector import VectorUnit
from hwmodel.sources import Fact

DATAFLOWS = ("weight", "output", "input", "row", "tensor", "serial", "free")
BUFFERING = {"no": SINGLE, "auto": AUTO, "yes": DOUBLE}
MULTICAST = {"all": MULTICAST_ALL, "irrelevant": MULTICAST_IRRELEVANT, "none": MULTICAST_NONE}
DRAINS = ("none", "layer", "tile")
UNBOUNDED = 1e300


def one_of(what: str, value: str, allowed: Any) -> None:
    """ValueError naming the nearest where `value` is not one of `allowed`."""
    if value not in allowed:
        raise unknown(what, value, tuple(allowed))


@dataclass(frozen=True)
class Axis:
    """A side of the array: so many elements, over which the named loops may be spread (in order of preference).

    Along a `systolic` axis values go from neighbour to neighbour: a cycle an element until the last result is out.
    """

    name: str
    size: int
    loops: tuple[str, ...]
    systolic: bool = False

    def __post_init__(self) -> None:
        positive_int(f"axis {self.name} size", self.size)
        if not self.loops:
            raise ValueError(f"axis {self.name} unrolls no loops; name at least one of {', '.join(LOOPS)}")
        for loop in self.loops:
            one_of(f"loop of axis {self.name}", loop, LOOPS)


@dataclass(frozen=True)
class Level:
    """A memory: what it holds, how much, how wide, what an access costs.

    There is one copy for each element of the axes that are not in `serves`; sizes, widths and leakage are those of one copy.
    `capacity_bits` None: unbounded (DRAM). A transfer takes ceil(bits / granule_bits) granules; energy is that of a
    word of `word_bits`. `read_bits`, `write_bits`: a cycle, of each port. `ports`: 1 for reads and writes together, 2 one each,
    4 one for each direction, inwards and outwards. `double_buffer`: "yes" halves the capacity and fills while the array computes,
    "no" fills when a tile is no longer needed, "auto" double-buffers where there is room. `multicast`: what one read feeds to many
    copies inside: "all" they share, only operands they share as a whole ("irrelevant"), or "none". `latch`: a word
    stays at the output while the array uses it again. `loops`: those that may run in this level's block; None means any.
    `wire_pj_per_bit`: of each bit delivered to the copies inside. `beside`: constants that say more of the memory.
    """

    name: str
    operands: tuple[str, ...]
    word_bits: int
    read_pj: Fact
    write_pj: Fact
    capacity_bits: int | None = None
    read_bits: float = math.inf
    write_bits: float = math.inf
    ports: int = 2
    serves: tuple[str, ...] = ()
    double_buffer: str = "auto"
    multicast: str = "all"
    latch: bool = False
    granule_bits: int = 1
    loops: tuple[str, ...] | None = None
    wire_pj_per_bit: Fact | None = None
    leakage_mw: Fact | None = None
    area_um2: Fact | None = None
    beside: tuple[Fact, ...] = ()

    def __post_init__(self) -> None:
        what = f"level {self.name}"
        if not self.operands:
            raise ValueError(f"{what} holds nothing; name at least one of {', '.join(OPERANDS)}")
        for operand in self.operands:
            one_of(f"operand of {what}", operand, OPERANDS)
        for loop in self.loops or ():
            one_of(f"loop of {what}", loop, LOOPS)
        one_of(f"double_buffer of {what}", self.double_buffer, BUFFERING)
        one_of(f"multicast of {what}", self.multicast, MULTICAST)
        if self.ports not in (1, 2, 4):
            raise ValueError(f"ports of {what} is {self.ports!r}; give 1, 2 or 4")
        positive_int(f"word_bits of {what}", self.word_bits)
        positive_int(f"granule_bits of {what}", self.granule_bits)
        if self.capacity_bits is not None:
            positive_int(f"capacity_bits of {what}", self.capacity_bits)
        for fact in (self.read_pj, self.write_pj, self.wire_pj_per_bit, self.leakage_mw, self.area_um2):
            if fact is not None:
                finite(fact.name, fact.value, minimum=0)
        for name, bits in (("read_bits", self.read_bits), ("write_bits", self.write_bits)):
            if bits != math.inf:
                finite(f"{name} of {what}", bits, above=0)

    def facts(self) -> tuple[Fact, ...]:
        found = (self.read_pj, self.write_pj, self.wire_pj_per_bit, self.leakage_mw, self.area_um2)
        return (*(fact for fact in found if fact is not None), *self.beside)


@dataclass(frozen=True)
class Hierarchy:
    """An accelerator whose mappings are searched: elements, axes, and levels from the innermost to DRAM.

    `dataflow` names what the axes and levels keep in place (weight, output, input, row, tensor, serial, free); the search may use
    whatever the axes and levels allow. `drain`: cycles for the array's systolic axes to empty, "none", once a "layer", or for each
    "tile" of what stays in place. `group_cycles`: extra cycles of an element at the end of each group of a grouped scheme.
    `imperfect`: tiles that do not divide the loops are searched too. Reads as `Accelerator` does where scoring needs it.
    """

    name: str
    pe: ProcessingElement
    axes: tuple[Axis, ...]
    levels: tuple[Level, ...]
    clock_ghz: Fact
    dataflow: str = "free"
    drain: str = "layer"
    group_cycles: float = 0.0
    imperfect: bool = False
    objective: str = "energy"
    kv_bits: int = 16
    scale_charge: str = "exact"
    scale_bits_per_group: float = 0.0
    dequantizer_technology: str = ""
    vector_unit: VectorUnit | None = None
    note: str = ""
    source: str = field(default="", compare=False)

    attention = "j25"
    compute = "nest"

    def __post_init__(self) -> None:
        one_of("dataflow", self.dataflow, DATAFLOWS)
        one_of("drain", self.drain, DRAINS)
        one_of("scale charge", self.scale_charge, ("exact", "published"))
        one_of("objective", self.objective, ("energy", "latency", "edp"))
        positive_int("kv_bits", self.kv_bits)
        finite("group_cycles", self.group_cycles, minimum=0)
        finite("scale_bits_per_group", self.scale_bits_per_group, minimum=0)
        finite("clock_ghz", self.clock_ghz.value, above=0)
        names = [axis.name for axis in self.axes] + [level.name for level in self.levels]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ValueError(f"the name {twice!r} is used twice; axes and levels need names of their own")
        if not self.levels or set(self.levels[-1].operands) != set(OPERANDS) or self.levels[-1].capacity_bits is not None:
            raise ValueError(
                "the last level must hold weights, inputs and outputs and have no capacity: it is where layers come from"
            )
        loops = [loop for axis in self.axes for loop in axis.loops]
        self._check_axes(loops)

    def _check_axes(self, loops: list[str]) -> None:
        known = [axis.name for axis in self.axes]
        for level in self.levels:
            for name in level.serves:
                one_of(f"axis that level {level.name} serves", name, known or ("none",))
        for operand in OPERANDS:
            served: set[str] = set()
            for level in self.levels:
                if operand in level.operands:
                    if not served <= set(level.serves):
                        lost = ", ".join(sorted(served - set(level.serves)))
                        raise ValueError(
                            f"level {level.name} has a copy for each element of axis {lost}, but a level inside it has not"
                        )
                    served = set(level.serves)

    def __hash__(self) -> int:
        return hash((self.name, self.axes, len(self.levels), self.objective))

    def __str__(self) -> str:
        return self.name

    def array(self, phase: str) -> Array:
        """Height and width: the first axis, and all others together."""
        sizes = [axis.size for axis in self.axes] or [1]
        return Array(sizes[0], math.prod(sizes[1:]))

    @property
    def elements(self) -> int:
        return math.prod(axis.size for axis in self.axes)

    def copies(self, level: Level) -> int:
        """Copies of a level over the whole array."""
        return math.prod(axis.size for axis in self.axes if axis.name not in level.serves)

    def axis(self, name: str) -> Axis:
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise unknown(f"axis of {self}", name, [axis.name for axis in self.axes])

    def facts(self) -> tuple[Fact, ...]:
        """The constants of the description; those of a priced element come with its cost."""
        pe = (self.pe.energy_pj, self.pe.area_um2, self.pe.place_and_route)
        return (*pe, *(fact for level in self.levels for fact in level.facts()), self.clock_ghz)

    def fit_to(self, area_um2: float, scale: str = "array") -> Hierarchy:
        """The same design in at most that area (elements, and levels of known area): `scale` the "array" (all axes in
        proportion, whole elements), the "memories" (area with capacity, energy of a word with its square root: inferred) or
        "both". `.note` says what was changed. ValueError where one element does not fit."""
        from hwmodel.accelerators.sizing import fit_hierarchy

        return fit_hierarchy(self, area_um2, scale)

    def with_(self, **changes: Any) -> Hierarchy:
        """A copy with other fields; `levels` and `axes` may be mappings from name to changed fields."""
        for part in ("levels", "axes"):
            if isinstance(changes.get(part), dict):
                given = changes[part]
                for name in given:
                    one_of(part.rstrip("s"), name, [p.name for p in getattr(self, part)])
                changes[part] = tuple(replace(p, **given.get(p.name, {})) for p in getattr(self, part))
        return replace(self, **changes)

    @cached_property
    def numbers(self) -> Any:
        """The levels' numbers (L, 9), columns as in `flow`."""
        rows = []
        for level in self.levels:
            wire = level.wire_pj_per_bit.value if level.wire_pj_per_bit else 0.0
            leak = level.leakage_mw.value if level.leakage_mw else 0.0
            size = UNBOUNDED if level.capacity_bits is None else level.capacity_bits
            widths = (min(level.read_bits, UNBOUNDED), min(level.write_bits, UNBOUNDED))
            row = (size, level.word_bits, level.granule_bits, level.read_pj.value, level.write_pj.value, *widths, wire, leak)
            rows.append(row)
        return np.array(rows, dtype=np.float64)

    def machine(self, axis_of: tuple[int, ...]) -> tuple[Any, ...]:
        """The arrays that the kernels read, for loops spread over the axes `axis_of` (8 indices, -1: not spread)."""
        holds = np.array([[operand in level.operands for level in self.levels] for operand in OPERANDS], dtype=np.int64)
        shared = np.ones((len(self.levels), 8), dtype=np.int64)
        for i, level in enumerate(self.levels):
            for d, a in enumerate(axis_of):
                if a >= 0 and self.axes[a].name not in level.serves:
                    shared[i, d] = 0
        flags = (
            [int(level.latch) for level in self.levels],
            [level.ports for level in self.levels],
            [BUFFERING[level.double_buffer] for level in self.levels],
            [MULTICAST[level.multicast] for level in self.levels],
        )
        return holds, shared, *(np.array(f, dtype=np.int64) for f in flags), self.numbers
