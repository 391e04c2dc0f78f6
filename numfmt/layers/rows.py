"""Layers over the last axis: rows are independent, so they go some at a time, on several threads, with the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._arrays import exact_operand, to_numpy
from .._threads import in_pieces
from ..formats import Format, cast, parse

_ELEMENTS = 1 << 16  # of a block of rows: its temporaries stay in cache


def over_rows(x: Any, fmt: Format, work: Callable[..., np.ndarray], *others: np.ndarray, length: int | None, serial: bool) -> Any:
    """work(rows of x as values of fmt, the same rows of the others) for every block of rows, as values of fmt in x's shape.

    x: (..., n); others: arrays of its shape. length: what n must be, None for any. serial: the work may not run on several threads.
    Raises ValueError for x without a last axis, of another or of zero length.
    """
    array, restore = to_numpy(x)
    if array.ndim == 0 or (length is not None and array.shape[-1] != length):
        raise ValueError(f"x has shape {array.shape}; its last axis must be the layer's {length or 'features'}")
    n = array.shape[-1]
    if n == 0:
        raise ValueError(f"x has shape {array.shape}: its last axis is empty, and a sum over nothing has no mean; drop it")
    rows = exact_operand(array).reshape(-1, n)
    flat = [np.broadcast_to(o, array.shape).reshape(-1, n) for o in others]
    out = np.empty(rows.shape, fmt.value_dtype)
    held = rows.dtype == np.float32 and str(fmt) == "float32"
    step = max(1, _ELEMENTS // n)

    def piece(first: int, last: int) -> int:
        for start in range(first, last, step):
            part = slice(start, min(start + step, last))
            out[part] = work(
                np.ascontiguousarray(rows[part]) if held else np.asarray(cast(rows[part], fmt)), *(o[part] for o in flat)
            )
        return 0

    if serial or rows.size < 8 * _ELEMENTS:
        piece(0, rows.shape[0])
    else:
        in_pieces(rows.shape[0], piece, piece=step, serial=0)
    return restore(out.reshape(array.shape))


def layer_format(fmt: Format | str, what: str = "fmt") -> Format:
    """A format whose values float64 holds. Raises ValueError."""
    made = parse(fmt)
    if made.value_dtype.kind != "f":
        raise ValueError(f"{what}={made} is not supported in a layer: float64 does not hold its values")
    return made


def parameters(given: Any, fmt: Format, what: str, length: int | None = None) -> np.ndarray | None:
    """A weight or bias (n,) as values of `fmt`; None stays None. Raises ValueError for other shapes and for NaN."""
    if given is None:
        return None
    array = to_numpy(given, what)[0]
    if array.ndim != 1 or not array.size or (length is not None and array.size != length):
        raise ValueError(f"{what} has shape {array.shape}; it must be ({length or 'features'},)")
    if array.dtype.kind != "O" and np.isnan(array.astype(np.float64)).any():
        raise ValueError(f"{what} holds NaN; replace it first")
    return np.asarray(cast(array, fmt))
