"""Units on FPGA fabric: cost of one, and predictions for a table of rows as Yosys measured them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import positive_int, unknown
from hwmodel._data import csv_rows
from hwmodel.fpga import fabrics as model
from hwmodel.fpga.blocks import CELLS, CHAINED, Block, part
from hwmodel.fpga.fabrics import Key
from hwmodel.fpga.kinds import KINDS
from hwmodel.sources import Fact, frame
from hwmodel.units.unit import checked

PREDICTED = ("lut", "carry", "dsp", "ff", "sta_ps")
NEEDED = ("kind", "params", "target")
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
    c = model.values()
    price = dict(zip(CELLS, model.cell_luts(c, on.fitted).tolist(), strict=True))
    f = model.of_block(made)
    chained = sum(n * price[cell] for cell, n in made.cells().items() if cell in CHAINED)
    logic = sum(n * price[cell] for cell, n in made.cells().items() if cell not in CHAINED)
    share = (float(model.luts(f, c, on)[0]) - chained) / logic if logic else 1.0
    merged: dict[str, list[float]] = {}
    for p in made.parts:
        luts = sum(n * price[cell] * (1.0 if cell in CHAINED else share) for cell, n in p.cells.items())
        into = merged.setdefault(p.name, [0.0, 0, 0, 0])
        carry = sum(n - 1 for n in p.chains) - p.idle if on.carry == 1 else sum(-(-n // on.carry) for n in p.chains)
        for i, n in enumerate((luts, carry, p.dsp, p.ff)):
            into[i] += n
    parts = tuple(FpgaPart(name, float(v[0]), int(v[1]), int(v[2]), int(v[3])) for name, v in merged.items())
    ps = float(model.delay(f, c, on)[0])
    return FpgaCost(on.name, parts, None if np.isnan(ps) else ps, _facts(on.name))


def unit_block(kind: str, params: Mapping[str, int] | str, target: str, dsp: bool = True, registered: bool = False) -> Block:
    """The structure of a unit on a fabric; `registered`: the accumulator of int_mac and int_dot is a register."""
    on = model.fabric(target)
    key = _key(kind, params)
    made = model.build(key, on.wide_port or None if dsp else None)
    if registered:
        bits = _registers(key, any(p.dsp for p in made.parts) and not made.cells())
        made = made >> part("accumulator", ff=bits)
    return made


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


def synthesised_units(frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rows of `frame` with predicted lut, carry, dsp, ff and sta_ps (NaN where DSP blocks are in the path).

    frame: columns kind, params ("W=8;A=8;S=1"), target (xc7, ice40hx, also xcup and versal), and optionally dsp_allowed and
    acc_registered (0 or 1; missing: 0); None means the measured rows that come with the package. Other columns are kept; those
    named like a prediction get the suffix _measured.

    Raises ValueError for missing columns, unknown kinds, parameters and targets, and registers in units that have none.
    """
    if frame is None:
        frame = measured()
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame is {type(frame).__name__}; give a DataFrame with columns {', '.join(NEEDED)}")
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise ValueError(f"frame lacks the columns {', '.join(missing)}; give {', '.join(NEEDED)}")
    n = len(frame)
    dsp = _flags(frame, "dsp_allowed")
    registered = _flags(frame, "acc_registered")
    pairs = list(zip(frame["kind"], frame["params"], strict=True))
    keys = {pair: _key(*pair) for pair in dict.fromkeys(pairs)}
    out = {name: np.zeros(n) for name in PREDICTED}
    targets = frame["target"].to_numpy()
    c = model.values()
    for target in dict.fromkeys(targets):
        on = model.fabric(target)
        here = np.flatnonzero(targets == target)
        asked = [(pairs[i], (on.wide_port or None) if dsp[i] else None) for i in here]
        names = list(dict.fromkeys(asked))
        where = {name: i for i, name in enumerate(names)}
        f = model.features([keys[pair] for pair, _ in names], [port for _, port in names])
        index = np.array([where[name] for name in asked], dtype=np.intp)
        found = (model.luts(f, c, on), model.carries(f, on), f.dsp, np.zeros(len(names)), model.delay(f, c, on))
        for name, values in zip(PREDICTED, found, strict=True):
            out[name][here] = values[index]
    for i in np.flatnonzero(registered):
        out["ff"][i] = _registers(keys[pairs[i]], bool(out["dsp"][i]) and out["lut"][i] == 0)
    kept = frame.rename(columns={name: f"{name}_measured" for name in PREDICTED})
    whole = {name: out[name].astype(np.int64) for name in ("carry", "dsp", "ff")}
    return kept.assign(**(out | whole))


def measured() -> pd.DataFrame:
    """The measured rows of Yosys 0.23: kind, params, tool, target, dsp_allowed, acc_registered, lut, carry, muxf7, muxf8, dsp, ff,
    levels, sta_ps, source, status; those of 0.70 with `tool` "yosys 0.70 ..."."""
    table = pd.DataFrame(csv_rows("hwmodel.fpga", "synth_fpga"))
    numbers = ["dsp_allowed", "acc_registered", "lut", "carry", "muxf7", "muxf8", "dsp", "ff", "levels", "sta_ps"]
    table[numbers] = table[numbers].replace("", np.nan).astype(float)
    return table


def _registers(key: Key, merged: bool) -> int:
    """Flip-flops of a registered accumulator: none where a DSP block holds it."""
    kind, params = key
    if kind not in REGISTERED:
        raise ValueError(f"{kind} has no accumulator register; acc_registered is for {', '.join(REGISTERED)}: leave it 0")
    return 0 if merged else dict(params)["K"]


def _flags(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame.columns:
        return np.zeros(len(frame), dtype=bool)
    values = pd.to_numeric(frame[name], errors="coerce").fillna(0)
    wrong = values[~values.isin([0, 1])]
    if len(wrong):
        raise ValueError(f"{name} is {wrong.iloc[0]}; give 0 or 1")
    return values.to_numpy() == 1


def _key(kind: Hashable, params: Any) -> Key:
    if kind not in KINDS:
        raise unknown("kind of unit", str(kind), KINDS)
    if isinstance(params, Mapping):
        given = {str(k): positive_int(f"{k} of {kind}", v, minimum=0) for k, v in params.items()}
    else:
        given = {}
        for pair in str(params).split(";"):
            name, _, value = pair.partition("=")
            try:
                given[name.strip()] = int(value)
            except ValueError as error:
                raise ValueError(
                    f"params of {kind} is {params!r}, where {pair!r} is not NAME=whole number; write 'W=8;A=8;S=1'"
                ) from error
    return str(kind), tuple(checked(str(kind), given).items())
