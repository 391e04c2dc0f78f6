"""The accumulator types that hls4ml infers for 'auto'."""

from __future__ import annotations

from ..arith.fixed_rule import fits
from ..formats import Fixed, Format, Overflow, Rounding
from ..formats import fixed_ops as ops
from .fixed_tensor import layer_type


def infer_accumulator(x: str | Format, weight: str | Format, terms: int, bias: str | Format | None = None) -> Fixed:
    """The type that holds every sum of `terms` products of types x and weight and a bias: W and I grow by ceil(log2 terms).

    With a bias, one integer bit more than the wider of the two, and the finer of their fraction bits. hls4ml counts a
    bias of zeros too; None leaves it out. The type never rounds or overflows, so its modes (truncate, wrap) never act.
    Source: hls4ml 1.3.0, model/optimizer/passes/infer_precision.py. Raises ValueError for types beyond 62 bits.
    """
    a, b = layer_type(x, "x"), layer_type(weight, "weight")
    grow = max(0, terms - 1).bit_length()
    made: ops.AnyFixed = ops.WideFixed(a.width + b.width + grow, a.int_bits + b.int_bits + grow, a.signed or b.signed)
    if bias is not None:
        made = ops.result("add", made, layer_type(bias, "bias"))
    if made.width > 62:
        raise ValueError(f"the inferred accumulator {made} has {made.width} bits; state accum_t with at most 62")
    return fits(Fixed(made.width, made.int_bits, made.signed, Rounding.DOWN, Overflow.WRAP), "accumulator")


def infer_pool_accumulator(x: str | Format, cells: int) -> Fixed:
    """The accumulator of an average over `cells`: W + 2 ceil(log2 cells), I + ceil(log2 cells). Source: as infer_accumulator."""
    a = layer_type(x, "x")
    grow = max(0, cells - 1).bit_length()
    return fits(Fixed(a.width + 2 * grow, a.int_bits + grow, a.signed, Rounding.DOWN, Overflow.WRAP), "inferred accum_t")
