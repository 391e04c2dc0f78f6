"""Effective bit operations: what fully unrolled layers cost before a single gate is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hwmodel._checks import finite, unknown
from hwmodel._data import csv_rows
from hwmodel.fpga.layers.facts import PACKAGE, value
from hwmodel.fpga.layers.memory import Ints, ints

Floats = NDArray[np.float64]
TOOLFLOWS = ("hls4ml", "da4ml")


def constant_bits(values: ArrayLike) -> Ints:
    """Bits of each constant without sign: from its highest to its lowest one bit, 0 for 0 (HGQ's exact mode).

    values: whole numbers below 2**62; a fixed point constant has the bits of its raw integer.
    """
    x = np.abs(ints(values))
    low = x & -x
    top = np.where(x > 0, np.floor(np.log2(np.maximum(x // np.maximum(low, 1), 1))), -1)
    return (top + 1).astype(np.int64)


def declared_bits(integer_bits: ArrayLike, fraction_bits: ArrayLike, sign: ArrayLike = 0) -> Ints:
    """Bits of a type: i + f, with `sign` (0 or 1) of an activation that no ReLU follows; 0 is pruned.

    Source: HGQ layers/base.py.
    """
    return np.maximum(0, ints(integer_bits) + ints(fraction_bits)) + ints(sign)


def ebops(weight_bits: ArrayLike, activation_bits: ArrayLike, positions: int = 1, parallel: int | None = None) -> float:
    """Sum of weight bits times activation bits over all products.

    weight_bits: (outputs, inputs); activation_bits: of each input or of all. positions: outputs of a convolution, of which
    `parallel` are computed at once (default: all): its products count parallel / positions times. Source: HGQ v1.
    """
    w = np.asarray(weight_bits, dtype=np.float64)
    one = float((w * np.asarray(activation_bits, dtype=np.float64)).sum())
    return one * positions * (1.0 if parallel is None else parallel / positions)


def dense_ebops(weight_bits: ArrayLike, activation_bits: ArrayLike, bias_bits: ArrayLike = 0) -> float:
    """HGQ2's dense layer: products, and the mean bits of the bias for each output."""
    w = np.asarray(weight_bits)
    return ebops(w, activation_bits) + float(np.mean(np.asarray(bias_bits, dtype=np.float64))) * w.shape[0]


def sum_ebops(bits: ArrayLike) -> float:
    """HGQ2's accumulation or elementwise addition of values of these bits."""
    b = np.asarray(bits, dtype=np.float64)
    return value("ebops.accumulate") * float(b.sum() - b.min())


def difference_ebops(first: float, second: float) -> float:
    """HGQ2's subtraction."""
    return float(max(first, second))


def product_ebops(first: float, second: float) -> float:
    """HGQ2's product of two activations."""
    return float(first * second)


def table_ebops(input_bits: float, output_bits: float) -> float:
    """HGQ2's lookup table."""
    return value("ebops.table") * 2.0**input_bits * output_bits


def equivalent(lut: ArrayLike, dsp: ArrayLike) -> Floats:
    """LUT + 55 DSP: what EBOPs stand for after place and route of an unrolled design with hls4ml."""
    return np.asarray(lut, dtype=np.float64) + value("ebops.luts_per_dsp") * np.asarray(dsp, dtype=np.float64)


def luts(count: Any, dsp: float = 0) -> float:
    """LUTs of an unrolled design of that many EBOPs, `dsp` blocks taken off; with da4ml (0 blocks) an upper bound."""
    return max(0.0, finite("ebops", count, minimum=0) - value("ebops.luts_per_dsp") * dsp)


def da4ml_luts(count: Any) -> float:
    """LUTs with da4ml by the published fit (recalled): EBOPs ** 0.985."""
    number = finite("ebops", count, minimum=0)
    return math.exp(value("ebops.da4ml_exponent") * math.log(number)) if number else 0.0


def implied_ebops(lut: Any, dsp: Any = 0, toolflow: str = "hls4ml") -> float:
    """EBOPs that a design of so many LUTs and DSP blocks stands for: the relations above from right to left.

    toolflow: "hls4ml" (LUT + 55 DSP, read) or "da4ml" (LUT ** (1 / 0.985), recalled; it has no DSP blocks).
    Raises ValueError for other toolflows and for DSP blocks with da4ml.
    """
    number, blocks = finite("lut", lut, minimum=0), finite("dsp", dsp, minimum=0)
    if toolflow not in TOOLFLOWS:
        raise unknown("toolflow", toolflow, TOOLFLOWS)
    if toolflow == "hls4ml":
        return float(equivalent(number, blocks))
    if blocks:
        raise ValueError(f"dsp is {dsp!r}; designs of da4ml have no DSP blocks: give 0, or toolflow='hls4ml'")
    return number ** (1 / value("ebops.da4ml_exponent")) if number else 0.0


def relation(matrices: Mapping[str, ArrayLike], activation_bits: int) -> pd.DataFrame:
    """EBOPs of constant matrices beside the LUTs of their adder graphs: one row a matrix.

    matrices: name -> whole numbers (outputs, inputs). activation_bits: of signed inputs. Columns: name, weights, bits_per_weight
    (effective, the mean), ebops, luts (`adder_graph`), ratio (luts / ebops), da4ml_luts (the published fit, recalled). The
    published rule is that EBOPs bound the LUTs. Plain Python: a second for 32 x 32 of 8 bits. Raises ValueError as `adder_graph`.
    """
    from hwmodel.fpga.layers.sharing import adder_graph

    rows = []
    for name, matrix in matrices.items():
        graph = adder_graph(matrix, activation_bits)
        bits = constant_bits(matrix)
        count = ebops(bits, activation_bits)
        row = {"name": name, "weights": bits.size, "bits_per_weight": float(bits.mean()), "ebops": count, "luts": graph.luts}
        rows.append(row | {"ratio": graph.luts / count if count else 0.0, "da4ml_luts": da4ml_luts(count)})
    return pd.DataFrame(rows)


def network_ebops(work: pd.DataFrame, plan: Any, weights: Mapping[str, ArrayLike] | None = None) -> pd.DataFrame:
    """EBOPs of a workload (hw.workload) under a plan, fully unrolled: one row a layer.

    weights: integer matrices (outputs, inputs) of some layers; the others count the bits of their type without sign. Columns:
    layer, products (of one pixel), positions (pixels), bits_per_weight (effective, the mean), activation_bits, ebops (of all
    positions at once), ebops_per_position; `.sum()` over `ebops` is the network's. Raises ValueError as `fpga_score`.
    """
    from hwmodel.fpga.layers.network import network
    from hwmodel.fpga.layers.unrolled import check, matrix_of

    given = weights or {}
    layers = network(work, plan).layers
    for name in given:
        if name not in [one.name for one in layers]:
            raise unknown("layer of weights", str(name), [one.name for one in layers])
    rows = []
    for one in layers:
        check(one)
        products = one.rows * one.cols * one.groups
        matrix = matrix_of(one, given)
        if matrix is None:
            each = float(one.weight.magnitude_bits if one.weight.kind == "integer" else 1)
        else:
            each = float(constant_bits(matrix).mean())
        here = products * each * one.activation.bits
        row = {"layer": one.name, "products": products, "positions": one.vectors, "bits_per_weight": each}
        row |= {"activation_bits": one.activation.bits, "ebops": here * one.vectors * one.count, "ebops_per_position": here}
        rows.append(row)
    return pd.DataFrame(rows)


def jet_taggers() -> pd.DataFrame:
    """The published jet taggers on a VU9P: lut and dsp from their shares, `equivalent` LUT + 55 DSP, source and status.

    No EBOPs are published with these points, so nothing is proven: `implied_hls4ml` and `implied_da4ml` are the EBOPs that
    the LUTs alone stand for by either relation, as only LUT shares and accuracies of the table can be trusted (BF's DSP share
    contradicts its own count). The first is a lower bound where there are DSP blocks.
    """
    from hwmodel.fpga.chips import device

    part = device("xcvu9p")
    table = pd.DataFrame(csv_rows(PACKAGE, "jet_taggers"))
    numbers = ["dsp_percent", "lut_percent", "accuracy_percent", "latency_cycles"]
    table[numbers] = table[numbers].astype(float)
    lut, dsp = table["lut_percent"] / 100 * part.lut, table["dsp_percent"] / 100 * part.dsp
    implied = {f"implied_{flow}": [round(implied_ebops(n, 0, flow)) for n in lut] for flow in TOOLFLOWS}
    return table.assign(lut=lut.round(), dsp=dsp.round(), equivalent=equivalent(lut, dsp).round(), **implied)
