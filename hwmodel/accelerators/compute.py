"""Compute models: cycles and on-chip accesses of matrix products on an array, for all layers at once.

Every function takes integer arrays (one element a layer): batch, m (tokens), n (outputs), k (reduction).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodel.accelerators.model import Accelerator, Array

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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
    the array, else elements; `partial_sums` are sums written to the activation buffer and read back;
    `fetched_weights` are weights that enter the array, each time they do.
    """

    cycles: Ints
    weight_words: Ints
    activation_words: Ints
    partial_sums: Ints
    fetched_weights: Ints


def ceil_div(a: Ints, b: int) -> Ints:
    return -(-a // b)


def tiled(p: Products, acc: Accelerator, array: Array, cycles_per_tile: Ints) -> Activity:
    """The BitMoD simulator: one tile is `lanes` x height weights times width tokens; both words are read once a tile.

    tiles = ceil(k / lanes) ceil(n / height) ceil(m / width) batch (pe_array.py).
    """
    columns = ceil_div(p.m, array.width)
    tiles = ceil_div(p.k, acc.pe.lanes) * ceil_div(p.n, array.height) * columns * p.batch
    return Activity(tiles * cycles_per_tile, tiles, tiles, np.zeros_like(tiles), p.n * p.k * p.batch * columns)


def weight_stationary(p: Products, acc: Accelerator, array: Array, cycles_per_tile: Ints) -> Activity:
    """SCALE-Sim 3: ceil(k/R) ceil(n/C) folds of 2R + C + m - 2 cycles, less one in total; no overlap between folds."""
    rows, columns = ceil_div(p.k, array.height), ceil_div(p.n, array.width)
    cycles = rows * columns * (2 * array.height + array.width + p.m - 2) - 1
    weights = p.k * p.n
    return _systolic(p, cycles, weights, p.m * p.k * columns, p.m * p.n * (rows - 1))


def output_stationary(p: Products, acc: Accelerator, array: Array, cycles_per_tile: Ints) -> Activity:
    """SCALE-Sim 3: ceil(m/R) ceil(n/C) folds of R + C + k - 2 cycles, less one in total."""
    rows, columns = ceil_div(p.m, array.height), ceil_div(p.n, array.width)
    cycles = rows * columns * (array.height + array.width + p.k - 2) - 1
    return _systolic(p, cycles, p.k * p.n * rows, p.m * p.k * columns, np.zeros_like(rows))


def input_stationary(p: Products, acc: Accelerator, array: Array, cycles_per_tile: Ints) -> Activity:
    """SCALE-Sim 3: ceil(k/R) ceil(m/C) folds of 2R + C + n - 2 cycles, less one in total."""
    rows, columns = ceil_div(p.k, array.height), ceil_div(p.m, array.width)
    cycles = rows * columns * (2 * array.height + array.width + p.n - 2) - 1
    return _systolic(p, cycles, p.k * p.n * columns, p.m * p.k, p.m * p.n * (rows - 1))


def _systolic(p: Products, cycles: Ints, weights: Ints, inputs: Ints, partials: Ints) -> Activity:
    b = p.batch  # the products of a batch run one after the other
    return Activity(cycles * b, weights * b, inputs * b, partials * b, weights * b)


MODELS: dict[str, Callable[[Products, Accelerator, Array, Ints], Activity]] = {
    "bit_parallel": tiled,
    "bit_serial": tiled,
    "ws": weight_stationary,
    "os": output_stationary,
    "is": input_stationary,
}


def tile_cycles(acc: Accelerator, weight_bits: Floats) -> Ints:
    """Cycles of a tile: 1, or ceil(floor(bits) / 2) where two bits of a weight are taken at a time (pe_array.py)."""
    if acc.compute == "bit_serial":
        return ceil_div(np.floor(weight_bits).astype(np.int64), 2)
    return np.ones(weight_bits.shape, dtype=np.int64)
