"""Any element format of up to 8 bits as a table of decision points, for the fused kernel of mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..formats import Codebook, Fixed, Format, encode
from ..formats.base import decode_table
from ..kernels import group_table
from ..kernels.table import Buckets, cuts_of, keys
from .family import Given
from .rules import integer_bounds, rounded
from .scheme import Scheme

_SIGN_FREE = np.int64(0x7FFFFFFF)
_MOST = 64  # candidates
_HALF_MAX = 65504.0
_SMALL = 32  # decision points that are counted one by one, in vectors; more are looked up


@dataclass(frozen=True)
class Tables:
    """The arguments of `group_table.choose_table` that do not depend on data."""

    limits: np.ndarray
    points: np.ndarray
    rows: np.ndarray
    buckets: np.ndarray
    cuts: np.ndarray
    outputs: np.ndarray
    values: np.ndarray
    starts: np.ndarray
    zero: int


def choose(groups: np.ndarray, made: Scheme, given: Given, facts: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray, int] | None:
    """Codes, scales, choices and the bits of the largest magnitude of float32 groups; None where the scheme does not fit."""
    reciprocal, half = made.way.reciprocal(made), made.arith == "float16"  # type: ignore[attr-defined]
    if any(f.bits > 8 for f in made.candidates) or len(made.candidates) > _MOST or (reciprocal and half):
        return None
    if half and any(made.limit(i) > _HALF_MAX for i in range(len(made.candidates))):  # a quotient may leave float16
        return None
    tables = _tables(made)
    codes = np.empty(groups.shape, np.uint8)
    scales, choice = np.empty(groups.shape[0], np.float32), np.zeros(groups.shape[0], np.uint8)
    if given.scales is not None:
        scales[:] = given.scales.reshape(-1)
    if given.choice is not None:
        choice[:] = given.choice.reshape(-1)
    flags = (half, reciprocal, made.sel == "fp16", given.scales is not None, given.choice is not None)
    t = tables
    args = (t.limits, t.points, t.rows, t.buckets, t.cuts, t.outputs, t.values, t.starts, t.zero, flags, facts)
    worst = group_table.choose_table(groups, codes, scales, choice, *args)
    return codes, scales, choice, int(worst)


@lru_cache(maxsize=64)
def _tables(made: Scheme) -> Tables:
    rows: list[np.ndarray] = []
    buckets: list[np.ndarray] = []
    cuts: list[np.ndarray] = []
    outputs: list[np.ndarray] = []
    values: list[np.ndarray] = []
    starts: list[list[int]] = []
    counted: list[np.ndarray] = []
    at = [0, 0, 0, 0]
    for index in range(len(made.candidates)):
        points, codes = _line(made, index)
        found, order = cuts_of(points)
        made_buckets = Buckets(found, narrow=True, limit=0)
        table = decode_table(made.candidates[index]).astype(np.float64)
        small = points.size <= _SMALL
        written = codes if small else np.where(order < 0, 0, codes[order])
        padding = -points.size % 4 if small else 0
        counted.append(np.append(points, np.full(padding, _SIGN_FREE))[: (points.size + padding) * small].astype(np.int32))
        for where, array in ((rows, made_buckets.rows), (buckets, made_buckets.buckets), (cuts, found), (outputs, written)):
            where.append(array)
        values.append(table[written])
        starts.append([*at, counted[-1].size])
        at = [at[0] + made_buckets.buckets.size, at[1] + found.size, at[2] + written.size, at[3] + counted[-1].size]
    limits = np.array([made.limit(i) for i in range(len(made.candidates))], np.float32)
    return Tables(
        limits,
        np.concatenate(counted),
        np.stack(rows),
        np.concatenate(buckets),
        np.concatenate(cuts),
        np.concatenate(outputs).astype(np.uint8),
        np.concatenate(values),
        np.array(starts, np.int64),
        int(encode(np.zeros(1), made.candidates[0])[0]),
    )


def _line(made: Scheme, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Ascending keys (int32) of the last float32 of each interval but the highest, and the code of every interval."""
    fmt = made.candidates[index]
    if isinstance(fmt, Codebook):
        points = rounded(fmt.midpoints.copy(), made.arith).astype(np.float32) + np.float32(0)
        if fmt.ties == "upper":
            points = np.nextafter(points, np.float32(-np.inf))
        return keys(points), fmt.grid_codes
    return _searched(fmt, made)


def _searched(fmt: Format, made: Scheme) -> tuple[np.ndarray, np.ndarray]:
    """By bisection with `encode` itself, so that rounding, ties and both zeros are the format's own."""

    def code_of(places: np.ndarray) -> np.ndarray:
        word = np.where(places < 0, places ^ _SIGN_FREE, places).astype(np.int32)
        quotients = word.view(np.float32).astype(np.float64)
        if isinstance(fmt, Fixed):
            quotients = np.clip(quotients, *integer_bounds(fmt, made))
        found: np.ndarray = encode(quotients, fmt, overflow="saturate")
        return found.astype(np.int64)

    values = decode_table(fmt).astype(np.float64)
    if isinstance(fmt, Fixed):
        values = np.clip(values, *integer_bounds(fmt, made))
    places = np.unique(keys(values[np.isfinite(values)].astype(np.float32)).astype(np.int64))
    codes = code_of(places)
    keep = np.append(True, codes[1:] != codes[:-1])
    places, codes = places[keep], codes[keep]
    low, high = places[:-1].copy(), places[1:].copy()
    while (high - low > 1).any():
        middle = (low + high) >> 1
        below = code_of(middle) == codes[:-1]
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low.astype(np.int32), codes
