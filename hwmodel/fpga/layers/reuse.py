"""Layers as hls4ml builds them: products reused over a number of cycles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2
from typing import Any

from hwmodel._checks import positive_int, unknown
from hwmodel.fpga import packings
from hwmodel.fpga.layers.facts import value, whole
from hwmodel.fpga.layers.folded import accumulator_bits
from hwmodel.fpga.layers.folding import divisors, nearest

STRATEGIES = ("latency", "resource")


def is_valid(inputs: int, outputs: int, reuse: int) -> bool:
    """Whether the resource strategy takes this reuse factor. Source: hls4ml fpga_backend.py."""
    limit = -(-inputs * outputs // min(inputs, reuse))
    works = (limit % outputs == 0 or reuse >= inputs) and (reuse % inputs == 0 or reuse < inputs)
    return works and inputs * outputs % reuse == 0


@lru_cache(maxsize=4096)
def valid_reuse_factors(inputs: int, outputs: int) -> tuple[int, ...]:
    """Every reuse factor that the resource strategy takes for a matrix of inputs x outputs, smallest first.

    Only divisors of inputs * outputs can be valid. Raises ValueError for sizes that are no whole numbers of at least 1.
    """
    n, m = positive_int("inputs", inputs), positive_int("outputs", outputs)
    return tuple(rf for rf in divisors(n * m) if is_valid(n, m, rf))


def check_reuse(inputs: int, outputs: int, reuse: Any, strategy: str) -> int:
    """`reuse` where the strategy takes it; ValueError with the nearest that it takes."""
    number = positive_int("reuse_factor", reuse)
    if strategy not in STRATEGIES:
        raise unknown("hls4ml strategy", strategy, STRATEGIES)
    if strategy == "latency":
        if number > inputs * outputs:
            raise ValueError(f"reuse_factor is {number}, more than the {inputs * outputs} products of the layer; give at most that")
        return number
    valid = valid_reuse_factors(inputs, outputs)
    if number not in valid:
        legal = " or ".join(map(str, nearest(number, valid)))
        raise ValueError(
            f"reuse_factor is {number}, which the resource strategy does not take for {inputs} inputs and {outputs} outputs;"
            f" the nearest that it takes: {legal}"
        )
    return number


def multiplier_limit(inputs: int, outputs: int, reuse: int, zeros: int = 0) -> int:
    """Multipliers of a layer; `zeros`: weights that are zero and vanish."""
    return -(-inputs * outputs // reuse) - zeros // reuse


def dsps_per_product(weight_bits: int, activation_bits: int, dsp: str | None) -> int:
    """DSP blocks of one product: none for weights below nine bits; more than one where an operand is wider than its port."""
    if weight_bits < whole("hls4ml.dsp_weight_bits"):
        return 0
    if dsp is None:
        raise ValueError(
            f"weights of {weight_bits} bits multiply in DSP blocks, of which the device has none; use at most"
            f" {whole('hls4ml.dsp_weight_bits') - 1} bits, or another architecture"
        )
    return int(packings.blocks_of_product(weight_bits, activation_bits, dsp))


@dataclass(frozen=True)
class ReuseEstimate:
    """A dense layer, or a convolution for one pixel. `ii`: cycles until it takes the next input; `latency`: until its result.

    `lut`, `ff` and `latency` rest on inferred constants (`facts.under("hls4ml.")` says which).
    """

    lut: int
    ff: int
    dsp: int
    bram18: int
    ii: int
    latency: int
    multipliers: int


def reuse_estimate(
    inputs: int,
    outputs: int,
    weight_bits: int,
    activation_bits: int,
    reuse: int,
    *,
    strategy: str = "latency",
    signed: bool = True,
    declared: int | None = None,
    zeros: int = 0,
    effective: float | None = None,
    dsp: str | None = "dsp48e2",
) -> ReuseEstimate:
    """Resources of a layer at a reuse factor.

    strategy: "latency" keeps weights in logic, "resource" in block RAM (36 bits a BRAM36 and cycle). declared: bits of the
    accumulator, default those that hold every sum. zeros: weights that are zero (latency strategy only). effective: EBOPs of
    the layer, which are its LUTs where it is not reused and has no DSP block; default: those of weights without sign.
    Raises ValueError for reuse factors that the strategy does not take, with the nearest.
    """
    reuse = check_reuse(inputs, outputs, reuse, strategy)
    absent = zeros if strategy == "latency" else 0
    products = multiplier_limit(inputs, outputs, reuse, absent)
    each = dsps_per_product(weight_bits, activation_bits, dsp)
    acc = int(accumulator_bits(inputs, weight_bits, activation_bits, signed)) if declared is None else declared
    added = max(products - outputs, 0) * acc + outputs * acc * (reuse > 1)
    lut = round(added * value("hls4ml.lut_per_adder_bit"))
    if not each and strategy == "latency" and reuse == 1:
        lut = round(products * max(weight_bits - 1, 1) * activation_bits if effective is None else effective)
    elif not each:
        lut += round(products * weight_bits * activation_bits * value("hls4ml.lut_per_bit_product"))
    blocks = 0
    if strategy == "resource" and reuse > 1:
        blocks = 2 * ceil(weight_bits * inputs * outputs / (whole("hls4ml.bram36_bits") * reuse))
    levels = ceil(log2(max(inputs // min(reuse, inputs), 1))) if inputs > reuse else 0
    depth = whole("hls4ml.multiplier_cycles") + ceil(levels / whole("hls4ml.adder_levels_per_cycle"))
    ff = round((products * weight_bits + outputs * acc) * value("hls4ml.ff_per_bit"))
    return ReuseEstimate(lut, ff, products * each, blocks, reuse, reuse - 1 + depth, products)
