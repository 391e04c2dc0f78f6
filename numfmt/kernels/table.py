"""Values to the entries of a sorted table, by comparison with decision points: any irregular format is such a table.

The bit pattern of a float, read as an unsigned integer (its *word*), runs through +0, the positive values upward, +inf, the
NaNs, then -0, the negative values downward, -inf, the NaNs. A table cuts that line into intervals; each has one output. A cut
is the last word before it, so one comparison of integers decides, exactly and whatever the rounding and tie rule.

The leading bits of a word choose a bucket, which knows the interval at its start and the cut inside it, if any. Where one width
of buckets would need too many, sign and exponent choose the width first; a bucket with several cuts (rare) is searched.
"""

from __future__ import annotations

import numpy as np

from .jit import float_bits32, float_word32, kernel

_LOW = np.uint64(0xFFFFFFFF)
_SEVERAL = np.uint64(1 << 31)
_INTERVAL = np.uint64((1 << 31) - 1)
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
def look_up_rows(x, rows, buckets, cuts, outputs, out):
    """The same where each sign and exponent has its own width of buckets: row = offset * 256 + shift.

    A bucket of several cuts has bit 31 set, the number of its cuts in the high half and the interval at its start in the low half.
    """
    for i in range(x.size):
        word = np.uint64(float_word32(x[i]))
        row = rows[word >> np.uint64(23)]
        bucket = buckets[np.uint64((row >> _EIGHT) + np.int64(word >> np.uint64(row & np.int64(63))))]
        if bucket & _SEVERAL:
            first = np.int64(bucket & _INTERVAL)
            out[i] = outputs[_inside(word, first, first + np.int64(bucket >> _HALF), cuts)]
        else:
            out[i] = outputs[np.uint64(bucket & _LOW) + np.uint64(word > (bucket >> _HALF))]


@kernel
def _inside(word, first, last, cuts):
    """The interval that holds `word`, which lies behind the first `first` cuts and before the last-th."""
    while first < last:
        middle = (first + last) >> 1
        if word > cuts[middle]:
            first = middle + 1
        else:
            last = middle
    return first


@kernel
def look_up_any(words, rows, starts, cuts, outputs, out):
    """The same for the words of float64, any number of cuts in a bucket: starts[b] cuts before bucket b."""
    for i in range(words.size):
        word = words[i]
        row = rows[word >> np.uint64(52)]
        bucket = np.uint64((row >> _EIGHT) + np.int64(word >> np.uint64(row & np.int64(63))))
        out[i] = outputs[_inside(word, starts[bucket], starts[bucket + np.uint64(1)], cuts)]


def keys(values: np.ndarray) -> np.ndarray:
    """The keys of float32 or float64 values, as int32 or int64."""
    if values.dtype == np.float32:
        narrow = values.view(np.int32)
        return np.where(narrow < 0, narrow ^ np.int32(0x7FFFFFFF), narrow)
    word = values.view(np.int64)
    return np.where(word < 0, word ^ np.int64(0x7FFFFFFFFFFFFFFF), word)


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
        self.narrow = narrow
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
            shifts = np.maximum(np.maximum(shifts, finest), 0)
            held = np.left_shift(1, self.fraction - shifts)
            offsets = np.cumsum(held) - held
            size = int(held.sum())
            self.rows = ((offsets - (np.arange(rows) << (self.fraction - shifts))) << 8) | shifts
            bucket = (self.rows[row] >> 8) + (cuts >> shifts[row].astype(np.uint64)).astype(np.int64)
        held = np.bincount(bucket, minlength=size)
        after = np.cumsum(held)
        if not narrow:
            self.starts = np.append(0, after)
            return
        before = after - held
        point = np.full(size, 0xFFFFFFFF, np.uint64)
        point[held == 1] = cuts[before[held == 1]]
        several = held > 1
        point[several] = held[several].astype(np.uint64)
        self.buckets = (point << np.uint64(32)) | (before + (several.astype(np.int64) << 31)).astype(np.uint64)

    def look_up(self, x: np.ndarray, outputs: np.ndarray, out: np.ndarray) -> None:
        """out[i] = outputs[interval of x[i]]; x float32 if the cuts are narrow, else float64."""
        if not self.narrow:
            look_up_any(x.view(np.uint64), self.rows, self.starts, self.cuts, outputs, out)
        elif self.shift:
            look_up_even(x, self.shift, self.buckets, outputs, out)
        else:
            look_up_rows(x, self.rows, self.buckets, self.cuts, outputs, out)
