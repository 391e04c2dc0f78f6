"""One rounding of an exact 61-bit result: to the codes of a float format, with IEEE flags, or to an odd float64."""

from __future__ import annotations

import numpy as np

from .jit import bits_float, kernel
from .rounding import (
    DOWN,
    NONSAT,
    STOCHASTIC_A,
    STOCHASTIC_B,
    TOWARD_ZERO,
    UP,
    rounds_away,
)
from .soft import TOP, jam_right

INVALID, DIVIDE_BY_ZERO, OVERFLOW, UNDERFLOW, INEXACT = 16, 8, 4, 2, 1  # IEEE 754 section 7, in RISC-V's fflags order


@kernel
def round_drop(significand, drop, mode, odd_base, negative, random, width):
    """significand / 2**drop as an integer under `mode`, and whether it was inexact. `random`: `width` bits, stochastic modes."""
    if drop <= 0:
        return significand << -drop, False
    if drop > 62:
        significand = jam_right(significand, drop - 62)
        drop = np.int64(62)
    kept = significand >> drop
    tail = significand - (kept << drop)
    if tail == 0:
        return kept, False
    odd = ((kept + odd_base) & 1) == 1
    if mode >= STOCHASTIC_A:
        return kept + np.int64(_stochastic_away(tail, drop, mode, np.int64(random), np.int64(width))), True
    return kept + np.int64(rounds_away(mode, tail, np.int64(1) << (drop - 1), odd, negative)), True


@kernel
def _stochastic_away(tail, drop, mode, random, width):
    """P3109 section 4.7.4: the three stochastic rules on tail / 2**drop, drop <= 62."""
    keep = width + np.int64(mode == STOCHASTIC_B)  # bits of the tail that are looked at
    low = drop - keep
    head = tail >> low if low > 0 else tail << -low
    if mode == STOCHASTIC_A:
        return head + random >= np.int64(1) << width
    if mode == STOCHASTIC_B:
        return head + 2 * random + 1 >= np.int64(1) << (width + 1)
    if low > 0:
        rest = tail - (head << low)
        half = np.int64(1) << (low - 1)
        head += np.int64(rest > half or (rest == half and (head & 1) == 1))
    return head + random >= np.int64(1) << width


@kernel
def round_to_code(
    negative, significand, exponent, man_bits, bias, emin, max_code, sign_bit, zero, minus_zero, nan_code, inf_code,
    mode, overflow, random, width, tiny_after, flush,
):  # fmt: skip
    """Code and flags of a nonzero result in a float format (the facts of `encode_float`).

    tiny_after: underflow is decided on the value rounded with unbounded exponent, else on the exact one.
    flush: results below the smallest normal value become zero.
    """
    sign = sign_bit if negative else np.int64(0)
    if negative and sign_bit == 0:
        low = nan_code if (overflow == NONSAT and nan_code >= 0) else np.int64(0)
        return low, np.int64(OVERFLOW | INEXACT)
    top = max(exponent, emin)
    if top > (max_code >> man_bits) - bias + 1:  # far above the range, where base would not fit
        base, kept, inexact = max_code, np.int64(1), True
    else:
        base = (top + bias - 1) << man_bits
        kept, inexact = round_drop(significand, np.int64(TOP) - man_bits + (top - exponent), mode, base, negative, random, width)
    code = base + kept
    flags = np.int64(INEXACT) if inexact else np.int64(0)
    if code < 0:
        code = np.int64(0)
        flags |= INEXACT
    if code > max_code:
        flags |= OVERFLOW | INEXACT
        inward = mode == TOWARD_ZERO or (mode == DOWN and not negative) or (mode == UP and negative)
        if overflow != NONSAT or inward:
            return max_code | sign, flags
        if inf_code >= 0:
            return inf_code | sign, flags
        return (nan_code if nan_code >= 0 else max_code | sign), flags
    tiny = exponent < emin
    if tiny and tiny_after and exponent == emin - 1:
        rounded, _ = round_drop(significand, np.int64(TOP) - man_bits, mode, base, negative, random, width)
        tiny = rounded < np.int64(2) << man_bits
    if tiny and zero:
        if flush:
            code = np.int64(0)
            flags |= UNDERFLOW | INEXACT
        elif flags & INEXACT:
            flags |= UNDERFLOW
    if code == 0 and not minus_zero:
        sign = np.int64(0)
    return code | sign, flags


@kernel
def odd_float64(negative, significand, exponent):
    """The result as a float64 rounded to odd, kept finite and away from zero, so that rounding on to fewer bits stays exact."""
    sign = np.int64(-1) << 63 if negative else np.int64(0)
    if exponent > 1023:
        return bits_float(sign | np.int64(0x7FEFFFFFFFFFFFFF))
    drop = np.int64(8) + max(np.int64(-1022) - exponent, np.int64(0))
    kept = jam_right(significand, drop)
    field = np.int64(0) if exponent < -1022 else exponent + 1022
    return bits_float(sign | ((field << 52) + kept))
