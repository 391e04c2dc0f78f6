"""Posits and takums of up to 64 bits from the bits of a float64: the endless bit string, cut and rounded to nearest even."""

from __future__ import annotations

import numpy as np

from .encode import unpack
from .jit import float_bits, kernel


@kernel
def _round_string(high, held, tail, dirty, width):
    """The top width - 1 bits of a bit string, nearest even, never beyond the ends.

    The string: `held` bits of `high` (all significant, held <= 63), then the 52 bits of `tail`, then zeros (ones somewhere if
    `dirty`).
    """
    want = width - 1
    if want <= held:
        drop = held - want
        code = high >> drop
        rest = high - (code << drop)
        if drop == 0:
            half = (tail >> 51) & 1
            below = (tail & ((np.int64(1) << 51) - 1)) != 0 or dirty
        else:
            half = (rest >> (drop - 1)) & 1
            below = (rest & ((np.int64(1) << (drop - 1)) - 1)) != 0 or tail != 0 or dirty
    else:
        more = want - held
        if more >= 52:
            return (high << more) | (tail << (more - 52))
        drop = 52 - more
        part = tail >> drop
        rest = tail - (part << drop)
        code = (high << more) | part
        half = (rest >> (drop - 1)) & 1
        below = (rest & ((np.int64(1) << (drop - 1)) - 1)) != 0 or dirty
    if half == 1 and (below or (code & 1) == 1):
        code += 1
    return code


@kernel
def encode_posit(x, out, width, es, infinite_code):
    """Posit codes; NaN becomes NaR, the infinities `infinite_code` (+) and its negative."""
    nar = np.uint64(1) << np.uint64(width - 1)
    top = (np.int64(1) << (width - 2)) - 1 + (np.int64(1) << (width - 2))
    mask = ~np.uint64(0) >> np.uint64(64 - width)
    for i in range(x.size):
        value = np.float64(x[i])
        if np.isnan(value):
            out[i] = nar
            continue
        if value == 0.0:
            out[i] = 0
            continue
        if np.isinf(value):
            code = infinite_code
        else:
            _, significand, exponent = unpack(value)
            regime = exponent >> es
            power = exponent - (regime << es)
            run = regime + 1 if regime >= 0 else -regime
            if run > 62 or run >= width - 1:
                code = top if regime >= 0 else np.int64(1)
            else:
                string = ((np.int64(1) << (run + 1)) - 2) if regime >= 0 else np.int64(1)
                tail = significand & ((np.int64(1) << 52) - 1)
                spill = max(run + 1 + es - 63, 0)  # exponent bits that do not fit beside the regime go before the fraction
                high = (string << (es - spill)) | (power >> spill)
                dirty = (tail & ((np.int64(1) << spill) - 1)) != 0
                tail = ((power & ((np.int64(1) << spill) - 1)) << (52 - spill)) | (tail >> spill)
                code = _round_string(high, run + 1 + es - spill, tail, dirty, width)
                code = min(max(code, np.int64(1)), top)
        bits = np.uint64(code)
        if float_bits(value) < 0:
            bits = (~bits + np.uint64(1)) & mask
        out[i] = bits


@kernel
def encode_takum(x, out, width, infinite_code):
    """Linear takum codes; specials as in encode_posit."""
    nar = np.uint64(1) << np.uint64(width - 1)
    top = (np.int64(1) << (width - 2)) - 1 + (np.int64(1) << (width - 2))
    mask = ~np.uint64(0) >> np.uint64(64 - width)
    for i in range(x.size):
        value = np.float64(x[i])
        if np.isnan(value):
            out[i] = nar
            continue
        if value == 0.0:
            out[i] = 0
            continue
        if np.isinf(value):
            code = infinite_code
        else:
            _, significand, exponent = unpack(value)
            if exponent > 254:
                code = top
            elif exponent < -255:
                code = np.int64(1)
            else:
                # characteristic c = exponent: regime r with 2**r - 1 <= c < 2**(r+1) - 1, mirrored below zero
                size = exponent + 1 if exponent >= 0 else -exponent
                r = np.int64(0)
                while size >> (r + 1):
                    r += 1
                if exponent >= 0:
                    high = (np.int64(8) | r) << r | (exponent + 1 - (np.int64(1) << r))
                else:
                    high = (7 - r) << r | (exponent + (np.int64(1) << (r + 1)) - 1)
                code = _round_string(high, 4 + r, significand & ((np.int64(1) << 52) - 1), False, width)
                code = min(max(code, np.int64(1)), top)
        bits = np.uint64(code)
        if float_bits(value) < 0:
            bits = (~bits + np.uint64(1)) & mask
        out[i] = bits


@kernel
def decode_posit(codes, out, width, es):
    """Values of posit codes as float64; exact for the widths and es that the caller allows."""
    nar = np.uint64(1) << np.uint64(width - 1)
    mask = ~np.uint64(0) >> np.uint64(64 - width)
    for i in range(codes.size):
        bits = np.uint64(codes[i])
        if bits == 0:
            out[i] = 0.0
            continue
        if bits == nar:
            out[i] = np.nan
            continue
        negative = bits > nar
        if negative:
            bits = (~bits + np.uint64(1)) & mask
        left = bits << np.uint64(65 - width)  # the bits behind the sign, at the top of the word
        first = left >> np.uint64(63)
        run = 0
        while run < width - 1 and (left >> np.uint64(63)) == first:
            left <<= np.uint64(1)
            run += 1
        left <<= np.uint64(1)
        regime = run - 1 if first == 1 else -run
        power = np.int64(left >> np.uint64(64 - es)) if es else np.int64(0)
        fraction = left << np.uint64(es)
        significand = np.float64(fraction >> np.uint64(11)) * 2.0**-53 + 1.0
        value = np.ldexp(significand, np.int32(regime * (np.int64(1) << es) + power))
        out[i] = -value if negative else value


@kernel
def decode_takum(codes, out, width):
    """Values of linear takum codes as float64; exact up to 57 bits."""
    nar = np.uint64(1) << np.uint64(width - 1)
    mask = ~np.uint64(0) >> np.uint64(64 - width)
    for i in range(codes.size):
        bits = np.uint64(codes[i])
        if bits == 0:
            out[i] = 0.0
            continue
        if bits == nar:
            out[i] = np.nan
            continue
        negative = bits > nar
        if negative:
            bits = (~bits + np.uint64(1)) & mask
        left = bits << np.uint64(64 - width)
        direction = (left >> np.uint64(62)) & np.uint64(1)
        regime = np.int64((left >> np.uint64(59)) & np.uint64(7))
        r = regime if direction else 7 - regime
        rest = left << np.uint64(5)
        held = np.int64(rest >> np.uint64(64 - r)) if r else np.int64(0)
        c = (np.int64(1) << r) - 1 + held if direction else 1 - (np.int64(1) << (r + 1)) + held
        fraction = rest << np.uint64(r)
        value = np.ldexp(np.float64(fraction >> np.uint64(11)) * 2.0**-53 + 1.0, np.int32(c))
        out[i] = -value if negative else value
