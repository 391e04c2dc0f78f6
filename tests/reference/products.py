"""Plain models of products other than the exact one, in Fraction and int; no code shared with numfmt."""

from __future__ import annotations

from fractions import Fraction
from math import copysign, isinf, isnan

from .datapaths import Numbers, multiply, round_real
from .formats import floor_log2


def l_of(m):
    return m if m <= 3 else 3 if m == 4 else 4


def lmul(x: float, y: float, fmt: Numbers, formula=False):
    """L-Mul (arXiv 2410.00907) of two values of a float format."""
    sign = copysign(1.0, x) * copysign(1.0, y)
    if isnan(x) or isnan(y) or isinf(x) or isinf(y):
        return multiply(x, y, fmt)
    a, b = abs(Fraction(x)), abs(Fraction(y))
    least = Fraction(2) ** fmt.emin
    if a < least or b < least:
        return copysign(0.0, sign)
    p, q = floor_log2(a), floor_log2(b)
    u = (a / Fraction(2) ** p - 1) + (b / Fraction(2) ** q - 1) + Fraction(1, 2 ** l_of(fmt.man))
    size = (1 + u) * Fraction(2) ** (p + q)
    if not formula and u >= 1:  # the carry goes into the exponent field: each further one doubles the binade
        carries = int(u)
        size = (1 + u - carries) * Fraction(2) ** (p + q + carries)
    if size < least:
        return copysign(0.0, sign)
    made = round_real(size, Numbers(fmt.man, fmt.emin, Fraction(2) ** 4000, False))
    if made > fmt.max:
        made = float("inf") if fmt.infinite else float(fmt.max)
    return copysign(made, sign)


def shift(x: int, weight: float, how: str):
    """sign * round(x * 2**e) of an integer and a power of two with sign."""
    if weight == 0:
        return 0
    exact = Fraction(x) * abs(Fraction(weight))
    low = exact.numerator // exact.denominator
    rest = exact - low
    half = Fraction(1, 2)
    up = {
        "floor": False,
        "rz": x < 0 and rest > 0,
        "half_up": rest >= half,
        "rne": rest > half or (rest == half and low % 2 == 1),
        "rna": rest > half or (rest == half and x > 0),
    }[how]
    return (low + up) * (1 if weight > 0 else -1)


def mitchell(x: int, y: int):
    """2**(log2~ x + log2~ y) with log2~(2**k (1 + f)) = k + f."""
    if x == 0 or y == 0:
        return 0
    k, m = x.bit_length() - 1, y.bit_length() - 1
    total = k + Fraction(x, 2**k) - 1 + m + Fraction(y, 2**m) - 1
    whole = total.numerator // total.denominator
    made = 2**whole * (1 + total - whole)
    assert made.denominator == 1
    return int(made)


def drum(x: int, y: int, bits: int):
    def short(v):
        drop = max(v.bit_length() - bits, 0)
        return ((v >> drop) | 1) << drop if drop else v

    return short(x) * short(y)


def kulkarni(x: int, y: int, width: int = 8):
    if width == 2:
        return 7 if x == y == 3 else x * y
    half = width // 2
    (a, b), (c, d) = divmod(x, 2**half), divmod(y, 2**half)
    high, low = kulkarni(a, c, half), kulkarni(b, d, half)
    return (high << width) + ((kulkarni(a, d, half) + kulkarni(b, c, half)) << half) + low
