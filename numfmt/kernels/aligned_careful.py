"""Aligned block sums of any operands, Inf and NaN included, one output element at a time in 64-bit integers."""

from __future__ import annotations

import numba
import numpy as np

from .aligned import HALF, RZ
from .aligned_words import EMIN, INF_AT, MAN, NAN_FROM, SIGN_BIT, exponent_of, magnitude_of, value_of, word_at
from .jit import kernel, parallel_kernel
from .lanes import bits, from_bits

_NUMBER, _INFINITE, _NAN = range(3)
GROUP = 16  # rows decoded at once
_NOTHING = np.int64(-100000)


@kernel
def fields(words, order, facts, kinds, significands, exponents):
    """Of each term: number, infinite or NaN; the signed significand (of an infinity its sign); the exponent of alignment.

    The value is significand * 2**(exponent - MAN).
    """
    for k in range(order.size):
        kinds[k], significands[k], exponents[k] = _NUMBER, 0, _NOTHING
        if order[k] < 0:
            continue
        word = word_at(words, order[k], facts)
        magnitude = magnitude_of(word, facts)
        negative = (np.int64(word) >> facts[SIGN_BIT]) & 1
        if magnitude >= facts[NAN_FROM]:
            kinds[k] = _NAN
        elif magnitude == facts[INF_AT]:
            kinds[k] = _INFINITE
            significands[k] = -1 if negative else 1
        elif magnitude:
            value = value_of(word, facts)
            exponent = exponent_of(value, facts[EMIN])
            significands[k] = whole(value, facts[MAN] - exponent)
            exponents[k] = exponent


@kernel
def rounded(total, exponent, mode):
    """total * 2**exponent under an output rule, as float32."""
    size = np.abs(total)
    length = np.int64(0)
    while size >> length:
        length += 1
    if mode == HALF:
        last = max(exponent + length - 11, np.int64(-24))
    elif mode == RZ:
        last = max(exponent + length - 24, np.int64(-149))
    else:
        last = max(exponent + length - 14, np.int64(-139))
    drop = last - exponent
    if drop > 62:
        kept = np.int64(0)
    elif drop > 0:
        kept = size >> drop
        if mode == HALF:
            rest = size - (kept << drop)
            tie = np.int64(1) << (drop - 1)
            if rest > tie or (rest == tie and kept & 1):
                kept += 1
    else:
        kept = size << -drop
    value = np.ldexp(np.float64(kept), np.int32(last))
    limit = 65504.0 if mode == HALF else 3.4028234663852886e38
    value = np.inf if value > limit else value
    return np.float32(-value if total < 0 and value > 0 else value)


@kernel
def block(a, b, first, last, start, fraction, frac_bits, floor, mode):
    """One block: products of a's and b's fields in [first, last) and the accumulator `start`. fraction: MAN of a plus MAN of b."""
    nan = from_bits(np.int32(0x7FFFFFFF))
    if np.isnan(start):
        return nan
    plus, minus = start == np.inf, start == -np.inf
    top = _NOTHING
    for k in range(first, last):
        kind_a, kind_b = a[0][k], b[0][k]
        if kind_a == _NAN or kind_b == _NAN:
            return nan
        sign = a[1][k] * b[1][k]
        if kind_a == _INFINITE or kind_b == _INFINITE:
            if sign == 0:
                return nan
            plus, minus = plus or sign > 0, minus or sign < 0
        elif sign != 0:
            top = max(top, a[2][k] + b[2][k])
    if plus and minus:
        return nan
    if plus or minus:
        return np.float32(np.inf if plus else -np.inf)
    man, emin = (np.int64(10), np.int64(-14)) if mode == HALF else (np.int64(23), np.int64(-126))
    exponent = exponent_of(start, emin) if start != 0 else _NOTHING
    top = max(top, exponent)
    if top == _NOTHING:
        return np.float32(0)
    top = max(top, floor)
    total = np.int64(0)
    if start != 0:
        significand = whole(start, man - exponent)
        total += moved(significand, exponent - man - top + frac_bits)
    for k in range(first, last):
        significand = a[1][k] * b[1][k]
        if significand != 0:
            total += moved(significand, a[2][k] + b[2][k] - fraction - top + frac_bits)
    return rounded(total, top - frac_bits, mode)


