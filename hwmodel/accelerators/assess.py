"""What one mapping of one layer costs: words, bits and energy by level and operand, cycles by cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hwmodel.accelerators.flow import (
    BITS,
    COLUMNS,
    HELD,
    MOVED,
    N_CAPACITY,
    N_LEAKAGE,
    PJ,
    READ_IN,
    READ_OUT,
    WIRE,
    charges,
    needed_bits,
    transfers,
    widths,
)
from hwmodel.accelerators.hierarchy import Hierarchy
from hwmodel.accelerators.layer import LayerLoops
from hwmodel.accelerators.mapping import Mapping
from hwmodel.accelerators.nest import LOOPS, OPERANDS
from hwmodel.accelerators.waiting import COMPUTE, OFFLOAD, PRELOAD, STALL, cycles
from hwmodel.numeric import Floats

MOVES = ("read_inwards", "write_from_inside", "read_outwards", "write_from_outside")
FIXED = {"weight": 0, "input": 1, "output": 2}


@dataclass(frozen=True, eq=False)
class Assessment:
    """Cost of a mapping. Arrays are operands (weights, inputs, outputs) x levels (innermost first) x movements (`MOVES`).

    `moved`: words; `bits`; `energy_pj`: of the accesses; `wire_pj`: operands x (array, then levels) of delivered bits; `held_bits`:
    of one copy of each level; `compute_cycles` (with idle elements), `stall_cycles`, `preload_cycles`, `offload_cycles`,
    `drain_cycles`.
    """

    hierarchy: Hierarchy
    layer: LayerLoops
    mapping: Mapping
    moved: Floats
    bits: Floats
    energy_pj: Floats
    wire_pj: Floats
    held_bits: Floats
    element_pj: float
    compute_cycles: float
    stall_cycles: float
    preload_cycles: float
    offload_cycles: float
    drain_cycles: float

    @property
    def cycles(self) -> float:
        return self.compute_cycles + self.stall_cycles + self.preload_cycles + self.offload_cycles + self.drain_cycles

    @property
    def utilisation(self) -> float:
        """Operations of an element-cycle while the array computes, without stalls."""
        steps = np.prod([-(-b // u) for b, u in zip(self.layer.bounds, self.mapping.unrolled(), strict=True)], dtype=float)
        return float(self.layer.macs / (steps * self.hierarchy.elements))

    @property
    def leakage_pj(self) -> float:
        """Static power of all levels over the whole time."""
        copies = [self.hierarchy.copies(level) for level in self.hierarchy.levels]
        power = float(np.dot(self.hierarchy.numbers[:, N_LEAKAGE], copies))
        return power * self.cycles / self.hierarchy.clock_ghz.value  # mW * ns

    @property
    def total_pj(self) -> float:
        return self.element_pj + float(self.energy_pj.sum() + self.wire_pj.sum()) + self.leakage_pj

    def words(self, level: str, operand: str) -> tuple[float, float]:
        """Words of an operand read from and written to a level."""
        names = [one.name for one in self.hierarchy.levels]
        row = self.moved[OPERANDS.index(operand), names.index(level)]
        return float(row[READ_IN] + row[READ_OUT]), float(row.sum() - row[READ_IN] - row[READ_OUT])

    @property
    def table(self) -> pd.DataFrame:
        """One row a level and operand: level, operand, the four movements in words, bits, energy_pj."""
        rows = []
        for i, level in enumerate(self.hierarchy.levels):
            for x, operand in enumerate(OPERANDS):
                if operand in level.operands:
                    rows.append((level.name, operand, *self.moved[x, i], self.bits[x, i].sum(), self.energy_pj[x, i].sum()))
        return pd.DataFrame(rows, columns=["level", "operand", *MOVES, "bits", "energy_pj"])

    def __repr__(self) -> str:
        return f"Assessment({self.mapping}: {self.total_pj:.6g} pJ, {self.cycles:.6g} cycles)"


def assess(
    layer: LayerLoops, acc: Hierarchy, mapping: Mapping | str, *, element_pj: float = 0.0, step: float = 1.0, group: int = 0
) -> Assessment:
    """The cost of a mapping (or its text) of a layer.

    element_pj: energy of one operation; step: cycles of one operation of an element (bit-serial ones take several); group: products
    that share a scale, for `group_cycles`. Raises ValueError where the mapping does not cover the layer, the array or a level is
    too small (which, by how much) or names are unknown.
    """
    plan = Mapping.parse(mapping, acc) if isinstance(mapping, str) else mapping
    plan.check(layer, acc)
    count, nest = plan.arrays(layer, acc)
    sizes, word = layer.arrays(plan.unrolled())
    wiring, numbers = acc.machine(plan.axis_of(acc))
    flow, split, took = np.empty((3, len(acc.levels) + 1, COLUMNS)), np.empty((2, 8), dtype=np.int64), np.empty(4)
    transfers(count, nest, sizes, wiring, split, flow)
    full = widths(sizes, word, wiring, numbers, flow)
    needed = np.array([needed_bits(i, wiring, flow) for i in range(len(acc.levels))])
    if full >= 0:
        raise ValueError(_too_small(acc, full, float(needed[full]), flow[:, full + 1, HELD]))
    charges(wiring, numbers, flow)
    cycles(count, nest, sizes, wiring, numbers, flow, float(step), took)
    extra = group_cycles(acc, layer, plan.unrolled(), group)
    return Assessment(
        acc,
        layer,
        plan,
        np.ascontiguousarray(flow[:, 1:, MOVED : MOVED + 4]),
        np.ascontiguousarray(flow[:, 1:, BITS : BITS + 4]),
        np.ascontiguousarray(flow[:, 1:, PJ : PJ + 4]),
        np.ascontiguousarray(flow[:, :, WIRE]),
        needed,
        element_pj * layer.macs,
        took[COMPUTE] + extra,
        took[STALL],
        took[PRELOAD],
        took[OFFLOAD],
        drained(acc, plan.unrolled(), flow),
    )


def group_cycles(acc: Hierarchy, layer: LayerLoops, unrolled: tuple[int, ...], group: int) -> float:
    """Cycles at the ends of groups: an element's own share of a group is over after group / (inputs in space) operations."""
    if not group or not acc.group_cycles:
        return 0.0
    steps = [-(-b // u) for b, u in zip(layer.bounds, unrolled, strict=True)]
    inputs = LOOPS.index("C")
    groups = -(-layer.bounds[inputs] // max(group, unrolled[inputs]))
    others = np.prod([s for d, s in enumerate(steps) if d != inputs], dtype=float)
    return float(others * groups * acc.group_cycles)


def drained(acc: Hierarchy, unrolled: tuple[int, ...], flow: Floats) -> float:
    """Cycles in which the last results leave the systolic axes, once a layer or once for each tile of what stays in place."""
    if acc.drain == "none":
        return 0.0
    used = 0
    for axis in acc.axes:
        if axis.systolic:
            lanes = [unrolled[LOOPS.index(loop)] for loop in axis.loops]
            used += max(0, min(int(np.prod(lanes)), axis.size) - 1)
    if acc.drain == "layer" or acc.dataflow not in FIXED:
        return float(used)
    x = FIXED[acc.dataflow]
    inner = next(i for i, level in enumerate(acc.levels) if OPERANDS[x] in level.operands)
    return used * float(flow[x, inner + 1, 0])


def _too_small(acc: Hierarchy, level: int, needed: float, held: Floats) -> str:
    has = float(acc.numbers[level, N_CAPACITY])
    parts = ", ".join(f"{held[x]:.0f} {o}" for x, o in enumerate(OPERANDS) if o in acc.levels[level].operands)
    twice = " (twice, as it is double-buffered)" if acc.levels[level].double_buffer == "yes" else ""
    return (
        f"level {acc.levels[level].name} of {acc} keeps {has:.0f} bits, the mapping needs {needed:.0f}, {needed - has:.0f} more:"
        f" {parts}{twice}; give it smaller tiles, or the level more room"
    )
