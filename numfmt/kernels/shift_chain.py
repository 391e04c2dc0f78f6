"""Sums of integers shifted by powers of two, bits lost at each product as a shifter loses them."""

from __future__ import annotations

import numba

from .fixed_steps import rounded
from .jit import parallel_kernel


@parallel_kernel
def shift_matmul(a, up, down, sign, out, base, negative, odd, low, high, saturate):
    """out[i, j] += sign[k, j] * round(a[i, k] * 2**(up - down)[k, j]) at each k, int64.

    a: (M, K); up, down (K, N): left and right shifts, one of them 0; sign: -1, 0, 1. base, negative, odd: (SHIFTS,) addends of the
    rounding for each right shift; see `fixed_steps.rounded`. With `saturate` the sum is clamped to low..high at each k.
    """
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            x = a[i, k]
            for j in range(row.size):
                d = down[k, j]
                product = sign[k, j] * rounded(x << up[k, j], d, base[d], negative[d], odd[d])
                total = row[j] + product
                row[j] = min(max(total, low), high) if saturate else total
