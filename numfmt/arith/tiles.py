"""Tiles of a product whose accumulator prepares its operands whole, so that memory stays bounded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .cublas import CublasOrder
from .datapath import Datapath
from .exact_sum import ExactAccumulator
from .float_steps import FloatAccumulator
from .integer_steps import IntAccumulator
from .operands import Operand
from .unit import Unit

_ELEMENTS = 1 << 20  # of an operand that are prepared at once, at up to 28 bytes each
_UNIT_ELEMENTS = 1 << 21  # for matrix units: 15 bytes, and a cost of each call


def tiles(made: Datapath, a: Operand, b: Operand) -> list[tuple[slice, slice]]:
    """Rows of a and of b to be multiplied apart; empty where the whole product is one tile, or its kernels cut it themselves."""
    most = _UNIT_ELEMENTS if isinstance(made.inner, Unit) else _ELEMENTS
    if a.depth != b.depth or max(a.rows, b.rows) * a.depth <= most or isinstance(made.inner, CublasOrder):
        return []
    if isinstance(made.inner, FloatAccumulator) and made.inner.random_width:  # its bits count rows and columns
        return []
    cuts_itself = isinstance(made.inner, FloatAccumulator | ExactAccumulator | IntAccumulator)
    if cuts_itself and not made.order.permutation and not (_wide(a) or _wide(b)):
        return []
    if any(x.source is not None and (x.scales is not None and x.scales.shape[0] not in (1, x.rows)) for x in (a, b)):
        return []
    size = max(2, most // a.depth // 2 * 2)  # pairs of rows may share a unit
    cuts = [[slice(i, min(i + size, x.rows)) for i in range(0, x.rows, size)] for x in (a, b)]
    return list(itertools.product(*cuts)) if a.rows and b.rows else []


def part(x: Operand, rows: slice) -> Operand:
    """Some rows of an operand. Raises ValueError where all rows share what is stored."""
    if rows.stop - rows.start == x.rows:
        return x
    source = x.source
    if source is not None:
        source = source[rows] if source.axis == 1 else source.T[rows].T
    scales = x.scales if x.scales is None or len(x.scales) == 1 else x.scales[rows]
    return replace(x, given=x.given[rows], scales=scales, source=source)


def _wide(x: Operand) -> bool:
    """Whether integers are so wide that their sums go step by step in 64 bits."""
    return x.table is None and x.given.dtype.kind in "iu" and x.given.dtype.itemsize > 2


def joined(parts: Iterator[np.ndarray], cuts: list[tuple[slice, slice]], shape: tuple[int, int]) -> np.ndarray:
    """The tiles' results in one array."""
    result = np.empty(shape, np.float32)
    for number, ((rows, columns), made) in enumerate(zip(cuts, parts, strict=True)):
        if not number:
            result = np.empty(shape, made.dtype)
        result[rows, columns] = made
    return result
