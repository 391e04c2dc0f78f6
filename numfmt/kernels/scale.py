"""Scales of groups, quotients by them, and the errors that choose among candidates.

All arithmetic of a rule runs in float64 on operands that float32 or float16 hold exactly and is rounded to that precision after
each operation. For + - * / this equals the native operation, because 53 >= 2 * 24 + 2 (Figueroa's condition).
"""

from __future__ import annotations

import numpy as np

from .jit import bits_float, float_bits, kernel

_EXPONENT_MASK = np.int64(0x7FF)


@kernel
def round_half(x):
    """The float16 value nearest to x, ties to even, overflow to infinity."""
    word = float_bits(np.float64(x))
    exponent = max(((word >> 52) & _EXPONENT_MASK) - 1023, -14)
    unit = bits_float(np.int64((exponent - 10 + 1023) << 52))
    inverse = bits_float(np.int64((1023 - exponent + 10) << 52))
    if abs(x) >= 65520.0 or np.isnan(x):
        return x if np.isnan(x) else np.copysign(np.inf, x)
    return np.rint(x * inverse) * unit


@kernel
def to_precision(x, half):
    """x rounded to float16 (`half`) or to float32."""
    if half:
        return round_half(x)
    return np.float64(np.float32(x))


@kernel
def round_array(x, half):
    """Every element of x (float64, flat) rounded in place."""
    for i in range(x.size):
        x[i] = to_precision(x[i], half)


@kernel
def extremes(x, low, high, magnitude):
    """Least, greatest and largest absolute value of each group. x: (groups, size)."""
    for g in range(x.shape[0]):
        least, greatest = x[g, 0], x[g, 0]
        for i in range(1, x.shape[1]):
            least = min(least, x[g, i])
            greatest = max(greatest, x[g, i])
        low[g], high[g] = least, greatest
        magnitude[g] = max(abs(least), abs(greatest))


@kernel
def divide(x, scales, out, half, reciprocal):
    """out = x / scale, rounded; with `reciprocal` x times the rounded reciprocal (a reciprocal that overflows divides)."""
    for g in range(x.shape[0]):
        scale = scales[g]
        inverse = to_precision(1.0 / scale, half) if scale != 0.0 else 0.0
        for i in range(x.shape[1]):
            if reciprocal and not np.isinf(inverse):
                out[g, i] = to_precision(x[g, i] * inverse, half)
            else:
                out[g, i] = to_precision(x[g, i] / scale, half)


@kernel
def squared_errors(values, scales, x, out):
    """Sum over each group of (values * scale - x)**2 in float64, in index order; values * scale is exact."""
    for g in range(x.shape[0]):
        total = 0.0
        for i in range(x.shape[1]):
            error = values[g, i] * scales[g] - x[g, i]
            total += error * error
        out[g] = total


@kernel
def half_errors(values, scales, x, out):
    """Mean squared error of each group as float16 arithmetic gives it: product, difference and square each rounded, the squares
    summed in float32, the mean rounded to float16. The order of the float32 sum is NumPy's.
    """
    size = x.shape[1]
    squares = np.empty(size, np.float32)
    for g in range(x.shape[0]):
        for i in range(size):
            error = round_half(round_half(values[g, i] * scales[g]) - x[g, i])
            squares[i] = round_half(error * error)
        out[g] = round_half(np.float64(pairwise(squares, size) / np.float32(size)))


@kernel
def pairwise(x, count):
    """Sum of the first count float32 values as NumPy adds them: longer runs than 128 are halved at a multiple of eight.

    A stack of pending runs in place of recursion: a recursive function that Numba loads from its cache on disk crashes.
    """
    starts, counts = np.empty(128, np.int64), np.empty(128, np.int64)
    sums = np.empty(128, np.float32)
    starts[0], counts[0] = 0, count
    pending, held = 1, 0
    while pending:
        pending -= 1
        start, length = starts[pending], counts[pending]
        if length < 0:  # both halves are done
            held -= 1
            sums[held - 1] += sums[held]
        elif length <= 128:
            sums[held] = short_sum(x, start, length)
            held += 1
        else:
            half = length // 2
            half -= half % 8
            counts[pending] = -1
            starts[pending + 1], counts[pending + 1] = start + half, length - half
            starts[pending + 2], counts[pending + 2] = start, half
            pending += 3
    return sums[0]


@kernel
def short_sum(x, start, count):
    """Sum of up to 128 float32 values: eight interleaved partial sums, or in order where there are fewer than eight values."""
    total = np.float32(0.0)
    i = 0
    if count >= 8:
        r0, r1, r2, r3 = x[start], x[start + 1], x[start + 2], x[start + 3]
        r4, r5, r6, r7 = x[start + 4], x[start + 5], x[start + 6], x[start + 7]
        i = 8
        while i < count - count % 8:
            r0 += x[start + i]
            r1 += x[start + i + 1]
            r2 += x[start + i + 2]
            r3 += x[start + i + 3]
            r4 += x[start + i + 4]
            r5 += x[start + i + 5]
            r6 += x[start + i + 6]
            r7 += x[start + i + 7]
            i += 8
        total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    while i < count:
        total += x[start + i]
        i += 1
    return total
