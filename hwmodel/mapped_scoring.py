"""What a workload costs on an accelerator with a memory hierarchy: a mapping for each layer, searched or given."""

from __future__ import annotations

import math
from collections.abc import Mapping as Items
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from hwmodel.accelerators.assess import Assessment, assess
from hwmodel.accelerators.elements import Operation, operation, priced
from hwmodel.accelerators.flow import N_READ_BITS, N_WRITE_BITS, READ_IN, READ_OUT
from hwmodel.accelerators.hierarchy import Hierarchy
from hwmodel.accelerators.layer import LayerLoops, from_row
from hwmodel.accelerators.mapping import Mapping
from hwmodel.accelerators.search import best_mapping
from hwmodel.dequantize import dequantizers
from hwmodel.planning import Planned
from hwmodel.sources import Fact
from numfmt import datapath, scheme

Imposed = str | Mapping | Items[str, str | Mapping] | None


def sum_bits(path: str) -> int:
    """Width of a partial sum: that of the element's inner accumulator."""
    inner = datapath(path).inner
    width = getattr(inner, "width", None) or getattr(getattr(inner, "format", None), "bits", None)
    return int(width or 32)


def mapped(
    table: dict[str, Any], names: list[str], bits: Planned, acc: Hierarchy, objective: str | None, imposed: Imposed
) -> tuple[dict[str, Any], dict[str, float], tuple[Fact, ...]]:
    """(columns beside the workload's, area by part, constants) of every layer on the accelerator."""
    count = table["count"].astype(np.float64)
    costs, operations = [], []
    for i, name in enumerate(names):
        row = {key: values[i] for key, values in table.items()}
        one = _operation(acc, bits, i)
        layer = from_row(row, _bits(acc, bits, i))
        machine = _abreast(acc, one.side_by_side)
        given = imposed.get(name) if isinstance(imposed, Items) else imposed
        try:
            costs.append(_assessed(layer, machine, objective, given, one.energy_pj, float(one.cycles), _group(bits.schemes[i])))
        except ValueError as error:
            raise ValueError(f"layer {name}: {error}") from error
        operations.append(one)
    units = dequantizers(bits.dequantized, acc)
    columns = _columns(costs, count, acc, bits, units.energy_pj)
    facts = acc.facts() + tuple(f for one in operations for f in one.facts) + units.facts
    leakage = _element_leakage(acc)
    facts += (leakage,) if leakage else ()
    area = {"pe_array": acc.elements * acc.pe.area_um2.value * 1e-6}
    for level in acc.levels:
        if level.area_um2 is not None:
            area[level.name] = level.area_um2.value * acc.copies(level) * 1e-6
    if units.area_um2:
        area["dequantizers"] = units.area_um2 * acc.axes[0].size * 1e-6
    return columns, area, facts


@lru_cache(maxsize=4096)
def _assessed(
    layer: LayerLoops, acc: Hierarchy, objective: str | None, given: Any, pj: float, step: float, group: int
) -> Assessment:
    """The layer under the mapping given, or under the best; equal layers are looked at once."""
    plan = given if given is not None else best_mapping(layer, acc, objective, step=step, element_pj=pj).mapping
    return assess(layer, acc, plan, element_pj=pj, step=step, group=group)


@lru_cache(maxsize=64)
def _abreast(acc: Hierarchy, side_by_side: int) -> Hierarchy:
    """The array as narrower operands see it: its first axis longer by the products that an element runs side by side."""
    if side_by_side == 1:
        return acc
    first = acc.axes[0]
    return replace(acc, axes=(replace(first, size=first.size * side_by_side), *acc.axes[1:]))


def _formats(text: str, native: bool, fallback: str) -> str:
    """The widest element format of a scheme's string; float16 where a converter stands in front."""
    if not native:
        return "float16"
    if text.endswith("(preset)"):
        return text.split()[0]
    made = scheme(text)
    return str(max(made.candidates, key=lambda f: f.bits)) if made.candidates else fallback


def _operation(acc: Hierarchy, bits: Planned, i: int) -> Operation:
    weight = _formats(bits.schemes[i], bits.native[i], "float16")
    activation = _formats(bits.activations[i], True, "float16")
    return operation(acc.pe, weight, activation, math.ceil(bits.cycle_bits[i]), math.ceil(bits.activation_bits[i]))


