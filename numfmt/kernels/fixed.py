"""Fixed point, exactly: any value m * 2**-drop with m below 2**64 into up to 64 bits, one rounding, every overflow rule.

Plain integer arithmetic on a sign and a 64-bit magnitude; nothing is assumed about the range of the input. The loops over
floats, integers and other fixed-point formats share it. The SIMD loops for common cases are in fixed_simd.py.

A format's facts travel as run-time arguments: width, signed, sat_bits (the N of ap_fixed), `high` and `low`: the largest
magnitudes above and below zero, uint64 (for saturate_symmetric both are the largest value).
"""

from __future__ import annotations

import numpy as np

from .encode import unpack
from .jit import kernel
from .rounding import (
    SATURATE,
    SATURATE_SYMMETRIC,
    SATURATE_ZERO,
    STOCHASTIC_A,
    STOCHASTIC_B,
    WRAP,
    rounds_away,
)

# Numba makes a float64 of uint64 combined with int64, so every constant beside a uint64 is a uint64.
_U0, _U1, _U63, _U64 = np.uint64(0), np.uint64(1), np.uint64(63), np.uint64(64)
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_BEYOND = np.int64(1 << 20)  # so many places left: beyond every range


@kernel
def left64(x, count):
    """x * 2**count modulo 2**64, count >= 0. A machine's shift is undefined from 64 on."""
    return _U0 if count >= 64 else x << np.uint64(count)


@kernel
def right64(x, count):
    """floor(x / 2**count), count >= 0."""
    return _U0 if count >= 64 else x >> np.uint64(count)


@kernel
def low_ones(count):
    """2**count - 1 for count in 0..64."""
    return _ONES if count >= 64 else (_U1 << np.uint64(count)) - _U1


@kernel
def stochastic_away(mode, tail, drop, random, random_width):
    """P3109's stochastic rules for the fraction tail / 2**drop in (0, 1), tail uint64 below 2**drop, random below 2**N."""
    kept = random_width + 1 if mode == STOCHASTIC_B else random_width
    extra = drop - kept
    part = left64(tail, -extra) if extra <= 0 else right64(tail, extra)
    if mode == STOCHASTIC_A:
        addend = random
    elif mode == STOCHASTIC_B:
        addend = (random << _U1) | _U1
    else:
        addend = random
        if 0 < extra <= 64:
            rest = tail & low_ones(extra)
            half = _U1 << np.uint64(extra - 1)
            if rest > half or (rest == half and (part & _U1) == _U1):
                part += _U1
    return part + addend >= (_U1 << np.uint64(kept))


@kernel
def round_shift(negative, magnitude, drop, mode, random, random_width):
    """magnitude / 2**drop as an integer (drop < 0: times 2**-drop).

    Returns (rounded modulo 2**64, whether it is 2**64 or more, floor modulo 2**64, whether anything was dropped).
    """
    if drop <= 0:
        shift = -drop
        if shift == 0:
            return magnitude, False, magnitude, False
        beyond = magnitude != _U0 if shift >= 64 else (magnitude >> np.uint64(64 - shift)) != _U0
        kept = left64(magnitude, shift)
        return kept, beyond, kept, False
    kept = right64(magnitude, drop)
    tail = magnitude & low_ones(min(drop, np.int64(64)))
    if tail == _U0:
        return kept, False, kept, False
    if mode >= STOCHASTIC_A:
        away = stochastic_away(mode, tail, drop, random, random_width)
    else:
        half = _U1 << np.uint64(min(drop, np.int64(64)) - 1)
        below = drop > 64 or tail < half
        place = np.int64(1) if below else np.int64(2 + (tail > half))
        away = rounds_away(mode, place, np.int64(2), (kept & _U1) == _U1, negative)
    return (kept + _U1 if away else kept), False, kept, True


@kernel
def bit_above(negative, magnitude, drop, floor_magnitude, inexact, width):
    """Bit `width` of floor(+-magnitude / 2**drop) in two's complement: what AP_WRAP_SM with N = 0 looks at."""
    if width < 64 or drop > 0:
        whole = floor_magnitude
        if negative:
            if inexact:
                whole += _U1
            if width == 64:
                return whole != _U0  # the sign: drop > 0 keeps |floor| at 2**63 at most
            whole = _U0 - whole
        return width < 64 and ((whole >> np.uint64(width)) & _U1) == _U1
    place = np.int64(64) + drop  # bit 64 of magnitude * 2**-drop
    bit = 0 <= place < 64 and ((magnitude >> np.uint64(place)) & _U1) == _U1
    return bit != (negative and floor_magnitude != _U0)


