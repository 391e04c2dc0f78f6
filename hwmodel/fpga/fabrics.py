"""LUTs, carries and delay of blocks on a fabric: one small set of coefficients for all kinds of unit.

The coefficients are rows of `data/coefficients.csv`, fitted by `tools/fit_fpga.py` to units that Yosys mapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hwmodel._checks import unknown
from hwmodel._data import csv_rows
from hwmodel.fpga.blocks import CELLS, CHAINED, STEPS, Block, Part
from hwmodel.fpga.counting import Number, larger, smaller, up
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
    outputs infinite where it has none), DSP blocks (n,), and carry cells (n, sizes) if they have as many bits as `carry_sizes`."""

    cells: np.ndarray
    path: np.ndarray
    table: np.ndarray
    dsp: np.ndarray
    carries: np.ndarray

    def __getitem__(self, chosen: Any) -> Features:
        """Some of the units."""
        return Features(*(getattr(self, name)[chosen] for name in _ARRAYS))


_ARRAYS = ("cells", "path", "table", "dsp", "carries")


@lru_cache(maxsize=1)
def carry_sizes() -> tuple[int, ...]:
    """Bits of a carry cell that fabrics have."""
    return tuple(sorted({on.carry for on in fabrics().values()}))


def empty(n: int) -> Features:
    """Features of `n` units, to be filled."""
    table = np.broadcast_to([0.0, np.inf], (n, 2)).copy()
    return Features(
        np.zeros((n, len(CELLS))), np.zeros((n, len(STEPS))), table, np.zeros(n, int), np.zeros((n, len(carry_sizes())), int)
    )


def fill(into: Features, rows: slice, made: Block) -> None:
    """Puts the units of a block, whose counts are numbers or arrays, into rows of zeros."""
    for cell, n in made.cells().items():
        into.cells[rows, CELLS.index(cell)] = n
    for step, n in made.path.items():
        into.path[rows, STEPS.index(step)] = n
    if made.table is not None:
        into.table[rows, 0], into.table[rows, 1] = made.table
    for p in made.parts:
        into.dsp[rows] += p.dsp
        for column, bits in enumerate(carry_sizes()):
            into.carries[rows, column] += carry_cells(p, bits)


def carry_cells(p: Part, bits: int) -> Number:
    """Carry cells of a part. Those of one bit are only counted where a carry enters and leaves."""
    if bits == 1:
        return sum((n - 1) * count for n, count in p.chains) - p.idle
    return sum(up(n, bits) * count for n, count in p.chains)


def of_block(made: Block) -> Features:
    """The features of one unit."""
    out = empty(1)
    fill(out, slice(None), made)
    return out


@lru_cache(maxsize=1 << 12)
def _row(key: Key, wide_port: int) -> Features:
    return of_block(KINDS[key[0]](**dict(key[1]), dsp=wide_port))


def features(keys: Sequence[Key], wide_ports: Sequence[int | None]) -> Features:
    """The rows of some units made one by one, each with the wide port of its DSP blocks (None or 0: no blocks)."""
    return joined([empty(0), *(_row(key, port or 0) for key, port in zip(keys, wide_ports, strict=True))])


def joined(several: Sequence[Features]) -> Features:
    """The units of several features, one after another."""
    return Features(*(np.concatenate([getattr(f, name) for f in several]) for name in _ARRAYS))


def cell_luts(c: Values, name: str) -> np.ndarray:
    """LUTs of each cell on a fitted fabric."""
    return np.array([c.get(f"{name} lut {cell}", 0.0) for cell in CELLS])


@lru_cache(maxsize=8)
def prices(name: str) -> tuple[dict[str, float], dict[str, float]]:
    """LUTs of each cell and ps of each step on a fitted fabric."""
    c = values()
    return dict(zip(CELLS, cell_luts(c, name).tolist(), strict=True)), dict(zip(STEPS, _step_ps(c, name).tolist(), strict=True))


def _step_ps(c: Values, name: str) -> np.ndarray:
    return np.array([c[f"{name} ps {'bit' if s == 'waited' else s}"] for s in STEPS])


def bounded(luts: Number, inputs: Number, outputs: Number, lut: int) -> Number:
    """LUTs of logic that a table of the whole unit may replace, joined smoothly."""
    most = outputs * 2.0 ** smaller(larger(inputs - lut, 0), 60)
    return luts / (1 + (luts / most) ** 4) ** 0.25


_CHAINED = np.array([c in CHAINED for c in CELLS])


def luts(f: Features, c: Values, on: Fabric) -> np.ndarray:
    price = cell_luts(c, on.fitted)
    return f.cells[:, _CHAINED] @ price[_CHAINED] + bounded(
        f.cells[:, ~_CHAINED] @ price[~_CHAINED], f.table[:, 0], f.table[:, 1], on.lut
    )


def carries(f: Features, on: Fabric) -> np.ndarray:
    """Carry cells."""
    return f.carries[:, carry_sizes().index(on.carry)]


def delay(f: Features, c: Values, on: Fabric) -> np.ndarray:
    """ps through LUTs and carries, without wires; NaN for units with DSP blocks."""
    return np.where(f.dsp > 0, np.nan, f.path @ _step_ps(c, on.fitted))


@lru_cache(maxsize=1)
def facts() -> tuple[Fact, ...]:
    """The coefficients with their sources."""
    return tuple(
        Fact(r["name"], float(r["value"]), r["unit"], r["source"], r["status"]) for r in csv_rows("hwmodel.fpga", "coefficients")
    )


@lru_cache(maxsize=1)
def values() -> dict[str, float]:
    return {fact.name: fact.value for fact in facts()}
