"""Accelerators of a given area: the array, the memories or both made larger or smaller, in whole elements."""

from __future__ import annotations

import math
from dataclasses import replace

from hwmodel._checks import finite, positive_int
from hwmodel.accelerators.hierarchy import Hierarchy, Level, one_of
from hwmodel.accelerators.model import Accelerator, Array
from hwmodel.sources import Fact

PARTS = ("array", "memories", "both")


def fit_two_buffers(acc: Accelerator, area_um2: float, slack: float, step: tuple[int, int]) -> Accelerator:
    """`acc` with arrays whose elements take the area: heights and widths in steps, the nearest that is at most `slack` larger."""
    target, room = finite("area_um2", area_um2, above=0), finite("slack", slack, minimum=0)
    rows, cols = (positive_int(f"step[{i}]", s) for i, s in enumerate(step))
    each = acc.pe.area_um2.value
    made = {}
    for phase in ("prefill", "decode"):
        old = acc.array(phase)
        made[phase] = _nearest(old, target, each, room, rows, cols)
    changed = "; ".join(f"{phase} {acc.array(phase)} to {new} ({new.size * each / target - 1:+.1%})" for phase, new in made.items())
    note = f"{acc.note} Fitted to {target:.6g} um2 of elements of {each:g} um2: {changed}.".strip()
    return replace(acc, name=f"{acc.name} in {target:.6g} um2", note=note, prefill=made["prefill"], decode=made["decode"])


def _nearest(old: Array, target: float, each: float, slack: float, rows: int, cols: int) -> Array:
    """The shape whose area is nearest to the target, one side changed in steps; among equals the one nearest to the old."""
    most = target * (1 + slack) / each
    high = range(old.height % rows or rows, max(int(most) // old.width, old.height) + 1, rows)
    wide = range(old.width % cols or cols, max(int(most) // old.height, old.width) + 1, cols)
    shapes = [Array(h, old.width) for h in high] + [Array(old.height, w) for w in wide]
    fitting = [shape for shape in shapes if shape.size <= most]
    if not fitting:
        least = min(shapes, key=lambda shape: shape.size)
        raise ValueError(
            f"area_um2 is {target:g}, but {least} elements of {each:g} um2 take {least.size * each:g};"
            " give more area, or smaller steps"
        )
    return min(fitting, key=lambda shape: (abs(shape.size * each - target), abs(shape.size - old.size), shape.height))


def fit_hierarchy(acc: Hierarchy, area_um2: float, scale: str) -> Hierarchy:
    """`acc` with the array, the memories or both scaled so that all parts of known area together take at most `area_um2`."""
    target = finite("area_um2", area_um2, above=0)
    one_of("scale", scale, PARTS)
    now = _area(acc)
    made = acc
    if scale in ("memories", "both"):
        fixed = acc.elements * acc.pe.area_um2.value if scale == "memories" else 0.0
        if target <= fixed:
            raise ValueError(f"area_um2 is {target:g}, but the elements alone take {fixed:g}; scale 'both' or the array")
        if now <= acc.elements * acc.pe.area_um2.value:
            raise ValueError(f"no memory of {acc} has an area; give area_um2 or sram of a level, or scale the array")
        factor = (target - fixed) / (now - fixed)
        made = made.with_(
            levels={lv.name: _scaled(lv, factor) for lv in acc.levels if lv.area_um2 is not None and lv.capacity_bits}
        )
    if scale in ("array", "both"):
        made = _array(made, target)
    text = ", ".join(f"{axis.name} {old.size} to {axis.size}" for old, axis in zip(acc.axes, made.axes, strict=True))
    kept = [f"{new.name} {old.capacity_bits} to {new.capacity_bits} bits" for old, new in zip(acc.levels, made.levels, strict=True)
            if old.capacity_bits != new.capacity_bits]  # fmt: skip
    note = f"{acc.note} Fitted to {target:.6g} um2 (was {now:.6g}, is {_area(made):.6g}): {', '.join([text, *kept])}.".strip()
    return replace(made, name=f"{acc.name} in {target:.6g} um2", note=note)


def _area(acc: Hierarchy) -> float:
    memories = sum(level.area_um2.value * acc.copies(level) for level in acc.levels if level.area_um2 is not None)
    return acc.elements * acc.pe.area_um2.value + memories


def _scaled(level: Level, factor: float) -> dict[str, object]:
    """Fields of a memory `factor` times as large: area and leakage with capacity, energy of a word with its square root."""
    assert level.capacity_bits is not None
    assert level.area_um2 is not None
    bits = max(level.word_bits, int(level.capacity_bits * factor) // level.word_bits * level.word_bits)
    share = bits / level.capacity_bits
    out: dict[str, object] = {"capacity_bits": bits}
    for name, power in (("read_pj", 0.5), ("write_pj", 0.5), ("area_um2", 1.0), ("leakage_mw", 1.0)):
        old = getattr(level, name)
        if old is None:
            continue
        source = f"{share:.4g} times the capacity of: {old.source}"
        out[name] = Fact(old.name, old.value * share**power, old.unit, source, "inferred")
    return out


def _array(acc: Hierarchy, target: float) -> Hierarchy:
    """Axes as long as the area allows, in proportion; then the shortest grows while there is room."""
    if not acc.axes:
        raise ValueError(f"{acc} has no axes to scale; scale the memories")

    def sized(sizes: list[int]) -> Hierarchy:
        return acc.with_(axes=tuple(replace(axis, size=n) for axis, n in zip(acc.axes, sizes, strict=True)))

    if _area(sized([1] * len(acc.axes))) > target:
        raise ValueError(f"area_um2 is {target:g}, but one element and its memories take more; give more, or scale the memories")
    low, high = 0.0, 1.0
    while _area(sized([max(1, math.floor(axis.size * high)) for axis in acc.axes])) <= target:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        fits = _area(sized([max(1, math.floor(axis.size * middle)) for axis in acc.axes])) <= target
        low, high = (middle, high) if fits else (low, middle)
    sizes = [max(1, math.floor(axis.size * low)) for axis in acc.axes]
    grown = True
    while grown:
        grown = False
        for i in sorted(range(len(sizes)), key=lambda i: sizes[i] / acc.axes[i].size):
            more = [n + (j == i) for j, n in enumerate(sizes)]
            if _area(sized(more)) <= target:
                sizes, grown = more, True
                break
    return sized(sizes)
