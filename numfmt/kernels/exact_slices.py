"""The exact sum of products from products of integer slices, each exact in BLAS: cut operands, join the sums, round once.

After Ozaki, Ogita, Oishi and Rump, Numerical Algorithms 59 (2012): a row is scaled by a power of two to below 1 and cut into slices
of w bits; the products of two slices sum exactly in float64, and the sums, of weights 2**(-w * d), make one long integer.
"""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import leading_zeros, wide_vectors


@kernel
def cut_rows(x, scales, up, out):
    """out[s, i, j]: slice s of x[i, j], of w bits, towards zero; nothing may be left after the last.

    x: (rows, n) float64, finite, used up; scales: (rows,), 2**(w - exponent) where |x| < 2**exponent; up: 2**w.
    """
    for i in range(x.shape[0]):
        for s in range(out.shape[0]):
            _cut(x[i], out[s, i], scales[i] if s == 0 else up)


@kernel
def _cut(x, out, scale):
    wide_vectors()
    for j in range(x.size):
        v = x[j] * scale
        out[j] = np.trunc(v)
        x[j] = v - out[j]


@kernel
def cut_columns(x, scales, up, out):
    """`cut_rows` with a scale for each column."""
    for i in range(x.shape[0]):
        for s in range(out.shape[0]):
            _cut_scaled(x[i], out[s, i], scales, up, s == 0)


@kernel
def _cut_scaled(x, out, scales, up, first):
    wide_vectors()
    if first:
        for j in range(x.size):
            v = x[j] * scales[j]
            out[j] = np.trunc(v)
            x[j] = v - out[j]
    else:
        for j in range(x.size):
            v = x[j] * up
            out[j] = np.trunc(v)
            x[j] = v - out[j]


@kernel
def add_integers(part, total):
    """total += part; part: float64 integers within 2**53, total: int64."""
    for i in range(part.shape[0]):
        for j in range(part.shape[1]):
            total[i, j] += np.int64(part[i, j])


@kernel
def round_long(digits, width, unit, man_bits, emin, max_value, infinite):
    """sum of digits[d] * 2**(unit - width * d) rounded once to nearest even. digits: (D,) int64 within 2**62, changed."""
    last = digits.size - 1
    mask = (np.int64(1) << width) - 1
    negative = False
    for _ in range(2):
        for d in range(last, 0, -1):
            carry = digits[d] >> width
            digits[d] &= mask
            digits[d - 1] += carry
        if digits[0] >= 0:
            break
        negative = True
        for d in range(last + 1):
            digits[d] = -digits[d]
    d = 0
    while d <= last and digits[d] == 0:
        d += 1
    if d > last:
        return 0.0
    kept = digits[d]
    place = unit - width * d
    sticky = False
    d += 1
    while d <= last:
        room = leading_zeros(kept) - 1
        if room >= width:
            kept = (kept << width) | digits[d]
            place -= width
        else:
            kept = (kept << room) | (digits[d] >> (width - room))
            sticky = sticky or (digits[d] & ((np.int64(1) << (width - room)) - 1)) != 0
            place -= room
            d += 1
            break
        d += 1
    while d <= last:
        sticky = sticky or digits[d] != 0
        d += 1
    length = 64 - leading_zeros(kept)
    lowest = max(place + length - 1, emin) - man_bits  # weight of the last bit kept
    shift = lowest - place
    if shift > 63:
        kept = np.int64(0)
    elif shift > 0:
        below = kept & ((np.int64(1) << (shift - 1)) - 1)
        half = (kept >> (shift - 1)) & 1
        kept = kept >> shift if shift < 63 else np.int64(0)
        if half == 1 and (below != 0 or sticky or (kept & 1) == 1):
            kept += 1
    else:
        lowest = place
    value = np.ldexp(np.float64(kept), np.int32(lowest))
    if value > max_value:
        value = np.inf if infinite else max_value
    return -value if negative else value


@kernel
def round_sums(sums, width, rows, columns, out, man_bits, emin, max_value, infinite):
    """out[i, j] = round(sum over d of sums[d, i, j] * 2**(rows[i] + columns[j] - width * (d + 2)))."""
    digits = np.empty(sums.shape[0], np.int64)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for d in range(digits.size):
                digits[d] = sums[d, i, j]
            out[i, j] = round_long(digits, width, rows[i] + columns[j] - 2 * width, man_bits, emin, max_value, infinite)
