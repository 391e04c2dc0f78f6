"""Systolic arrays, counted exactly as SCALE-Sim 3 counts them: cycles, utilisation and SRAM accesses of tiled products.

An array of R rows and C columns runs (m x k) by (k x n). Folds follow one another without overlap:

| dataflow | rows hold | columns hold | folds | cycles of a fold |
|---|---|---|---|---|
| ws, weight stationary | k | n | ceil(k/R) ceil(n/C) | 2R + C + m - 2 |
| is, input stationary | k | m | ceil(k/R) ceil(m/C) | 2R + C + n - 2 |
| os, output stationary | m | n | ceil(m/R) ceil(n/C) | R + C + k - 2 |

Every function is vectorised; all sizes are integer arrays or numbers that broadcast against one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwmodel._checks import unknown

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
DATAFLOWS = ("ws", "os", "is")


@dataclass(frozen=True)
class Counts:
    """What an array does for each product.

    `cycles` are the compute cycles as SCALE-Sim reports them (one less than the lines that it streams); reads are words
    taken from the input and weight memories, writes words of outputs (each partial sum is written, none counted as read
    back). `mapping_efficiency` is the mean share of elements that a fold uses, `utilisation` MACs per element and cycle;
    both are fractions.
    """

    folds: Ints
    cycles: Ints
    input_reads: Ints
    weight_reads: Ints
    output_writes: Ints
    mapping_efficiency: Floats
    utilisation: Floats


def counts(dataflow: str, rows: ArrayLike, cols: ArrayLike, m: ArrayLike, k: ArrayLike, n: ArrayLike) -> Counts:
    """Counts of products (m x k) by (k x n) on arrays of rows x cols elements.

    Raises ValueError for a dataflow other than ws, os, is. Sizes are taken as they are: whole and at least 1.
    Source: SCALE-Sim 3.0.0, reproduced by running it.
    """
    if dataflow not in DATAFLOWS:
        raise unknown("dataflow", dataflow, DATAFLOWS)
    r, c, m, k, n = np.broadcast_arrays(*(np.asarray(v, dtype=np.int64) for v in (rows, cols, m, k, n)))
    down, across, streamed = {"ws": (k, n, m), "is": (k, m, n), "os": (m, n, k)}[dataflow]
    row_folds, col_folds = -(-down // r), -(-across // c)
    folds = row_folds * col_folds
    load = r if dataflow != "os" else np.zeros_like(r)
    cycles = folds * (load + r + c + streamed - 2) - 1
    if dataflow == "ws":
        reads = m * k * col_folds, k * n, m * n * row_folds
    elif dataflow == "is":
        reads = m * k, k * n * col_folds, m * n * row_folds
    else:
        reads = m * k * col_folds, k * n * row_folds, m * n
    mapping = (down * across) / (folds * r * c)
    with np.errstate(divide="ignore"):  # a 1x1x1 product on one element takes 0 reported cycles
        use = m.astype(float) * k * n / (cycles * (r * c))
    return Counts(folds, cycles, *reads, mapping, use)


def overlapped_cycles(rows: ArrayLike, cols: ArrayLike, m: ArrayLike, k: ArrayLike, n: ArrayLike, batch: ArrayLike = 1) -> Ints:
    """Cycles of weight-stationary products whose next weights are loaded while the present ones are used, as in a TPU.

    folds * max(m, R) + R + C - 2 for `batch` products, the folds of all in one stream. Standard reasoning, held against no
    measurement (status inferred). Sizes broadcast.
    """
    r, c, m, k, n, b = np.broadcast_arrays(*(np.asarray(v, dtype=np.int64) for v in (rows, cols, m, k, n, batch)))
    folds = -(-k // r) * -(-n // c) * b
    return folds * np.maximum(m, r) + r + c - 2


def check_products(**sizes: Any) -> dict[str, Ints]:
    """The sizes as int64 arrays; ValueError names the first that is not a whole number of at least 1, or too large."""
    out: dict[str, Ints] = {}
    for name, given in sizes.items():
        values = np.asarray(given)
        flat = values.ravel()
        numeric = values.dtype.kind in "iuf"
        good = np.zeros(flat.size, dtype=bool)
        if numeric:
            good = (flat >= 1) & (flat < 2**31)  # NaN compares false
            good[good] = flat[good] % 1 == 0
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            bad = flat[row].item() if hasattr(flat[row], "item") else flat[row]
            raise ValueError(f"{name} is {bad!r} in row {row}; give a whole number from 1 to {2**31 - 1}")
        out[name] = values.astype(np.int64)
    return out


def check_fits(total: Floats) -> None:
    """ValueError where a count would not fit 64 bits."""
    if (np.asarray(total) >= 2.0**62).any():
        row = int(np.flatnonzero(np.asarray(total).ravel() >= 2.0**62)[0])
        raise ValueError(f"row {row}: the product is too large to count in 64 bits; split it")
