"""Exact numbers for people and for JSON: a float where float64 holds the value, else integer times power of two."""

from __future__ import annotations

from fractions import Fraction
from math import copysign, isfinite, isnan, log2

Number = float | Fraction


def as_number(value: Fraction | float) -> Number:
    """A float where float64 holds the value, else the fraction itself."""
    if isinstance(value, float):
        return value
    near = as_float(value)
    return near if isfinite(near) and Fraction(near) == value else value


def as_float(value: Number) -> float:
    """The nearest float64; infinite beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def log2_of(value: Number) -> float:
    """log2 of a positive number of any size."""
    exact = Fraction(value)
    shift = exact.numerator.bit_length() - exact.denominator.bit_length()
    return shift + log2(exact / Fraction(2) ** shift)


def dyadic(value: Fraction) -> str:
    """`m*2**e` with odd m, for a fraction whose denominator is a power of two; else `p/q`."""
    if value.denominator & (value.denominator - 1):
        return str(value)
    low = (value.numerator & -value.numerator).bit_length() - 1
    m, e = value.numerator >> low, low - (value.denominator.bit_length() - 1)
    return f"2**{e}" if m == 1 else f"-2**{e}" if m == -1 else f"{m}*2**{e}"


def number_text(value: Number | None, digits: int = 17) -> str:
    """For people: at most `digits` digits of what float64 holds, whole numbers in full, other values as `m*2**e`."""
    if value is None:
        return "none"
    if isinstance(value, Fraction):
        short = as_number(value)
        if isinstance(short, Fraction):
            if value.denominator == 1 and abs(value) < 10**24:
                return str(value)
            return dyadic(value)
        value = short
    if isnan(value):
        return "NaN"
    if not isfinite(value):
        return "+inf" if value > 0 else "-inf"
    if value == 0:
        return "-0" if copysign(1.0, value) < 0 else "0"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = min((f"{value:.{n}g}" for n in range(1, 18) if float(f"{value:.{n}g}") == value), key=len, default=f"{value!r}")
    return text if len(text) <= digits + 6 else f"{value:.{digits}g}"


def shown(value: Number | None) -> str:
    """`number_text`; where that is long, the integer times a power of two that it is, if short, with a decimal beside it."""
    text = number_text(value)
    if value is None or len(text) <= 12:
        return text
    if not isfinite(as_float(value)):
        return text if len(text) <= 40 else f"{'-' if value < 0 else ''}2**{log2_of(abs(Fraction(value))):.6g}, rounded"
    exact = Fraction(value)
    short = dyadic(exact)
    if abs(exact.numerator) >> 200 or "/" in short or len(short) > 28 or len(short) >= len(text) + 4:
        return text
    return f"{short} = {as_float(value):.6g}" if short != text else f"{text} = {as_float(value):.6g}"


def json_number(value: Number | None) -> float | int | str | None:
    """For strict JSON: numbers as numbers, what float64 does not hold and the specials as text ("nan", "inf", "2**16383")."""
    if value is None:
        return None
    short = as_number(value)
    if isinstance(short, Fraction):
        return int(short) if short.denominator == 1 and abs(short) < 1 << 64 else dyadic(short)
    if isnan(short):
        return "nan"
    if not isfinite(short):
        return "inf" if short > 0 else "-inf"
    return short
