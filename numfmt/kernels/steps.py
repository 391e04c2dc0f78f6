"""Accumulators that round, wrap or saturate at each step. k runs upward; each output keeps its own strict order."""

from __future__ import annotations

import numba
import numpy as np

from .jit import bits_float, float_bits, kernel, parallel_kernel

_EXPONENT_MASK = np.int64(0x7FF0000000000000)
NEAREST_EVEN, NEAREST_AWAY, ZERO, PLUS, MINUS = range(5)


@kernel
def round_step(x, mode, man_bits, emin, max_value, infinite):
    """x (float64) rounded to man_bits fraction bits above 2**emin; beyond max_value the overflow of the mode.

    x must carry enough bits that rounding it again is harmless: see the callers. man_bits >= 1.
    """
    if not np.isfinite(x):
        return np.copysign(max_value, x) if np.isinf(x) and not infinite else x
    exponent = max((float_bits(np.float64(x)) & _EXPONENT_MASK) >> 52, np.int64(emin + 1023))
    unit = bits_float((exponent - man_bits) << 52)
    inverse = bits_float((2046 - exponent + man_bits) << 52)
    scaled = x * inverse
    if mode == NEAREST_EVEN:
        whole = np.rint(scaled)
    elif mode == ZERO:
        whole = np.trunc(scaled)
    elif mode == PLUS:
        whole = np.ceil(scaled)
    elif mode == MINUS:
        whole = np.floor(scaled)
    else:
        below = np.floor(np.abs(scaled))  # the difference is exact; adding a half first would not be
        whole = np.copysign(below + (1.0 if np.abs(scaled) - below >= 0.5 else 0.0), scaled)
    y = whole * unit
    if np.abs(y) > max_value:
        inward = mode == ZERO or (mode == PLUS and y < 0) or (mode == MINUS and y > 0)
        y = np.copysign(max_value if inward or not infinite else np.inf, y)
    return y


@kernel
def round_nearest(x, emin_bits, magic_bits, max_value, overflow):
    """`round_step` to nearest even in a form that compiles to SIMD; beyond max_value it is `overflow`.

    Adding and subtracting 2**(exponent + 52 - man_bits) leaves man_bits fraction bits, rounded by the addition. emin_bits and
    magic_bits are emin + 1023 and 52 - man_bits in place of a float64's exponent. For an infinity the added number is
    meaningless but finite, and the result is the infinity.
    """
    exponent = float_bits(np.float64(x)) & _EXPONENT_MASK
    exponent = exponent if exponent > emin_bits else emin_bits
    magic = bits_float(exponent + magic_bits)
    size = (np.abs(x) + magic) - magic
    size = overflow if size > max_value else size
    return np.copysign(size, x)


@kernel
def odd_sum(x, y):
    """x + y rounded to odd in float64: the sum, with its last bit set where bits were lost (Boldo and Melquiond, 2008)."""
    total = x + y
    back = total - x
    lost = (x - (total - back)) + (y - back)
    if lost != 0.0 and np.isfinite(total):
        word = float_bits(np.float64(total))
        if word & 1 == 0:
            word += 1 if (lost > 0) == (total > 0) else -1
            total = bits_float(word)
    return total


@kernel
def signed_sum(x, y, mode):
    """`odd_sum`; rounding down, an exact zero sum of terms of different sign is -0 (IEEE 754-2019 section 6.3)."""
    total = odd_sum(x, y)
    if mode == MINUS and total == 0.0 and np.copysign(1.0, x) != np.copysign(1.0, y):
        total = -0.0
    return total


@parallel_kernel
def float_matmul(a, b, out, fused, mode, man_bits, emin, max_value, infinite):
    """out[i, j] accumulates a[i, k] * b[k, j] with a rounding at each step, from what `out` holds.

    a: (M, K), b: (K, N), out: (M, N), float64 holding float32 values at most. Exactness: a product of two values of 24 bits has
    48 bits, so it is exact in float64. Unfused to nearest: the sum of two values of p bits, p <= 24, may be rounded to 53 bits
    first, as 53 >= 2p + 2. Fused or directed: the sum is rounded to odd at 53 bits, and 53 >= p + 2.
    """
    plain = mode == NEAREST_EVEN and not fused
    overflow = np.inf if infinite else max_value
    emin_bits = np.int64(emin + 1023) << 52
    magic_bits = np.int64(52 - man_bits) << 52
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            x = a[i, k]
            if plain:
                for j in range(row.size):
                    product = round_nearest(x * b[k, j], emin_bits, magic_bits, max_value, overflow)
                    row[j] = round_nearest(row[j] + product, emin_bits, magic_bits, max_value, overflow)
            else:
                for j in range(row.size):
                    product = x * b[k, j]
                    if not fused:
                        product = round_step(product, mode, man_bits, emin, max_value, infinite)
                    row[j] = round_step(signed_sum(row[j], product, mode), mode, man_bits, emin, max_value, infinite)


