"""Sums of many columns at once, each rounded at every step, from the first row down."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .steps import round_nearest


@kernel
def sum_steps(x, out, man_bits, emin, max_value, overflow):
    """out[j] = x[0, j] + x[1, j] + ... from +0, each sum rounded to nearest even. x: (n, columns) float32, out: float64.

    The values are those of a format of at most 24 significant bits, so a float64 sum may be rounded again (53 >= 2 * 24 + 2).
    """
    emin_bits = np.int64(emin + 1023) << 52
    magic_bits = np.int64(52 - man_bits) << 52
    for j in range(out.size):
        out[j] = 0.0
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(out.size):
            out[j] = round_nearest(out[j] + np.float64(row[j]), emin_bits, magic_bits, max_value, overflow)


@kernel
def sum_native(x, out):
    """`sum_steps` in the machine's own arithmetic of x's dtype. x: (n, columns), out: (columns,), both float32 or float64."""
    for j in range(out.size):
        out[j] = 0
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(out.size):
            out[j] += row[j]
