"""The choice of BitMoD's special value: four grids to a group, made from one small float grid and one special value each.

Candidates 0 and 1 share one scale, 2 and 3 the other, and all four share the grid but for the special value; so a group takes two
quotients, and each candidate one selection. Arithmetic of the rule is float16 (float32 and one rounding).

Errors for `sel=float64` are sums of squares in float64 in index order. They are computed as integers: a group's values and its
code values times the scale are multiples of 2**-24, so each difference is an integer of fewer than 2**31 such units, exact in
float32; the sum of their squares is an exact int64. Below 2**53 the float64 sum is exact too, in any order, and both are equal;
groups above (of large values) take the float64 loop.
"""

from __future__ import annotations

import numpy as np

from .group_int import absmax_scale
from .group_scale import half_lane, half_near, largest_word
from .jit import kernel
from .lanes import add, bits, both, either, from_bits, like, right, sub, wide_vectors
from .scale import pairwise, round_half, short_sum

_EXPONENT = np.int32(0x7F800000)
_UNITS = np.float32(2.0**24)
_NONE = np.float32(0.0)
_NOTHING = np.int32(0)
_NUDGE = np.float32(2.0**-20)
_EXACT = np.int64(1) << 53
_LARGE = np.float64(1 << 17)
_FIRST_ERROR = 1000.0  # the published starting value: a group that no candidate brings below it becomes zeros


@kernel
def grid_value(q, top, emin, magic):
    """q, a float16 value, to the nearest value of the float grid, a tie to the lower one. top: the grid's largest value.

    emin: bits of 2**(least normal exponent); magic: what to add to an exponent to get 1.5 * 2**23 of its last places.
    """
    low = q - abs(q) * _NUDGE  # far less than float16's last place: moves ties only
    low = -top if low < -top else low
    low = top if low > top else low
    exponent = both(bits(low), _EXPONENT)
    constant = from_bits(add(exponent if exponent > emin else emin, magic))
    return (low + constant) - constant


@kernel
def off_grid(h, q, plus, minus, scale, top, emin, magic, low, high, special, below, above, other):
    """Quotients q of h by a scale, and the differences of two candidates' values from h in units of 2**-24, as int32."""
    wide_vectors()
    unit = scale * _UNITS
    for i in range(h.size):
        x = h[i] * _UNITS
        part = half_near(h[i] / scale)
        q[i] = part
        v = grid_value(part, top, emin, magic)
        plus[i] = like((special if (part > low) & (part <= high) else v) * unit - x, _NOTHING)
        minus[i] = like((other if (part > below) & (part <= above) else v) * unit - x, _NOTHING)


@kernel
def sum_squares(first, second):
    """Sums of the squares of two int32 arrays, int64. Apart from `off_grid`, whose lanes are half as wide."""
    wide_vectors()
    a = b = np.int64(0)
    for i in range(first.size):
        a += np.int64(first[i]) * np.int64(first[i])
        b += np.int64(second[i]) * np.int64(second[i])
    return a, b


@kernel
def quotients(h, out, scale):
    """out = h / scale in float16."""
    wide_vectors()
    for i in range(h.size):
        out[i] = half_near(h[i] / scale)


@kernel
def wide_error(h, q, scale, top, emin, magic, low, high, special):
    """Sum of squared errors of one candidate in float64, in index order."""
    total = 0.0
    wide = np.float64(scale)
    for i in range(h.size):
        v = special if (q[i] > low) & (q[i] <= high) else grid_value(q[i], top, emin, magic)
        error = np.float64(v) * wide - np.float64(h[i])
        total += error * error
    return total


@kernel
def half_error(h, q, squares, scale, top, emin, magic, low, high, special):
    """Mean squared error of one candidate in float16 arithmetic, as `scale.half_errors` has it."""
    wide_vectors()
    for i in range(h.size):
        v = special if (q[i] > low) & (q[i] <= high) else grid_value(q[i], top, emin, magic)
        error = half_lane(half_lane(v * scale) - h[i])
        squares[i] = half_lane(error * error)
    total = short_sum(squares, 0, h.size) if h.size <= 128 else pairwise(squares, h.size)
    return round_half(np.float64(total / np.float32(h.size)))


