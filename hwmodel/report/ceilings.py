"""What a roofline plot draws: ceilings of a machine or an accelerator, and the layers below them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hwmodel.accelerators import AnyAccelerator, Machine, Roofline, accelerator, machine, machines, roofline
from hwmodel.accelerators.attention import shaped
from hwmodel.accelerators.compute import Floats, Ints, Products, ceil_div
from hwmodel.accelerators.outside import memory_of, unlimited
from hwmodel.report.view import plan_label
from hwmodel.scoring import Score, score
from hwmodel.workloads.frame import HEADS


@dataclass(frozen=True)
class Spot:
    """A layer: operations a byte of DRAM, operations a second, its share of the time of all layers."""

    name: str
    intensity: float
    rate: float
    share: float
    attention: bool


@dataclass(frozen=True)
class Series:
    """One machine or score: ceilings as (what, operations a second, whether a layer runs under it), bytes a second, layers."""

    name: str
    ceilings: tuple[tuple[str, float, bool], ...]
    bandwidth: float
    spots: tuple[Spot, ...]
    unlimited: bool = False  # the memory; the bandwidth then only places the slope

    @property
    def peak(self) -> float:
        """The highest ceiling that a layer runs under."""
        return max((rate for _, rate, used in self.ceilings if used), default=max(rate for _, rate, _ in self.ceilings))


def series_of(what: Any, work: pd.DataFrame | None, plan: Any, bits: dict[str, Any]) -> list[Series]:
    """The series of scores and rooflines, or of names (and objects) of machines and accelerators with a workload."""
    items = list(what) if isinstance(what, list | tuple) else [what]
    if not items:
        raise ValueError("nothing to plot: give a Score, a Roofline, or a machine or accelerator with work=")
    return [_series(item, work, plan, bits) for item in items]


def _series(item: Any, work: pd.DataFrame | None, plan: Any, bits: dict[str, Any]) -> Series:
    if isinstance(item, Score):
        return of_score(item)
    if isinstance(item, Roofline):
        return of_roofline(item)
    if work is None:
        raise ValueError(f"{str(item)!r} has no layers to plot; give a Score or a Roofline, or the workload with work=")
    if isinstance(item, Machine) or str(item).strip().lower() in machines():
        return of_roofline(roofline(work, machine(item), **bits))
    if bits:
        raise ValueError(f"{', '.join(bits)} belong to roofline machines ({', '.join(machines())}); {str(item)!r} takes plan=")
    return of_score(score(work, accelerator(item), "float16" if plan is None else plan))


def of_roofline(made: Roofline) -> Series:
    """Ceilings of every operand width of the machine; layers at what their bound allows."""
    device, columns = made.machine, made.columns
    compute = columns["compute_s"]
    peaks = np.divide(columns["operations"], compute, out=np.zeros(len(compute)), where=compute > 0)
    ceilings = tuple(
        (f"{bits}-bit operands", device.peak(bits), bool(np.isclose(peaks, device.peak(bits), rtol=1e-9).any()))
        for bits in sorted(device.peak_tops)
    )
    kinds = [str(kind) for kind in columns["kind"].tolist()]
    spots = _spots(columns["layer"].tolist(), kinds, columns["operations"], columns["bytes"], columns["time_s"])
    return Series(str(device), ceilings, device.bytes_per_second, spots)


def of_score(made: Score) -> Series:
    """Ceilings of the array, one for each width of weights where the width counts (bit-serial elements); layers as scored."""
    acc, columns, clock = made.accelerator, made.columns, made.accelerator.clock_ghz.value * 1e9
    kinds = [str(kind) for kind in columns["kind"].tolist()]
    products, count = _products(columns, kinds, acc), columns["count"]
    product = np.array([kind != "vector" for kind in kinds], dtype=np.int64)
    operations = 2.0 * product * count * products.batch * products.m * products.n * products.k
    peak = 2.0 * made.array.size * acc.pe.lanes * clock
    ceilings: tuple[tuple[str, float, bool], ...] = (("all elements busy", peak, True),)
    if "utilisation" in columns:
        ceilings = _full(operations, columns, clock)
    if acc.compute == "bit_serial":
        array = made.array
        tiles = ceil_div(products.k, acc.pe.lanes) * ceil_div(products.n, array.height) * ceil_div(products.m, array.width)
        steps = columns["compute_cycles"] / np.maximum(tiles * products.batch * count, 1)
        found = sorted({round(float(s)) for s in steps if s >= 1})
        ceilings = tuple((f"weights of {2 * s - 1}-{2 * s} bits", peak / s, True) for s in found)
    spots = _spots(columns["layer"].tolist(), kinds, operations, columns["dram_bytes"], columns["latency_s"])
    name, memory = f"{plan_label(made.plan)} on {acc}", memory_of(acc)
    if unlimited(memory):  # the slope stays left of every layer
        least = min((spot.intensity for spot in spots), default=1.0)
        return Series(name, ceilings, 2 * max(rate for _, rate, _ in ceilings) / least, spots, True)
    return Series(name, ceilings, memory.bits_per_cycle / 8 * clock, spots)


def _full(operations: Floats, columns: Any, clock: float) -> tuple[tuple[str, float, bool], ...]:
    """Ceilings of an array whose speed follows the operands: what each layer would reach with every element busy."""
    busy = np.asarray(columns["compute_cycles"], dtype=float) * np.asarray(columns["utilisation"], dtype=float)
    rates = clock * operations / np.where(busy > 0, busy, np.inf)
    found: list[tuple[float, list[float]]] = []
    for rate, bits in sorted(zip(rates.tolist(), np.asarray(columns["weight_bits"], dtype=float).tolist(), strict=True)):
        if rate <= 0:
            continue
        if found and rate < 1.02 * found[-1][0]:  # cycles are whole: equal ceilings differ a little
            found[-1] = (max(rate, found[-1][0]), [*found[-1][1], bits])
        else:
            found.append((rate, [bits]))
    if len(found) < 2:
        return tuple(("all elements busy", rate, True) for rate, _ in found)
    spans = [sorted({f"{int(b)}" for b in bits}, key=int) for _, bits in found]
    texts = [f"weights of {'-'.join(dict.fromkeys((span[0], span[-1])))} bits" for span in spans]
    return tuple((text, rate, True) for text, (rate, _) in zip(texts, found, strict=True))


def _products(columns: Any, kinds: list[str], acc: AnyAccelerator) -> Products:
    """The products as the accelerator runs them: one revision of the published simulator shapes attention its own way."""
    sizes: dict[str, Ints] = {c: np.asarray(columns[c], dtype=np.int64) for c in ("batch", "m", "n", "k", "k_in", *HEADS)}
    qk, pv = (np.array([kind == f"attention_{part}" for kind in kinds], dtype=bool) for part in ("qk", "pv"))
    return shaped(sizes, (qk, pv), acc.attention)[0]


def _spots(names: list[Any], kinds: list[str], operations: Floats, moved: Floats, seconds: Floats) -> tuple[Spot, ...]:
    total = float(np.sum(seconds)) or 1.0
    rows = zip(names, kinds, operations.tolist(), moved.tolist(), seconds.tolist(), strict=True)
    return tuple(
        Spot(str(name), ops / size, ops / time, time / total, kind.startswith("attention"))
        for name, kind, ops, size, time in rows
        if ops > 0 and size > 0 and time > 0
    )
