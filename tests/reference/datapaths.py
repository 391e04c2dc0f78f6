"""Plain models of accumulators: one dot product at a time, Fraction and int; no code shared with numfmt.

Values are Python floats (with signed zeros, infinities and NaN); every finite operation is exact, then rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import copysign, floor, inf, isinf, isnan, nan

from .formats import floor_log2


@dataclass(frozen=True)
class Numbers:
    """A binary float format: fraction bits, smallest normal exponent, largest value, whether it has infinities."""

    man: int
    emin: int
    max: Fraction
    infinite: bool = True


def ieee(exp, man):
    bias = 2 ** (exp - 1) - 1
    return Numbers(man, 1 - bias, (2 - Fraction(1, 2**man)) * Fraction(2) ** bias)


FP16, BF16, FP32, FP64, TF32, E5M2 = ieee(5, 10), ieee(8, 7), ieee(8, 23), ieee(11, 52), ieee(8, 10), ieee(5, 2)
E4M3FN = Numbers(3, -6, Fraction(448), False)
E2M1 = Numbers(1, 0, Fraction(6), False)


def round_real(x, fmt, mode="rne", zero=0.0):
    """The Fraction x in the format; an exact zero becomes `zero`."""
    if x == 0:
        return zero
    negative, size = x < 0, abs(x)
    unit = Fraction(2) ** (max(floor_log2(size), fmt.emin) - fmt.man)
    whole = floor(size / unit)
    left = size / unit - whole
    up = {
        "rne": left > Fraction(1, 2) or (left == Fraction(1, 2) and whole % 2 == 1),
        "rna": left >= Fraction(1, 2),
        "rz": False,
        "ru": left > 0 and not negative,
        "rd": left > 0 and negative,
    }[mode]
    size = (whole + up) * unit
    if size > fmt.max:
        inward = mode == "rz" or (mode == "ru" and negative) or (mode == "rd" and not negative)
        size = fmt.max if inward or not fmt.infinite else inf
    return copysign(float(size), -1.0 if negative else 1.0)


def hold(x, fmt):
    """An infinity in a format without infinities saturates."""
    return copysign(float(fmt.max), x) if isinf(x) and not fmt.infinite else x


def multiply(x, y, fmt, mode="rne"):
    if isnan(x) or isnan(y) or isinf(x) or isinf(y):
        return hold(x * y, fmt)
    sign = copysign(1.0, x) * copysign(1.0, y)
    return round_real(Fraction(x) * Fraction(y), fmt, mode, copysign(0.0, sign))


def zero_sum(first, second, mode):
    """Sign of an exact zero sum (IEEE 754-2019 section 6.3): operands' common sign, else +0, or -0 when rounding down."""
    if copysign(1.0, first) == copysign(1.0, second):
        return copysign(0.0, first)
    return -0.0 if mode == "rd" else 0.0


def add(x, y, fmt, mode="rne"):
    if isnan(x) or isnan(y) or isinf(x) or isinf(y):
        return hold(x + y, fmt)
    return round_real(Fraction(x) + Fraction(y), fmt, mode, zero_sum(x, y, mode))


def fma(x, y, z, fmt, mode="rne"):
    if any(map(isnan, (x, y, z))) or any(map(isinf, (x, y, z))):
        product = x * y if isinf(x) or isinf(y) or isnan(x) or isnan(y) else 0.0
        return hold(product + z, fmt)
    product = Fraction(x) * Fraction(y)
    signed = copysign(0.0 if product == 0 else 1.0, copysign(1.0, x) * copysign(1.0, y))
    return round_real(product + Fraction(z), fmt, mode, zero_sum(signed, z, mode))


def float_dot(a, b, fmt, fused=False, mode="rne", start=0.0):
    total = start
    for x, y in zip(a, b, strict=True):
        total = fma(x, y, total, fmt, mode) if fused else add(total, multiply(x, y, fmt, mode), fmt, mode)
    return total


def wrap(x, width):
    return (x + 2 ** (width - 1)) % 2**width - 2 ** (width - 1)


def integer_dot(a, b, width, saturate=False, start=0):
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    total = start
    for x, y in zip(a, b, strict=True):
        total += int(x) * int(y)
        total = min(max(total, low), high) if saturate else wrap(total, width)
    return total


def exact_dot(a, b, fmt=FP64, start=0.0):
    """The exact sum rounded once to nearest even; an exact zero is +0."""
    special, total = 0.0, Fraction(0)
    for x, y in [*zip(a, b, strict=True), (start, 1.0)]:
        if any(isnan(v) or isinf(v) for v in (x, y)):
            special = special + x * y if not (isnan(x) or isnan(y)) else nan
        else:
            total += Fraction(x) * Fraction(y)
    if special != 0.0:
        return hold(special, fmt)
    return round_real(total, fmt)


def scaled_dot(values_a, scales_a, values_b, scales_b, inner, outer, mode="rne", start=0.0):
    """Runs of k that share both scales: inner(a, b) of each, times the exact product of the scales, rounded and added in `outer`.

    scales_a, scales_b: one scale an element of k.
    """
    total, first = start, 0
    for k in range(1, len(values_a) + 1):
        if k == len(values_a) or scales_a[k] != scales_a[first] or scales_b[k] != scales_b[first]:
            part = inner(values_a[first:k], values_b[first:k])
            scale = Fraction(scales_a[first]) * Fraction(scales_b[first])
            if isinstance(part, float) and (isnan(part) or isinf(part)):
                scaled = hold(part, outer)
            else:
                zero = copysign(0.0, part) if isinstance(part, float) else 0.0
                scaled = round_real(Fraction(part) * scale, outer, mode, zero)
            total = add(total, scaled, outer, mode)
            first = k
    return total
