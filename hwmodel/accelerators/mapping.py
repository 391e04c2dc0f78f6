"""A mapping: which loops run in space, which in time, in what order, and in which memory each operand's tile lies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwmodel._checks import unknown
from hwmodel.accelerators.flow import EDGE, LOOP
from hwmodel.accelerators.hierarchy import Hierarchy
from hwmodel.accelerators.layer import LayerLoops
from hwmodel.accelerators.nest import LOOPS, OPERANDS

_SEGMENT = re.compile(r"\s*([^\s:\[\]|]+)\s*(?:\[([\w\s,]*)\])?\s*:(.*)", re.DOTALL)


@dataclass(frozen=True)
class Mapping:
    """`spread`: (axis, loop, elements); `loops`: (loop, iterations) in time, outermost first; `tiles`: for each level, for
    each operand that it holds, how many of the loops lie outside its tile.

    As text, from the outermost: `dram: K 8 | sram: OX 14, OY 14 | rf: C 8 | rows: C 32 | cols: K 32`; the loops of a level's
    segment and of all segments behind it lie in its tile. `sram[inputs]: ...` starts the tile of that operand only.
    """

    spread: tuple[tuple[str, str, int], ...]
    loops: tuple[tuple[str, int], ...]
    tiles: tuple[tuple[str, str, int], ...]

    def outside(self, level: str, operand: str) -> int:
        """Loops outside the tile of an operand in a level."""
        return next(n for name, held, n in self.tiles if (name, held) == (level, operand))

    def __str__(self) -> str:
        return " | ".join(f"{name}: {', '.join(f'{loop} {n}' for loop, n in loops)}".rstrip() for name, loops in self._segments())

    def _segments(self) -> Iterable[tuple[str, list[tuple[str, int]]]]:
        starts: dict[tuple[int, int], str] = {}
        names = list(dict.fromkeys(name for name, _, _ in self.tiles))
        for order, name in enumerate(reversed(names)):
            held = [(operand, n) for level, operand, n in self.tiles if level == name]
            for n in sorted({n for _, n in held}):
                inside = [operand for operand, where in held if where == n]
                starts[n, order] = name if len(inside) == len(held) else f"{name}[{','.join(inside)}]"
        places = sorted(starts)
        for i, (n, order) in enumerate(places):
            end = places[i + 1][0] if i + 1 < len(places) else len(self.loops)
            yield starts[n, order], list(self.loops[n:end])
        for axis in dict.fromkeys(axis for axis, _, _ in self.spread):
            yield axis, [(loop, n) for name, loop, n in self.spread if name == axis]

    @property
    def nest(self) -> str:
        """The loop nest as indented text."""
        lines, depth = [], 0
        axes = {axis for axis, _, _ in self.spread}
        for name, loops in self._segments():
            if name in axes:
                lines += [f"{'  ' * depth}parallel for {loop} in {n} ({name})" for loop, n in loops]
                depth += 1
                continue
            lines.append(f"{'  ' * depth}# {name}")
            for loop, n in loops:
                lines.append(f"{'  ' * depth}for {loop} in {n}")
                depth += 1
        return "\n".join([*lines, f"{'  ' * depth}outputs += weights * inputs"])

    @classmethod
    def parse(cls, text: str, acc: Hierarchy) -> Mapping:
        """The mapping of its text on an accelerator; ValueError for unknown names, repeated segments and malformed loops."""
        spread: list[tuple[str, str, int]] = []
        loops: list[tuple[str, int]] = []
        tiles: dict[tuple[str, str], int] = {}
        levels = {level.name: level for level in acc.levels}
        axes = [axis.name for axis in acc.axes]
        for part in text.split("|"):
            found = _SEGMENT.fullmatch(part)
            if not found:
                raise ValueError(
                    f"mapping: {part.strip()!r} is not LEVEL: LOOP N, LOOP N; write for example 'dram: K 8 | rows: C 32'"
                )
            name, held, body = found[1], found[2], _loops(found[3])
            if name in axes:
                spread += [(name, loop, n) for loop, n in body]
                continue
            if name not in levels:
                raise unknown("level or axis of the mapping", name, [*levels, *axes])
            operands = [o.strip() for o in held.split(",")] if held else list(levels[name].operands)
            for operand in operands:
                if operand not in levels[name].operands:
                    raise unknown(f"operand of level {name}", operand, levels[name].operands)
                if (name, operand) in tiles:
                    raise ValueError(f"mapping: the tile of {operand} in {name} starts twice")
                tiles[name, operand] = len(loops)
            loops += body
        ordered = []
        for level in acc.levels:
            for operand in level.operands:
                if (level.name, operand) not in tiles:
                    raise ValueError(
                        f"mapping does not say where the tile of {operand} in {level.name} starts; add '| {level.name}: ...'"
                    )
                ordered.append((level.name, operand, tiles[level.name, operand]))
        return cls(tuple(spread), tuple(loops), tuple(ordered))

    def check(self, layer: LayerLoops, acc: Hierarchy) -> None:
        """ValueError where the mapping does not cover the layer, or the array, an axis or the order of levels forbids it."""
        for axis in acc.axes:
            used = int(np.prod([n for name, _, n in self.spread if name == axis.name], dtype=np.int64))
            if used > axis.size:
                raise ValueError(f"mapping spreads {used} iterations over axis {axis.name} of {axis.size} elements")
        seen: dict[str, str] = {}
        for name, loop, _ in self.spread:
            if loop not in acc.axis(name).loops:
                raise ValueError(f"mapping spreads {loop} over axis {name}, which takes {', '.join(acc.axis(name).loops)}")
            if seen.setdefault(loop, name) != name:
                raise ValueError(f"mapping spreads {loop} over {seen[loop]} and {name}; a loop may lie on one axis")
        for loop, bound in zip(LOOPS, layer.bounds, strict=True):
            factors = [n for _, d, n in self.spread if d == loop] + [n for d, n in self.loops if d == loop]
            covered = int(np.prod(factors, dtype=np.int64))
            if covered < bound:
                text = " x ".join(map(str, factors)) or "none"
                raise ValueError(
                    f"mapping does not cover the layer: loop {loop} has {bound} iterations, the mapping runs {text} = {covered}"
                )
        last = acc.levels[-1].name
        for operand in OPERANDS:
            outside = [self.outside(level.name, operand) for level in acc.levels if operand in level.operands]
            if outside != sorted(outside, reverse=True) or self.outside(last, operand) != 0:
                raise ValueError(f"mapping: tiles of {operand} must lie in each other, from {last} (which holds all) inwards")

    def axis_of(self, acc: Hierarchy) -> tuple[int, ...]:
        """The axis that each loop is spread over, -1 for none."""
        names = [axis.name for axis in acc.axes]
        found = {loop: names.index(axis) for axis, loop, _ in self.spread}
        return tuple(found.get(loop, -1) for loop in LOOPS)

    def unrolled(self) -> tuple[int, ...]:
        out = [1] * 8
        for _, loop, n in self.spread:
            out[LOOPS.index(loop)] *= n
        return tuple(out)

    def arrays(self, layer: LayerLoops, acc: Hierarchy) -> tuple[int, Any]:
        """How many loops, and the nest as the kernels read it (`flow`); loops that have one iteration on this layer are left
        out."""
        extent = list(self.unrolled())
        kept, tiles = [], [list(extent)]
        inside = [0]  # kept loops among the innermost ones
        for loop, n in reversed(self.loops):
            d = LOOPS.index(loop)
            if n > 1 and extent[d] < layer.bounds[d]:
                extent[d] *= n
                kept.append(d)
                tiles.append(list(extent))
            inside.append(len(kept))
        nest = np.zeros((max(len(tiles), len(acc.levels)), EDGE + 3), dtype=np.int64)
        nest[: len(tiles), :LOOP] = tiles
        nest[: len(kept), LOOP] = kept
        for i, level in enumerate(acc.levels):
            for operand in level.operands:
                nest[i, EDGE + OPERANDS.index(operand)] = inside[len(self.loops) - self.outside(level.name, operand)]
        return len(kept), nest


def _loops(text: str) -> list[tuple[str, int]]:
    out = []
    for part in filter(None, map(str.strip, text.split(","))):
        words = part.split()
        if len(words) != 2 or not words[1].isdigit() or int(words[1]) < 1:
            raise ValueError(f"mapping: {part!r} is not LOOP N; write for example 'K 8'")
        if words[0] not in LOOPS:
            raise unknown("loop", words[0], LOOPS)
        out.append((words[0], int(words[1])))
    return out
