"""Converters from a weight format to float16 in front of an element that cannot multiply it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hwmodel.accelerators.compute import Floats, tile_cycles
from hwmodel.accelerators.load import AnyAccelerator
from hwmodel.sources import Fact
from hwmodel.technology import rows, technology
from hwmodel.units import unit
from hwmodel.units.operands import to_half
from hwmodel.units.pricing import price
from numfmt import Scheme


@dataclass(frozen=True)
class Dequantizers:
    """Energy of one weight for each layer (0 where none is converted), area of one converter, and their sources."""

    energy_pj: Floats
    area_um2: float
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class _One:
    energy_pj: float
    area_um2: float
    facts: tuple[Fact, ...]


def dequantizers(schemes: list[Scheme | None], acc: AnyAccelerator) -> Dequantizers:
    """The converters that a layer list needs; the largest decides the area, as one converter serves every layer.

    A converter decodes the widest candidate of the scheme (table or integer-to-float) and multiplies by the scale.
    """
    made = {s: _one(s, acc) for s in schemes if s is not None}
    energy = np.array([made[s].energy_pj if s is not None else 0.0 for s in schemes])
    facts = tuple(f for one in made.values() for f in one.facts)
    if made and "float16" not in acc.pe.weights:
        cycles = int(tile_cycles(acc, np.array([16.0]))[0])
        facts += (Fact("float16 weights in the element", cycles, "cycles/tile", acc.pe.float16_weights, "inferred"),)
    return Dequantizers(energy, max((one.area_um2 for one in made.values()), default=0.0), facts)


@lru_cache(maxsize=256)
def _one(scheme: Scheme, acc: AnyAccelerator) -> _One:
    if not acc.dequantizer_technology:
        raise ValueError(
            f"accelerator {acc} must dequantize scheme {str(scheme)!r} but names no dequantizer_technology;"
            " add that field, for example zigzag28"
        )
    tech = technology(acc.dequantizer_technology)
    costs = [price(to_half(f), tech) for f in scheme.candidates]
    convert = max(costs, key=lambda c: c.area_um2)
    energy, area, facts = convert.energy_pj, convert.area_um2, convert.facts
    if scheme.scaled:
        multiply = _multiplier(tech.name)
        energy, area, facts = energy + multiply[0].value, area + multiply[1].value, facts + multiply
    energy *= acc.pe.place_and_route.value
    total = Fact(f"dequantizer of {scheme}", energy, "pJ/weight", "sum of its parts", "derived")
    return _One(energy, area, (*facts, total))


@lru_cache(maxsize=16)
def _multiplier(name: str) -> tuple[Fact, Fact]:
    """Energy and area of the float16 multiplication by the scale: published at 28 nm, structural elsewhere."""
    if name == "zigzag28":
        row = next(r for r in rows("published_pes") if r["block"] == "FP16 multiplier")
        pair = (("energy", row["energy_pj"], "pJ"), ("area", row["area_um2"], "um2"))
        facts = [Fact(f"FP16 multiplier {what}", float(v), u, row["source"], row["status"]) for what, v, u in pair]
    else:
        cost = unit("fp_mul", E=5, M=10, FTZ=1).cost(name)
        source = f"structural formula of fp_mul in {name}"
        facts = [
            Fact("FP16 multiplier energy", cost.energy_pj, "pJ", source, "derived"),
            Fact("FP16 multiplier area", cost.area_um2, "um2", source, "derived"),
        ]
    return facts[0], facts[1]
