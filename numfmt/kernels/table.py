"""Values to the entries of a sorted table, by comparison with decision points: any irregular format is such a table.

A float's *key* is its bit pattern as a signed integer whose order is the order of the values, with -0 just below +0. A
decision point is the key of the largest float that still goes below it, so that one comparison of integers decides, exactly
and whatever the tie rule. Between decision points k-1 and k lies interval k; the caller has one output for each interval.

Two stages: the sign and exponent of a key choose a row (a shift and an offset), the leading bits of its fraction a bucket.
A bucket with no or one decision point holds what is needed; one with more (rare) is searched.
"""

from __future__ import annotations

import numpy as np

from .jit import float_bits, float_bits32, kernel, right32

# (fraction bits, rows): a row for each sign and exponent
LAYOUT = {np.dtype(np.float32): (23, 512), np.dtype(np.float64): (52, 4096)}


@kernel
def key32(x):
    """The key of a float32 as int32."""
    word = float_bits32(x)
    return np.int32(word ^ np.int32(right32(word, np.int32(31)) & np.int32(0x7FFFFFFF)))


@kernel
def key64(x):
    """The key of a float64 as int64."""
    word = float_bits(x)
    return word ^ ((word >> 63) & np.int64(0x7FFFFFFFFFFFFFFF))


@kernel
def count_nans32(x):
    """How many of x, float32, are NaN. The largest magnitude is found first: counting in the same loop would not vectorise."""
    worst = np.int32(0)
    for i in range(x.size):
        word = np.int32(float_bits32(x[i]) & np.int32(0x7FFFFFFF))
        worst = word if word > worst else worst
    nans = 0
    if worst > np.int32(0x7F800000):
        for i in range(x.size):
            nans += x[i] != x[i]
    return nans


@kernel
def _inside(key, first, last, points):
    """Index of the interval that holds `key`, between decision points first and last."""
    while first < last:
        middle = (first + last) >> 1
        if key > points[middle]:
            first = middle + 1
        else:
            last = middle
    return first


@kernel
def look_up32(x, shifts, offsets, bucket_points, bucket_first, points, outputs, nan_output, out):
    """out[i] = outputs[interval of x[i]], nan_output for NaN; x float32, other arguments from `Buckets`."""
    for i in range(x.size):
        value = x[i]
        key = key32(value)
        row = (key >> 23) + 256
        bucket = offsets[row] + ((key & np.int32(0x7FFFFF)) >> shifts[row])
        first = bucket_first[bucket]
        point = bucket_points[bucket]
        if first < 0:  # several decision points in this bucket
            first = np.int32(_inside(key, -1 - first, point, points))
            out[i] = outputs[first]
        else:
            out[i] = outputs[first + (key > point)]
        if value != value:
            out[i] = nan_output


@kernel
def look_up64(x, shifts, offsets, bucket_points, bucket_first, points, outputs, nan_output, out):
    """The same for float64. Returns how many were NaN."""
    nans = 0
    for i in range(x.size):
        value = x[i]
        key = key64(value)
        row = (key >> 52) + 2048
        bucket = offsets[row] + ((key & np.int64(0xFFFFFFFFFFFFF)) >> shifts[row])
        first = np.int64(bucket_first[bucket])
        point = bucket_points[bucket]
        if first < 0:
            out[i] = outputs[_inside(key, -1 - first, point, points)]
        else:
            out[i] = outputs[first + (key > point)]
        if value != value:
            nans += 1
            out[i] = nan_output
    return nans


@kernel
def select16(x, p, v, nan_output, out):
    """look_up32 for at most 15 decision points, without a branch: p int32 (15,), padded with the largest int32; v (16,)."""
    p0, p1, p2, p3, p4, p5, p6, p7 = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
    p8, p9, p10, p11, p12, p13, p14 = p[8], p[9], p[10], p[11], p[12], p[13], p[14]
    v0, v1, v2, v3, v4, v5, v6, v7 = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
    v8, v9, v10, v11, v12, v13, v14, v15 = v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15]
    for i in range(x.size):
        value = x[i]
        key = key32(value)
        y = v1 if key > p0 else v0
        y = v2 if key > p1 else y
        y = v3 if key > p2 else y
        y = v4 if key > p3 else y
        y = v5 if key > p4 else y
        y = v6 if key > p5 else y
        y = v7 if key > p6 else y
        y = v8 if key > p7 else y
        y = v9 if key > p8 else y
        y = v10 if key > p9 else y
        y = v11 if key > p10 else y
        y = v12 if key > p11 else y
        y = v13 if key > p12 else y
        y = v14 if key > p13 else y
        y = v15 if key > p14 else y
        out[i] = nan_output if value != value else y


def keys(values: np.ndarray) -> np.ndarray:
    """The keys of float32 or float64 values, as int32 or int64."""
    word = values.view(np.int32 if values.dtype == np.float32 else np.int64)
    return np.where(word < 0, word ^ np.iinfo(word.dtype).max, word)


class Buckets:
    """The two stages for ascending decision points (keys of one dtype, repeats allowed): what the look-up kernels take."""

    def __init__(self, points: np.ndarray, dtype: np.dtype, limit: int = 1 << 18) -> None:
        fraction, rows = LAYOUT[np.dtype(dtype)]
        row = (points >> fraction) + rows // 2
        tail = points & ((1 << fraction) - 1)
        count = np.bincount(row, minlength=rows)
        # Bits of the fraction that tell neighbours apart: those down to the highest one in which two of them differ.
        same = row[1:] == row[:-1]
        apart = np.where(same & (points[1:] > points[:-1]), tail[1:] ^ tail[:-1], 1 << fraction)
        drop = np.frexp(apart.astype(np.float64))[1] - 1
        shifts = np.full(rows, fraction, points.dtype)
        np.minimum.at(shifts, row[1:][same], drop[same].astype(points.dtype))
        # No row gets more than 16 buckets for each of its decision points; what is closer together is searched.
        most = fraction - np.ceil(np.log2(np.maximum(count, 1) * 16)).astype(np.int64)
        shifts = np.maximum(shifts, most.astype(points.dtype))
        size = np.left_shift(1, fraction - shifts.astype(np.int64))
        while size.sum() > limit:
            shifts = np.minimum(shifts + 1, fraction).astype(points.dtype)
            size = np.left_shift(1, fraction - shifts.astype(np.int64))
        ends = np.cumsum(size)
        self.shifts, self.offsets = shifts, (ends - size).astype(points.dtype)
        bucket = self.offsets[row].astype(np.int64) + (tail >> shifts[row])
        held = np.bincount(bucket, minlength=int(ends[-1]))
        after = np.cumsum(held)
        before = after - held
        first = before.astype(np.int32)
        point = np.full(held.size, np.iinfo(points.dtype).max, points.dtype)
        single = held == 1
        point[single] = points[before[single]]
        several = held > 1
        first[several] = -1 - first[several]
        point[several] = after[several]
        self.bucket_points, self.bucket_first = point, first
        self.points = points