@kernel
def special_codes(q, codes, g, top, emin, magic, plain, shift, sign, low, high, special_code):
    """Codes of group g from its quotients: sign and magnitude, the code of minus zero for the special value."""
    wide_vectors()
    for i in range(q.size):
        v = grid_value(q[i], top, emin, magic)
        size = abs(v)
        exponent = both(bits(size), _EXPONENT)
        exponent = exponent if exponent > emin else emin
        word = add(exponent, plain)
        code = add(sub(bits(size + from_bits(word)), word), right(sub(exponent, emin), shift))
        code = either(code, sign if v < _NONE else _NOTHING)
        codes[g, i] = special_code if (q[i] > low) & (q[i] <= high) else code


@kernel
def choose_special(x, codes, scales, choice, limits, table, fraction, emin_of, top, bits_of, half_sel, facts):
    """Codes, scales and choices of BitMoD groups; returns the bits of the largest magnitude of x.

    x: float32 (groups, size); codes: uint8; scales: float32 (groups,); choice: uint8 (groups,). limits: float32 (2,), the
    magnitude that candidates 0, 1 and 2, 3 map a group's largest element to. table: float32 (4, 3): candidate c takes its special
    value table[c, 2] for quotients above table[c, 0] up to table[c, 1]. fraction, emin_of, top, bits_of: fraction bits, least
    normal exponent, largest value and bits of the common grid. half_sel: errors in the published float16 arithmetic. facts: as
    in `group_int`.
    """
    wide_vectors()
    man_bits, emin_scale, over, smallest = facts
    size = x.shape[1]
    emin = np.int32((127 + emin_of) << 23)
    plain = np.int32((23 - fraction) << 23)
    magic = np.int32(((23 - fraction) << 23) | 0x400000)
    shift = np.int32(23 - fraction)
    sign = np.int32(1 << (bits_of - 1))
    h, first, second = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    squares, plus, minus = np.empty(size, np.float32), np.empty(size, np.int32), np.empty(size, np.int32)
    errors = np.empty(4)
    worst = _NOTHING
    for g in range(x.shape[0]):
        word = largest_word(x, g)
        worst = word if word > worst else worst
        for i in range(size):
            h[i] = half_near(x[g, i])
        s1 = absmax_scale(word, limits[0], True, man_bits, emin_scale, over, smallest)
        s2 = absmax_scale(word, limits[1], True, man_bits, emin_scale, over, smallest)
        most = np.float64(from_bits(word))
        exact = False
        if not half_sel and most * most * size <= _LARGE and most <= 100.0:
            t = table
            off_grid(h, first, plus, minus, s1, top, emin, magic, t[0, 0], t[0, 1], t[0, 2], t[1, 0], t[1, 1], t[1, 2])
            e0, e1 = sum_squares(plus, minus)
            off_grid(h, second, plus, minus, s2, top, emin, magic, t[2, 0], t[2, 1], t[2, 2], t[3, 0], t[3, 1], t[3, 2])
            e2, e3 = sum_squares(plus, minus)
            exact = max(max(e0, e1), max(e2, e3)) < _EXACT
            errors[0], errors[1], errors[2], errors[3] = e0, e1, e2, e3
        else:
            quotients(h, first, s1)
            quotients(h, second, s2)
        if not exact:
            for c in range(4):
                q, s = (first, s1) if c < 2 else (second, s2)
                low, high, v = table[c, 0], table[c, 1], table[c, 2]
                if half_sel:
                    errors[c] = half_error(h, q, squares, s, top, emin, magic, low, high, v)
                else:
                    errors[c] = wide_error(h, q, s, top, emin, magic, low, high, v)
        best = -1
        least = _FIRST_ERROR if half_sel else np.inf
        for c in range(4):
            if errors[c] < least:
                best, least = c, errors[c]
        if best < 0:
            choice[g], scales[g] = 0, s1
            for i in range(size):
                codes[g, i] = 0
            continue
        choice[g], scales[g] = best, s1 if best < 2 else s2
        q = first if best < 2 else second
        special_codes(q, codes, g, top, emin, magic, plain, shift, sign, table[best, 0], table[best, 1], sign)
    return worst
