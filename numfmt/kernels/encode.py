"""Values to codes. Everything is integer arithmetic on the bits of a float64, so nothing is rounded twice."""

from __future__ import annotations

import numpy as np

from .jit import float_bits, kernel
from .lanes import leading_zeros
from .rounding import DOWN, NONSAT, PROPAGATE, TOWARD_ZERO, UP, WRAP, rounds_away

_FRACTION = np.int64((1 << 52) - 1)
_HIDDEN = np.int64(1 << 52)
_EXPONENT = np.int64(0x7FF)


@kernel
def unpack(x):
    """|x| = significand * 2**(exponent - 52) with the top bit of the significand at position 52, x finite and not zero.

    Returns (negative, significand int64 below 2**53, exponent).
    """
    word = float_bits(np.float64(x))
    negative = word < 0
    exponent = (word >> 52) & _EXPONENT
    significand = word & _FRACTION
    if exponent == 0:
        up = leading_zeros(significand) - 11  # a subnormal float64
        significand <<= up
        exponent = np.int64(-1022) - up
    else:
        significand |= _HIDDEN
        exponent -= 1023
    return negative, significand, exponent


@kernel
def keep(significand, drop, mode, odd_base, negative):
    """significand / 2**drop rounded to an integer under `mode`; `odd_base` is added to it to know the parity of its code.

    drop <= 0 shifts left (exact while the caller keeps significand * 2**-drop below 2**63).
    """
    if drop <= 0:
        return significand << -drop
    if drop > 54:  # below a quarter of the unit: only the fact that it is not zero matters
        return np.int64(rounds_away(mode, np.int64(1), np.int64(4), (odd_base & 1) == 1, negative))
    kept = significand >> drop
    tail = significand - (kept << drop)
    half = np.int64(1) << (drop - 1)
    return kept + np.int64(rounds_away(mode, tail, half, ((kept + odd_base) & 1) == 1, negative))


@kernel
def encode_float(x, out, man_bits, bias, emin, max_code, sign_bit, zero, minus_zero, nan_code, inf_code, mode, overflow):
    """Codes of the float format that these facts describe. Returns how many inputs had no code (NaN without a NaN code).

    x: float64 (n,); out: unsigned (n,). sign_bit is 0 for unsigned formats; nan_code, inf_code are -1 where absent;
    `zero` says whether E = 0 holds zero and subnormals.
    """
    refused = 0
    for i in range(x.size):
        value = x[i]
        negative = float_bits(np.float64(value)) < 0
        sign = sign_bit if negative else np.int64(0)
        if np.isnan(value):
            if nan_code < 0:
                refused += 1
                out[i] = 0
            else:
                out[i] = nan_code
            continue
        if value == 0.0:
            if zero:
                out[i] = sign if minus_zero else 0
            else:
                out[i] = 0 if nan_code < 0 else nan_code
            continue
        if negative and sign_bit == 0:  # the range of an unsigned format starts at its smallest value
            out[i] = nan_code if (overflow == NONSAT and nan_code >= 0) else 0
            continue
        if np.isinf(value):
            code = max_code + 1
            infinite = True
        else:
            infinite = False
            _, significand, exponent = unpack(value)
            top = max(exponent, emin)
            # zero: code = field(top) - 1 binades below, plus the significand with its hidden bit; see Float's docstring
            base = (top + bias - 1) << man_bits
            code = base + keep(significand, np.int64(52) - man_bits + (top - exponent), mode, base, negative)
            if code < 0:  # formats without zero: below the smallest value
                code = np.int64(0)
        if code > max_code:
            if overflow == NONSAT or (overflow == PROPAGATE and infinite):
                inward = mode == TOWARD_ZERO or (mode == DOWN and not negative) or (mode == UP and negative)
                if inward and not infinite:
                    code = max_code
                elif inf_code >= 0:
                    code = inf_code
                elif overflow == NONSAT and nan_code >= 0:
                    out[i] = nan_code
                    continue
                else:
                    code = max_code
            else:
                code = max_code
        if code == 0 and not minus_zero:
            sign = np.int64(0)
        out[i] = code | sign
    return refused


@kernel
def encode_fixed(x, out, frac_bits, low, high, width, mode, overflow):
    """Codes of a fixed-point format: round(x * 2**frac_bits), then saturate to [low, high] or keep the low `width` bits.

    x: float64 (n,); out: unsigned (n,); width <= 51. Returns how many inputs were NaN, or infinite under wrap.
    """
    refused = 0
    mask = (np.int64(1) << width) - 1
    for i in range(x.size):
        value = x[i]
        if np.isnan(value) or (np.isinf(value) and overflow == WRAP):
            refused += 1
            out[i] = 0
            continue
        if value == 0.0:
            out[i] = 0
            continue
        negative = value < 0
        if np.isinf(value):
            scaled = low if negative else high
        else:
            _, significand, exponent = unpack(value)
            drop = np.int64(52) - exponent - frac_bits
            if drop < -9:  # beyond 2**61: above every range, and a multiple of 2**width
                scaled = (low if negative else high) if overflow != WRAP else np.int64(0)
            else:
                magnitude = keep(significand, drop, mode, np.int64(0), negative)
                scaled = -magnitude if negative else magnitude
        if overflow != WRAP:
            scaled = min(max(scaled, low), high)
        out[i] = scaled & mask
    return refused


@kernel
def encode_table(x, out, thresholds, grid_codes, ties_upper):
    """Codes of the nearest table value. thresholds: ascending decision points; a value on one goes down, or up if `ties_upper`.

    Returns how many inputs were NaN. x, thresholds: the same float dtype.
    """
    refused = 0
    for i in range(x.size):
        value = x[i]
        if np.isnan(value):
            refused += 1
            out[i] = 0
            continue
        out[i] = grid_codes[nearest_index(value, thresholds, ties_upper)]
    return refused


@kernel
def nearest_index(value, thresholds, ties_upper):
    """Index of the interval between thresholds that holds `value`."""
    low, high = 0, thresholds.size
    while low < high:
        middle = (low + high) >> 1
        point = thresholds[middle]
        if value > point or (ties_upper and value == point):
            low = middle + 1
        else:
            high = middle
    return low
