"""Matrix-vector units folded over rows (PE) and columns (SIMD), as FINN estimates them. Every function broadcasts its arrays.

A matrix of `rows` outputs by `cols` inputs runs in (rows / pe) (cols / simd) cycles for each input vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwmodel._checks import unknown
from hwmodel.fpga import packings
from hwmodel.fpga.layers.facts import value, whole
from hwmodel.fpga.layers.memory import Ints, bram18, held, ints, up

# lut: products in LUTs. dsp: packed in DSP blocks (RTL). dsp_hls: as HLS infers them, one product a block.
MULTIPLIERS = ("lut", "dsp", "dsp_hls")
THRESHOLDS = ("none", "fused", "standalone")


@dataclass(frozen=True, eq=False)
class Estimate:
    """Resources and cycles; arrays of one shape. `ff` is inferred: a register for every operand, product and accumulator."""

    lut: Ints
    ff: Ints
    dsp: Ints
    bram18: Ints
    uram: Ints
    cycles: Ints


def accumulator_bits(cols: ArrayLike, weight_bits: ArrayLike, activation_bits: ArrayLike, signed: ArrayLike = True) -> Ints:
    """Bits that hold every sum of `cols` products, by the data types alone.

    signed: of the activations. Source: A2Q (arXiv 2301.13376), as FINN applies it.
    """
    alpha = np.log2(ints(cols)) + ints(weight_bits) + ints(activation_bits) - 1 - np.asarray(signed, dtype=np.int64)
    return np.ceil(alpha + np.log2(1 + np.exp2(-alpha)) + 1).astype(np.int64)


def cycles(rows: ArrayLike, cols: ArrayLike, pe: ArrayLike, simd: ArrayLike, vectors: ArrayLike = 1) -> Ints:
    """Cycles of `vectors` input vectors (output pixels)."""
    return ints(rows) // ints(pe) * (ints(cols) // ints(simd)) * ints(vectors)


def datapath_luts(
    pe: ArrayLike,
    simd: ArrayLike,
    weight_bits: ArrayLike,
    activation_bits: ArrayLike,
    accumulator: ArrayLike,
    in_luts: ArrayLike,
    extra: ArrayLike = 0,
) -> NDArray[np.float64]:
    """LUTs without weight memory, not rounded. `extra`: thresholds of one PE, `in_luts`: whether products are LUTs."""
    both = ints(weight_bits) + ints(activation_bits)
    mult = np.where(in_luts, ints(simd) * (2 * up(both, whole("finn.multiplier_group_bits")) - 1) * both, 0)
    tree = both * (2 * ints(simd) - 1)
    return value("finn.lut_base") + value("finn.lut_factor") * (ints(pe) * (mult + tree + ints(accumulator) + ints(extra)))


def fused_threshold_luts(output_bits: ArrayLike, accumulator: ArrayLike, words: ArrayLike) -> Ints:
    """LUTs of one PE's thresholds (2**output_bits - 1 of accumulator width, `words` channels) and comparators, in LUTs."""
    levels = 2 ** ints(output_bits) - 1
    return levels * ints(accumulator) * (up(words, whole("finn.lutram_words")) + 1)


def mvau(
    rows: ArrayLike,
    cols: ArrayLike,
    pe: ArrayLike,
    simd: ArrayLike,
    weight_bits: ArrayLike,
    activation_bits: ArrayLike,
    *,
    vectors: ArrayLike = 1,
    signed: ArrayLike = True,
    declared: ArrayLike | None = None,
    multiplier: str = "lut",
    memory: str = "block",
    embedded: bool = False,
    fused_bits: ArrayLike = 0,
    dsp: str | None = "dsp48e2",
    copies: ArrayLike = 1,
    narrow: ArrayLike = True,
) -> Estimate:
    """Resources and cycles of a matrix-vector unit.

    rows, cols: outputs and inputs of the matrix; pe, simd: rows and columns a cycle, which must divide them (`folding.check`).
    declared: bits of the accumulator's type (default 32), an upper bound. memory: where the weights lie (`STYLES`);
    embedded: they are compiled in, up to 128 words a PE in LUTs. fused_bits: bits of an output whose thresholds are in the
    unit and in LUTs, 0: none. dsp: type of DSP block. copies: matrices that take turns on the unit (groups of a convolution).
    narrow: the most negative weight does not occur (`packings.products_per_block`).

    LUTs in mode "dsp" are the same formula without products; FINN itself reports 0 for its RTL units.
    Raises ValueError for an unknown multiplier, memory style or DSP block.
    """
    if multiplier not in MULTIPLIERS:
        raise unknown("multiplier", multiplier, MULTIPLIERS)
    p, q, wb, ab = ints(pe), ints(simd), ints(weight_bits), ints(activation_bits)
    words = ints(rows) * ints(cols) // (p * q) * ints(copies)
    top = whole("finn.declared_accumulator_bits") if declared is None else ints(declared)
    acc = np.minimum(top, accumulator_bits(cols, wb, ab, signed))
    extra = fused_threshold_luts(fused_bits, acc, up(rows, p)) * (ints(fused_bits) > 0)
    lut, bram, ultra = held(memory, p * q * wb, words)
    if embedded:
        small = words <= whole("finn.embedded_words")
        lut = np.where(small, held("distributed", p * q * wb, words)[0], lut)
        bram, ultra = np.where(small, 0, bram), np.where(small, 0, ultra)
    total = np.floor(datapath_luts(p, q, wb, ab, acc, multiplier == "lut", extra) + lut).astype(np.int64)
    if multiplier == "dsp":
        blocks = packings.blocks_of_array(p, q, wb, ab, dsp, narrow)
    else:
        blocks = p * q * up(wb + ab, whole("finn.hls_dsp_bits")) * (multiplier == "dsp_hls")
    ff = p * q * wb + q * ab + p * acc + (p * q * (wb + ab) if multiplier == "lut" else 0)
    return _same(total, ff, blocks, bram, ultra, cycles(rows, cols, p, q, vectors) * ints(copies))


