"""Exact sums of groups times their scales, added in float32 in order: BLAS a group and one pass in lanes, or BLAS alone.

BLAS alone where scales are powers of two and every sum of scaled products stays within 24 bits of one quantum: then no rounding of
the outer accumulator changes anything, and any order gives its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._threads import in_pieces
from ..kernels import scaled_groups as kernels
from .accumulator import Accumulator
from .datapath import Datapath
from .exact_sum import ExactAccumulator
from .integer_steps import IntAccumulator
from .operands import Operand
from .proof import Bound
from .span import extent

_BYTES = 1 << 20  # of a tile of b
_SUMS = 1 << 17  # of a tile of sums
_ROWS = 128
_FEW = 0.3  # of the rows of both sides, beyond which groups are added one by one
_DEPTH = 1024


def scaled_sums(a: Operand, b: Operand, made: Datapath, pieces: list[tuple[int, int]], total: np.ndarray) -> np.ndarray | None:
    """`total` (float64) plus every piece's sum times its scales, (M, N) float32; None where this way is not proved exact."""
    if not total.size or not pieces or str(made.outer_or_default) != "fp32" or not (a.single_scales and b.single_scales):
        return None
    (most_a, unit_a), (most_b, unit_b) = (x.bound(pieces[0][0], pieces[-1][1]) for x in (a, b))
    limits = Bound(max(stop - first for first, stop in pieces), most_a, most_b, unit_a, unit_b)
    single = limits.exact_in(24)
    if not _held(made.inner, limits, single):
        return None
    out = total.astype(np.float32, order="C")
    dtype: type = np.float32 if single else np.float64
    wide = None if total.any() else _beyond(a, b, pieces, limits)
    if wide is None:
        return _by_groups(a, b, pieces, out, dtype, limits.span_bits)
    out = _whole(a, b, pieces, out)
    for rows, across in ((wide[0], np.arange(b.rows)), (np.setdiff1d(np.arange(a.rows), wide[0]), wide[1])):
        if len(rows) and len(across):
            x, y = _rows_of(a, rows), _rows_of(b, across)
            part = np.zeros((len(rows), len(across)), np.float32)
            out[np.ix_(rows, across)] = _by_groups(x, y, pieces, part, dtype, limits.span_bits)
    return out


def _held(inner: Accumulator, limits: Bound, single: bool) -> bool:
    """Whether the inner accumulator holds every exact sum of a piece as it is, and BLAS finds it."""
    if not limits.exact_in(53):
        return False
    if isinstance(inner, IntAccumulator):
        return limits.terms * limits.largest_a * limits.largest_b <= inner.high
    return isinstance(inner, ExactAccumulator) and (str(inner) == "exact" or (single and str(inner) == "exact:fp32"))


def _beyond(a: Operand, b: Operand, pieces: list[tuple[int, int]], limits: Bound) -> tuple[np.ndarray, np.ndarray] | None:
    """The few rows of a and of b but for which every prefix of every scaled sum is a multiple of one quantum below 2**24 quanta, in
    float32's range; None where they are not few."""
    left, right = _spread(a), _spread(b)
    if left is None or right is None:
        return None
    (low_a, high_a), (low_b, high_b) = left, right
    spread_a, spread_b = high_a / low_a, high_b / low_b
    terms = pieces[-1][1] - pieces[0][0]
    ratio = (limits.largest_a / limits.quantum_a) * (limits.largest_b / limits.quantum_b) * terms
    best, share = None, _FEW
    for up in 2.0 ** np.arange(25):
        wide = spread_a > up, spread_b * up * ratio >= 2.0**24
        rest = float(wide[0].mean() + wide[1].mean())
        if rest < share:
            best, share = wide, rest
    if best is None:
        return None
    kept_a, kept_b = ~best[0], ~best[1]
    units = limits.quantum_a * low_a[kept_a].min(), limits.quantum_b * low_b[kept_b].min()
    tops = limits.largest_a * high_a[kept_a].max(), limits.largest_b * high_b[kept_b].max()
    if min(*units, units[0] * units[1]) < 2.0**-126 or not max(*tops, terms * tops[0] * tops[1]) < 2.0**127:
        return None
    return np.flatnonzero(best[0]), np.flatnonzero(best[1])


def _spread(x: Operand) -> tuple[np.ndarray, np.ndarray] | None:
    """The least and the largest scale of each row; None where one is no power of two."""
    if x.scales is None:
        return np.ones(x.rows), np.ones(x.rows)
    words = np.ascontiguousarray(x.scales).view(np.int64)
    if (words & ((1 << 52) - 1)).any() or not (words > 0).all():
        return None
    low, high = x.scales.min(axis=1), x.scales.max(axis=1)
    return np.broadcast_to(low, (x.rows,)), np.broadcast_to(high, (x.rows,))


