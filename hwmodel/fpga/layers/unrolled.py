"""Layers without any folding: every product of a pixel has its own logic, priced by EBOPs or, with weights, by an adder graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwmodel._checks import positive_int, unknown
from hwmodel.fpga.chips import Device
from hwmodel.fpga.layers import facts as constants
from hwmodel.fpga.layers import folding
from hwmodel.fpga.layers.choices import Architecture, Choices
from hwmodel.fpga.layers.folded import accumulator_bits
from hwmodel.fpga.layers.memory import bram18
from hwmodel.fpga.layers.network import Layer
from hwmodel.fpga.layers.operands import integers
from hwmodel.fpga.layers.sharing import adder_graph
from hwmodel.sources import Fact

OPTIONS: dict[str, Any] = {"weights": None, "levels": 1}


def check(layer: Layer) -> None:
    """ValueError for a layer whose matrix is no constant, or whose operands are no integers."""
    if layer.dynamic:
        raise ValueError(
            f"layer {layer.name}: only constant matrices can be unrolled, attention has none; use architecture='systolic'"
        )
    try:
        integers(layer.weight, layer.activation, "unrolled", powers=True)
    except ValueError as error:
        raise ValueError(f"layer {layer.name}: {error}") from error


def matrix_of(layer: Layer, weights: Mapping[str, Any]) -> np.ndarray | None:
    """The matrix that is given for a layer; ValueError for another shape, and for groups, which have several."""
    given = weights.get(layer.name)
    if given is None:
        return None
    matrix = np.asarray(given)
    if matrix.shape != (layer.rows, layer.cols) or layer.groups > 1 or layer.depthwise:
        raise ValueError(
            f"weights of layer {layer.name} have shape {matrix.shape}; give integers of shape ({layer.rows}, {layer.cols}),"
            " and none for grouped convolutions"
        )
    return matrix


def _logic(layer: Layer, options: Mapping[str, Any]) -> tuple[float, int, int]:
    """LUTs, registers and levels of one pixel's products."""
    matrix = matrix_of(layer, options["weights"] or {})
    if matrix is not None:
        graph = adder_graph(matrix, layer.activation.bits, signed=layer.activation.signed)
        return graph.luts, graph.registers(options["levels"]), -(-graph.latency // options["levels"]) + 1
    w = layer.weight
    bits = w.magnitude_bits if w.kind == "integer" else 1
    luts = layer.rows * layer.cols * layer.groups * bits * layer.activation.bits
    levels = (layer.cols - 1).bit_length() + (bits - 1).bit_length()
    acc = int(accumulator_bits(layer.cols, w.bits, layer.activation.bits, layer.activation.signed))
    registers = layer.rows * layer.groups * acc + layer.cols * layer.groups * layer.activation.bits
    return luts, registers, -(-levels // options["levels"]) + 1


def build(layer: Layer, options: Mapping[str, Any], parallel: Sequence[int]) -> Choices:
    positive_int("levels", options["levels"])
    at_once = np.array(parallel, dtype=np.int64)
    luts, registers, latency = _logic(layer, options)
    compute = np.zeros((len(at_once), 5), dtype=np.int64)
    compute[:, 0], compute[:, 1] = np.ceil(luts * at_once), registers * at_once
    lines = np.zeros_like(compute)
    g = layer.window
    if g is not None and g.slides and layer.vectors > 1:
        lines[:, 3] = (g.kernel[0] - 1) * int(bram18(g.channels * layer.activation.bits, g.size[1]))
        lines[:, 1] = g.kernel[0] * g.kernel[1] * g.channels * layer.activation.bits
    cycles = layer.vectors // at_once
    kind = "adder graph" if (options["weights"] or {}).get(layer.name) is not None else "EBOPs"
    labels = {"parallel": at_once, "priced_by": np.full(len(at_once), kind)}
    return Choices(labels, {"compute": compute, "window": lines}, cycles, cycles - 1 + latency)


def ways(layer: Layer, device: Device, options: Mapping[str, Any]) -> Choices:
    """Every number of pixels at once that divides the pixels."""
    check(layer)
    return build(layer, options, folding.divisors(layer.vectors))


def one(layer: Layer, device: Device, options: Mapping[str, Any], fold: Any) -> Choices:
    """A given number of pixels at once."""
    check(layer)
    for key in fold if isinstance(fold, Mapping) else ():
        if key != "parallel":
            raise unknown(f"folding field of layer {layer.name}", str(key), ("parallel",))
    value = fold.get("parallel", 1) if isinstance(fold, Mapping) else fold
    return build(layer, options, [folding.check(f"parallel of layer {layer.name}", value, layer.vectors, "pixels")])


def used(layers: Sequence[Layer], device: Device, options: Mapping[str, Any]) -> tuple[Fact, ...]:
    return (
        *constants.under("ebops.luts", "da4ml."),
        Fact("unrolled LUTs of an EBOP", 1.0, "LUT", "HGQ README: EBOPs bound the LUTs with da4ml", "read"),
        Fact("unrolled levels between registers", float(options["levels"]), "level", "one register a level", "inferred"),
    )


UNROLLED = Architecture("unrolled", ways, one, used, OPTIONS, "clock.hls4ml_mhz")
