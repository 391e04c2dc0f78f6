"""IEEE arithmetic in Fraction: exact results, one rounding into a format, flags. No code shared with the product."""

from fractions import Fraction
from math import copysign, floor, inf, isinf, isnan, isqrt, nan

INVALID, DIVZERO, OVERFLOW, UNDERFLOW, INEXACT = 16, 8, 4, 2, 1


def sign_of(x):
    return copysign(1.0, x) < 0


def exact(op, x, y=None, z=None, down=False):
    """(result, flags): result is a Fraction, or a float for NaN, infinities and signed zeros. Operands are Python floats."""
    if op == "subtract":
        return exact("add", x, -y, down=down)
    if op == "fma":
        product, flags = exact("multiply", x, y)
        if isinstance(product, float) and isnan(product):
            return nan, flags
        if isinstance(product, Fraction):
            if isnan(z) or isinf(z):
                return z, 0
            total = product + Fraction(z)
            return (total or (-0.0 if down else 0.0)), 0
        return exact("add", product, z, down=down)
    if isnan(x) or (y is not None and isnan(y)):
        return nan, 0
    if op == "sqrt":
        if x == 0 or x == inf:
            return x, 0
        if x < 0:
            return nan, INVALID
        f = Fraction(x)
        scaled = f * Fraction(4) ** 700
        root = isqrt(floor(scaled))
        result = Fraction(root, 2**700)
        if result * result != f:
            result += Fraction(1, 2**720)  # anywhere strictly inside the last interval
        return result, 0
    if op == "add":
        if isinf(x) or isinf(y):
            return (nan, INVALID) if isinf(x) and isinf(y) and x != y else (x if isinf(x) else y, 0)
        total = Fraction(x) + Fraction(y)
        if total:
            return total, 0
        if x == 0 and y == 0 and sign_of(x) == sign_of(y):
            return x, 0
        return (-0.0 if down else 0.0), 0
    sign = -1.0 if sign_of(x) != sign_of(y) else 1.0
    if op == "multiply":
        if isinf(x) or isinf(y):
            return (nan, INVALID) if x == 0 or y == 0 else (sign * inf, 0)
        return (Fraction(x) * Fraction(y) or sign * 0.0), 0
    if op == "divide":
        if isinf(x):
            return (nan, INVALID) if isinf(y) else (sign * inf, 0)
        if isinf(y):
            return sign * 0.0, 0
        if y == 0:
            return (nan, INVALID) if x == 0 else (sign * inf, DIVZERO)
        return (Fraction(x) / Fraction(y) or sign * 0.0), 0
    assert op == "remainder"
    if isinf(x) or y == 0:
        return nan, INVALID
    if isinf(y) or x == 0:
        return (Fraction(x) or x), 0
    quotient = Fraction(x) / Fraction(y)
    n = floor(quotient)
    if quotient - n > Fraction(1, 2) or (quotient - n == Fraction(1, 2) and n % 2):
        n += 1
    rest = Fraction(x) - n * Fraction(y)
    return (rest or (-0.0 if sign_of(x) else 0.0)), 0


def log2_floor(x):
    n = x.numerator.bit_length() - x.denominator.bit_length()
    return n if Fraction(2) ** n <= x else n - 1


def integer(scaled, mode, negative, odd_base=0):
    """scaled >= 0 to an integer."""
    low = floor(scaled)
    tail = scaled - low
    if not tail:
        return low
    directed = {"toward_zero": 0, "away": 1, "up": not negative, "down": negative, "to_odd": (low + odd_base) % 2 == 0}
    if mode in directed:
        return low + int(directed[mode])
    if tail != Fraction(1, 2):
        return low + int(tail > Fraction(1, 2))
    return low + int(
        {"ties_even": (low + odd_base) % 2, "ties_away": 1, "ties_zero": 0, "ties_up": not negative, "ties_down": negative}[mode]
    )


def round_ieee(result, raised, man_bits, emin, emax, mode, tininess="after"):
    """(float value, flags) of an exact result in an IEEE format whose overflow goes to infinity; exact in Python's float."""
    if isinstance(result, float):
        return result, raised
    negative, magnitude = result < 0, abs(result)
    exponent = max(log2_floor(magnitude), emin)
    unit = Fraction(2) ** (exponent - man_bits)
    rounded = integer(magnitude / unit, mode, negative) * unit
    flags = raised | (INEXACT if rounded != magnitude else 0)
    largest = (2 - Fraction(1, 2**man_bits)) * Fraction(2) ** emax
    sign = -1.0 if negative else 1.0
    if rounded > largest:
        inward = mode == "toward_zero" or mode == ("up" if negative else "down")
        return sign * (float(largest) if inward else inf), flags | OVERFLOW | INEXACT
    tiny = magnitude < Fraction(2) ** emin
    if tiny and tininess == "after":
        free = Fraction(2) ** (log2_floor(magnitude) - man_bits)
        tiny = integer(magnitude / free, mode, negative) * free < Fraction(2) ** emin
    if tiny and flags & INEXACT:
        flags |= UNDERFLOW
    return sign * float(rounded), flags
