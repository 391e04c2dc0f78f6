"""Units on FPGA fabric: the cost of one, part by part."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import pandas as pd

from hwmodel._checks import positive_int, unknown
from hwmodel.fpga import fabrics as model
from hwmodel.fpga.blocks import CHAINED, Block, part
from hwmodel.fpga.fabrics import Key
from hwmodel.fpga.kinds import KINDS, PARAMETERS, RESULT_BITS
from hwmodel.sources import Fact, frame
from hwmodel.units.unit import checked

REGISTERED = ("int_mac", "int_dot")


@dataclass(frozen=True)
class FpgaPart:
    """One part: `lut` (a model's figure, not rounded), carry cells, DSP blocks, flip-flops."""

    part: str
    lut: float
    carry: int
    dsp: int
    ff: int


@dataclass(frozen=True)
class FpgaCost:
    """A unit on a fabric. `delay_ps`: through LUTs and carries, without wires or clock-to-out; None where DSP blocks are in it."""

    fabric: str
    parts: tuple[FpgaPart, ...]
    delay_ps: float | None
    facts: tuple[Fact, ...] = field(repr=False)

    @property
    def lut(self) -> float:
        return sum(p.lut for p in self.parts)

    @property
    def carry(self) -> int:
        return sum(p.carry for p in self.parts)

    @property
    def dsp(self) -> int:
        return sum(p.dsp for p in self.parts)

    @property
    def ff(self) -> int:
        return sum(p.ff for p in self.parts)

    @property
    def pipeline_depth(self) -> int:
        """Register ranks between operands and result: 0 unless the unit is cut into stages (`pipeline.PipelinedCost`)."""
        return 0

    @property
    def fmax_mhz(self) -> float | None:
        """1 / delay_ps: an upper bound of a unit without registers inside, as wires come on top."""
        return 1e6 / self.delay_ps if self.delay_ps else None

    @property
    def breakdown(self) -> pd.DataFrame:
        """One row a part: part, lut, carry, dsp, ff."""
        return pd.DataFrame(
            [(p.part, p.lut, p.carry, p.dsp, p.ff) for p in self.parts], columns=["part", "lut", "carry", "dsp", "ff"]
        )

    @property
    def sources(self) -> pd.DataFrame:
        """Every coefficient used: name, value, unit, source, status."""
        return frame(self.facts)


@lru_cache(maxsize=8)
def _facts(name: str) -> tuple[Fact, ...]:
    on = model.fabric(name)
    return (
        *(f for f in model.facts() if f.name.startswith(on.fitted + " ")),
        Fact(f"{on.name} lut inputs", on.lut, "1", on.source, on.status),
        Fact(f"{on.name} bits of a carry cell", on.carry, "1", on.source, on.status),
        Fact(f"{on.name} dsp wide port", on.wide_port, "bit", on.source, on.status),
    )


def block_cost(made: Block, target: str) -> FpgaCost:
    """The cost of any structure on a fabric, part by part. Raises ValueError for an unknown fabric."""
    on = model.fabric(target)
    price, steps = model.prices(on.fitted)
    chained = logic = 0.0
    for cell, n in made.cells().items():
        if cell in CHAINED:
            chained += n * price[cell]
        else:
            logic += n * price[cell]
    share = model.bounded(logic, *made.table, on.lut) / logic if logic and made.table else 1.0
    merged: dict[str, list[float]] = {}
    for p in made.parts:
        luts = sum(n * price[cell] * (1.0 if cell in CHAINED else share) for cell, n in p.cells.items())
        into = merged.setdefault(p.name, [0.0, 0, 0, 0])
        for i, n in enumerate((luts, model.carry_cells(p, on.carry), p.dsp, p.ff)):
            into[i] += n
    parts = tuple(FpgaPart(name, float(v[0]), int(v[1]), int(v[2]), int(v[3])) for name, v in merged.items())
    blocks = any(p.dsp for p in parts)
    ps = None if blocks else float(sum(n * steps[step] for step, n in made.path.items()))
    return FpgaCost(on.name, parts, ps, _facts(on.name))


def unit_block(kind: str, params: Mapping[str, int] | str, target: str, dsp: bool = True, registered: bool = False) -> Block:
    """The structure of a unit on a fabric; `registered`: the accumulator of int_mac and int_dot is a register."""
    on = model.fabric(target)
    key = key_of(kind, params)
    made = KINDS[key[0]](**dict(key[1]), dsp=on.wide_port if dsp else 0)
    if registered:
        bits = _registers(key, any(p.dsp for p in made.parts) and not made.cells())
        made = made >> part("accumulator", ff=bits)
    return replace(made, result=int(RESULT_BITS[key[0]](**dict(key[1]))))


def unit_cost(
    kind: str,
    params: Mapping[str, int] | str,
    target: str = "xc7",
    dsp: bool = True,
    registered: bool = False,
    *,
    stages: int | str | None = None,
    clock_mhz: float | None = None,
) -> FpgaCost:
    """LUTs, carry cells, DSP blocks, flip-flops and delay of a unit on a fabric.

    kind, params: `unit_cost("int_mul", "W=8;A=8;S=1")` or a mapping; the 20 kinds of `hwmodel.units.components` that have a
    structure. target: xc7, ice40 (fitted to Yosys), xcup, versal (the LUTs of xc7, other carry cells and DSP ports; inferred).
    dsp: products of at least 9 bits go into DSP blocks, with an accumulator of up to 48 bits where one follows.
    registered: the accumulator of int_mac and int_dot is a register. stages, clock_mhz: cut into stages (`pipeline.pipelined`).

    Median error on units that the fit did not see: 7 % of the LUTs on xc7, 3 % on ice40 (`tools/fit_fpga.py --report`).
    Raises ValueError for unknown kinds, parameters and fabrics.
    """
    from hwmodel.fpga.pipeline import pipelined

    return pipelined(unit_block(kind, params, target, dsp, registered), target, stages, clock_mhz)


def _registers(key: Key, merged: bool) -> int:
    """Flip-flops of a registered accumulator: none where a DSP block holds it."""
    kind, params = key
    refuse_registers(kind)
    return 0 if merged else dict(params)["K"]


def refuse_registers(kind: str) -> None:
    if kind not in REGISTERED:
        raise ValueError(f"{kind} has no accumulator register; acc_registered is for {', '.join(REGISTERED)}: leave it 0")


def key_of(kind: Hashable, params: Any) -> Key:
    if kind not in KINDS:
        raise unknown("kind of unit", str(kind), KINDS)
    if isinstance(params, Mapping):
        given = {str(k): positive_int(f"{k} of {kind}", v, minimum=0) for k, v in params.items()}
    else:
        given = {}
        for pair in str(params).split(";"):
            name, _, value = pair.partition("=")
            if name.strip() in given:
                raise ValueError(f"params of {kind} is {params!r}, which gives {name.strip()} twice; give it once")
            try:
                given[name.strip()] = int(value)
            except ValueError as error:
                raise ValueError(
                    f"params of {kind} is {params!r}, where {pair!r} is not NAME=whole number; write 'W=8;A=8;S=1'"
                ) from error
    values = checked(str(kind), given)
    unpriced = [name for name in values if name not in PARAMETERS[str(kind)]]
    if unpriced:
        raise ValueError(f"{kind} with {unpriced[0]}={values[unpriced[0]]} has no structure on an FPGA; leave {unpriced[0]} out")
    return str(kind), tuple(values.items())
