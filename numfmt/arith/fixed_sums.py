"""Runs the kernel that a plan names, tile by tile: memory beside operands and result stays within some megabytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._threads import SERIAL, in_pieces
from ..formats import Fixed
from ..kernels import fixed_steps as kernels
from . import fixed_rule
from .fixed_plan import Plan

_ROWS, _DEPTH, _COLUMNS = 512, 256, 512  # of a tile: its 512 KB of operands stay in a second-level cache
_FLOATS = 1 << 22  # numbers of an operand given to BLAS at once
_FEW = 32  # columns that leave SIMD lanes empty


def accumulate(x: np.ndarray, w: np.ndarray, out: np.ndarray, formats: tuple[Fixed, Fixed], acc: Fixed, plan: Plan) -> np.ndarray:
    """The accumulators (M, N) int64 after the products of x (M, K) and w (K, N) were added to `out`, in order of k.

    x and w: code words (or raw integers) of `formats`; out: raw integers of `acc`, kept as they are.
    """
    if w.shape[1] < _FEW and x.shape[0] > w.shape[1]:  # a product does not care which side comes first
        return accumulate(w.T, x.T, np.ascontiguousarray(out.T), formats[::-1], acc, plan).T
    if plan.kernel.endswith("gemm"):
        total = _blas(x, w, out, formats, plan)
    else:
        total = np.array(out, plan.lanes, order="C")
        facts = fixed_rule.rule(acc, plan.right, plan.lanes)
        for first in range(0, x.shape[0], _ROWS):
            _rows(x[first : first + _ROWS], w, total[first : first + _ROWS], formats, plan, facts)
        total = total.astype(np.int64, copy=False)
    if plan.wraps:
        keep, sign = np.int64((1 << acc.width) - 1), np.int64((1 << acc.width >> 1) if acc.signed else 0)
        total &= keep
        total ^= sign
        total -= sign
    return total


def _rows(
    x: np.ndarray, w: np.ndarray, total: np.ndarray, formats: tuple[Fixed, Fixed], plan: Plan, facts: tuple[Any, ...]
) -> None:
    """Some rows of the result, by tiles of columns and depth; k upward in each."""
    depth, columns = w.shape
    options: tuple[Any, ...] = (plan.mode, plan.inside) if plan.kernel == "clamped_sum" else (plan.mode,)
    if plan.kernel == "cast_sum":
        options = plan.mode == kernels.PLAIN, plan.inside
    # in 32-bit lanes products fit, so what is multiplied fits too
    lanes = np.int32 if plan.lanes is np.int32 or max(fmt.bits for fmt in formats) + plan.up <= 31 else np.int64
    for first in range(0, columns, _COLUMNS):
        last = min(first + _COLUMNS, columns)
        part = total if last - first == columns else np.ascontiguousarray(total[:, first:last])
        for low in range(0, depth, _DEPTH):
            high = min(low + _DEPTH, depth)
            left = np.zeros((len(x), -(-(high - low) // 4) * 4), lanes)
            right = np.empty((left.shape[1], last - first), lanes)
            right[high - low :] = 0
            spread(x[:, low:high], left, formats[0])
            spread(w[low:high, first:last], right, formats[1])
            if plan.up:
                left <<= plan.up
            getattr(kernels, plan.kernel)(left, right, part, facts, *options)
        if part is not total:
            total[:, first:last] = part


def _blas(x: np.ndarray, w: np.ndarray, out: np.ndarray, formats: tuple[Fixed, Fixed], plan: Plan) -> np.ndarray:
    """out + x @ w in floats, exact in any order."""
    total = out.astype(np.int64)
    depth, columns = w.shape
    scale = plan.lanes(2.0 ** (plan.up - plan.right))
    wide = max(1, _FLOATS // max(1, depth))
    for top in range(0, x.shape[0], wide):
        left = np.empty((min(wide, x.shape[0] - top), depth), plan.lanes)
        spread(x[top : top + wide], left, formats[0])
        left *= scale
        for first in range(0, columns, wide):
            right = np.empty((depth, min(wide, columns - first)), plan.lanes)
            spread(w[:, first : first + wide], right, formats[1])
            total[top : top + wide, first : first + wide] += (left @ right).astype(np.int64)
    return total


def spread(words: np.ndarray, into: np.ndarray, fmt: Fixed) -> None:
    """`into`, of any number type and at least as large, begins with the raw integers of code words (or of raw integers)."""
    if words.dtype.kind == "i":  # raw already
        if words.flags.c_contiguous:
            into[: words.shape[0], : words.shape[1]] = words
        else:
            _spread(words, into, np.int64(-1), np.int64(0))
        return
    _spread(words, into, np.int64((1 << fmt.bits) - 1), np.int64((1 << fmt.bits >> 1) if fmt.signed else 0))


def _spread(words: np.ndarray, into: np.ndarray, mask: np.int64, sign: np.int64) -> None:
    """`kernels.spread` on several threads where there are many words."""

    def rows(start: int, stop: int) -> int:
        kernels.spread(words[start:stop], into[start:stop], mask, sign)
        return 0

    if words.size < SERIAL:
        rows(0, len(words))
    else:
        in_pieces(len(words), rows, max(32, (SERIAL >> 2) // words.shape[1] // 32 * 32), 0)
