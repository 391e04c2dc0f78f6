"""Stochastic rounding to a binary format by N given random bits an element: P3109's forms A, B and C."""

from __future__ import annotations

import numpy as np

from .encode import unpack
from .jit import float_bits, kernel
from .rounding import STOCHASTIC_A, STOCHASTIC_B


@kernel
def leading(tail, drop, bits):
    """floor(tail / 2**drop * 2**bits) and the rest in units of 2**-62, capped: enough to tell below, on, above a half."""
    shift = drop - bits
    if shift <= 0:
        return tail << -shift, np.int64(0), np.int64(1)
    if shift > 60:
        return np.int64(0), np.int64(1), np.int64(4)
    whole = tail >> shift
    return whole, tail - (whole << shift), np.int64(1) << (shift - 1)


@kernel
def goes_out(mode, tail, drop, width, random):
    """Whether a magnitude whose dropped part is tail / 2**drop < 1 takes the next step."""
    if mode == STOCHASTIC_A:
        whole, _, _ = leading(tail, drop, width)
        return whole + random >= np.int64(1) << width
    if mode == STOCHASTIC_B:
        whole, _, _ = leading(tail, drop, width + 1)
        return whole + 2 * random + 1 >= np.int64(1) << (width + 1)
    whole, rest, half = leading(tail, drop, width)
    if rest > half or (rest == half and (whole & 1) == 1):
        whole += 1
    return whole + random >= np.int64(1) << width


@kernel
def encode_stochastic(x, random, width, mode, out, man_bits, bias, steps, sign_bit, ends, nan_code):
    """Codes of sign-magnitude steps without minus zero; ends: codes beyond the last step (+, -) and of the infinities (+, -)."""
    emin = 1 - bias
    for i in range(x.size):
        value = x[i]
        negative = float_bits(value) < 0
        if np.isnan(value):
            out[i] = nan_code
            continue
        if value == 0.0:
            out[i] = 0
            continue
        if np.isinf(value):
            out[i] = ends[3] if negative else ends[2]
            continue
        _, significand, exponent = unpack(value)
        top = max(exponent, emin)
        drop = np.int64(52) - man_bits + (top - exponent)
        kept = significand >> drop if drop < 63 else np.int64(0)
        tail = significand - (kept << drop) if drop < 63 else significand
        code = ((top + bias - 1) << man_bits) + kept
        if tail != 0 and goes_out(mode, tail, drop, width, np.int64(random[i])):
            code += 1
        if code == 0:
            out[i] = 0
        elif negative and (sign_bit == 0 or code >= steps):
            out[i] = ends[1]
        elif code >= steps:
            out[i] = ends[0]
        else:
            out[i] = code | sign_bit if negative else code
