"""Several products in one DSP block: lanes packed on the wide port, one shared operand, and what it takes to tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwmodel._checks import positive_int, unknown
from hwmodel._data import csv_rows
from hwmodel.sources import Fact

Ints = NDArray[np.int64]
WORD = 48  # bits of the product that are used, of any block


@dataclass(frozen=True)
class Packing:
    """`offsets`: bit of each lane's weight on the wide port; `weight`, `shared`: signed bits of the operands.

    A lane that is narrower than a product reaches into the next lane. Its upper bits follow from the next product's lowest bits
    ("canary"), which are made beside the block in LUTs. Then each lane's borrow is taken from the next, from below.
    """

    name: str
    block: str
    offsets: tuple[int, ...]
    weight: int
    shared: int
    source: str
    status: str
    narrow: bool = False  # weights without the most negative value, which the port does not hold

    @property
    def lanes(self) -> int:
        return len(self.offsets)

    @property
    def overlaps(self) -> tuple[int, ...]:
        """Bits by which each lane but the top one reaches into the next."""
        product = self.weight + self.shared
        return tuple(max(product - (b - a), 0) for a, b in zip(self.offsets, self.offsets[1:], strict=False))

    @property
    def exact_products(self) -> int:
        """Products that a lane sums without wrapping, whatever they are; 1 where lanes overlap."""
        widths = [b - a for a, b in zip(self.offsets, self.offsets[1:], strict=False)]
        if not widths or any(self.overlaps):
            return 1
        largest = 2 ** (self.weight + self.shared - 2)  # of two most negative operands
        return (2 ** (min(widths) - 1) - 1) // largest

    def pack(self, weights: Any) -> np.ndarray:
        """The wide operand of weights (..., lanes), int64. Raises ValueError for weights of more bits than a lane's."""
        w = _whole("weights", weights, self.weight)
        if self.narrow and (w == -(1 << (self.weight - 1))).any():
            raise ValueError(f"weights reach {w.min()}; {self.name} takes weights of at least {1 - (1 << (self.weight - 1))}")
        if w.shape[-1:] != (self.lanes,):
            raise ValueError(f"weights has shape {w.shape}; {self.name} takes {self.lanes} weights in its last axis")
        return sum((w[..., i] << offset for i, offset in enumerate(self.offsets)), np.zeros(w.shape[:-1], np.int64))

    def multiply(self, weights: Any, shared: Any) -> np.ndarray:
        """The products weights (..., lanes) x shared (...), through one packed multiplication. int64 (..., lanes).

        Raises ValueError for operands of too many bits.
        """
        x = _whole("shared", shared, self.shared)
        w = _whole("weights", weights, self.weight)
        return self.unpack(self.pack(w) * x, w, x)

    def dot(self, weights: Any, shared: Any) -> np.ndarray:
        """Sums over the first axis of weights (n, ..., lanes) x shared (n, ...), added while packed; n up to `exact_products`."""
        x = _whole("shared", shared, self.shared)
        w = _whole("weights", weights, self.weight)
        if len(w) > self.exact_products:
            raise ValueError(
                f"{len(w)} products are added in lanes of {self.name}, which hold {self.exact_products}; unpack more often"
            )
        if len(w) == 1:
            return self.multiply(w[0], x[0])
        return self.unpack((self.pack(w) * x).sum(0), w[:1].sum(0), x[:1].sum(0))

    def unpack(self, word: np.ndarray, weights: np.ndarray, shared: np.ndarray) -> np.ndarray:
        """The lanes of a packed product. `weights`, `shared` give the canaries of lanes that overlap."""
        rest = np.asarray(word, np.int64)
        out = []
        for i, over in enumerate(self.overlaps):
            width = self.offsets[i + 1] - self.offsets[i]
            low = rest & ((1 << width) - 1)
            canary = (weights[..., i + 1] * shared) & ((1 << over) - 1)
            high = ((rest >> width) - canary) & ((1 << over) - 1)
            lane = _signed(low | high << width, width + over)
            out.append(lane)
            rest = (rest - lane) >> width
        return np.stack([*out, rest], axis=-1)


def _signed(x: np.ndarray, bits: int) -> np.ndarray:
    half = 1 << (bits - 1)
    return ((x + half) & ((1 << bits) - 1)) - half


def _whole(what: str, values: Any, bits: int) -> np.ndarray:
    x = np.asarray(values)
    if x.dtype.kind not in "iu":
        raise ValueError(f"{what} are {x.dtype}; give integers")
    low, high = int(x.min(initial=0)), int(x.max(initial=0))
    if low < -(1 << (bits - 1)) or high >= 1 << (bits - 1):
        raise ValueError(f"{what} reach {low} to {high}; give signed integers of {bits} bits")
    return x.astype(np.int64)


PACKINGS = {
    p.name: p
    for p in (
        Packing("int8x2", "dsp48e2", (0, 18), 8, 8, "AMD WP486,", "read"),
        Packing("int8x2.e1", "dsp48e1", (0, 16), 8, 8, "int8x2 with lanes 16 bits apart, as the port is 25 bits wide", "inferred"),
        Packing("int4x4", "dsp48e2", (0, 8, 15, 22), 4, 4, "FINN mvu_4sx4u,", "read"),
        Packing("int4x4.e1", "dsp48e1", (0, 7, 14, 21), 4, 4, "FINN mvu_4sx4u,", "read", True),
    )
}
# Products of a shared sum in one block: DSP58's vector mode adds three of 9 x 8 bits.
DOT58 = (3, 9, 8)
_DOT58 = Fact("dsp58 products of 9x8 bits in a sum", 3.0, "product", "FINN mvu_8sx9_dsp58,", "read")
PORTS = {r["block"]: (int(r["wide"]), int(r["narrow"])) for r in csv_rows("hwmodel.fpga", "dsp_blocks")}