@parallel_kernel
def native_matmul(a, b, out):
    """out += a @ b in the machine's own arithmetic, k upward. a: (M, K), b: (K, N), out: (M, N), all of one dtype.

    float32: each product and each sum rounded to nearest even. int64: wraps modulo 2**64.
    """
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            x = a[i, k]
            for j in range(row.size):
                row[j] += x * b[k, j]


@parallel_kernel
def saturating_matmul(a, b, out, low, high):
    """out = clamp(out + a[i, k] * b[k, j]) at each k. int64; |a * b| + |high| below 2**63."""
    for i in numba.prange(a.shape[0]):
        row = out[i]
        for k in range(a.shape[1]):
            x = a[i, k]
            for j in range(row.size):
                row[j] = min(max(row[j] + x * b[k, j], low), high)


@kernel
def exact_product(x, y):
    """(product, error): x * y = product + error exactly (Dekker; no overflow or underflow in its parts)."""
    product = x * y
    split = 134217729.0  # 2**27 + 1
    t = split * x
    x_high = t - (t - x)
    x_low = x - x_high
    t = split * y
    y_high = t - (t - y)
    y_low = y - y_high
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


@kernel
def odd_product(x, y):
    """x * y rounded to odd in float64, for products of normal size."""
    product, lost = exact_product(x, y)
    return odd_step(product, lost)


@kernel
def odd_step(near, lost):
    """near + lost rounded to odd, where `near` is the float64 nearest that sum."""
    word = float_bits(near)
    inexact = (lost > 0 or lost < 0) and (word & 1) == 0  # lost is NaN where the product is infinite or NaN
    toward = np.int64(1) if (lost > 0) == (near > 0) else np.int64(-1)
    return bits_float(word + (toward if inexact else np.int64(0)))


@kernel
def odd_triple(x, y, z):
    """x * y * z rounded to odd in float64, for products of normal size."""
    p, e = exact_product(y, z)
    high, low = exact_product(x, p)
    next_high, next_low = exact_product(x, e)
    middle = low + next_high  # two sums whose errors are kept
    part = middle - low
    rest = (low - (middle - part)) + (next_high - part) + next_low
    total = high + middle
    part = total - high
    lost = ((high - (total - part)) + (middle - part)) + rest
    return odd_step(total, lost)


@parallel_kernel
def accumulate_wide(inner, row_scales, column_scales, out, mode, man_bits, emin, max_value, infinite):
    """`accumulate_scaled` for scales of up to 53 bits, whose product float64 does not hold."""
    for i in numba.prange(inner.shape[0]):
        for j in range(inner.shape[1]):
            scaled = odd_triple(inner[i, j], row_scales[i], column_scales[j])
            scaled = round_step(scaled, mode, man_bits, emin, max_value, infinite)
            out[i, j] = round_step(signed_sum(out[i, j], scaled, mode), mode, man_bits, emin, max_value, infinite)


@kernel
def add_rows(y, bias, add, out):
    """out = y + bias (y alone unless `add`), rounded once to float32.

    y: (M, N) float64; bias: (N,) float32; out: (M, N) float32.
    """
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            out[i, j] = np.float32(odd_sum(y[i, j], np.float64(bias[j])) if add else y[i, j])


@parallel_kernel
def accumulate_scaled(inner, row_scales, column_scales, out, mode, man_bits, emin, max_value, infinite):
    """out = round(out + round(inner * row_scale * column_scale)): the outer accumulator of group sums.

    inner, out: (M, N) float64; row_scales (M,), column_scales (N,): float32 values in float64, so their product is exact.
    """
    for i in numba.prange(inner.shape[0]):
        for j in range(inner.shape[1]):
            scale = row_scales[i] * column_scales[j]
            scaled = round_step(odd_product(inner[i, j], scale), mode, man_bits, emin, max_value, infinite)
            out[i, j] = round_step(signed_sum(out[i, j], scaled, mode), mode, man_bits, emin, max_value, infinite)


@parallel_kernel
def accumulate_scaled_single(inner, row_scales, column_scales, out):
    """`accumulate_scaled` for a float32 accumulator to nearest even, on the machine's own conversion and addition."""
    for i in numba.prange(inner.shape[0]):
        row_scale = row_scales[i]
        for j in range(inner.shape[1]):
            scaled = np.float32(odd_product(inner[i, j], row_scale * column_scales[j]))
            out[i, j] = np.float32(out[i, j]) + scaled
