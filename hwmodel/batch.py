"""Thousands to millions of designs on one workload in one call: the numbers of an accelerator as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel.accelerators import Accelerator, accelerator
from hwmodel.accelerators.attention import shaped
from hwmodel.accelerators.compute import Products, tile_cycles
from hwmodel.accelerators.hardware import Bits, Costs, Hardware, Word, costs
from hwmodel.accelerators.memory import buffer_word, word_widths
from hwmodel.accelerators.model import Buffer
from hwmodel.dequantize import dequantizers
from hwmodel.mapped_scoring import sum_bits
from hwmodel.planning import Planned
from hwmodel.scoring import prepared, widest_weight
from hwmodel.targets import is_part
from hwmodel.technology.memory import memory

# Column -> (field of Hardware, whole number, least value; a value equal to it is refused where `above`).
_NUMBERS: dict[str, tuple[str, bool, bool]] = {
    "height": ("height", True, True),
    "width": ("width", True, True),
    "lanes": ("lanes", True, True),
    "weight_buffer_kib": ("weight_bytes", True, True),
    "activation_buffer_kib": ("activation_bytes", True, True),
    "dram_bits_per_cycle": ("dram_bits_per_cycle", False, True),
    "dram_energy_pj_per_bit": ("dram_pj_per_bit", False, False),
    "clock_ghz": ("clock_ghz", False, True),
    "pe_energy_pj": ("pe_energy_pj", False, True),
    "pe_area_um2": ("pe_area_um2", False, True),
}
_NAMES = ("accelerator", "plan")
COLUMNS = (*_NAMES, *_NUMBERS)
_CHUNK = 1 << 15  # rows of (design, layer) at a time: temporaries stay in the cache
BUFFERS = ("table", "fit")


@dataclass(frozen=True)
class _Ready:
    """A workload under a plan on an accelerator, before the numbers of a design."""

    names: list[str]
    macs: np.ndarray
    weights: np.ndarray
    count: np.ndarray
    products: Products
    k_in: np.ndarray
    bits: Planned
    widest: float
    activation: int
    hardware: Hardware


def score_many(
    work: pd.DataFrame,
    designs: pd.DataFrame | Mapping[str, Any],
    acc: Accelerator | str = "bitmod@j25",
    plan: Any = "float16",
    *,
    phase: str | None = None,
    layers: bool = False,
    buffers: str = "table",
) -> pd.DataFrame:
    """Score many designs on one workload: what `hw.score` gives for each, computed together.

    designs: a table, one row a design, or a mapping of columns (single values hold for all rows). Columns: height and width (of
    the array of the phase), lanes, weight_buffer_kib, activation_buffer_kib, dram_bits_per_cycle, dram_energy_pj_per_bit,
    clock_ghz, pe_energy_pj, pe_area_um2; accelerator (name) and plan (string) where these vary too. What a design does not
    name is that of `acc` and `plan`. Only accelerators with two buffers (`hw.Accelerator`); those with a hierarchy of memories
    search a mapping for each layer: `hw.compare`.

    buffers: "table" takes the accelerator's own CACTI table, which holds few capacities; "fit" the smooth law at the table's node
    with the same cells (`hwmodel.technology.memory`), for every capacity and width, all inferred and without leakage, as the table.
    Buffers that an accelerator prices by a model of its own keep that model.

    Returns the columns of designs and macs, weights, compute_cycles, dram_cycles, cycles, latency_s, energy_*_j, energy_j,
    dram_bytes, area_mm2: one row a design, or with `layers` one for each layer of each design (with its name; area of the whole
    design). Raises ValueError for unknown columns, numbers that are not finite, whole or positive where they must be, and for
    plans that an accelerator cannot run.
    """
    table = _table(designs)
    if buffers not in BUFFERS:
        raise unknown("buffers", buffers, BUFFERS)
    keys = [table[name].astype(str).to_numpy() if name in table else None for name in _NAMES]
    groups = _groups(keys, len(table))
    blocks: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []
    for (name, text), rows in groups:
        spec = acc if name is None else name
        if is_part(spec):
            raise ValueError(
                f"{spec} is an FPGA part, whose foldings are searched for each network; score it with hw.score or hw.compare, or"
                " many plans and parts with hw.sweep"
            )
        design = accelerator(spec)
        if not isinstance(design, Accelerator):
            raise ValueError(
                f"accelerator {design} has a hierarchy of memories, whose mappings are searched layer by layer; score it with"
                " hw.score or hw.compare"
            )
        ready = _ready(work, design, plan if text is None else text, phase)
        size = max(1, _CHUNK // len(ready.names))
        for start in range(0, len(rows), size):
            index = rows[start : start + size]
            given = {c: table[c].to_numpy()[index] for c in _NUMBERS if c in table}
            blocks.append((index, _block(ready, design, given, len(index), layers, buffers)))
    return _gathered(table, blocks, len(table), layers)


def _ready(work: pd.DataFrame, acc: Accelerator, plan: Any, phase: str | None) -> _Ready:
    table, sizes, kinds, chosen, bits = prepared(work, acc, plan, phase)
    products, k_in = shaped(sizes, kinds, acc.attention)
    hardware = Hardware.of(acc, acc.array(chosen), sum_bits(acc.pe.datapath))
    names = [str(name) for name in table["layer"].tolist()]
    activation = int(bits.activation_bits.max())
    numbers = (table["macs"], table["weights"], sizes["count"])
    return _Ready(names, *numbers, products, k_in, bits, widest_weight(bits, kinds), activation, hardware)


def _table(designs: pd.DataFrame | Mapping[str, Any]) -> pd.DataFrame:
    if isinstance(designs, Mapping):
        longest = max((np.size(v) for v in designs.values() if not isinstance(v, str)), default=1)
        designs = pd.DataFrame(dict(designs), index=range(longest))
    if not isinstance(designs, pd.DataFrame):
        raise ValueError(f"designs is {type(designs).__name__}; give a DataFrame or a mapping of columns")
    if not len(designs):
        raise ValueError("designs has no rows; there is nothing to score")
    table = designs.reset_index(drop=True)
    for name in table.columns:
        if name not in COLUMNS:
            raise unknown("column of designs", str(name), COLUMNS)
        if name in _NUMBERS:
            _, whole, above = _NUMBERS[name]
            values = table[name].to_numpy()
            good = values.dtype.kind in "iuf" and np.isfinite(values) & ((values > 0) if above else (values >= 0)) & (
                (values % 1 == 0) if whole else True
            )
            if not np.all(good):
                row = int(np.flatnonzero(~np.broadcast_to(good, values.shape))[0])
                kind = "a whole number of at least 1" if whole else "a finite number " + ("above 0" if above else "of at least 0")
                raise ValueError(f"designs: {name} is {values[row]!r} in row {row}; give {kind}")
    return table


def _groups(keys: list[np.ndarray | None], count: int) -> list[tuple[tuple[str | None, str | None], np.ndarray]]:
    """Rows by accelerator and plan, in the order of first appearance."""
    if keys[0] is None and keys[1] is None:
        return [((None, None), np.arange(count))]
    columns = {str(i): k for i, k in enumerate(keys) if k is not None}
    found = pd.DataFrame(columns).groupby(list(columns), sort=False).indices
    out = []
    for key, rows in found.items():
        parts = iter(key if isinstance(key, tuple) else (key,))
        out.append((tuple(next(parts) if k is not None else None for k in keys), rows))
    return out  # type: ignore[return-value]


def _block(
    ready: _Ready, acc: Accelerator, given: dict[str, np.ndarray], designs: int, layers: bool, buffers: str
) -> dict[str, np.ndarray]:
    changes: dict[str, Any] = {}
    for name, values in given.items():
        field, whole, _ = _NUMBERS[name]
        column = values.astype(np.int64 if whole else np.float64)[:, None]
        changes[field] = column * 1024 if name.endswith("_kib") else column
    hw = replace(ready.hardware, **changes)
    wide_w, wide_i = word_widths(hw, ready.widest, ready.activation)
    word_w = _words(acc.weight_buffer, hw.weight_bytes, wide_w, buffers)
    word_i = _words(acc.activation_buffer, hw.activation_bytes, wide_i, buffers)
    bits = ready.bits
    units = dequantizers(bits.dequantized, acc)
    cycles = tile_cycles(acc, bits.cycle_bits)
    found = costs(
        ready.products,
        ready.k_in,
        Bits(bits.memory_bits, bits.write_bits, bits.activation_bits, cycles, units.energy_pj),
        hw,
        word_w,
        word_i,
    )
    area = hw.height * hw.width * hw.pe_area_um2 * 1e-6 + word_w.area_mm2 + word_i.area_mm2
    if units.area_um2:
        area = area + units.area_um2 * hw.height * hw.lanes * 1e-6
    return _columns(ready, found, hw, np.broadcast_to(area, (designs, 1)), designs, layers)


def _words(buffer: Buffer, capacity_bytes: Any, widths: Any, buffers: str) -> Word:
    """The buffer of every design: each capacity and width is looked up once."""
    kib = np.asarray(capacity_bytes) // 1024
    if buffer.word_bits is not None:
        widths = buffer.word_bits
    kib, widths = np.broadcast_arrays(np.asarray(kib, dtype=np.int64), np.asarray(widths, dtype=np.int64))
    where, keys = pd.factorize((kib << 32 | widths).ravel())
    found = np.zeros((4, len(keys)))
    for i, key in enumerate(keys.tolist()):
        size, bits = key >> 32, key & 0xFFFFFFFF
        if buffers == "table" or buffer.memory is not None:
            point = buffer_word(replace(buffer, capacity_kib=size), bits)
            found[:, i] = point.read_pj, point.write64_pj, point.area_mm2, point.leakage_mw
        else:
            node = float(buffer.table.removeprefix("cacti"))
            made = memory(size, bits, banks=buffer.banks, node_nm=node, cell="itrs-hp")
            found[:3, i] = made.read_pj, made.write_pj * 64 / bits, made.area_mm2
    read, write, area, leakage = (row[where].reshape(kib.shape) for row in found)
    return Word(read, write, area, widths, buffer.word_bits, leakage)


def _columns(ready: _Ready, found: Costs, hw: Hardware, area: np.ndarray, designs: int, layers: bool) -> dict[str, np.ndarray]:
    count = ready.count
    out: dict[str, Any] = {
        "macs": ready.macs,
        "weights": ready.weights,
        "compute_cycles": found.compute_cycles * count,
        "dram_cycles": found.dram_cycles * count,
        "cycles": found.cycles * count,
        "latency_s": found.cycles * count / (hw.clock_ghz * 1e9),
    }
    out |= {f"energy_{part}_j": pj * count * 1e-12 for part, pj in found.energy_pj.items()}
    out["energy_j"] = sum(out[f"energy_{part}_j"] for part in found.energy_pj)
    out["dram_bytes"] = found.dram_bytes * count
    shape = (designs, len(ready.names))
    full = {name: np.broadcast_to(values, shape) for name, values in out.items()}
    if layers:
        return {name: values.ravel() for name, values in full.items()} | {
            "layer": np.tile(np.array(ready.names, dtype=object), designs),
            "area_mm2": np.repeat(area.ravel(), shape[1]),
        }
    return {name: values.sum(axis=1) for name, values in full.items()} | {"area_mm2": area.ravel()}


def _gathered(
    table: pd.DataFrame, blocks: list[tuple[np.ndarray, dict[str, np.ndarray]]], count: int, layers: bool
) -> pd.DataFrame:
    rows = np.concatenate([index for index, _ in blocks])
    columns = {name: np.concatenate([block[name] for _, block in blocks]) for name in blocks[0][1]}
    if layers:
        each = len(columns["macs"]) // count
        rows = np.repeat(rows, each)
        columns = {"layer": columns.pop("layer")} | columns
    if (np.diff(rows) < 0).any():
        order = np.argsort(rows, kind="stable")
        rows, columns = rows[order], {name: values[order] for name, values in columns.items()}
    left = {name: table[name].to_numpy()[rows] for name in table.columns}
    return pd.DataFrame(left | columns)
