"""LUTs, carries and delay of blocks on a fabric: one small set of coefficients for all kinds of unit.

The coefficients are rows of `data/coefficients.csv`, fitted by `tools/fit_fpga.py` to units that Yosys mapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hwmodel._checks import unknown
from hwmodel._data import csv_rows
from hwmodel.fpga.blocks import CELLS, CHAINED, STEPS, Block
from hwmodel.fpga.kinds import KINDS
from hwmodel.sources import Fact

Key = tuple[str, tuple[tuple[str, int], ...]]
Values = Mapping[str, float]


@dataclass(frozen=True)
class Fabric:
    """A family of devices. `lut`: inputs of a LUT. `carry`: bits of a carry cell. `wide_port`: signed bits of a DSP block's wide
    port, 0 without blocks. `fitted`: the fabric whose coefficients it uses."""

    name: str
    lut: int
    carry: int
    wide_port: int
    fitted: str
    description: str
    source: str
    status: str


@lru_cache(maxsize=1)
def fabrics() -> dict[str, Fabric]:
    return {
        r["name"]: Fabric(
            r["name"], int(r["lut"]), int(r["carry"]), int(r["wide_port"]), r["fitted"], r["description"], r["source"], r["status"]
        )
        for r in csv_rows("hwmodel.fpga", "fabrics")
    }


ALIASES = {"ice40hx": "ice40", "7series": "xc7", "ultrascale+": "xcup", "artix7": "xc7", "zynq7000": "xc7"}


def fabric(name: str) -> Fabric:
    """The fabric of that name; ValueError names the nearest."""
    found = fabrics().get(ALIASES.get(str(name).lower(), str(name).lower()))
    if found is None:
        raise unknown("FPGA fabric", name, (*fabrics(), *ALIASES))
    return found


FITTED = ("xc7", "ice40")
# A LUT6 holds two stages of a shifter and takes in what a carry chain adds; a LUT4 does neither.
_ABSENT = {"xc7": ("mux2", "fill", "leaf", "compress once", "zero mux", "increment"), "ice40": ("mux4", "place4")}


def cells_of(name: str) -> tuple[str, ...]:
    """The pieces of logic that cost LUTs on a fitted fabric."""
    return tuple(c for c in CELLS if c not in _ABSENT[name] and not c.startswith("drawn "))


@dataclass(frozen=True, eq=False)
class Features:
    """Of units (first axis): counts of cells (n, cells), of path steps (n, steps), inputs and outputs of the unit as a table (n, 2;
    outputs infinite where it has none), DSP blocks (n,), carry chains (a tuple of bits each) and their idle bits (n,)."""

    cells: np.ndarray
    path: np.ndarray
    table: np.ndarray
    dsp: np.ndarray
    chains: tuple[tuple[int, ...], ...]
    idle: np.ndarray


def of_block(made: Block) -> Features:
    counts = made.cells()
    inputs, outputs = made.table or (0, np.inf)
    return Features(
        np.array([[counts.get(c, 0.0) for c in CELLS]]),
        np.array([[made.path.get(s, 0.0) for s in STEPS]]),
        np.array([[inputs, outputs]], dtype=float),
        np.array([sum(p.dsp for p in made.parts)]),
        (tuple(n for p in made.parts for n in p.chains),),
        np.array([sum(p.idle for p in made.parts)]),
    )


def build(key: Key, wide_port: int | None = None) -> Block:
    kind, parameters = key
    return KINDS[kind](**dict(parameters), dsp=wide_port)


@lru_cache(maxsize=1 << 16)
def _row(key: Key, wide_port: int | None) -> Features:
    return of_block(build(key, wide_port))


def features(keys: Sequence[Key], wide_ports: Sequence[int | None]) -> Features:
    """The rows of many units, each with the wide port of its DSP blocks (None: no blocks)."""
    made = [_row(key, port) for key, port in zip(keys, wide_ports, strict=True)]
    if not made:
        return Features(
            np.zeros((0, len(CELLS))), np.zeros((0, len(STEPS))), np.zeros((0, 2)), np.zeros(0, int), (), np.zeros(0, int)
        )
    arrays = [np.concatenate([getattr(f, name) for f in made]) for name in ("cells", "path", "table", "dsp", "idle")]
    chains = tuple(f.chains[0] for f in made)
    return Features(arrays[0], arrays[1], arrays[2], arrays[3], chains, arrays[4])


def cell_luts(c: Values, name: str) -> np.ndarray:
    """LUTs of each cell on a fitted fabric."""
    return np.array([c.get(f"{name} lut {cell}", 0.0) for cell in CELLS])


def bounded(luts: np.ndarray, table: np.ndarray, inputs: int) -> np.ndarray:
    """LUTs of logic that a table of the whole unit may replace, joined smoothly."""
    most = table[:, 1] * 2.0 ** np.clip(table[:, 0] - inputs, 0, 60)
    return luts / (1 + (luts / most) ** 4) ** 0.25


_CHAINED = np.array([c in CHAINED for c in CELLS])


def luts(f: Features, c: Values, on: Fabric) -> np.ndarray:
    price = cell_luts(c, on.fitted)
    return f.cells[:, _CHAINED] @ price[_CHAINED] + bounded(f.cells[:, ~_CHAINED] @ price[~_CHAINED], f.table, on.lut)


def carries(f: Features, on: Fabric) -> np.ndarray:
    """Carry cells. Those of one bit are only counted where a carry enters and leaves."""
    if on.carry == 1:
        return np.array([sum(n - 1 for n in chains) for chains in f.chains], dtype=int) - f.idle
    return np.array([sum(-(-n // on.carry) for n in chains) for chains in f.chains], dtype=int)


def delay(f: Features, c: Values, on: Fabric) -> np.ndarray:
    """ps through LUTs and carries, without wires; NaN for units with DSP blocks."""
    out = f.path @ np.array([c[f"{on.fitted} ps {'bit' if s == 'waited' else s}"] for s in STEPS])
    return np.where(f.dsp > 0, np.nan, out)


@lru_cache(maxsize=1)
def facts() -> tuple[Fact, ...]:
    """The coefficients with their sources."""
    return tuple(
        Fact(r["name"], float(r["value"]), r["unit"], r["source"], r["status"]) for r in csv_rows("hwmodel.fpga", "coefficients")
    )


@lru_cache(maxsize=1)
def values() -> dict[str, float]:
    return {fact.name: fact.value for fact in facts()}
