"""Layers as a pipeline of matrix-vector units, each with its sliding window and thresholds, as FINN builds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from hwmodel._checks import unknown
from hwmodel.fpga import packings
from hwmodel.fpga.chips import Device
from hwmodel.fpga.layers import facts as constants
from hwmodel.fpga.layers import folded, folding
from hwmodel.fpga.layers.choices import Architecture, Choices, columns, joined
from hwmodel.fpga.layers.memory import STYLES
from hwmodel.fpga.layers.network import Layer
from hwmodel.fpga.layers.operands import integers
from hwmodel.fpga.layers.windows import window
from hwmodel.sources import Fact

OPTIONS: dict[str, Any] = {"multipliers": None, "memories": None, "thresholds": "standalone"}


def check(layer: Layer) -> None:
    """ValueError for a layer that no unit computes."""
    if layer.dynamic:
        raise ValueError(f"layer {layer.name}: FINN's units hold constant weights, attention has none; use architecture='systolic'")
    try:
        integers(layer.weight, layer.activation, "finn")
    except ValueError as error:
        raise ValueError(f"layer {layer.name}: {error}") from error


def multipliers(layer: Layer, device: Device, asked: Any = None) -> tuple[str, ...]:
    """Multipliers that the layer can have on the device, of those asked for; ValueError where none is left."""
    names = folded.MULTIPLIERS if asked is None else (asked,) if isinstance(asked, str) else tuple(asked)
    _known("multiplier", names, folded.MULTIPLIERS)
    if device.block is None or not device.dsp:
        if "lut" not in names:
            raise ValueError(f"{device.part} has no DSP blocks for multiplier {', '.join(names)}; allow 'lut'")
        return ("lut",)
    bits = min(layer.weight.bits, layer.activation.bits)
    packed = packings.products_per_block(layer.weight.bits, layer.activation.bits, device.block, layer.weight.narrow) > 1
    # packed lanes hold signed weights; a product a block where nothing is packed, or as asked
    fits = {"lut": True, "dsp": bits > 1 and layer.weight.signed, "dsp_hls": bits > 1 and (asked is not None or not packed)}
    taken = [n for n in names if fits[n]]
    if not taken:
        raise ValueError(
            f"layer {layer.name}: weights {layer.weight.text} by activations {layer.activation.text} have no multiplier among"
            f" {', '.join(names)} on {device.part}; allow 'lut'"
        )
    return tuple(taken)


def _known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    if not names:
        raise ValueError(f"no {what} is allowed; name at least one of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise unknown(what, str(name), known)


def memories(device: Device, asked: Any = None) -> tuple[str, ...]:
    """Styles of weight memory that the device has, of those asked for."""
    names = STYLES[:3] if asked is None else (asked,) if isinstance(asked, str) else tuple(asked)
    _known("memory style", names, STYLES)
    for name in names:
        if name == "ultra" and not device.uram and asked is not None:
            raise ValueError(f"memory style is 'ultra', but {device.part} has no URAM; use distributed, block or external")
    return tuple(n for n in names if n != "ultra" or device.uram)


@lru_cache(maxsize=4096)
def legal(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Every pe and simd of a layer. Behind a window simd divides the channels, or is a multiple of all of them."""
    rows, cols = folding.divisors(layer.rows), folding.divisors(layer.cols)
    if layer.window is not None and layer.window.slides and not layer.depthwise:
        channels = layer.cols // (layer.window.kernel[0] * layer.window.kernel[1])
        cols = tuple(d for d in cols if channels % d == 0 or d % channels == 0)
    return rows, cols