def vvu(
    channels: ArrayLike,
    window: ArrayLike,
    pe: ArrayLike,
    simd: ArrayLike,
    weight_bits: ArrayLike,
    activation_bits: ArrayLike,
    *,
    vectors: ArrayLike = 1,
    signed: ArrayLike = True,
    declared: ArrayLike | None = None,
    multiplier: str = "lut",
    memory: str = "block",
    dsp: str | None = "dsp48e2",
) -> Estimate:
    """A depthwise unit: `channels` dot products of `window` elements, pe channels and simd elements a cycle.

    Weight memory has pe * simd * weight_bits by channels * window / (pe * simd). Raises ValueError as `mvau`; packed products
    of a depthwise unit share no operand, so only the DSP58, which sums three, packs them.
    """
    if multiplier not in MULTIPLIERS:
        raise unknown("multiplier", multiplier, MULTIPLIERS)
    p, q, wb, ab = ints(pe), ints(simd), ints(weight_bits), ints(activation_bits)
    top = whole("finn.declared_accumulator_bits") if declared is None else ints(declared)
    acc = np.minimum(top, accumulator_bits(window, wb, ab, signed))
    lut, bram, ultra = held(memory, p * q * wb, ints(channels) * ints(window) // (p * q))
    total = np.floor(datapath_luts(p, q, wb, ab, acc, multiplier == "lut") + lut).astype(np.int64)
    if multiplier == "dsp" and packings.sums_products(dsp):
        blocks = packings.blocks_of_array(p, q, wb, ab, dsp)
    else:
        blocks = p * q * up(wb + ab, whole("finn.hls_dsp_bits")) * (multiplier != "lut")
    ff = p * q * (wb + ab) + p * acc + (p * q * (wb + ab) if multiplier == "lut" else 0)
    return _same(total, ff, blocks, bram, ultra, cycles(channels, window, p, q, vectors))


def thresholding(
    channels: ArrayLike, pe: ArrayLike, input_bits: ArrayLike, *, vectors: ArrayLike = 1, memory: str = "block"
) -> Estimate:
    """A unit of thresholds behind an accumulator of `input_bits`, `pe` channels a cycle, as FINN estimates it.

    FINN's estimate does not depend on the bits of the output. Raises ValueError for a memory that is not distributed or block.
    """
    if memory not in STYLES_OF_THRESHOLDS:
        raise unknown("memory of thresholds", memory, STYLES_OF_THRESHOLDS)
    p, a = ints(pe), ints(input_bits)
    words = ints(channels) // p
    stored = p * a * up(words, whole("finn.lutram_words")) if memory == "distributed" else 0
    blocks = up(a * p, whole("finn.threshold_bram_width")) * up(words, whole("finn.threshold_bram_words"))
    bram = np.where(words > 1, blocks, 0) if memory == "block" else 0
    return _same(a * p + stored, a * p, 0, bram, 0, words * ints(vectors))


STYLES_OF_THRESHOLDS = ("distributed", "block")


def reported_rtl_dsps(dsp: str | None, pe: ArrayLike, simd: ArrayLike) -> Ints:
    """DSP blocks that FINN reports for an RTL unit: four rows a DSP48 at any width, which its 8-bit kernel does not reach."""
    if packings.sums_products(dsp):
        return ints(pe) * up(simd, whole("finn.rtl_dsp58_columns"))
    return up(pe, whole("finn.rtl_dsp48_rows")) * ints(simd)


def weight_efficiency(
    rows: ArrayLike, cols: ArrayLike, weight_bits: ArrayLike, pe: ArrayLike, simd: ArrayLike
) -> NDArray[np.float64]:
    """Share of the weight memory's block RAM that weights fill."""
    from hwmodel.fpga.layers.memory import efficiency

    p = ints(pe) * ints(simd)
    total = ints(rows) * ints(cols)
    return efficiency(total * ints(weight_bits), bram18(p * ints(weight_bits), total // p))


def _same(*columns: ArrayLike) -> Estimate:
    return Estimate(*np.broadcast_arrays(*(ints(c) for c in columns)))
