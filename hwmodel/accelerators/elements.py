"""What one operation of an element costs: constants of the description, or the price of its datapath for the formats at hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from hwmodel.accelerators.model import ProcessingElement
from hwmodel.sources import Fact


@dataclass(frozen=True)
class Operation:
    """pJ of a product and its sum (place and route included), cycles that it takes an element, products side by side, constants."""

    energy_pj: float
    cycles: float
    side_by_side: int
    facts: tuple[Fact, ...]


@lru_cache(maxsize=1024)
def operation(pe: ProcessingElement, weight: str, activation: str, weight_bits: int, activation_bits: int) -> Operation:
    """The cost of one operation with operands of these formats and widths.

    A bit-serial element takes ceil(bits / step) cycles an operand, energy each; one of bricks runs as many narrower products
    side by side as it has bricks, or one wider one in several cycles. A priced element costs what a unit for these formats costs.
    """
    steps = 1
    for bits, step in ((weight_bits, pe.weight_step), (activation_bits, pe.activation_step)):
        steps *= -(-bits // step) if step else 1
    abreast = max(1, pe.bricks // steps) if pe.bricks else 1
    cycles = -(-steps // pe.bricks) if pe.bricks else steps
    if pe.technology:
        energy = priced(pe.datapath, weight, activation, pe.technology, pe.flow)[0]
        name = f"{pe.datapath} of {weight} and {activation}"
        facts = (Fact(name, energy, "pJ/operation", f"hw.unit priced in {pe.technology}", "derived"),)
        return Operation(energy * pe.place_and_route.value, cycles, abreast, facts)
    share = cycles if not pe.bricks or steps >= pe.bricks else 1 / abreast
    return Operation(pe.energy_pj.value * pe.place_and_route.value * share, cycles, abreast, ())


@lru_cache(maxsize=1024)
def priced(path: str, weight: str, activation: str, technology: str, flow: str) -> tuple[float, float, float]:
    """(pJ, um2, leakage nW) of the unit that multiplies these formats and adds as the datapath does."""
    from hwmodel.units import unit

    cost = unit(path, weight=weight, activation=activation).cost(technology, flow or None)
    return cost.energy_pj, cost.area_um2, cost.leakage_nw or 0.0


def widest(
    path: str, weights: tuple[str, ...], activations: tuple[str, ...], technology: str, flow: str
) -> tuple[float, float, float, str]:
    """(pJ, um2, leakage nW, formats) of the largest unit among these formats: the one that is built."""
    made = [(*priced(path, w, a, technology, flow), f"{w} and {a}") for w, a in product(weights, activations)]
    return max(made, key=lambda cost: cost[1])
