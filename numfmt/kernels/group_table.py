"""Mixtures of any element formats of up to 8 bits: each candidate a table of decision points, the group takes the least error.

A format is a line of cuts over the words of float32 (`kernels.table`): the word of a quotient gives the interval, the interval
the code and its value. The tables of all candidates lie behind one another; `starts` says where (buckets, cuts, outputs).
Quotients are those of the rule's arithmetic; errors are summed in float64 in index order, or in float16 arithmetic.
"""

from __future__ import annotations

import numpy as np

from .group_int import absmax_scale
from .group_scale import half_near, largest_word, stored
from .jit import float_word32, kernel
from .lanes import add, bits, both, copy_sign, differ, from_bits, like, right_signed, wide_vectors
from .scale import pairwise, round_half
from .table import _EIGHT, _HALF, _INTERVAL, _LOW, _SEVERAL, _inside

_ONE = np.float32(1.0)
_NONE = np.float32(0.0)
_NOTHING = np.int32(0)
_BYTE = np.int64(63)
_SIGN = np.int32(31)
_MAGNITUDE = np.int32(0x7FFFFFFF)
_FRACTION = np.uint64(23)
_LEAST = np.float32(1e-38)  # bitsandbytes raises a smaller absmax to it before it divides
_FIRST_ERROR = 1000.0


@kernel
def ranks(q, points, first, count, places):
    """places = how many of `count` ascending points (keys of float32, `kernels.table.keys`) lie below the key of each quotient.

    count: a multiple of four; the last points may be the largest int32, which lies below nothing.
    """
    wide_vectors()
    for i in range(q.size):
        places[i] = _NOTHING
    for j in range(first, first + count, 4):
        a, b, c, d = points[j], points[j + 1], points[j + 2], points[j + 3]
        for i in range(q.size):
            word = bits(q[i])
            key = differ(word, both(right_signed(word, _SIGN), _MAGNITUDE))
            some = add(add(like(key > a, key), like(key > b, key)), add(like(key > c, key), like(key > d, key)))
            places[i] = add(places[i], some)


@kernel
def intervals(q, rows, buckets, cuts, start, first_cut, places):
    """places = interval of each quotient in the table whose buckets begin at `start` and whose cuts begin at `first_cut`."""
    for i in range(q.size):
        word = np.uint64(float_word32(q[i]))
        row = rows[word >> _FRACTION]
        bucket = buckets[start + (row >> _EIGHT) + np.int64(word >> np.uint64(row & _BYTE))]
        if bucket & _SEVERAL:
            first = first_cut + np.int64(bucket & _INTERVAL)
            places[i] = _inside(word, first, first + np.int64(bucket >> _HALF), cuts) - first_cut
        else:
            places[i] = np.int32(np.uint64(bucket & _LOW) + np.uint64(word > (bucket >> _HALF)))


@kernel
def quotients(x, g, q, scale, half, reciprocal):
    """q = group g of x over the scale, in float32, or in float16 where `half`; times the rounded reciprocal if asked."""
    wide_vectors()
    scale = _ONE if scale == _NONE else scale
    inverse = _ONE / (_LEAST if scale < _LEAST else scale)
    if half:
        for i in range(q.size):
            q[i] = copy_sign(half_near(half_near(x[g, i]) / scale), x[g, i])
    elif reciprocal:
        for i in range(q.size):
            q[i] = x[g, i] * inverse
    else:
        for i in range(q.size):
            q[i] = x[g, i] / scale


@kernel
def error_of(x, g, places, values, start, scale, half, half_sel, squares):
    """Squared error of group g: a float64 sum in index order, or the mean in float16 arithmetic."""
    wide = np.float64(scale)
    if half_sel:
        for i in range(places.size):
            v = np.float64(half_near(x[g, i]) if half else x[g, i])
            error = round_half(round_half(values[start + places[i]] * wide) - v)
            squares[i] = round_half(error * error)
        return round_half(np.float64(pairwise(squares, places.size) / np.float32(places.size)))
    total = 0.0
    for i in range(places.size):
        v = np.float64(half_near(x[g, i]) if half else x[g, i])
        error = values[start + places[i]] * wide - v
        total += error * error
    return total


@kernel
def choose_table(x, codes, scales, choice, limits, points, rows, buckets, cuts, outputs, values, starts, zero, flags, facts):
    """Codes (unsigned, (groups, size)), scales and choices (uint8) of float32 groups; returns the bits of the largest magnitude.

    limits: float32 (candidates,); rows: int64 (candidates, 512); starts: int64 (candidates, 5), where the candidate's buckets,
    cuts, outputs and points begin, and how many points it has (0 where the buckets serve: points pay off in small tables only);
    outputs, values: code and value of each interval, of points in ascending order. zero: what a group is filled with that no
    candidate brings below the published 1e3 (float16 errors). flags: (half, reciprocal, half_sel, given scales, given choice).
    """
    wide_vectors()
    half, reciprocal, half_sel, given_scales, given_choice = flags
    man_bits, emin, over, smallest = facts
    count, size = rows.shape[0], x.shape[1]
    q, squares = np.empty(size, np.float32), np.empty(size, np.float32)
    places, kept = np.empty(size, np.int32), np.empty(size, np.int32)
    worst = _NOTHING
    for g in range(x.shape[0]):
        word = largest_word(x, g)
        worst = word if word > worst else worst
        best = -1
        least = _FIRST_ERROR if half_sel else np.inf
        chosen = scales[g]
        for c in range(count):
            if given_scales:
                scale = scales[g]
            elif reciprocal and not half:
                scale = stored(from_bits(word) / limits[c], man_bits, emin, over, smallest, word > 0)
            else:
                scale = absmax_scale(word, limits[c], half, man_bits, emin, over, smallest)
            if c == 0:
                chosen = scale
            if given_choice and choice[g] != c:
                continue
            quotients(x, g, q, scale, half, reciprocal)
            if starts[c, 4] > 0:
                ranks(q, points, starts[c, 3], starts[c, 4], places)
            else:
                intervals(q, rows[c], buckets, cuts, starts[c, 0], starts[c, 1], places)
            if count > 1 and not given_choice:
                error = error_of(x, g, places, values, starts[c, 2], scale, half, half_sel, squares)
                if not error < least:
                    continue
                least = error
            best, chosen = c, scale
            places, kept = kept, places
        scales[g] = chosen
        if best < 0:
            choice[g] = 0
            for i in range(size):
                codes[g, i] = zero
            continue
        choice[g] = best
        start = starts[best, 2]
        for i in range(size):
            codes[g, i] = outputs[start + kept[i]]
    return worst
