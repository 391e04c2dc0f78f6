"""What a workload costs on an FPGA: LUTs, flip-flops, DSP blocks, memories, latency and throughput."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import finite, unknown
from hwmodel.fpga.chips import Device, device
from hwmodel.fpga.layers import operands, search, systolic
from hwmodel.fpga.layers.choices import Architecture, Choices
from hwmodel.fpga.layers.facts import facts as constants
from hwmodel.fpga.layers.facts import under
from hwmodel.fpga.layers.finn import FINN
from hwmodel.fpga.layers.hls4ml import HLS4ML
from hwmodel.fpga.layers.network import Network, network
from hwmodel.fpga.layers.result import NAMES, FpgaScore
from hwmodel.fpga.layers.units_of import LUT6_FABRICS, RESOURCES
from hwmodel.fpga.layers.unrolled import UNROLLED
from hwmodel.sources import Fact

PIPELINES: dict[str, Architecture] = {a.name: a for a in (FINN, HLS4ML, UNROLLED)}
ARCHITECTURES = (*PIPELINES, "systolic")


def fpga_score(
    work: pd.DataFrame,
    part: Any,
    plan: Any,
    folding: Any = None,
    architecture: str = "finn",
    clock_mhz: float | None = None,
    *,
    limit: Any = "guide",
    gap: float = 1e-3,
    shell: bool = False,
    vector_rows: str = "refuse",
    **options: Any,
) -> FpgaScore:
    """Score a workload (hw.workload) on an FPGA under a plan such as "w=int4/channel; a=int4/token".

    architecture: "finn" (a pipeline of units folded by pe and simd), "hls4ml" (by reuse_factor), "unrolled" (not folded: EBOPs
    or adder graphs; `parallel` pixels at once), "systolic" (one array, layers in turn).
    folding: a mapping from layer names or patterns to foldings ((pe, simd) or a mapping; the last match wins, layers without
    one are folded most); a number: least resources for that many inferences a second; None: most throughput on the device.
    systolic: (rows, cols), or a mapping with rows, cols, dataflow, pe ("dsp", "lut"), weight_kib, activation_kib, memory,
    dram_gb_s; without rows and cols the best that fits. clock_mhz: None takes the toolflow's default (100 finn, 200 otherwise), an
    assumption. limit: share of the device that a search may use (`search.capacities`). gap:
    a search proves its resources (the sum of their shares) the least up to this share of them, 0: to the last; the highest
    rate is always exact. shell: a DDR controller and what else surrounds a design takes its part of the device (FINN's figures).
    vector_rows: rows of kind "vector" (norms, softmax, ...) have no unit here: "refuse" them, or "skip" them, which `.notes` says.
    options: finn: multipliers, memories (one or several to choose from), thresholds; hls4ml: strategy, weights; unrolled:
    weights (layer -> integer matrix, built as adder graphs), levels (of adders between registers).

    A given design that does not fit is scored: `.fits` and `.misfit` say so. A search raises `search.DoesNotFit` (a ValueError).
    Raises ValueError for unknown parts, architectures and options, illegal foldings (nearest legal named) and formats that no
    unit takes. Sources: `reference` FINN, hls4ml, HGQ, da4ml; see docs/fpga_layers.md.
    """
    dev = device(part)
    if dev.fabric.name not in LUT6_FABRICS:
        raise ValueError(
            f"{dev.part} has the fabric {dev.fabric.name!r}; layers are modelled for LUTs of six inputs"
            f" ({', '.join(LUT6_FABRICS)}): choose one of these devices, or price units with hwmodel.fpga.unit_cost"
        )
    around = _SHELL if shell else {}
    if architecture not in ARCHITECTURES:
        raise unknown("FPGA architecture", architecture, ARCHITECTURES)
    work, left_out = _products(work, vector_rows, dev)
    net = network(work, plan)
    if architecture == "systolic":
        if options:
            raise unknown("option of architecture 'systolic'", next(iter(options)), ("folding", "limit", "clock_mhz"))
        clock = _clock(clock_mhz, "clock.hls4ml_mhz")
        return replace(_systolic(net, dev, folding, clock, limit, around), left_out=left_out)
    kind = PIPELINES[architecture]
    for name in options:
        if name not in kind.options:
            raise unknown(f"option of architecture {architecture!r}", name, kind.options)
    chosen = {**kind.options, **options}
    _check_weights(net, chosen.get("weights"))
    clock = _clock(clock_mhz, kind.clock)
    if isinstance(folding, Mapping):
        made = _given(net, dev, kind, chosen, folding)
    else:
        made = _searched(net, dev, kind, chosen, folding, clock, limit, finite("gap", gap, minimum=0), around)
    return replace(_pipeline(net, dev, kind, chosen, made, clock, around), left_out=left_out)


def _products(work: Any, vector_rows: str, dev: Device) -> tuple[Any, tuple[str, ...]]:
    """The workload without its vector rows where these are skipped, and the note that says so."""
    if vector_rows not in ("refuse", "skip"):
        raise unknown("vector_rows", vector_rows, ("refuse", "skip"))
    if not isinstance(work, pd.DataFrame) or "kind" not in work.columns:
        return work, ()
    here = (work["kind"] == "vector").to_numpy()
    if not here.any():
        return work, ()
    if vector_rows == "refuse":
        raise ValueError(
            f"{dev.part} is an FPGA, on which vector rows are not modelled, and the workload has {here.sum()} of them (norms,"
            " softmax, activation functions); build it without vector_ops, or pass vector_rows='skip' to leave them out"
        )
    return work[~here], (
        f"{here.sum()} vector rows (norms, softmax, activation functions) are left out: resources and time lack them",
    )


_SHELL = {r: constants()[f"shell.{r}"] for r in RESOURCES if f"shell.{r}" in constants()}


def _shell(around: Mapping[str, Fact]) -> np.ndarray:
    return np.array([int(around[r].value) if r in around else 0 for r in RESOURCES], dtype=np.int64)


def _clock(given: float | None, default: str) -> Fact:
    if given is None:
        return constants()[default]
    return Fact("clock", finite("clock_mhz", given, above=0), "MHz", "the caller", "user")


def _check_weights(net: Network, weights: Any) -> None:
    if weights is None:
        return
    names = [one.name for one in net.layers]
    if not isinstance(weights, Mapping):
        raise ValueError(f"weights is {type(weights).__name__}; give a mapping from layer names to integer matrices")
    for name in weights:
        if name not in names:
            raise unknown("layer of weights", str(name), names)


def _given(
    net: Network, dev: Device, kind: Architecture, options: Mapping[str, Any], folding: Mapping[str, Any]
) -> tuple[Choices, ...]:
    names = [one.name for one in net.layers]
    for pattern in folding:
        if not any(fnmatchcase(name, str(pattern)) or name == pattern for name in names):
            raise unknown("layer of folding", str(pattern), names)
    made = []
    for one in net.layers:
        hits = [fold for pattern, fold in folding.items() if one.name == pattern or fnmatchcase(one.name, str(pattern))]
        default: Any = {} if kind is not HLS4ML else kind.ways(one, dev, options).row(-1)
        made.append(kind.one(one, dev, options, hits[-1] if hits else default))
    return tuple(made)


def _searched(
    net: Network,
    dev: Device,
    kind: Architecture,
    options: Mapping[str, Any],
    target: Any,
    clock: Fact,
    limit: Any,
    gap: float,
    around: Mapping[str, Fact],
) -> tuple[Choices, ...]:
    room = search.capacities(dev, limit) - _shell(around)
    keys = [(one.shape, one.name if options.get("weights") else "") for one in net.layers]
    known: dict[Any, Choices] = {}
    for one, key in zip(net.layers, keys, strict=True):
        if key not in known:
            known[key] = kind.ways(one, dev, options)
    many = search.groups([known[k] for k in keys], [one.count for one in net.layers], keys)
    cycles: int | None = None
    if target is None:
        found = search.fastest(many, room, gap)
    else:
        if not isinstance(target, Real) or isinstance(target, bool):
            raise ValueError(
                f"folding is {target!r}; give a mapping of layers, inferences a second, or None for the most that fits"
            )
        rate = finite("folding (inferences a second)", target, above=0)
        cycles = int(clock.value * 1e6 / rate)
        quickest = max(int(g.choices.cycles.min()) for g in many)
        if cycles < quickest:
            at_most = clock.value * 1e6 / quickest
            raise ValueError(
                f"folding asks for {rate:g} inferences a second; at {clock.value:g} MHz no folding of {kind.name} exceeds"
                f" {at_most:.6g}: give less, or a faster clock"
            )
        found = search.least(many, room, cycles, gap)
    if found is None:
        raise _does_not_fit(net, dev, many, room, cycles, limit)
    return found.ways


def _does_not_fit(
    net: Network, dev: Device, many: list[search.Group], room: np.ndarray, cycles: int | None, limit: Any
) -> search.DoesNotFit:
    short = search.shortage(many, room, cycles)
    allowed = dict(zip(RESOURCES, room.tolist(), strict=True))
    rate = "" if cycles is None else f" in {cycles} cycles an inference"
    texts = [f"{n} {NAMES[r]} beyond the {allowed[r]} that may be used" for r, n in short.items()]
    return search.DoesNotFit(
        f"no folding of {len(net.layers)} layers fits {dev.part}{rate}: the one that comes nearest needs"
        f" {' and '.join(texts)}; use narrower formats, weights in memories='external', a larger device"
        f"{'' if cycles is None else ', a lower rate'} or a higher limit (now {limit!r})",
        short,
    )


def _pipeline(
    net: Network,
    dev: Device,
    kind: Architecture,
    options: Mapping[str, Any],
    made: tuple[Choices, ...],
    clock: Fact,
    around: Mapping[str, Fact],
) -> FpgaScore:
    counts = np.array([one.count for one in net.layers], dtype=np.int64)
    used = np.array([c.resources[0] for c in made]) * counts[:, None]
    ii, latency = (np.array([getattr(c, f)[0] for c in made], dtype=np.int64) for f in ("cycles", "latency"))
    parts = {p: sum(c.parts[p][0] * n for c, n in zip(made, counts, strict=True)) for p in made[0].parts}
    if around:
        parts["shell"] = _shell(around)
    labels = {name: [c.labels[name][0].item() for c in made] for name in made[0].labels}
    columns = _columns(net, labels, dict(zip(RESOURCES, used.T, strict=True)), ii, latency * counts, clock.value)
    facts = (clock, *dev.facts, *under("finn.limit"), *around.values(), *kind.facts(net.layers, dev, options), *_operand_facts(net))
    fold = {one.name: c.row(0) for one, c in zip(net.layers, made, strict=True)}
    whole = int((latency * counts).sum())
    return FpgaScore(
        dev, net.plan, kind.name, clock.value, net.images, int(ii.max()), whole, columns, parts, _foldable(kind, fold), facts
    )


def _foldable(kind: Architecture, fold: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What `folding=` takes to build the same again."""
    names = {"finn": ("pe", "simd", "multiplier", "memory"), "hls4ml": ("reuse_factor", "strategy"), "unrolled": ("parallel",)}
    return {layer: {n: row[n] for n in names[kind.name]} for layer, row in fold.items()}


def _systolic(net: Network, dev: Device, folding: Any, clock: Fact, limit: Any, around: Mapping[str, Fact]) -> FpgaScore:
    sized = isinstance(folding, tuple | list) or (isinstance(folding, Mapping) and {"rows", "cols"} & set(folding))
    if folding is not None and not sized and not isinstance(folding, Mapping):
        raise ValueError(
            f"folding is {folding!r}; give (rows, cols) or a mapping for a systolic array, or None for the best that fits"
        )
    if sized:
        shape = systolic.array(folding, dev)
    else:
        found = systolic.best(net.layers, dev, search.capacities(dev, limit) - _shell(around), clock.value, folding or {})
        if found is None:
            raise search.DoesNotFit(
                f"no systolic array with these buffers fits {dev.part} within limit {limit!r}; give smaller weight_kib and"
                " activation_kib, pe='lut' or 'dsp', or a larger device",
                {},
            )
        shape = found
    built = systolic.build(shape, net.layers, dev)
    done, memory = systolic.cycles(shape, net.layers, clock.value)
    counts = np.array([one.count for one in net.layers], dtype=np.int64)
    spent = np.maximum(done, memory) * counts
    labels = {"compute_cycles": done * counts, "dram_cycles": memory * counts}
    nothing = {r: np.zeros(len(counts), dtype=np.int64) for r in RESOURCES}
    columns = _columns(net, labels, nothing, spent, spent, clock.value)
    facts = (clock, *dev.facts, *under("finn.limit"), *around.values(), *built.facts, *_operand_facts(net))
    if around:
        built.parts["shell"] = _shell(around)
    whole, fold = int(spent.sum()), {f: getattr(shape, f) for f in systolic.FIELDS}
    return FpgaScore(dev, net.plan, "systolic", clock.value, net.images, whole, whole, columns, built.parts, fold, facts)


def _columns(net: Network, labels: Mapping[str, Any], used: Mapping[str, Any], ii: Any, latency: Any, mhz: float) -> dict[str, Any]:
    return {
        **net.columns,
        "scheme": [one.weight.text for one in net.layers],
        "activation": [one.activation.text for one in net.layers],
        "weight_bits": np.array([one.weight.bits for one in net.layers]),
        "activation_bits": np.array([one.activation.bits for one in net.layers]),
        **labels,
        **used,
        "ii_cycles": ii,
        "latency_cycles": latency,
        "latency_s": latency / (mhz * 1e6),
    }


def _operand_facts(net: Network) -> tuple[Fact, ...]:
    return tuple(dict.fromkeys(f for one in net.layers for f in operands.facts(one.weight, one.activation)))
