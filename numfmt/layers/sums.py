"""Sums along the last axis in a stated order, every partial sum rounded to a format."""

from __future__ import annotations

import re

import numpy as np

from ..arith import matmul
from ..formats import Fixed, Float, cast
from ..kernels.cascade_sum import cascade_sum
from ..kernels.step_sums import sum_native, sum_steps
from .stepwise import Steps

ORDERS = ("sequential", "pairwise", "exact", "chunkN", "lanesN", "torch")
_TORCH_LANES = 8


def check_order(order: str, steps: Steps) -> str:
    """`order`, if it is one. Raises ValueError."""
    if order in ("sequential", "pairwise") or re.fullmatch(r"(chunk|lanes)[1-9]\d{0,6}", str(order)):
        return order
    if order == "torch":
        if str(steps.format) != "float32" or not steps.native:
            raise ValueError(
                f"sum='torch' is torch's order of float32 sums; the steps are rounded to {steps.format}: use internal='float32'"
            )
        return order
    if order == "exact":
        held = isinstance(steps.format, Fixed) or steps.lanes is not None
        if not held:
            raise ValueError(
                f"sum='exact' is not served for {steps.format}, {steps.rounding}; use a float format of at most 24 bits"
            )
        return order
    raise ValueError(f"sum={order!r} is unknown; use one of {', '.join(ORDERS)} with N a number from 1, such as chunk16")


def total(x: np.ndarray, steps: Steps, order: str) -> np.ndarray:
    """Sums of the rows of x (rows, n), n >= 1, values of the format; (rows, 1).

    "sequential": from +0, first element first. "pairwise": a balanced tree; neighbours 2i and 2i + 1 are added level by level, an
    odd last one passes up. "chunkN": N elements in sequence from +0, then the chunks in sequence. "lanesN": N sums of every N-th
    element, then these as a tree. "exact": the exact sum rounded once. "torch": torch's order on a CPU (`kernels.cascade_sum`).
    """
    if order == "sequential":
        return _sequential(x, steps)
    if order == "pairwise":
        return _pairwise(x, steps)
    if order == "exact":
        return _exact(x, steps)
    if order == "torch":
        return np.array([cascade_sum(row, _TORCH_LANES) for row in np.ascontiguousarray(x)], np.float32).reshape(-1, 1)
    size = int(order[5:])
    rows, n = x.shape
    padded = np.zeros((rows, -(-n // size) * size), x.dtype)  # adding +0 to a sum that began with +0 changes nothing
    padded[:, :n] = x
    parts = padded.reshape(rows, -1, size)
    if order.startswith("chunk"):
        return _sequential(_sequential(parts.reshape(-1, size), steps).reshape(rows, -1), steps)
    lanes = np.ascontiguousarray(parts.transpose(0, 2, 1)).reshape(-1, parts.shape[1])
    return _pairwise(_sequential(lanes, steps).reshape(rows, size), steps)


def _sequential(x: np.ndarray, steps: Steps) -> np.ndarray:
    columns = np.ascontiguousarray(x.T)
    if steps.native:
        native = np.empty(columns.shape[1], columns.dtype)
        sum_native(columns, native)
        return native.reshape(-1, 1)
    if (facts := steps.lanes) is not None:
        wide = np.empty(columns.shape[1])
        sum_steps(columns, wide, *facts)
        return wide.astype(steps.format.value_dtype).reshape(-1, 1)
    held = np.zeros(columns.shape[1], steps.format.value_dtype)
    for column in columns:
        held = steps.add(held, column)
    return held.reshape(-1, 1)


def _pairwise(x: np.ndarray, steps: Steps) -> np.ndarray:
    while x.shape[1] > 1:
        pairs = steps.add(x[:, 0 : x.shape[1] - 1 : 2], x[:, 1::2])
        x = np.concatenate([pairs, x[:, -1:]], axis=1) if x.shape[1] % 2 else pairs
    return x


def _exact(x: np.ndarray, steps: Steps) -> np.ndarray:
    fmt = steps.format
    if isinstance(fmt, Fixed):
        if fmt.bits + x.shape[1].bit_length() > 53:
            raise ValueError(f"sum='exact' of {x.shape[1]} values of {fmt} may exceed float64; use 'sequential' or 'pairwise'")
        return np.asarray(cast(x.astype(np.float64).sum(axis=1, keepdims=True), fmt, rounding=steps.rounding))
    assert isinstance(fmt, Float)
    largest = float(np.abs(x).max(initial=0.0))
    if largest * x.shape[1] <= fmt.quantum * 2.0**53:  # every partial sum is a float64 in any order; not so for NaN
        return steps.cast(x.astype(np.float64).sum(axis=1, keepdims=True) + 0.0)
    made = matmul(x.astype(np.float32), np.ones((x.shape[1], 1), np.float32), f"exact:{fmt}")
    return np.asarray(made, fmt.value_dtype).reshape(-1, 1)
