"""How many products one DSP block makes, and the blocks of an array of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from hwmodel._checks import unknown
from hwmodel._data import csv_rows
from hwmodel.fpga.layers.facts import PACKAGE, whole
from hwmodel.fpga.layers.memory import Ints, ints, up
from hwmodel.sources import Fact


@dataclass(frozen=True)
class Packing:
    """`products` a cycle for operands up to these bits; `shared`: "activation" of several rows, or "sum" of several columns."""

    weight_bits: int
    activation_bits: int
    products: int
    shared: str
    fact: Fact


@cache
def packings(dsp: str) -> tuple[Packing, ...]:
    """The packings of a type of block, narrowest operands first; ValueError for an unknown type."""
    rows = csv_rows(PACKAGE, "packing")
    found = [r for r in rows if r["dsp"] == dsp]
    if not found:
        raise unknown("DSP block", dsp, sorted({r["dsp"] for r in rows}))
    out = []
    for r in found:
        name = f"{dsp} products of {r['weight_bits']}x{r['activation_bits']} bits"
        fact = Fact(name, float(r["products"]), "product", r["source"], r["status"])
        out.append(Packing(int(r["weight_bits"]), int(r["activation_bits"]), int(r["products"]), r["shared"], fact))
    return tuple(sorted(out, key=lambda p: (p.weight_bits, p.activation_bits)))


def facts(dsp: str) -> tuple[Fact, ...]:
    return tuple(p.fact for p in packings(dsp))


def sums(dsp: str) -> bool:
    """Whether the block sums several products of one row (DSP58)."""
    return any(p.shared == "sum" for p in packings(dsp))


def products(dsp: str, weight_bits: int, activation_bits: int) -> int:
    """Products of these widths in one block and cycle, 1 where the block does not pack them."""
    for p in packings(dsp):
        if weight_bits <= p.weight_bits and activation_bits <= p.activation_bits:
            return p.products
    return 1


def tiles(a: ArrayLike, b: ArrayLike, dsp: str) -> Ints:
    """Blocks of one signed product of a x b bits: slices of 17 bits where an operand is wider than its port."""
    from hwmodel.fpga.layers.units_of import wide_port

    wide, narrow = np.maximum(ints(a), ints(b)), np.minimum(ints(a), ints(b))
    step = whole("dsp.slice_bits")
    return (1 + up(np.maximum(wide - wide_port(dsp), 0), step)) * (1 + up(np.maximum(narrow - whole("dsp.narrow_port"), 0), step))


def blocks(dsp: str, rows: ArrayLike, cols: ArrayLike, weight_bits: ArrayLike, activation_bits: ArrayLike) -> Ints:
    """Blocks of rows x cols products a cycle, packed: rows share an activation, or columns a sum.

    Wider operands than any packing takes need whole blocks each (`tiles`).
    """
    p, q, w, a = np.broadcast_arrays(ints(rows), ints(cols), ints(weight_bits), ints(activation_bits))
    out = p * q * tiles(w, a, dsp)
    for way in reversed(packings(dsp)):
        packed = up(p, way.products) * q if way.shared == "activation" else p * up(q, way.products)
        out = np.where((w <= way.weight_bits) & (a <= way.activation_bits), packed, out)
    return out