def packing(name: str) -> Packing:
    """A packing by name; ValueError names the nearest."""
    if name not in PACKINGS:
        raise unknown("DSP packing", name, PACKINGS)
    return PACKINGS[name]


def dot58(a: Any, b: Any) -> np.ndarray:
    """Sum of three products of DSP58's vector mode: a (..., 3) of 9 signed bits, b (..., 3) of 8. int64 (...)."""
    n, wide, narrow = DOT58
    x, y = _whole("a", a, wide), _whole("b", b, narrow)
    if x.shape[-1:] != (n,) or y.shape[-1:] != (n,):
        raise ValueError(f"a has shape {x.shape} and b {y.shape}; a DSP58 adds {n} products: give {n} in the last axis")
    return (x * y).sum(-1)


def products_per_block(weight_bits: int, activation_bits: int, block: str | None, narrow: bool = True) -> int:
    """Signed products of one clock in one block: lanes of a packing, or the three terms of a DSP58; 0 if it takes several blocks.

    narrow: the most negative weight does not occur; four lanes of 4 bits on a DSP48E1 need that, other weights get two lanes.
    Raises ValueError for unknown blocks.
    """
    w, a = positive_int("weight_bits", weight_bits), positive_int("activation_bits", activation_bits)
    fits = [
        lanes for wide, least, lanes, full in _ways(block) if max(w, a) <= wide and min(w, a) <= least and (narrow or w <= full)
    ]
    return max(fits, default=1 if int(blocks_of_product(w, a, block)) == 1 else 0)


def blocks_for(products: int, weight_bits: int, activation_bits: int, block: str | None, narrow: bool = True) -> int:
    """DSP blocks for so many products a clock, packed where that is possible (`products_per_block`), cut where they exceed the
    ports."""
    count = positive_int("products", products)
    each = products_per_block(weight_bits, activation_bits, block, narrow)
    return ceil(count / each) if each else count * int(blocks_of_product(weight_bits, activation_bits, block))


def blocks_of_product(a: ArrayLike, b: ArrayLike, block: str | None) -> Ints:
    """Blocks of one signed product of a x b bits (arrays broadcast): an operand wider than its port is cut into slices."""
    wide_port, narrow_port, step = (int(_block(block)[c]) for c in ("wide", "narrow", "slice"))
    x, y = np.asarray(a, np.int64), np.asarray(b, np.int64)
    wide, narrow = np.maximum(x, y), np.minimum(x, y)
    return _slices(wide, wide_port, step) * _slices(narrow, narrow_port, step)


def blocks_of_array(
    rows: ArrayLike,
    cols: ArrayLike,
    weight_bits: ArrayLike,
    activation_bits: ArrayLike,
    block: str | None,
    narrow: ArrayLike = True,
) -> Ints:
    """Blocks of rows x cols products a cycle (arrays broadcast): rows that share an activation are packed, or columns of a sum.

    Wider operands than any packing takes need whole blocks each (`blocks_of_product`). narrow: as for `products_per_block`.
    """
    given = (rows, cols, weight_bits, activation_bits, narrow)
    p, q, w, a, short = np.broadcast_arrays(*(np.asarray(v, np.int64) for v in given))
    out = p * q * blocks_of_product(w, a, block)
    for wide, least, lanes, full in sorted(_ways(block), reverse=True):
        packed = p * -(-q // lanes) if sums_products(block) else -(-p // lanes) * q
        taken = (np.maximum(w, a) <= wide) & (np.minimum(w, a) <= least) & ((short > 0) | (w <= full))
        out = np.where(taken, packed, out)
    return out


def sums_products(block: str | None) -> bool:
    """Whether the block sums several products (DSP58) rather than keep them apart."""
    return _block(block)["block"] == "dsp58"


def block_facts(block: str | None) -> tuple[Fact, ...]:
    """The ports, slices and packings of a block; none without one."""
    if block is None:
        return ()
    r = _block(block)
    ports = [Fact(f"{block} {c}", float(r[c]), "bit", r["source"], r["status"]) for c in ("wide", "narrow", "slice")]
    lanes = [
        Fact(f"{block} products of {p.weight}x{p.shared} bits", float(p.lanes), "product", p.source, p.status)
        for p in PACKINGS.values()
        if p.block == block
    ]
    return (*ports, *lanes, *((_DOT58,) if sums_products(block) else ()))


@cache
def _blocks() -> dict[str, dict[str, str]]:
    return {r["block"]: r for r in csv_rows("hwmodel.fpga", "dsp_blocks")}


def _block(name: str | None) -> dict[str, str]:
    if name is None or name not in _blocks():
        raise unknown("DSP block", str(name), PORTS)
    return _blocks()[name]


def _ways(block: str | None) -> list[tuple[int, int, int, int]]:
    """(bits of the wider operand, of the narrower one, products, bits of a weight of full range) of a block's packings."""
    if sums_products(block):
        return [(DOT58[1], DOT58[2], DOT58[0], DOT58[1])]
    return [
        (max(p.weight, p.shared), min(p.weight, p.shared), p.lanes, p.weight - p.narrow)
        for p in PACKINGS.values()
        if p.block == block
    ]


def _slices(bits: Ints, port: int, step: int) -> Ints:
    return 1 + -(-np.maximum(bits - port, 0) // step)
