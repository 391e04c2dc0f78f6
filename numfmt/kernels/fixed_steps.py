"""Fixed-point accumulators that quantize and overflow at each step, k upward, as ap_fixed code does."""

from __future__ import annotations

import numba
import numpy as np

from .jit import kernel, parallel_kernel

# overflow kinds of the loops
CLAMP, ZERO, WRAP_SIGNED, WRAP_UNSIGNED = 0, 1, 2, 3


@kernel
def rounded(v, shift, base, negative, odd):
    """v / 2**shift as an integer, shift >= 0: (v + base + (v < 0) * negative + odd * (the lowest kept bit)) >> shift.

    The seven quantizations of ap_fixed are choices of the three addends; see `addends`.
    """
    return (v + base + (negative if v < 0 else np.int64(0)) + (odd & (v >> shift))) >> shift


@kernel
def into_range(v, kind, low, high, width):
    """v as the accumulator holds it: clamped to low..high, zero beyond them, or its low `width` bits."""
    if kind == CLAMP:
        return min(max(v, low), high)
    if kind == ZERO:
        return v if low <= v <= high else np.int64(0)
    lost = np.int64(64) - width
    if kind == WRAP_SIGNED:
        return (v << lost) >> lost
    return v & ((np.int64(1) << width) - 1)


@parallel_kernel
def cast_products(a, b, out, shift, up, base, negative, odd, kind, low, high, width):
    """out = into_range(out + into_range(rounded(a[i, k] * b[k, j]))) at each k: hls4ml's order. int64 throughout.

    a: (M, K), b: (K, N) raw integers, out: (M, N) the accumulators' start and end. A product is shifted right by `shift` (rounded)
    or left by `up`, one of them 0, to the accumulator's binary point. All intermediate numbers lie within 63 bits.
    """
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            x = a[i, k]
            if x == 0:
                continue
            if kind == CLAMP:
                for j in range(row.size):
                    p = rounded((x * b[k, j]) << up, shift, base, negative, odd)
                    row[j] = min(max(row[j] + min(max(p, low), high), low), high)
            else:
                for j in range(row.size):
                    p = rounded((x * b[k, j]) << up, shift, base, negative, odd)
                    row[j] = into_range(row[j] + into_range(p, kind, low, high, width), kind, low, high, width)


@parallel_kernel
def full_products(a, b, out, shift, up, base, negative, odd, kind, low, high, width):
    """out = into_range(rounded(out * 2**shift + a[i, k] * b[k, j])) at each k: the exact product joins, then one assignment."""
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            x = a[i, k]
            if x == 0 and shift == 0:
                continue
            for j in range(row.size):
                v = (row[j] << shift) + ((x * b[k, j]) << up)
                row[j] = into_range(rounded(v, shift, base, negative, odd), kind, low, high, width)