@kernel
def wrap_bits(word, negative, width, signed, sat_bits):
    """AP_WRAP of a value out of range: its low bits, the top sat_bits of them forced (UG1399, overflow modes)."""
    if sat_bits == 0:
        return word
    kept = word & low_ones(width - sat_bits)
    forced = low_ones(width) ^ low_ones(width - sat_bits)
    if not signed:
        return kept | forced
    sign = _U1 << np.uint64(width - 1)
    return kept | (sign if negative else forced ^ sign)


@kernel
def wrap_sign_magnitude_bits(word, negative, above, width, sat_bits):
    """AP_WRAP_SM of a value out of range. `above`: see bit_above."""
    ones = low_ones(width)
    sign = _U1 << np.uint64(width - 1)
    top = (word & sign) != _U0
    if sat_bits == 0:
        if above != top:
            word = ~word & ones
        return (word | sign) if above else (word & ~sign)
    if sat_bits == 1:
        if negative != top:
            word = ~word & ones
        return (word | sign) if negative else (word & ~sign)
    place = (word >> np.uint64(width - sat_bits)) & _U1
    if (place == _U1) == negative:
        word = ~word & ones
    kept = word & low_ones(width - sat_bits)
    middle = low_ones(width - 1) ^ low_ones(width - sat_bits)
    return kept | (sign if negative else middle)


@kernel
def fixed_code(
    negative, magnitude, drop, width, signed, sat_bits, high, low, mode, overflow, random, random_width
):  # fmt: skip
    """Code (uint64) of +-magnitude / 2**drop, in units of the target's last bit: rounded, then brought into range."""
    if width == 0:
        return _U0
    kept, beyond, floor_magnitude, inexact = round_shift(negative, magnitude, drop, mode, random, random_width)
    below = negative and (beyond or kept != _U0)
    word = (_U0 - kept if negative else kept) & low_ones(width)
    if not beyond and kept <= (low if below else high):
        return word
    if overflow in (SATURATE, SATURATE_SYMMETRIC):
        return (_U0 - low) & low_ones(width) if below else high
    if overflow == SATURATE_ZERO:
        return _U0
    if overflow == WRAP:
        return wrap_bits(word, below, width, signed, sat_bits)
    above = bit_above(negative, magnitude, drop, floor_magnitude, inexact, width)
    return wrap_sign_magnitude_bits(word, below, above, width, sat_bits)


@kernel
def encode_floats(
    x, out, frac_bits, width, signed, sat_bits, high, low, mode, overflow, random, random_width, refuse_nan, refuse_inf
):  # fmt: skip
    """Codes of floats (n,) in a fixed-point format. random: uint32 (n,), used by the stochastic modes only.

    NaN and infinities that are not refused behave as values beyond every range with their sign bit, as in ap_fixed's headers.
    Returns how many were refused (their code is 0).
    """
    refused = 0
    stochastic = mode >= STOCHASTIC_A
    for i in range(x.size):
        value = np.float64(x[i])
        if value == 0.0:
            out[i] = 0
            continue
        if np.isnan(value) or np.isinf(value):
            if (refuse_nan and np.isnan(value)) or (refuse_inf and np.isinf(value)):
                refused += 1
                out[i] = 0
                continue
            negative, magnitude, drop = np.signbit(value), _U1, -_BEYOND
        else:
            negative, significand, exponent = unpack(value)
            magnitude, drop = np.uint64(significand), np.int64(52) - exponent - frac_bits
        word = np.uint64(random[i]) if stochastic else _U0
        out[i] = fixed_code(
            negative, magnitude, drop, width, signed, sat_bits, high, low, mode, overflow, word, random_width
        )  # fmt: skip
    return refused


@kernel
def encode_integers(
    raw, out, source_frac_bits, frac_bits, width, signed, sat_bits, high, low, mode, overflow, random, random_width
):  # fmt: skip
    """Codes of raw * 2**-source_frac_bits, raw int64 or uint64 (n,): integers and raw words of another fixed-point format."""
    stochastic = mode >= STOCHASTIC_A
    drop = np.int64(source_frac_bits - frac_bits)
    for i in range(raw.size):
        value = raw[i]
        negative = value < 0
        magnitude = np.uint64(value)
        if negative:
            magnitude = _U0 - magnitude
        word = np.uint64(random[i]) if stochastic else _U0
        out[i] = fixed_code(
            negative, magnitude, drop, width, signed, sat_bits, high, low, mode, overflow, word, random_width
        )  # fmt: skip


@kernel
def signed_words(codes, out, width):
    """Two's complement codes of `width` bits (1..64) as int64."""
    shift = np.uint64(64 - width)
    back = np.int64(64 - width)
    for i in range(codes.size):
        out[i] = np.int64(np.uint64(codes[i]) << shift) >> back
