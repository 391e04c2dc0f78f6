"""What norms and softmax do to each element, every operation rounded to nearest even, without arrays in between.

All is computed in float64 on values of formats of at most 24 significant bits: 53 >= 2 * 24 + 2, so that sums, products and
quotients may be rounded a second time (Figueroa, 1995); in the subnormal range too, as a product is exact and a quotient x / y lies
at least 2**-48 of its size from every number of 24 bits that it does not equal. Facts of a format: (man_bits, emin, largest value,
what lies beyond it), see `facts_of`.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from .jit import bits_float, float_bits, kernel
from .lanes import wide_vectors
from .steps import round_nearest

_LOG2E = float.fromhex("0x1.71547652b82fep+0")
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_ROUND = 1.5 * 2.0**52  # added to a float64, it leaves an integer in the last bits
_ROUND_BITS = np.int64(np.float64(_ROUND).view(np.int64))
_HALF_EXP = 700.0
_T2, _T3, _T4, _T5, _T6, _T7, _T8, _T9, _T10, _T11, _T12, _T13 = (1 / factorial(i) for i in range(2, 14))


@kernel
def settle(x, single, emin_bits, magic_bits, largest, beyond):
    """x rounded to a format's value; single: it is float32, which the machine rounds to."""
    if single:
        return np.float64(np.float32(x))
    return round_nearest(x, emin_bits, magic_bits, largest, beyond)


@kernel
def facts_of(facts):
    """(single, emin_bits, magic_bits, largest, beyond) of (man_bits, emin, largest, beyond)."""
    man_bits, emin, largest, beyond = facts
    single = man_bits == 23 and emin == -126 and beyond == np.inf
    return single, np.int64(emin + 1023) << 52, np.int64(52 - man_bits) << 52, largest, beyond


@kernel
def squares(x, mean, out, facts):
    """out = (x - mean)**2, two roundings. x, out: (rows, n) float32; mean: (rows, 1) float32, +0 to leave x as it is."""
    wide_vectors()
    f = facts_of(facts)
    for i in range(x.shape[0]):
        row, to, m = x[i], out[i], np.float64(mean[i, 0])
        for j in range(row.size):
            d = settle(row[j] - m, *f)
            to[j] = settle(d * d, *f)


@kernel
def quotients(x, mean, root, divide, out, facts):
    """out = (x - mean) / root, or times root without `divide`. x, out: (rows, n) float32; mean, root: (rows, 1) float32."""
    wide_vectors()
    f = facts_of(facts)
    for i in range(x.shape[0]):
        row, to, m, r = x[i], out[i], np.float64(mean[i, 0]), np.float64(root[i, 0])
        for j in range(row.size):
            d = settle(row[j] - m, *f)
            to[j] = settle(d / r if divide else d * r, *f)


@kernel
def affine(x, weight, bias, facts):
    """x = x * weight + bias in place, two roundings. x: (rows, n) float32; weight, bias: (n,); 1 and -0 leave x as it is."""
    wide_vectors()
    f = facts_of(facts)
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(row.size):
            y = settle(np.float64(row[j]) * weight[j], *f)
            row[j] = settle(y + bias[j], *f)


@kernel
def exponentials(x, largest, out, unsettled, margin, facts):
    """out = exp(x - largest), two roundings; unsettled marks elements whose rounding float64 does not decide.

    x, out: (rows, n) float32; largest: (rows, 1) float32; unsettled: (rows, n) bool. margin: relative error allowed for the float64
    exponential, which errs by about 2**-51: x = n ln 2 + r, fourteen terms of the series of e**r.
    """
    wide_vectors()
    f = facts_of(facts)
    for i in range(x.shape[0]):
        row, to, mark, m = x[i], out[i], unsettled[i], np.float64(largest[i, 0])
        for j in range(row.size):
            d = settle(row[j] - m, *f)
            held = d if d > -_HALF_EXP else -_HALF_EXP  # NaN too
            held = held if held < _HALF_EXP else _HALF_EXP
            shifted = held * _LOG2E + _ROUND
            n = shifted - _ROUND
            r = (held - n * _LN2_HIGH) - n * _LN2_LOW
            square = r * r
            fourth = square * square  # four short chains side by side
            y0 = 1.0 + fourth * (_T4 + fourth * (_T8 + fourth * _T12))
            y1 = 1.0 + fourth * (_T5 + fourth * (_T9 + fourth * _T13))
            y2 = _T2 + fourth * (_T6 + fourth * _T10)
            y3 = _T3 + fourth * (_T7 + fourth * _T11)
            y = (y0 + r * y1) + square * (y2 + r * y3)
            y = y * bits_float(((float_bits(shifted) - _ROUND_BITS) + 1023) << 52)
            low, high = settle(y - y * margin, *f), settle(y + y * margin, *f)
            nothing = d == 0.0
            low, high = 1.0 if nothing else low, 1.0 if nothing else high
            low = d if d != d else low
            mark[j] = low < high
            to[j] = low
