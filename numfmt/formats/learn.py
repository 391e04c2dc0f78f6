"""Codebooks learned from data: the exact weighted 1-D k-means, so no start values and no seed decide the result."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_float64, to_numpy
from .._checks import check_int_range, plain_int
from ..kernels.cluster import best_splits
from .codebook import Codebook


def learn_codebook(x: Any, bits: int, weights: Any = None, bins: int | None = 4096) -> Codebook:
    """The codebook of 2**bits float32 values with the least weighted squared error over x: weighted k-means, solved exactly.

    x: values of any shape; weights: nonnegative, the shape of x (a Fisher diagonal in SqueezeLLM and KVQuant), None for equal
    ones. Where x has more than `bins` distinct values they are first gathered into `bins` runs of equal count in the sorted order,
    each at its weighted mean, and the result is exact for those; bins=None uses every distinct value (quadratic time in the worst
    case). Nothing is random: the same x gives the same table. Ties go to the lower code, as an argmin of distances does.

    Raises ValueError for an empty x, NaN or infinities, weights that are negative, not finite, all zero or of another shape.
    Source: SqueezeLLM, ICML 2024, and KVQuant, NeurIPS 2024 (what is learned); Wang and Song, R Journal 3(2), 2011 (how).
    """
    bits = plain_int(bits)
    check_int_range("bits", bits, 1, 12)
    if bins is not None:
        check_int_range("bins", bins, 1 << bits, 1 << 20)
    values = np.asarray(to_float64(to_numpy(x)[0]), np.float64).reshape(-1)
    if not values.size or not np.isfinite(values).all():
        raise ValueError("x is empty or holds NaN or infinities; learn a codebook from finite values")
    mass = np.ones(values.size)
    if weights is not None:
        mass = np.asarray(to_float64(to_numpy(weights, "weights")[0]), np.float64).reshape(-1)
        if mass.size != values.size:
            raise ValueError(f"weights has {mass.size} elements; it needs one for each of the {values.size} of x")
        if not np.isfinite(mass).all() or mass.min() < 0 or mass.max() == 0:
            raise ValueError("weights must be finite, not negative and not all zero")
    points, mass = _gathered(values, mass, bins)
    count = min(1 << bits, points.size)
    ends = best_splits(points, mass, count)
    starts = np.append(0, ends[:-1])
    centres = np.add.reduceat(points * mass, starts) / np.add.reduceat(mass, starts)
    if np.abs(centres).max() > np.finfo(np.float32).max:
        raise ValueError("x holds values beyond float32, in which codebooks are learned; scale it first")
    table = np.unique(centres.astype(np.float32)).astype(np.float64)
    if table.size < 2:  # one distinct value: a codebook has two at least
        table = np.array([table[0], np.nextafter(np.float32(table[0]), np.float32(np.inf))], np.float64)
    return Codebook(tuple(table.tolist()), bits)


def _gathered(values: np.ndarray, mass: np.ndarray, bins: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Ascending distinct points with their weights, none of weight zero; at most `bins`."""
    points, place = np.unique(values, return_inverse=True)
    total = np.bincount(place.reshape(-1), mass, points.size)
    points, total = points[total > 0], total[total > 0]
    if bins is None or points.size <= bins:
        return points, total
    starts = np.linspace(0, points.size, bins, endpoint=False).astype(np.int64)
    weight = np.add.reduceat(total, starts)
    return np.add.reduceat(points * total, starts) / weight, weight
