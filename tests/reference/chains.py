"""Plain models of accumulators beyond a plain chain, on `datapaths`' scalar operations: one dot product at a time."""

from __future__ import annotations

from fractions import Fraction
from math import copysign, floor, inf, isinf, isnan

from . import datapaths as ref
from .formats import floor_log2


def products(a, b, fmt, mode="rne", fused=False):
    """Products rounded to fmt; exact ones as (x, y) pairs where fused."""
    return list(zip(a, b, strict=True)) if fused else [ref.multiply(x, y, fmt, mode) for x, y in zip(a, b, strict=True)]


def mixed_dot(a, b, fmt, product, mode="rne", start=0.0):
    """Products rounded to `product`, sums to `fmt`."""
    total = start
    for p in products(a, b, product, mode):
        total = ref.add(total, p, fmt, mode)
    return total


def kahan_dot(a, b, fmt, mode="rne", fused=False, start=0.0, product=None):
    total, lost = start, 0.0
    for p in products(a, b, product or fmt, mode, fused):
        y = ref.fma(*p, -lost, fmt, mode) if fused else ref.add(p, -lost, fmt, mode)
        t = ref.add(total, y, fmt, mode)
        lost = ref.add(ref.add(t, -total, fmt, mode), -y, fmt, mode)
        total = t
    return total


def levels(values, join):
    """A balanced tree: neighbours join level by level, an odd last one passes up."""
    while len(values) > 1:
        pairs = [join(values[i], values[i + 1]) for i in range(0, len(values) - 1, 2)]
        values = pairs + values[len(values) - len(values) % 2 :]
    return values[0]


def pairwise_dot(a, b, fmt, mode="rne", start=0.0, product=None):
    terms = products(a, b, product or fmt, mode)
    return ref.add(start, levels(terms, lambda x, y: ref.add(x, y, fmt, mode)), fmt, mode) if terms else start


def pairwise_fused(a, b, fmt, mode="rne", start=0.0):
    """Leaves are exact products, here of finite operands: (value, sign of zero)."""

    def join(x, y):
        return round_pair(x[0] + y[0], x[1], y[1], fmt, mode)

    leaves = [(Fraction(x) * Fraction(y), copysign(1.0, x) * copysign(1.0, y)) for x, y in zip(a, b, strict=True)]
    if not leaves:
        return start
    top = levels(leaves, join)
    return join((Fraction(start), copysign(1.0, start)), top)[2] if not isinf(top[0]) else ref.add(start, top[0], fmt, mode)


def round_pair(total, first, second, fmt, mode):
    y = ref.round_real(total, fmt, mode, ref.zero_sum(copysign(0.0, first), copysign(0.0, second), mode))
    return (Fraction(y) if not isinf(y) else y, copysign(1.0, y), y)


def pairwise_integers(a, b, width, start=0):
    """Exact products, each node held within the width."""
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    terms = [int(x) * int(y) for x, y in zip(a, b, strict=True)]
    join = lambda x, y: min(max(x + y, low), high)  # noqa: E731
    return join(start, levels(terms, join)) if terms else start


def stochastic(x, fmt, random, width, zero):
    """The Fraction x: away where floor(tail * 2**width) + random >= 2**width."""
    if x == 0:
        return zero
    negative, size = x < 0, abs(x)
    unit = Fraction(2) ** (max(floor_log2(size), fmt.emin) - fmt.man)
    whole = floor(size / unit)
    tail = size / unit - whole
    size = (whole + (floor(tail * 2**width) + random >= 2**width)) * unit
    if size > fmt.max:
        size = inf if fmt.infinite else fmt.max
    return copysign(float(size), -1.0 if negative else 1.0)


def stochastic_dot(a, b, random, width, fmt, fused=False, mode="rne", start=0.0):
    total = start
    for x, y, r in zip(a, b, random, strict=True):
        p = ref.multiply(x, y, fmt, mode) if not fused else None
        special = any(isnan(v) or isinf(v) for v in (x, y, total, p or 0.0))
        if special:
            total = ref.hold(total + (x * y if fused else p), fmt)
            continue
        exact = Fraction(x) * Fraction(y) if fused else Fraction(p)
        sign = copysign(1.0, x) * copysign(1.0, y) if fused else copysign(1.0, p)
        total = stochastic(Fraction(total) + exact, fmt, r, width, ref.zero_sum(total, copysign(0.0, sign), mode))
    return total