def build(layer: Layer, device: Device, pe: Any, simd: Any, multiplier: str, memory: str, thresholds: str) -> Choices:
    """Units with pe rows and simd columns (arrays), one multiplier and one memory style."""
    p, q = np.broadcast_arrays(np.asarray(pe, dtype=np.int64), np.asarray(simd, dtype=np.int64))
    p, q = p.ravel(), q.ravel()
    w, a = layer.weight.bits, layer.activation.bits
    shared: dict[str, Any] = {
        "vectors": layer.vectors,
        "signed": layer.activation.signed,
        "declared": layer.declared,
        "multiplier": multiplier,
        "memory": memory,
        "dsp": device.block,
    }
    fused = layer.output_bits if thresholds == "fused" else 0
    if layer.depthwise:
        unit = folded.vvu(layer.rows, layer.cols, p, q, w, a, **shared)
    else:
        unit = folded.mvau(
            layer.rows, layer.cols, p, q, w, a, fused_bits=fused, copies=layer.groups, narrow=layer.weight.narrow, **shared
        )
    parts, cycles = {"compute": columns(unit)}, unit.cycles
    zero = np.zeros_like(parts["compute"])
    parts["window"], parts["output"] = zero, zero
    g = layer.window
    if g is not None and g.slides:
        channels = g.channels if layer.depthwise else layer.cols // (g.kernel[0] * g.kernel[1]) * layer.groups
        across = p if layer.depthwise else np.gcd(q, channels)
        parallel = (q > 1) if layer.depthwise else (q > channels // layer.groups)
        made = window(
            channels,
            g.size,
            g.kernel,
            g.out,
            across,
            a,
            stride=g.stride,
            dilation=g.dilation,
            parallel=parallel,
            depthwise=layer.depthwise,
        )
        parts["window"], cycles = columns(made), np.maximum(cycles, made.cycles)
    if layer.output_bits and thresholds == "standalone":
        acc = np.minimum(layer.declared, folded.accumulator_bits(layer.cols, w, a, layer.activation.signed))
        stage = folded.thresholding(layer.rows, p, acc, vectors=layer.vectors * layer.groups, memory="distributed")
        parts["output"], cycles = columns(stage), np.maximum(cycles, stage.cycles)
    n = len(p)
    labels = {"pe": p, "simd": q, "multiplier": np.full(n, multiplier), "memory": np.full(n, memory)}
    return Choices(labels, parts, cycles, cycles)


def _thresholds(options: Mapping[str, Any]) -> str:
    chosen = options["thresholds"]
    if chosen not in folded.THRESHOLDS:
        raise unknown("thresholds", chosen, folded.THRESHOLDS)
    return str(chosen)


def ways(layer: Layer, device: Device, options: Mapping[str, Any]) -> Choices:
    """Every folding with every multiplier and memory style."""
    check(layer)
    pes, simds = legal(layer)
    p, q = (v.ravel() for v in np.meshgrid(pes, simds))
    wanted = multipliers(layer, device, options["multipliers"]), memories(device, options["memories"])
    return joined([build(layer, device, p, q, m, s, _thresholds(options)) for m in wanted[0] for s in wanted[1]])


def one(layer: Layer, device: Device, options: Mapping[str, Any], fold: Any) -> Choices:
    """The unit of a given folding: (pe, simd), or a mapping with pe, simd, multiplier and memory."""
    check(layer)
    given = dict(zip(("pe", "simd"), fold, strict=False)) if isinstance(fold, tuple | list) else fold
    if not isinstance(given, Mapping) or (isinstance(fold, tuple | list) and len(fold) != 2):
        raise ValueError(f"folding of layer {layer.name} is {fold!r}; give (pe, simd) or a mapping with pe and simd")
    for key in given:
        if key not in ("pe", "simd", "multiplier", "memory"):
            raise unknown(f"folding field of layer {layer.name}", key, ("pe", "simd", "multiplier", "memory"))
    pe = folding.check(f"pe of layer {layer.name}", given.get("pe", 1), layer.rows, "outputs")
    simd = folding.check(f"simd of layer {layer.name}", given.get("simd", 1), layer.cols, "inputs")
    allowed = legal(layer)[1]
    if simd not in allowed:
        near = " or ".join(map(str, folding.nearest(simd, allowed)))
        raise ValueError(
            f"simd of layer {layer.name} is {simd}, which neither divides the channels of its window nor is a multiple of"
            f" them; the nearest that do: {near}"
        )
    (multiplier, *_) = multipliers(layer, device, given.get("multiplier", options["multipliers"]))
    (memory, *_) = memories(device, given.get("memory", options["memories"] or "block"))
    return build(layer, device, pe, simd, multiplier, memory, _thresholds(options))


def used(layers: Sequence[Layer], device: Device, options: Mapping[str, Any]) -> tuple[Fact, ...]:
    return (
        *constants.under("finn.lut", "finn.multiplier", "finn.declared", "finn.hls", "finn.threshold", "finn.window", "uram."),
        *packings.block_facts(device.block),
        Fact("FINN registers of operands, products and accumulators", 1.0, "stage", "one register stage each", "inferred"),
    )


FINN = Architecture("finn", ways, one, used, OPTIONS, "clock.finn_mhz")
