"""What the layers take from the fabric: its resources, and the LUTs of a unit."""

from __future__ import annotations

from functools import cache

from hwmodel.fpga.units import unit_cost
from hwmodel.sources import Fact

RESOURCES = ("lut", "ff", "dsp", "bram18", "uram")
LUT6_FABRICS = ("xc7", "xcup", "versal")


@cache
def unit_luts(kind: str, params: tuple[tuple[str, int], ...], fabric: str) -> tuple[float, tuple[Fact, ...]]:
    """LUTs of a unit in LUTs only, and the facts behind them."""
    cost = unit_cost(kind, dict(params), fabric, dsp=False)
    return float(cost.lut), tuple(cost.facts)


def mac_luts(weight_bits: int, activation_bits: int, accumulator: int, fabric: str) -> tuple[float, tuple[Fact, ...]]:
    """LUTs of a signed integer multiply-accumulate element, and the facts behind them."""
    return unit_luts("int_mac", (("W", weight_bits), ("A", activation_bits), ("K", accumulator)), fabric)
