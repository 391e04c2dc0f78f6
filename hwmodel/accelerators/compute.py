"""Compute models: cycles and on-chip accesses of matrix products on an array, for all layers at once.

Every function takes integer arrays (one element a layer): batch, m (tokens), n (outputs), k (reduction); the numbers of the
hardware may be columns, one row a design, that broadcast against them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hwmodel.accelerators.systolic import Floats, Ints, counts, overlapped_cycles

if TYPE_CHECKING:
    from hwmodel.accelerators.hardware import Hardware


@dataclass(frozen=True)
class Products:
    """Matrix products, one a layer: `batch` times (m x k) by (k x n)."""

    batch: Ints
    m: Ints
    n: Ints
    k: Ints


@dataclass(frozen=True)
class Activity:
    """What an array does for each layer.

    `weight_words` and `activation_words` are accesses of a whole buffer word where the buffer's width follows from
    the array, else elements; `partial_sums` are sums written to the activation buffer and read back (None: none);
    `fetched_weights` are weights that enter the array, each time they do.
    """

    cycles: Ints
    weight_words: Ints
    activation_words: Ints
    partial_sums: Ints | None
    fetched_weights: Ints


def ceil_div(a: Ints, b: Any) -> Ints:
    return -(-a // b)


def tiled(p: Products, hw: Hardware, cycles_per_tile: Ints) -> Activity:
    """The BitMoD simulator: one tile is `lanes` x height weights times width tokens; both words are read once a tile.

    tiles = ceil(k / lanes) ceil(n / height) ceil(m / width) batch (pe_array.py).
    """
    columns = ceil_div(p.m, hw.width)
    tiles = ceil_div(p.k, hw.lanes) * ceil_div(p.n, hw.height) * columns * p.batch
    return Activity(tiles * cycles_per_tile, tiles, tiles, None, p.n * p.k * p.batch * columns)


def systolic(p: Products, hw: Hardware, cycles_per_tile: Ints) -> Activity:
    """SCALE-Sim 3's cycles and accesses for the dataflow that the accelerator names; a batch runs one after the other.

    Partial sums of all row folds but the last are written and read back.
    """
    found = counts(hw.compute, hw.height, hw.width, p.m, p.k, p.n)
    partials = found.output_writes - p.m * p.n
    parts = (found.cycles, found.weight_reads, found.input_reads, partials, found.weight_reads)
    return Activity(*(part * p.batch for part in parts))


def systolic_overlapped(p: Products, hw: Hardware, cycles_per_tile: Ints) -> Activity:
    """Weight stationary with double-buffered weights: the accesses of `ws`, loads of weights hidden (inferred)."""
    found = counts("ws", hw.height, hw.width, p.m, p.k, p.n)
    cycles = overlapped_cycles(hw.height, hw.width, p.m, p.k, p.n, p.batch)
    partials = (found.output_writes - p.m * p.n) * p.batch
    return Activity(cycles, found.weight_reads * p.batch, found.input_reads * p.batch, partials, found.weight_reads * p.batch)


MODELS: dict[str, Callable[[Products, Hardware, Ints], Activity]] = {
    "bit_parallel": tiled,
    "bit_serial": tiled,
    "ws": systolic,
    "os": systolic,
    "is": systolic,
    "ws_overlapped": systolic_overlapped,
}


def tile_cycles(acc: Any, weight_bits: Floats) -> Ints:
    """Cycles of a tile: 1, or ceil(floor(bits) / 2) where two bits of a weight are taken at a time (pe_array.py)."""
    if acc.compute == "bit_serial":
        return ceil_div(np.floor(weight_bits).astype(np.int64), 2)
    return np.ones(weight_bits.shape, dtype=np.int64)
