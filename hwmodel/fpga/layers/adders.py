"""A constant matrix as adders and shifts: what it computes, its LUTs, its latency and its registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from hwmodel._checks import positive_int
from hwmodel.fpga.layers.facts import value


class Interval(NamedTuple):
    """Every value of a signal: from low to high, multiples of 2**step."""

    low: int
    high: int
    step: int

    @property
    def bits(self) -> int:
        """Bits of the two's complement word without its constant low bits."""
        low, high = self.low >> self.step, self.high >> self.step
        if low == high == 0:
            return 0
        return max(high.bit_length(), (~low).bit_length() if low < 0 else 0) + (low < 0)

    def shifted(self, places: int, sign: int = 1) -> Interval:
        low, high = (self.low << places, self.high << places) if sign > 0 else (-self.high << places, -self.low << places)
        return Interval(low, high, self.step + places)


class Adder(NamedTuple):
    """sign_a * (a << shift_a) + sign_b * (b << shift_b); a and b number inputs, then adders; one sign is +1."""

    a: int
    shift_a: int
    sign_a: int
    b: int
    shift_b: int
    sign_b: int


class Output(NamedTuple):
    """sign * (signal << shift); signal None is the constant 0."""

    signal: int | None
    shift: int
    sign: int


def adder_bits(first: Interval, second: Interval, places: int, subtract: bool) -> int:
    """Width of the adder of first and (second << places), as da4ml counts it.

    From the coarser step up to the larger bound, with a sign: lower bits need no adder. Source: da4ml state_opr.cc.
    """
    second = second.shifted(places)
    low, high = (second.high, second.low) if subtract else (second.low, second.high)
    # bounds of the first and second operand, one step further at the top
    bound = max(abs(first.low), abs(first.high + (1 << first.step)), abs(low), abs(high + (1 << second.step)))
    negative = first.low < 0 or second.low < 0
    return int(negative) + max((bound - 1).bit_length(), 0) - max(first.step, second.step)


def sum_interval(first: Interval, second: Interval) -> Interval:
    return Interval(first.low + second.low, first.high + second.high, min(first.step, second.step))


@dataclass(frozen=True, eq=False)
class AdderGraph:
    """Adders that compute `matrix @ x` for integer x within `inputs`.

    `adder_size`, `carry_size`: LUTs count once for so many bits, levels of latency once for so many (0: a level an adder).
    """

    inputs: tuple[Interval, ...]
    adders: tuple[Adder, ...]
    outputs: tuple[Output, ...]
    adder_size: int = 1
    carry_size: int = 0

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """The values of every input and adder."""
        out = list(self.inputs)
        for one in self.adders:
            out.append(sum_interval(out[one.a].shifted(one.shift_a, one.sign_a), out[one.b].shifted(one.shift_b, one.sign_b)))
        return tuple(out)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Width of each adder in bits."""
        known = self.intervals
        return tuple(_width(one, known) for one in self.adders)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Latency of every input and adder, in levels."""
        out = [0] * len(self.inputs)
        for one, bits in zip(self.adders, self.widths, strict=True):
            out.append(max(out[one.a], out[one.b]) + (ceil(bits / self.carry_size) if self.carry_size else 1))
        return tuple(out)

    @property
    def latency(self) -> int:
        """Levels from input to the last output."""
        return max((self.depths[o.signal] for o in self.outputs if o.signal is not None), default=0)

    @property
    def adder_luts(self) -> int:
        """LUTs of the adders."""
        return sum(ceil(bits / self.adder_size) for bits in self.widths)

    @property
    def negation_luts(self) -> float:
        """LUTs of the outputs that leave negated: half a LUT a bit."""
        share = value("da4ml.negation_share")
        return sum(share * self.intervals[o.signal].bits for o in self.outputs if o.signal is not None and o.sign < 0)

    @property
    def luts(self) -> float:
        """LUTs in all."""
        return self.adder_luts + self.negation_luts

    def registers(self, levels: int = 1) -> int:
        """Flip-flops with a register after every `levels` levels, outputs included. ValueError for levels below 1."""
        every = positive_int("levels", levels)
        stage = [d // every for d in self.depths]
        last = [-1] * len(stage)
        for i, one in enumerate(self.adders, start=len(self.inputs)):
            for used in (one.a, one.b):
                last[used] = max(last[used], stage[i])
        end = self.latency // every + 1
        for out in self.outputs:
            if out.signal is not None:
                last[out.signal] = end
        return sum(self.intervals[i].bits * max(to - stage[i], 0) for i, to in enumerate(last))

    def __call__(self, x: Any) -> np.ndarray:
        """`matrix @ x` for integers x, shape (inputs, ...): exact, as int64 where every signal fits and Python ints elsewhere.

        Raises ValueError for other shapes, for numbers that are not whole and for values outside the inputs' intervals.
        """
        given = np.asarray(x)
        if given.ndim < 1 or given.shape[0] != len(self.inputs):
            raise ValueError(f"x has shape {given.shape}; give ({len(self.inputs)}, ...), one row an input")
        if given.dtype.kind not in "iuO" or (given.dtype == object and not all(isinstance(v, int) for v in given.ravel())):
            raise ValueError(f"x has dtype {given.dtype}; give whole numbers")
        wide = any(max(abs(i.low), abs(i.high)) >= 2**60 for i in self.intervals)
        rows = given.astype(object if wide else np.int64)
        for i, (row, known) in enumerate(zip(rows, self.inputs, strict=True)):
            if row.size and (row.min() < known.low or row.max() > known.high):
                raise ValueError(f"x[{i}] leaves its interval [{known.low}, {known.high}] for which the graph was built")
        signals = list(rows)
        for one in self.adders:
            signals.append(one.sign_a * (signals[one.a] << one.shift_a) + one.sign_b * (signals[one.b] << one.shift_b))
        zero = np.zeros(given.shape[1:], dtype=rows.dtype)
        return np.array([zero if o.signal is None else o.sign * (signals[o.signal] << o.shift) for o in self.outputs])


def _width(one: Adder, known: Sequence[Interval]) -> int:
    base = min(one.shift_a, one.shift_b)
    first, places = known[one.a], one.shift_b - base
    if one.shift_a > base:
        first = first.shifted(one.shift_a - base)
    return adder_bits(first, known[one.b], places, one.sign_a != one.sign_b)


def input_intervals(count: int, bits: int, signed: bool = True) -> tuple[Interval, ...]:
    """Inputs of whole numbers of that many bits."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return (Interval(low, high, 0),) * count