def _rows_of(x: Operand, rows: np.ndarray) -> Operand:
    scales = None if x.scales is None else np.broadcast_to(x.scales, (x.rows, x.scales.shape[1]))[rows]
    return Operand(x.given[rows], scales, x.whole, None, x.run, x.table)


def _whole(a: Operand, b: Operand, pieces: list[tuple[int, int]], out: np.ndarray) -> np.ndarray:
    """One product of the scaled operands."""
    start, stop = pieces[0][0], pieces[-1][1]
    width = max(64, _BYTES // 4 // min(stop - start, _DEPTH))
    room = np.empty(width * min(stop - start, _DEPTH), np.float32)
    for k in range(start, stop, _DEPTH):
        end = min(k + _DEPTH, stop)
        x = a.block(slice(0, a.rows), k, end, np.float32, 1)
        _scale(a, x, slice(0, a.rows), k)
        for j in range(0, b.rows, width):
            some = slice(j, min(j + width, b.rows))
            y = b.either(some, k, end, room)
            _scale(b, y.T, some, k)
            part = x @ y if a.rows > 128 or y.flags.c_contiguous else (y.T @ x.T).T
            out[:, some] = part + np.float32(0) if k == start else out[:, some] + part
    return out


def _scale(x: Operand, part: np.ndarray, rows: slice, first: int) -> None:
    if x.scales is not None:
        scales = np.broadcast_to(x.scales, (x.rows, x.scales.shape[1]))[rows].astype(np.float32)
        kernels.scale_rows(part, scales, x.run or x.depth, first)


def _by_groups(a: Operand, b: Operand, pieces: list[tuple[int, int]], out: np.ndarray, dtype: type, bits: float) -> np.ndarray:
    """BLAS for each piece, then one pass that scales and adds."""
    add: Any = kernels.add_long
    kept: type = np.float64
    width_a, width_b = (extent(_scales(v)).width for v in (a, b))
    if dtype == np.float32 and _short(a, b):
        add, kept = kernels.add_short, np.float32
    elif bits + 1 + width_a + width_b <= 53:
        add = kernels.add_wide
    size = np.dtype(dtype).itemsize
    height = min(a.rows, _ROWS)
    width = min(b.rows, max(64, _SUMS // size // height))
    depth = max(1, _BYTES // size // width)
    scales: list[tuple[np.ndarray, ...]] = [tuple(v.scale_of(first).astype(kept) for v in (a, b)) for first, _ in pieces]
    done = 0
    while done < len(pieces):
        last = done + 1
        while last < len(pieces) and pieces[last][1] - pieces[done][0] <= depth:
            last += 1
        _some_groups(a, b, pieces[done:last], scales[done:last], out, add, (height, width), dtype)
        done = last
    return out


def _some_groups(
    a: Operand,
    b: Operand,
    pieces: list[tuple[int, int]],
    scales: list[tuple[np.ndarray, ...]],
    out: np.ndarray,
    add: Any,
    tile: tuple[int, int],
    dtype: type,
) -> None:
    """Tiles of columns on several threads, each with all rows; sums stay in the second cache until they are added."""
    height, width = tile
    start, stop = pieces[0][0], pieces[-1][1]
    x = a.block(slice(0, a.rows), start, stop, dtype, 1)

    def columns(begin: int, finish: int) -> int:
        room: np.ndarray = np.empty(width * (stop - start), dtype)
        sums: np.ndarray = np.empty(height * width, dtype)
        for j in range(begin, finish, width):
            some = slice(j, min(j + width, finish))
            y = b.either(some, start, stop, room)
            for i in range(0, a.rows, height):
                rows = slice(i, min(i + height, a.rows))
                part = sums[: (rows.stop - i) * (some.stop - j)].reshape(rows.stop - i, -1)
                for (first, end), (down, across) in zip(pieces, scales, strict=True):
                    np.matmul(x[rows, first - start : end - start], y[first - start : end - start], out=part)
                    add(part, down[rows], across[some], out[rows, some])
        return 0

    in_pieces(b.rows, columns, width, 0)


def _short(a: Operand, b: Operand) -> bool:
    """Whether float32 holds every product of a scale of a and one of b."""
    x, y = extent(_scales(a)), extent(_scales(b))
    return x.width + y.width <= 24 and x.most * y.most < 2.0**127 and x.unit * y.unit >= 2.0**-149


def _scales(x: Operand) -> np.ndarray:
    return np.ones((1, 1), np.float32) if x.scales is None else np.ascontiguousarray(x.scales, np.float32)
