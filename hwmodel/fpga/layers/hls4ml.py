"""Layers as hls4ml builds them: each a matrix whose products are reused over `reuse_factor` cycles, pixel after pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwmodel._checks import unknown
from hwmodel.fpga import packings
from hwmodel.fpga.chips import Device
from hwmodel.fpga.layers import facts as constants
from hwmodel.fpga.layers.choices import Architecture, Choices, columns
from hwmodel.fpga.layers.effective_bits import constant_bits, ebops
from hwmodel.fpga.layers.folded import Estimate
from hwmodel.fpga.layers.memory import bram18
from hwmodel.fpga.layers.network import Layer
from hwmodel.fpga.layers.operands import integers
from hwmodel.fpga.layers.reuse import STRATEGIES, reuse_estimate, valid_reuse_factors
from hwmodel.sources import Fact

OPTIONS: dict[str, Any] = {"strategy": "resource", "weights": None}


def check(layer: Layer, options: Mapping[str, Any]) -> None:
    """ValueError for a layer that hls4ml's dense and convolution kernels do not compute."""
    if layer.dynamic:
        raise ValueError(
            f"layer {layer.name}: products of two activations are not modelled for hls4ml; use architecture='systolic'"
        )
    if options["strategy"] not in STRATEGIES:
        raise unknown("hls4ml strategy", options["strategy"], STRATEGIES)
    try:
        integers(layer.weight, layer.activation, "hls4ml")
    except ValueError as error:
        raise ValueError(f"layer {layer.name}: {error}") from error


def matrix(layer: Layer) -> tuple[int, int, int]:
    """Inputs, outputs and repetitions of the matrix that is built once: groups take turns."""
    return (layer.cols, layer.rows, 1) if not layer.depthwise else (layer.cols, 1, layer.rows)


def build(layer: Layer, device: Device, options: Mapping[str, Any], factors: Sequence[int]) -> Choices:
    inputs, outputs, turns = matrix(layer)
    turns *= layer.groups
    given = (options["weights"] or {}).get(layer.name)
    zeros, bit_products = 0, None
    if given is not None and turns == 1:
        zeros = int((np.asarray(given) == 0).sum())
        bit_products = ebops(constant_bits(given), layer.activation.bits)
    made = [
        reuse_estimate(
            inputs,
            outputs,
            layer.weight.bits,
            layer.activation.bits,
            rf,
            strategy=options["strategy"],
            signed=layer.activation.signed,
            declared=None,
            zeros=zeros,
            effective=bit_products,
            dsp=device.block,
        )
        for rf in factors
    ]
    # weights of the matrices that take turns lie one behind another
    lut, ff, dsp, bram, ii = (np.array([getattr(m, r) for m in made], dtype=np.int64) for r in ("lut", "ff", "dsp", "bram18", "ii"))
    unit = Estimate(lut, ff, dsp, bram * turns, np.zeros_like(bram), ii * layer.vectors * turns)
    parts = {"compute": columns(unit), "window": np.zeros((len(made), 5), dtype=np.int64)}
    g = layer.window
    if g is not None and g.slides:
        # io_stream keeps kernel rows less one in line buffers of all channels
        parts["window"][:, 3] = (g.kernel[0] - 1) * int(bram18(g.channels * layer.activation.bits, g.size[1]))
        parts["window"][:, 1] = g.kernel[0] * g.kernel[1] * g.channels * layer.activation.bits
    labels = {"reuse_factor": np.array(factors, dtype=np.int64), "strategy": np.full(len(made), options["strategy"])}
    extra = np.array([m.latency - m.ii for m in made], dtype=np.int64)
    return Choices(labels, parts, unit.cycles, unit.cycles + extra)


def ways(layer: Layer, device: Device, options: Mapping[str, Any]) -> Choices:
    """Every reuse factor that the resource strategy takes."""
    check(layer, options)
    inputs, outputs, _ = matrix(layer)
    return build(layer, device, options, valid_reuse_factors(inputs, outputs))


def one(layer: Layer, device: Device, options: Mapping[str, Any], fold: Any) -> Choices:
    """The layer at a given reuse factor: a number, or a mapping with reuse_factor."""
    check(layer, options)
    if isinstance(fold, Mapping):
        for key in fold:
            if key not in ("reuse_factor", "strategy"):
                raise unknown(f"folding field of layer {layer.name}", key, ("reuse_factor", "strategy"))
        options = {**options, "strategy": fold.get("strategy", options["strategy"])}
        fold = fold.get("reuse_factor", 1)
        check(layer, options)
    try:
        return build(layer, device, options, [fold])
    except ValueError as error:
        raise ValueError(f"layer {layer.name}: {error}") from error


def used(layers: Sequence[Layer], device: Device, options: Mapping[str, Any]) -> tuple[Fact, ...]:
    return (*constants.under("hls4ml.", "ebops.luts"), *packings.block_facts(device.block))


HLS4ML = Architecture("hls4ml", ways, one, used, OPTIONS, "clock.hls4ml_mhz")
