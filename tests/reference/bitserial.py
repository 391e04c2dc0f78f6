"""BitMoD's processing element in Python integers, one lane at a time; no code shared with numfmt.

Source: BitMoD, HPCA 2025, arXiv 2411.11745, section IV-A and IV-B; yc2367/BitMoD hardware/pe (exp_match, bs_mul, grp_accum).
A term is (sign, exp, man): its value is (-1)**sign * man * 2**exp * 2**bsig, bsig shared by the four lanes.
"""

from __future__ import annotations

import struct
from fractions import Fraction


def fields(x):
    """(sign, exponent field, significand) of a float16 value; subnormals take exponent 1 and no hidden bit."""
    (word,) = struct.unpack("<H", struct.pack("<e", x))
    sign, field, fraction = word >> 15, (word >> 10) & 31, word & 1023
    return (sign, field, 1024 + fraction) if field else (sign, 1, fraction)


def booth(value, bits):
    """[(bsig, term)] of a signed integer: digit i from bits 2i+1, 2i, 2i-1."""
    code = value % 2 ** (2 * bits)  # two's complement, sign extended
    out = []
    for i in range((bits + 1) // 2):
        window = ((code << 1) >> (2 * i)) & 7
        digit = {0: 0, 1: 1, 2: 1, 3: 2, 4: -2, 5: -1, 6: -1, 7: 0}[window]
        out.append((2 * i, (int(digit < 0), int(abs(digit) == 2), int(digit != 0))))
    return out


def two_ones(value):
    """[(bsig, term)] of a value in the decoder's fixed point I3 I2 I1 I0 . F0, low term first.

    High term: leading one of I3..I0 (bsig 1); low term: leading one of the rest of I2 I1 I0 F0 (bsig 0).
    """
    sign, magnitude = int(value < 0), abs(Fraction(value))
    halves = int(magnitude * 2)
    assert halves == magnitude * 2, value
    assert halves < 32, value
    high = next((i for i in (3, 2, 1, 0) if halves >> (i + 1) & 1), None)
    if high is not None:
        halves -= 2 << high
    low = next((i for i in (3, 2, 1, 0) if halves >> i & 1), None)
    if low is not None:
        halves -= 1 << low
    assert halves == 0, value
    absent = (0, 0, 0)
    return [(0, absent if low is None else (sign, low, 1)), (1, absent if high is None else (sign, high, 1))]


def term_value(bsig, term):
    sign, exp, man = term
    return (-1) ** sign * man * 2**exp * 2**bsig


def cut(x, places, nearest):
    """x / 2**places as an integer: floor, or to nearest even (Python's round of a Fraction)."""
    return round(Fraction(x, 2**places)) if nearest else x // 2**places


def free_step(lanes, terms, bsig, accumulator, guard, kept, nearest):
    """`step` of mode "paper" with widths of one's own."""
    v = [e + exp for (_, e, _), (_, exp, _) in zip(lanes, terms, strict=True)]
    top = max(v)
    total = 0
    for (s, _, significand), (sign, _, man), vi in zip(lanes, terms, v, strict=True):
        p = cut(man * significand * 2**guard, top - vi, nearest)
        total += -p if s ^ sign else p
    m, e = accumulator
    high = max(top, e)
    held = 0 if high - e >= kept and not nearest else cut(m, high - e, nearest)
    y = cut(total * 2**bsig, high - top, nearest) + held
    k = max(0, abs(y).bit_length() - kept)
    y, e = cut(y, k, nearest), high + k
    return (y // 2, e + 1) if abs(y).bit_length() > kept else (y, e)


def step(lanes, terms, bsig, accumulator, rtl):
    """One cycle. lanes: four `fields`; terms: four; accumulator (m, e). Returns the new accumulator, and D and V."""
    v = [e + exp for (_, e, _), (_, exp, _) in zip(lanes, terms, strict=True)]
    top = max(v)
    total = 0
    for (s, _, significand), (sign, _, man), vi in zip(lanes, terms, v, strict=True):
        d = top - vi
        p = 0 if d >= 14 else (man * significand * 8) // 2**d
        total += -p if s ^ sign else p
    x = total * 2**bsig
    m, e = accumulator
    high = max(top, e)
    held = 0 if high - e >= 14 else m // 2 ** (high - e)
    # rtl: the product is not aligned, and the sum is 23 bits wide
    y = (x + held + 2**22) % 2**23 - 2**22 if rtl else x // 2 ** (high - top) + held
    k = max(0, abs(y).bit_length() - 14)
    return (y // 2**k, (high + k) % 64 if rtl else high + k), total, top


def group(activations, weight_terms, rtl, unit, options=None):
    """The sum of one run as an exact Fraction: chunks of four in order, terms of a chunk in increasing bsig.

    weight_terms: [(bsig, term)] of each weight; absent lanes are zero activations with zero terms.
    """
    lanes = [fields(x) for x in activations]
    guard, kept, nearest, down = options or (3, 14, False, False)
    if down:
        weight_terms = [terms[::-1] for terms in weight_terms]
    cycles = [b for b, _ in weight_terms[0]]
    assert cycles == sorted(cycles, reverse=down)
    while len(lanes) % 4:
        lanes.append((0, 1, 0))
        weight_terms = [*weight_terms, [(b, (0, 0, 0)) for b in cycles]]
    accumulator = (0, 0)
    for k in range(0, len(lanes), 4):
        for cycle, bsig in enumerate(cycles):
            terms = [weight_terms[k + i][cycle][1] for i in range(4)]
            if options:
                accumulator = free_step(lanes[k : k + 4], terms, bsig, accumulator, guard, kept, nearest)
            else:
                accumulator, _, _ = step(lanes[k : k + 4], terms, bsig, accumulator, rtl)
    m, e = accumulator
    return m * Fraction(2) ** (e - 25 - guard) * unit
