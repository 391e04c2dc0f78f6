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

from .jit import kernel
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
def by_chance(t, gain, limit, nearest):
    """t rounded away from zero where its dropped part, times `gain` and made an integer, reaches `limit`."""
    whole = np.trunc(t)
    part = abs(t - whole) * gain
    part = np.rint(part) if nearest else np.floor(part)
    return whole + (np.copysign(1.0, t) if part >= limit else 0.0)


@kernel
def chance_terms(mode, random_width):
    """(gain, offset, factor): away where the part reaches offset - factor * R (P3109 section 4.7.4, A, B and C)."""
    if mode == STOCHASTIC_B:
        return 2.0 ** (random_width + 1), 2.0 ** (random_width + 1) - 1.0, 2.0
    return 2.0**random_width, 2.0**random_width, 1.0


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


@kernel
def round_fixed(x, out, scale, factor, low, high, first, last, above, below, mode, random, random_width, dirty):
    """Clamp x * scale to [low, high], round, store values (float out; factor: the unit) or codes (unsigned out; factor: the mask).

    x: float32 or float64 (n,); out: (n,), codes of at most 32 bits, 31 if unsigned; dirty: uint8, one a block.
    random: uint32 (n,), used by the stochastic modes only.
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
            gain, offset, per_bit = chance_terms(mode, random_width)
            words = random[b * BLOCK : (b + 1) * BLOCK]
            for i in range(source.size):
                t = source[i] * scale
                bad |= (not t >= first) | (not t <= last)
                limit = offset - per_bit * np.float64(words[i])
                finish(target, i, by_chance(np.float64(min(max(t, low), high)), gain, limit, mode == STOCHASTIC_C), factor, 0.0)
        dirty[b] = bad


@kernel
def reduce_blocks(x, out, scale, factor, low, high, modulus, above, below, mode, random, random_width, dirty):
    """Do the dirty blocks again: wrap (AP_WRAP with N = 0) where modulus is 2**width, zero out of range where it is 0.

    In float64; blocks with NaN or an infinity stay marked. Wrapping is exact: floor(whole / modulus) and its product need no more
    bits than `whole` has, and the difference is below the modulus.
    """
    scratch, flag = np.empty(BLOCK), np.empty(1, np.uint8)
    largest = 1.7976931348623157e308
    for b in range(dirty.size):
        if not dirty[b]:
            continue
        source, target = x[b * BLOCK : (b + 1) * BLOCK], out[b * BLOCK : (b + 1) * BLOCK]
        words = random[b * BLOCK : (b + 1) * BLOCK] if mode >= STOCHASTIC_A else random
        whole = scratch[: source.size]
        round_fixed(
            source, whole, scale, 1.0, -np.inf, np.inf, -largest, largest, above, below, mode, words, random_width, flag
        )  # fmt: skip
        dirty[b] = flag[0]
        if flag[0]:
            continue
        if modulus == 0.0:
            for i in range(source.size):
                value = whole[i]
                finish(target, i, value if low <= value <= high else 0.0, factor, 0.0)
        else:
            for i in range(source.size):
                value = whole[i]
                value -= np.floor(value / modulus) * modulus
                finish(target, i, value - modulus if value > high else value, factor, 0.0)


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
