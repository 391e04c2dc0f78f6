"""Codes times scales by fused kernels, where one product in float32 rounds the exact one."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .._threads import in_groups
from ..formats import Fixed
from ..formats.base import decode_table
from ..kernels.group_values import integer_values, table_values
from .grid import Grid

if TYPE_CHECKING:
    from .family import Stored
    from .scheme import Scheme


def products(made: Scheme, grid: Grid, stored: Stored, scales: np.ndarray) -> np.ndarray | None:
    """Values of the stored matrix, float32, or None where a factor is no float32 number or elements are wider than 16 bits.

    Codes stand for values of their own (`Family.plain`); scales: one a group, `grid.shape`.
    """
    if scales.dtype != np.float32 or scales.size != grid.count:
        return None
    width, tables = _integer_width(made), _tables(made)
    if width is None and (tables is None or "zero_points" in stored):
        return None
    codes = grid.gather(stored["codes"])
    each = np.ascontiguousarray(scales).reshape(-1)
    out = np.empty(codes.shape, np.float32)
    zeros = _per_group(stored, "zero_points", grid, np.int32)
    choice = _per_group(stored, "choice", grid, np.uint8)

    def work(start: int, stop: int) -> int:
        part = slice(start, stop)
        if width is not None:
            integer_values(codes[part], width, zeros[part], each[part], out[part])
        else:
            table_values(codes[part], choice[part], tables, each[part], out[part])
        return 0

    in_groups(codes.shape, work)
    return grid.scatter(out)


def _per_group(stored: Stored, name: str, grid: Grid, dtype: type) -> np.ndarray:
    """An array of one entry a group; zeros where the scheme has none."""
    if name not in stored:
        return np.zeros(grid.count, dtype)
    return np.ascontiguousarray(np.broadcast_to(stored[name], grid.shape).astype(dtype)).reshape(-1)


def _integer_width(made: Scheme) -> int | None:
    """The width of integers in two's complement, 0 for unsigned ones; None for other elements."""
    fmt = made.candidates[0]
    if len(made.candidates) > 1 or not isinstance(fmt, Fixed) or fmt.frac_bits or fmt.bits > 16:
        return None
    return fmt.bits if fmt.signed else 0


@lru_cache(maxsize=256)
def _tables(made: Scheme) -> np.ndarray | None:
    """Values of every code of every candidate, float32 (candidates, entries); None for elements of more than 8 bits."""
    if made.element_bits > 8 or any(f.value_dtype != np.float32 for f in made.candidates):
        return None
    tables = [decode_table(f) for f in made.candidates]
    size = max(t.size for t in tables)
    return np.stack([np.pad(t, (0, size - t.size), constant_values=np.nan) for t in tables])