def _bits(acc: Hierarchy, bits: Planned, i: int) -> tuple[float, float, float, float]:
    activation = float(bits.activation_bits[i])
    return float(bits.memory_bits[i]), activation, activation, float(sum_bits(acc.pe.datapath))


@lru_cache(maxsize=256)
def _group(text: str) -> int:
    """Products that share a scale along a row; 0 for coarser scales."""
    if text.endswith("(preset)"):
        return 0
    grain = scheme(text).granularity
    return int(grain.size) if grain.kind == "group" else 0


def _element_leakage(acc: Hierarchy) -> Fact | None:
    """Static power of the elements, where their technology has a figure."""
    pe = acc.pe
    if not pe.technology:
        return None
    nw = max(priced(pe.datapath, w, a, pe.technology, pe.flow)[2] for w in pe.weights for a in pe.activations)
    return Fact("pe.leakage", nw * 1e-6, "mW", f"hw.unit priced in {pe.technology}", "derived") if nw else None


def _columns(costs: list[Assessment], count: Any, acc: Hierarchy, bits: Planned, dequantize_pj: Any) -> dict[str, Any]:
    energy = np.array([c.energy_pj.sum(axis=0) for c in costs]) * 1e-12  # layers x levels x movements
    traffic = np.array([c.bits.sum(axis=(0, 2)) for c in costs]) / 8
    last = len(acc.levels) - 1
    reads = [READ_IN, READ_OUT]
    writes = [w for w in range(4) if w not in reads]
    whole = np.array([math.ceil(c.cycles - 1e-6) for c in costs], dtype=np.int64)
    latency = whole / (acc.clock_ghz.value * 1e9)
    still = _element_leakage(acc)
    static = (still.value * acc.elements if still else 0.0) * 1e-3 * latency + np.array([c.leakage_pj for c in costs]) * 1e-12
    weights_in = np.array([_weights_fetched(c) for c in costs])
    joules = {
        "core": np.array([c.element_pj for c in costs]) * 1e-12,
        "sram_read": energy[:, :last, reads].sum(axis=(1, 2)),
        "sram_write": energy[:, :last, writes].sum(axis=(1, 2)),
        "dram": energy[:, last].sum(axis=1),
        "dequant": weights_in * dequantize_pj * 1e-12,
        "noc": np.array([c.wire_pj.sum() for c in costs]) * 1e-12,
        "leakage": static,
    }
    energies = {f"energy_{part}_j": values * count for part, values in joules.items()}
    times = count.astype(np.int64)
    out: dict[str, Any] = {
        "scheme": bits.schemes,
        "activation": bits.activations,
        "datapath": bits.datapaths,
        "native": np.array(bits.native, dtype=bool),
        "weight_bits": bits.memory_bits,
        "weight_bits_exact": bits.exact_bits,
        "activation_bits": bits.activation_bits,
        "compute_cycles": np.array([math.ceil(c.compute_cycles - 1e-6) for c in costs], dtype=np.int64) * times,
        "dram_cycles": np.array([_outer_cycles(c) for c in costs], dtype=np.int64) * times,
        "cycles": whole * times,
        "latency_s": latency * count,
        **energies,
        "energy_j": sum(energies.values()),
        "dram_bytes": traffic[:, last] * count,
        "stall_cycles": np.array([c.stall_cycles for c in costs]) * count,
        "utilisation": np.array([c.utilisation for c in costs]),
        "mapping": [str(c.mapping) for c in costs],
    }
    for i, level in enumerate(acc.levels):
        out[f"energy_at_{level.name}_j"] = energy[:, i].sum(axis=1) * count
        out[f"bytes_at_{level.name}"] = traffic[:, i] * count
    return out


def _weights_fetched(cost: Assessment) -> float:
    """Weights that pass the converters: as they enter what is next to the elements."""
    held = [i for i, level in enumerate(cost.hierarchy.levels) if "weights" in level.operands]
    return float(cost.moved[0, held[min(1, len(held) - 1)], READ_IN])


def _outer_cycles(cost: Assessment) -> int:
    """Cycles that the last level's port is busy."""
    last, numbers = cost.hierarchy.levels[-1], cost.hierarchy.numbers[-1]
    moved = cost.bits[:, -1].sum(axis=0)
    reads = (moved[READ_IN] + moved[READ_OUT]) / numbers[N_READ_BITS]
    writes = (moved.sum() - moved[READ_IN] - moved[READ_OUT]) / numbers[N_WRITE_BITS]
    return math.floor(reads + writes if last.ports == 1 else max(reads, writes))
