"""Effective bit operations: what fully unrolled layers cost before a single gate is drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hwmodel._checks import finite
from hwmodel._data import csv_rows
from hwmodel.fpga.layers.facts import PACKAGE, value
from hwmodel.fpga.layers.memory import Ints, ints

Floats = NDArray[np.float64]


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


def jet_taggers() -> pd.DataFrame:
    """The published jet taggers on a VU9P: lut and dsp from their shares, `equivalent` LUT + 55 DSP, source and status."""
    from hwmodel.fpga.chips import device

    part = device("xcvu9p")
    table = pd.DataFrame(csv_rows(PACKAGE, "jet_taggers"))
    numbers = ["dsp_percent", "lut_percent", "accuracy_percent", "latency_cycles"]
    table[numbers] = table[numbers].astype(float)
    lut, dsp = table["lut_percent"] / 100 * part.lut, table["dsp_percent"] / 100 * part.dsp
    return table.assign(lut=lut.round(), dsp=dsp.round(), equivalent=equivalent(lut, dsp).round())
