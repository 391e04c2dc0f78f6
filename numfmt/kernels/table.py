"""Values to the entries of a sorted table, by comparison with decision points: any irregular format is such a table.

The bit pattern of a float, read as an unsigned integer (its *word*), runs through +0, the positive values upward, +inf, the
NaNs, then -0, the negative values downward, -inf, the NaNs. A table cuts that line into intervals; each has one output. A cut
is the last word before it, so one comparison of integers decides, exactly and whatever the rounding and tie rule.

The leading bits of a word choose a bucket, which knows the interval at its start and the cut inside it, if any. Where one width
of buckets would need too many, sign and exponent choose the width first; a bucket with several cuts (rare) is searched.
"""

from __future__ import annotations

import numpy as np

from .jit import float_bits32, float_word32, kernel, right32

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_EIGHT = np.int64(8)


@kernel
def count_nans(x):
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
def look_up_even(x, shift, buckets, outputs, out):
    """out[i] = outputs[interval of x[i]], float32, buckets of one width with at most one cut each.

    A bucket is its cut in the high half and the interval at its start in the low half.
    """
    for i in range(x.size):
        word = np.uint64(float_word32(x[i]))
        bucket = buckets[word >> shift]
        out[i] = outputs[np.uint64(bucket & _LOW) + np.uint64(word > (bucket >> _HALF))]


@kernel
def look_up_rows(x, rows, buckets, outputs, out):
    """The same where each sign and exponent has its own width of buckets: row = offset * 256 + shift."""
    for i in range(x.size):
        word = np.uint64(float_word32(x[i]))
        row = rows[word >> np.uint64(23)]
        bucket = buckets[np.uint64((row >> _EIGHT) + np.int64(word >> np.uint64(row & np.int64(63))))]
        out[i] = outputs[np.uint64(bucket & _LOW) + np.uint64(word > (bucket >> _HALF))]


@kernel
def look_up_any(words, fraction, rows, starts, cuts, outputs, out):
    """The same with any number of cuts in a bucket; words uint32 or uint64, starts[b] cuts before bucket b."""
    for i in range(words.size):
        word = np.uint64(words[i])
        row = rows[word >> fraction]
        bucket = np.uint64((row >> _EIGHT) + np.int64(word >> np.uint64(row & np.int64(63))))
        first, last = starts[bucket], starts[bucket + np.uint64(1)]
        while first < last:
            middle = (first + last) >> 1
            if word > cuts[middle]:
                first = middle + 1
            else:
                last = middle
        out[i] = outputs[first]


@kernel
def select16(x, p, v, nan_output, out):
    """Sixteen intervals or fewer without a branch or a look-up. p: keys int32 (15,), padded with the largest int32; v (16,).

    A key is a float's bits as a signed integer in the order of the values, -0 just below +0: interval i + 1 lies above p[i].
    """
    p0, p1, p2, p3, p4, p5, p6, p7 = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
    p8, p9, p10, p11, p12, p13, p14 = p[8], p[9], p[10], p[11], p[12], p[13], p[14]
    v0, v1, v2, v3, v4, v5, v6, v7 = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
    v8, v9, v10, v11, v12, v13, v14, v15 = v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15]
    for i in range(x.size):
        value = x[i]
        word = float_bits32(value)
        key = np.int32(word ^ np.int32(right32(word, np.int32(31)) & np.int32(0x7FFFFFFF)))
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


def cuts_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending keys of decision points (the last key of each lower interval) as cuts of the line of words, uint64 ascending.

    Returns the cuts and the interval before, between and after them: k for values above points[k-1] up to points[k]; -1 for NaN.
    """
    narrow = points.dtype == np.int32
    infinity, sign = (0x7F800000, 1 << 31) if narrow else (0x7FF0000000000000, 1 << 63)
    wide = points.astype(np.int64)
    zero = int(np.searchsorted(wide, 0))  # the interval of +0
    minus = int(np.searchsorted(wide, -1))
    positive = wide[zero:].astype(np.uint64)
    negative = (-2 - wide[:minus][::-1]).astype(np.uint64) + np.uint64(sign)
    fixed = np.array([infinity, sign - 1], np.uint64)
    cuts = np.concatenate([positive, fixed, negative, np.array([sign + infinity], np.uint64)])
    order = np.concatenate([np.arange(zero, points.size + 1), [-1], np.arange(minus, -1, -1), [-1]])
    keep = np.append(cuts[1:] != cuts[:-1], True)  # of equal cuts the last one counts
    return cuts[keep], np.concatenate([order[:1], order[1:][keep]])


class Buckets:
    """The stages for the cuts of a table, made once: `shift` and `buckets`, or `rows` and `buckets`, or what look_up_any takes.

    limit: the most buckets of one width (log2).
    """

    def __init__(self, cuts: np.ndarray, narrow: bool, limit: int = 17) -> None:
        self.cuts = cuts
        self.fraction = 23 if narrow else 52
        total, rows = (32, 512) if narrow else (64, 4096)
        row = (cuts >> np.uint64(self.fraction)).astype(np.int64)
        # neighbours differ in this bit and perhaps in lower ones: buckets must not be wider
        apart = np.frexp((cuts[1:] ^ cuts[:-1]).astype(np.float64))[1].astype(np.int64) - 1
        self.single = narrow
        if narrow and apart.min() >= total - limit:
            self.shift = np.uint64(apart.min())
            size = 1 << (total - int(self.shift))
            bucket = (cuts >> self.shift).astype(np.int64)
            self.rows = np.empty(0, np.int64)
        else:
            self.shift = np.uint64(0)
            shifts = np.full(rows, self.fraction)
            same = row[1:] == row[:-1]
            np.minimum.at(shifts, row[1:][same], apart[same])
            count = np.bincount(row, minlength=rows)  # no row gets more than 16 buckets for each of its cuts
            finest = self.fraction - np.ceil(np.log2(np.maximum(count, 1) * 16)).astype(np.int64)
            self.single = narrow and bool((shifts >= finest).all())
            shifts = np.maximum(np.maximum(shifts, finest), 0)
            held = np.left_shift(1, self.fraction - shifts)
            offsets = np.cumsum(held) - held
            size = int(held.sum())
            self.rows = ((offsets - (np.arange(rows) << (self.fraction - shifts))) << 8) | shifts
            bucket = (self.rows[row] >> 8) + (cuts >> shifts[row].astype(np.uint64)).astype(np.int64)
        held = np.bincount(bucket, minlength=size)
        after = np.cumsum(held)
        if self.single:
            before = after - held
            point = np.full(size, 0xFFFFFFFF, np.uint64)
            point[held == 1] = cuts[before[held == 1]]
            self.buckets = (point << np.uint64(32)) | before.astype(np.uint64)
        else:
            self.starts = np.append(0, after)

    def look_up(self, x: np.ndarray, outputs: np.ndarray, out: np.ndarray) -> None:
        """out[i] = outputs[interval of x[i]]; x float32 if the cuts are narrow, else float64."""
        if not self.single:
            words = x.view(np.uint32 if self.fraction == 23 else np.uint64)
            look_up_any(words, np.uint64(self.fraction), self.rows, self.starts, self.cuts, outputs, out)
        elif self.shift:
            look_up_even(x, self.shift, self.buckets, outputs, out)
        else:
            look_up_rows(x, self.rows, self.buckets, outputs, out)
