"""Units cut into stages: register ranks, clock and flip-flops of a block on a fabric, by the delays of `fabrics`.

A stage is a run of steps between two registers. Its time is that of its steps, of a wire to each LUT, and of the register; it is
never less than that of its longest carry chain. Stages are cut where the longest is as short as it can be, and of those
cuts where fewest bits are held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import finite, positive_int
from hwmodel._data import csv_rows
from hwmodel.fpga import fabrics as model
from hwmodel.fpga.blocks import Block
from hwmodel.fpga.steps import Step, steps_of
from hwmodel.fpga.units import FpgaCost, FpgaPart, block_cost
from hwmodel.sources import Fact

MOST = 1000  # stages
_LEVELS = ("chain", "compress", "gate", "dsp multiply")  # each a wire and a LUT or block; a mux is half of a LUT6


@lru_cache(maxsize=8)
def timing(fabric: str) -> dict[str, Fact]:
    """Registers, wires, speed and DSP blocks of a fabric."""
    name = model.fabric(fabric).name
    rows = [r for r in csv_rows("hwmodel.fpga", "timing") if r["fabric"] == name]
    return {r["name"]: Fact(f"{name} {r['name']}", float(r["value"]), r["unit"], r["source"], r["status"]) for r in rows}


@dataclass(frozen=True)
class Stage:
    """`logic_ps`: through LUTs, carries and DSP blocks; `wire_ps` between them; `ff` of the register at its end."""

    parts: str
    logic_ps: float
    wire_ps: float
    ff: int


@dataclass(frozen=True)
class PipelinedCost(FpgaCost):
    """A unit cut into stages, a register rank behind each: a result every cycle, `pipeline_depth` cycles after its operands.

    `delay_ps`: logic of the longest stage, without wires. `ff` counts registers inside DSP blocks as none.
    """

    cut: tuple[Stage, ...] = ()
    period_ps: float = 0.0
    limit_mhz: float | None = None

    @property
    def pipeline_depth(self) -> int:
        """Register ranks: cycles from operands to result."""
        return len(self.cut)

    @property
    def fmax_mhz(self) -> float:
        """Clock of the longest stage with its wires and register, or of the DSP blocks where they are slower."""
        clock = 1e6 / self.period_ps
        return clock if self.limit_mhz is None else min(clock, self.limit_mhz)

    @property
    def latency_ps(self) -> float:
        """From operands to result at `fmax_mhz`."""
        return self.pipeline_depth * 1e6 / self.fmax_mhz

    @property
    def stages(self) -> pd.DataFrame:
        """One row a stage: parts, logic_ps, wire_ps, ff."""
        return pd.DataFrame(
            [(s.parts, s.logic_ps, s.wire_ps, s.ff) for s in self.cut], columns=["parts", "logic_ps", "wire_ps", "ff"]
        )


class Line:
    """Steps with their times, and the best cuts between them."""

    def __init__(self, made: Block, target: str, t: dict[str, Fact] | None = None) -> None:
        """t: as `timing`, None for that of the fabric."""
        on, c = model.fabric(target), model.values()
        t = timing(target) if t is None else t
        self.steps: Sequence[Step] = steps_of(made, on.lut)
        price = {s: c[f"{on.fitted} ps {'bit' if s == 'waited' else s}"] * t["speed"].value for s in model.STEPS}
        price |= {name: t[name].value if name in t else 0.0 for name in ("dsp multiply", "dsp add")}
        self.logic = np.array([sum(price[n] * k for n, k in s.counts.items()) for s in self.steps])
        levels = [
            sum(s.counts.get(n, 0.0) for n in _LEVELS) + s.counts.get("mux2", 0.0) * (0.5 if on.lut == 6 else 1) for s in self.steps
        ]
        self.wire = np.array(levels) * t["wire"].value
        own = [price["chain"] + price["bit"] * s.atom + t["wire"].value if s.atom else 0.0 for s in self.steps]
        self.register = t["clock to q"].value + t["setup"].value
        n = len(self.steps)
        sums = np.concatenate([[0.0], np.cumsum(self.logic + self.wire)])
        # time[i, j]: of a stage of steps i to j
        self.time = np.full((n, n), np.inf)
        for i in range(n):
            self.time[i, i:] = np.maximum(sums[i + 1 :] - sums[i], np.maximum.accumulate(own[i:]))
        self.live = np.array([s.live for s in self.steps])
        blocks = any("dsp multiply" in s.counts for s in self.steps)
        self.limit_mhz = t["dsp highest clock"].value if blocks and "dsp highest clock" in t else None

    def _clock(self, longest: float) -> float:
        clock = 1e6 / (longest + self.register)
        return clock if self.limit_mhz is None else min(clock, self.limit_mhz)

    def clocks(self, longest: Sequence[float]) -> list[float]:
        """MHz of cuts with such longest stages."""
        return [self._clock(ps) for ps in longest]

    def clock_mhz(self, stages: int) -> float:
        """Of the best cut into so many stages."""
        best = self.shortest(stages)
        return self._clock(best[min(stages, len(best)) - 1])

    def _next(self) -> np.ndarray:
        """[k, j]: time of a stage that starts behind step k and ends with step j."""
        return np.vstack([self.time[1:], np.full(len(self.steps), np.inf)])

    def shortest(self, most: int = MOST) -> list[float]:
        """Longest stage of the best cut into 1, 2, ... stages, up to `most` or the first count that no further one improves."""
        behind, best = self._next(), self.time[0]
        out = [float(best[-1])]
        while out[-1] > self.time.diagonal().max() and len(out) < min(most, len(self.steps)):
            best = np.maximum(best[:, None], behind).min(0)
            out.append(float(best[-1]))
        return out[: out.index(min(out)) + 1]

    def cheapest(self, count: int, limit: float) -> list[int]:
        """Ends of `count` stages none of which is longer than `limit`, with fewest bits held inside."""
        n = len(self.steps)
        fits = self.time <= limit * (1 + 1e-12)
        behind = np.vstack([fits[1:], np.zeros(n, bool)])
        cost = np.where(fits[0], 0.0, np.inf)
        came = []
        for _ in range(count - 1):
            held = cost + self.live
            each = np.where(behind, held[:, None], np.inf)
            came.append(each.argmin(0))
            cost = each.min(0)
        ends = [n - 1]
        for where in reversed(came):
            ends.append(int(where[ends[-1]]))
        return ends[::-1]


def pipelined(made: Block, target: str, stages: Any = None, clock_mhz: Any = None) -> FpgaCost:
    """The cost of a block on a fabric, cut into stages.

    stages: register ranks (0: none, as without the argument), or "max": the fewest that reach the highest clock. clock_mhz: the
    fewest stages that reach it. More stages than there are steps delay the result.
    A sum that comes back to its own unit takes a term only every `pipeline_depth` cycles.
    Raises ValueError for both at once, for a clock that no cut reaches (naming the highest), and unknown fabrics.
    """
    if stages is not None and clock_mhz is not None:
        raise ValueError(f"stages is {stages!r} and clock_mhz {clock_mhz!r}; give one of them")
    plain = block_cost(made, target)
    if isinstance(stages, str) and stages != "max":
        raise ValueError(f"stages is {stages!r}; give a whole number of at least 0, or 'max'")
    asked = None if clock_mhz is None else finite("clock_mhz", clock_mhz, above=0.0)
    number = 0 if stages is None or stages == "max" else positive_int("stages", stages, minimum=0)
    if number > MOST:
        raise ValueError(f"stages is {number}; give at most {MOST}")
    if asked is None and not number and stages != "max":
        return plain
    t = timing(target)
    line = Line(made, target)
    best = line.shortest()
    clocks = line.clocks(best)
    if asked is not None and asked > clocks[-1]:
        raise ValueError(
            f"clock_mhz is {asked:g}; this unit reaches {clocks[-1]:.1f} MHz at most on {plain.fabric}, with {len(best)} stages"
            f"{' (its DSP blocks)' if line.limit_mhz == clocks[-1] else ''}: give at most that"
        )
    if asked is not None or stages == "max":
        wanted = clocks[-1] if asked is None else asked
        number = 1 + next(i for i, clock in enumerate(clocks) if clock >= wanted)
    inner = min(number, len(best))
    longest = best[inner - 1]
    ends = line.cheapest(inner, longest)
    cut = _stages(line, ends, number, made, t["wire"].value)
    found = (*plain.parts, FpgaPart("pipeline registers", 0.0, 0, 0, sum(s.ff for s in cut)))
    facts = (*plain.facts, *t.values())
    return PipelinedCost(plain.fabric, found, max(s.logic_ps for s in cut), facts, cut, longest + line.register, line.limit_mhz)


def _stages(line: Line, ends: list[int], number: int, made: Block, wire_ps: float) -> tuple[Stage, ...]:
    """Stages that end with those steps, then ranks that only delay the result. Registers that the unit has are its last rank."""
    out, first = [], 0
    for end in ends:
        names = ", ".join(dict.fromkeys(s.part for s in line.steps[first : end + 1]))
        out.append(
            Stage(names, float(line.logic[first : end + 1].sum()), float(line.wire[first : end + 1].sum()), int(line.live[end]))
        )
        first = end + 1
    last = int(line.live[-1]) if made.result is None else made.result  # a rank that only delays is outside of DSP blocks
    out += [Stage("delay", 0.0, wire_ps, last)] * (number - len(ends))
    if any(p.ff for p in made.parts):
        out[-1] = replace(out[-1], ff=0)
    return tuple(out)
