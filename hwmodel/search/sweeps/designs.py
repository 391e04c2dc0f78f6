"""A point of a space as a workload, an accelerator and a plan: what the names of axes mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hwmodel.accelerators import Accelerator, AnyAccelerator, Hierarchy, accelerator
from hwmodel.accelerators.elements import widest
from hwmodel.batch import COLUMNS
from hwmodel.sources import Fact
from hwmodel.technology.offchip import dram
from hwmodel.workloads import vision_nets, workload
from numfmt import Plan

NUMBERS = (*COLUMNS[2:], "dram_gb_s", "dram_channels")
PLANS = ("plan", "scheme", "activation", "kv")
HARDWARE = ("accelerator", "path", "technology", "dram", "buffers", "objective")
WORKLOADS = ("model", "phase", "context", "batch")
FPGAS = ("device", "folding", "architecture", "clock_mhz")
NETWORKS = ("network", "samples")
AXES = (*NUMBERS, *PLANS, *HARDWARE, *WORKLOADS, *FPGAS, *NETWORKS)
_KEPT = 256
_NO_WIRES = "nothing is added for place and route"


def plan_of(point: Mapping[str, Any]) -> str:
    """The plan of a point: its own, or made of scheme, activation and kv."""
    if point.get("plan") is not None:
        return str(point["plan"])
    named = (("w", "scheme"), ("a", "activation"), ("kv", "kv"))
    parts = [f"{key}={point[name]}" for key, name in named if point.get(name) is not None]
    return "; ".join(parts) or "float16"


def work_of(point: Mapping[str, Any], work: pd.DataFrame | None) -> pd.DataFrame:
    """The workload of a point: the one given, that of its network, or that of its model."""
    if work is not None:
        return work
    if point.get("network") is not None:
        return _network_work(str(point["network"]), point.get("phase"), point.get("context"))
    return _work(str(point["model"]), *(point.get(name) for name in ("phase", "context", "batch")))


@lru_cache(maxsize=_KEPT)
def _work(model: str, phase: str | None, context: int | None, batch: int | None) -> pd.DataFrame:
    if model.strip().lower() in vision_nets():
        if phase is not None or context is not None:
            raise ValueError(f"model {model} works on images, which have no phase and no context; leave both out")
        return workload(model, batch=batch or 1)
    return workload(model, phase=phase or "decode", context=context, batch=batch or 1)


@lru_cache(maxsize=_KEPT)
def _network_work(network: str, phase: str | None, context: int | None) -> pd.DataFrame:
    from hwmodel.evaluation import workload_of

    return workload_of(loaded(network).network, phase, context)


@lru_cache(maxsize=4)
def loaded(network: str) -> Any:
    """A network by name or path, read once."""
    from hwmodel.models import load_network

    return load_network(network)


def element_of(point: Mapping[str, Any]) -> AnyAccelerator:
    """The accelerator of a point with the element that `path` and `technology` ask for."""
    return _designed(str(point["accelerator"]), plan_of(point), point.get("path"), point.get("technology"))


@lru_cache(maxsize=_KEPT)
def _designed(name: str, plan: str, path: str | None, technology: str | None) -> AnyAccelerator:
    acc = accelerator(name)
    if path is None and technology is None:
        return acc
    if technology is None:
        raise ValueError(f"path={path!r} has no price on accelerator {name}; give a technology, such as nangate45, that prices it")
    if acc.compute == "bit_serial":
        raise ValueError(
            f"accelerator {name} is bit-serial: its element cannot take another datapath or technology; use systolic, fp16@j25 or a"
            " file of your own"
        )
    pe = acc.pe
    weights, activations = _formats(plan) if path is not None else (pe.weights, pe.activations)
    built = path if path is not None else pe.datapath
    energy, area, _, formats = widest(built, weights, activations, technology, pe.flow)
    how = f"hw.unit({built!r}) of {formats}, priced in {technology}" + (f", {pe.lanes} of them" if pe.lanes > 1 else "")
    facts: dict[str, Any] = {
        "energy_pj": Fact("pe.energy_pj", energy * pe.lanes, "pJ/cycle", how, "derived"),
        "area_um2": Fact("pe.area_um2", area * pe.lanes, "um2", how, "derived"),
        "place_and_route": Fact("pe.place_and_route", 1.0, "x energy", _NO_WIRES, "inferred"),
    }
    if isinstance(acc, Hierarchy):
        facts["technology"] = technology
    if path is not None:
        facts |= {"datapath": path, "weights": weights, "activations": activations, "two_term_grid": False, "float16_weights": ""}
    return replace(acc, pe=replace(pe, **facts))


def _formats(plan: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Formats of weights and activations that an element multiplies under a plan."""
    default = Plan.parse(plan).default
    both = [tuple(dict.fromkeys(str(f) for f in s.candidates)) for s in (default.weight, default.activation)]
    return both[0], both[1]


def sized(acc: Hierarchy, point: Mapping[str, Any]) -> Hierarchy:
    """A hierarchy with the array of the point. ValueError for numbers that only a file can change."""
    given = {name: point[name] for name in (*NUMBERS, "dram", "buffers") if point.get(name) is not None}
    if others := [name for name in given if name not in ("height", "width")]:
        raise ValueError(
            f"accelerator {acc} has a hierarchy of memories: height and width of its array can be axes, {others[0]} only in a"
            " file of its own (accelerator: [small.yaml, large.yaml])"
        )
    if not given:
        return acc
    if len(acc.axes) != 2:
        raise ValueError(
            f"accelerator {acc} has {len(acc.axes)} axes of elements, not two; describe its array in a file of its own"
        )
    sides = zip(acc.axes, ("height", "width"), strict=True)
    return replace(acc, axes=tuple(replace(axis, size=int(given.get(name, axis.size))) for axis, name in sides))


def numbers_of(acc: Accelerator, columns: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of hw.score_many from those of a space: DRAM by kind, channels and GB/s becomes pJ a bit and bits a cycle."""
    found = {name: columns[name] for name in COLUMNS[2:] if columns.get(name) is not None}
    clock = found.get("clock_ghz", acc.clock_ghz.value)
    rate, kind = columns.get("dram_gb_s"), columns.get("dram")
    if kind is not None:
        made = dram(str(kind))
        found.setdefault("dram_energy_pj_per_bit", made.energy_pj_per_bit)
        if rate is None and "dram_bits_per_cycle" not in found:
            if made.bandwidth_gb_s is None:
                raise ValueError(f"dram {kind!r} has an energy but no bandwidth; give dram_gb_s or dram_bits_per_cycle as well")
            channels = columns.get("dram_channels")
            rate = made.bandwidth_gb_s * (1 if channels is None else channels)
    if rate is not None:
        found["dram_bits_per_cycle"] = 8.0 * rate / clock
    if "lanes" in found and acc.pe.energy_pj.source.startswith("hw.unit("):  # an element of so many units
        found["pe_energy_pj"] = acc.pe.energy_pj.value / acc.pe.lanes * np.asarray(found["lanes"], dtype=np.float64)
        found["pe_area_um2"] = acc.pe.area_um2.value / acc.pe.lanes * np.asarray(found["lanes"], dtype=np.float64)
    return found