@kernel
def whole(x, shift):
    """x * 2**shift of a finite float32, which is an integer."""
    word = np.int64(bits(np.float32(x)))
    field = (word >> 23) & 255
    size = moved((word & 0x7FFFFF) | (0x800000 if field else 0), max(field, np.int64(1)) - 150 + shift)
    return -size if word < 0 else size


@kernel
def moved(x, shift):
    """x * 2**shift, cut towards zero."""
    if shift >= 0:
        return x << shift
    if shift < -62:
        return np.int64(0)
    size = np.abs(x) >> -shift
    return -size if x < 0 else size


@kernel
def joined(outer, inner, mode):
    """The rounded sum of an outer accumulator and an inner one; NaN is the canonical one."""
    total = outer + inner
    if np.isnan(total):
        return from_bits(np.int32(0x7FFFFFFF))
    if mode == HALF and np.isfinite(total):
        word = np.int64(bits(np.float32(total))) & 0x7FFFFFFF
        exponent = max((word >> 23) - 127, np.int64(-14))
        scaled = np.rint(np.ldexp(np.float64(total), np.int32(10 - exponent)))
        value = np.ldexp(scaled, np.int32(exponent - 10))
        if np.abs(value) > 65504.0:
            value = np.copysign(np.inf, value)
        return np.float32(value)
    return np.float32(total)


@kernel
def careful_rows(a, b, order, a_facts, b_facts, rows, columns, unit_facts, start, out):
    """`careful_matmul` of a few rows."""
    depth = order.size
    x_kinds, x_parts = np.empty((rows.size, depth), np.uint8), np.empty((rows.size, 2, depth), np.int64)
    y_kinds, y_parts = np.empty(depth, np.uint8), np.empty((2, depth), np.int64)
    for r in range(rows.size):
        fields(a[rows[r]], order, a_facts, x_kinds[r], x_parts[r, 0], x_parts[r, 1])
    for column in range(columns.size):
        j = columns[column]
        fields(b[j], order, b_facts, y_kinds, y_parts[0], y_parts[1])
        y = (y_kinds, y_parts[0], y_parts[1])
        for r in range(rows.size):
            i = rows[r]
            x = (x_kinds[r], x_parts[r, 0], x_parts[r, 1])
            out[i, j] = _element(x, y, unit_facts, a_facts[MAN] + b_facts[MAN], start[i, j])


@parallel_kernel
def careful_matmul(a, b, order, a_facts, b_facts, rows, columns, unit_facts, start, out):
    """out[i, j] for i in `rows` and j in `columns`, from start[i, j]. Arguments as `aligned.aligned_matmul`."""
    for group in numba.prange((rows.size + GROUP - 1) // GROUP):
        chosen = rows[group * GROUP : (group + 1) * GROUP]
        careful_rows(a, b, order, a_facts, b_facts, chosen, columns, unit_facts, start, out)


@kernel
def _element(x, y, unit_facts, fraction, start):
    terms, pour_after, frac_bits, floor, mode, _, _ = unit_facts
    depth = x[0].size
    outer = start
    inner = np.float32(0) if pour_after else outer
    blocks = 0
    for k in range(0, depth, terms):
        last = min(k + terms, depth)
        inner = block(x, y, k, last, inner, fraction, frac_bits, floor, mode)
        blocks += 1
        if pour_after and (blocks == pour_after or last == depth):
            outer = joined(outer, inner, mode)
            inner = np.float32(0)
            blocks = 0
    return outer if pour_after else inner
