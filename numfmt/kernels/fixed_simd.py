"""Fixed point at the speed of memory: scale, clamp, round with one instruction, scale back; all in floats, all exact.

The caller proves that nothing is lost: x * scale is exact (a power of two, no underflow) and the range fits the significand, so
rounding sees the true value. All scalars have the float type of the arithmetic (float32 where it suffices, else float64).

The other roundings without chance, but for to_odd, are "truncate, then step where the dropped part f reaches a threshold":
f >= above steps up, f <= below steps down. f = t - trunc(t) is exact.

Blocks of BLOCK elements in which some x lies outside [first, last] (in units of the last bit; NaN does) are marked in `dirty` for
the caller to do again.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from .jit import kernel, right32
from .rounding import DOWN, STOCHASTIC_A, STOCHASTIC_B, STOCHASTIC_C, TIES_EVEN, TO_ODD, TOWARD_ZERO, UP

BLOCK = 4096


@kernel
def by_threshold(t, above, below, one, zero):
    """t rounded as the thresholds say."""
    whole = np.trunc(t)
    rest = t - whole
    return (whole + (one if rest >= above else zero)) - (one if rest <= below else zero)


@kernel
def odd(t, one, half, zero):
    """t rounded to odd."""
    whole = np.trunc(t)
    even = np.trunc(whole * half) == whole * half
    return whole + ((one if t > whole else zero) - (one if t < whole else zero) if even else zero)


@kernel
def by_chance(t, gain, limit, nearest, one, zero):
    """t rounded away from zero where its dropped part, times `gain` and made an integer, reaches `limit`."""
    whole = np.trunc(t)
    part = abs(t - whole) * gain
    part = np.rint(part) if nearest else np.floor(part)
    return whole + (np.copysign(one, t) if part >= limit else zero)


def as_lane(word, shift, like):
    """The random integer word >> shift as a float of the type of `like`: float32 only for integers below 2**24."""


@overload(as_lane, inline="always")
def _as_lane(word, shift, like):
    if like == types.float32 and word.bitwidth < 32:
        return lambda word, shift, like: np.float32(right32(np.int32(word), np.int32(shift)))
    if like == types.float32:
        return lambda word, shift, like: np.float32(np.int32(word >> np.uint32(shift)))
    return lambda word, shift, like: np.float64(np.uint32(word >> np.uint32(shift)))


def finish(out, i, whole, factor, zero):
    """Store the integer `whole`: times the unit `factor` in an array of floats, its low bits under the mask `factor` in codes."""


@overload(finish, inline="always")
def _finish(out, i, whole, factor, zero):
    if isinstance(out.dtype, types.Float):

        def store(out, i, whole, factor, zero):
            out[i] = whole * factor + zero  # + 0 makes a plain zero of -0

    else:

        def store(out, i, whole, factor, zero):
            out[i] = np.int32(whole) & factor

    return store


def finish_wide(out, i, whole, unit, mask):
    """`finish` for codes of up to 64 bits."""


@overload(finish_wide, inline="always")
def _finish_wide(out, i, whole, unit, mask):
    if isinstance(out.dtype, types.Float):

        def store(out, i, whole, unit, mask):
            out[i] = whole * unit

    else:

        def store(out, i, whole, unit, mask):
            out[i] = np.int64(whole) & mask

    return store


@kernel
def round_fixed(x, out, scale, factor, low, high, first, last, above, below, mode, random, shift, dirty):
    """Clamp x * scale to [low, high], round, store values (float out; factor: the unit) or codes (unsigned out; factor: the mask).

    x: float32 or float64 (n,); out: (n,), codes of at most 32 bits, 31 if unsigned; dirty: uint8, one a block.
    Stochastic modes (P3109 section 4.7.4, A, B and C) step away from zero where the dropped part times `above`, made an integer,
    reaches below - R (B: below - 2 R), R = random >> shift; random: uint8, uint16 or uint32 (n,).
    """
    one, zero = scale / scale, scale - scale  # of the type of scale: a literal would widen the arithmetic
    half = one / (one + one)
    for b in range(dirty.size):
        source, target = x[b * BLOCK : (b + 1) * BLOCK], out[b * BLOCK : (b + 1) * BLOCK]
        bad = False
        if mode == TIES_EVEN:
            for i in range(source.size):
                t = source[i] * scale
                bad |= (not t >= first) | (not t <= last)
                finish(target, i, np.rint(min(max(t, low), high)), factor, zero)
        elif mode == DOWN:
            for i in range(source.size):
                t = source[i] * scale
                bad |= (not t >= first) | (not t <= last)
                finish(target, i, np.floor(min(max(t, low), high)), factor, zero)
        elif mode == UP:
            for i in range(source.size):
                t = source[i] * scale
                bad |= (not t >= first) | (not t <= last)
                finish(target, i, np.ceil(min(max(t, low), high)), factor, zero)
        elif mode == TOWARD_ZERO:
            for i in range(source.size):
                t = source[i] * scale
                bad |= (not t >= first) | (not t <= last)
                finish(target, i, np.trunc(min(max(t, low), high)), factor, zero)
        elif mode == TO_ODD:
            for i in range(source.size):
                t = source[i] * scale
                bad |= (not t >= first) | (not t <= last)
                finish(target, i, odd(min(max(t, low), high), one, half, zero), factor, zero)
        elif mode < STOCHASTIC_A:
            for i in range(source.size):
                t = source[i] * scale
                bad |= (not t >= first) | (not t <= last)
                finish(target, i, by_threshold(min(max(t, low), high), above, below, one, zero), factor, zero)
        else:
            per_bit = one + one if mode == STOCHASTIC_B else one
            words = random[b * BLOCK : (b + 1) * BLOCK]
            for i in range(source.size):
                t = source[i] * scale
                bad |= (not t >= first) | (not t <= last)
                limit = below - per_bit * as_lane(words[i], shift, scale)
                t = by_chance(min(max(t, low), high), above, limit, mode == STOCHASTIC_C, one, zero)
                finish(target, i, t, factor, zero)
        dirty[b] = bad


@kernel
def store_integers(whole, out, unit, mask, low, high, modulus):
    """Integers held in float64 to values (float out: times unit) or codes (unsigned out: the bits of mask, int64).

    Before that they are wrapped (AP_WRAP with N = 0) where modulus is 2**width, made zero out of [low, high] where it is 0, and
    left alone where it is negative. Wrapping is exact: floor(whole * inverse) and its product need no more bits than `whole` has,
    and the difference is below the modulus. What is in range stays: with 54 bits the difference of -1 would need 54 bits.
    """
    if modulus < 0.0:
        for i in range(whole.size):
            finish_wide(out, i, whole[i], unit, mask)
    elif modulus == 0.0:
        for i in range(whole.size):
            value = whole[i]
            finish_wide(out, i, value if low <= value <= high else 0.0, unit, mask)
    else:
        inverse = 1.0 / modulus
        for i in range(whole.size):
            value = whole[i]
            rest = value - np.floor(value * inverse) * modulus
            rest = rest - modulus if rest > high else rest
            finish_wide(out, i, value if low <= value <= high else rest, unit, mask)


@kernel
def values_of(codes, out, width, signed, unit):
    """out = codes * unit; codes of `width` bits (1..64), two's complement where signed; exact where out's type holds the values."""
    shift, back = np.uint64(64 - width), np.int64(64 - width)
    if signed:
        for i in range(codes.size):
            out[i] = np.float64(np.int64(np.uint64(codes[i]) << shift) >> back) * unit
    else:
        for i in range(codes.size):
            out[i] = np.float64(np.uint64(codes[i])) * unit
