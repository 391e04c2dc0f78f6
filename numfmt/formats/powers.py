"""Correctly rounded powers with rational exponents, by integer roots: what logarithmic formats are made of."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np


def integer_root(value: int, degree: int) -> int:
    """floor(value ** (1 / degree)) of a nonnegative integer."""
    while degree % 2 == 0:
        value, degree = isqrt(value), degree // 2
    if degree == 1 or value < 2:
        return value
    guess = 1 << -(-value.bit_length() // degree)  # above the root; Newton then falls to it
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess
        guess = better


def power_bounds(base: Fraction, exponent: Fraction, bits: int = 128) -> tuple[Fraction, bool]:
    """A lower bound of base**exponent (base > 0) with at least `bits` significant bits, and whether it is equal."""
    p, q = exponent.numerator, exponent.denominator
    raised = base**p
    size = (raised.numerator.bit_length() - raised.denominator.bit_length()) // q  # log2 of the root, about
    shift = bits - size
    scaled = raised * Fraction(2) ** (shift * q)
    whole = scaled.numerator // scaled.denominator
    root = integer_root(whole, q)
    return Fraction(root) / Fraction(2) ** shift, whole == scaled and root**q == whole


OCTAVE_BITS = 400


def octave(frac_bits: int) -> list[int]:
    """floor(2**(k / 2**frac_bits) * 2**400), up to an error far below 2**-350 of it, for k = 0 .. 2**frac_bits - 1."""
    root = 2 << (2 * OCTAVE_BITS)
    for _ in range(frac_bits):
        root = isqrt(root) << OCTAVE_BITS
    base, value, found = root >> OCTAVE_BITS, 1 << OCTAVE_BITS, []
    for _ in range(1 << frac_bits):
        found.append(value)
        value = value * base >> OCTAVE_BITS
    return found


def rounded_power(base: Fraction, exponent: Fraction) -> float:
    """base**exponent correctly rounded to float64 (ties to even)."""
    low, exact = power_bounds(base, exponent)
    if exact:
        return low.numerator / low.denominator
    inside = low * (1 + Fraction(1, 1 << 200))  # strictly between the bound and the next one: rounds as the power does
    return inside.numerator / inside.denominator


def power_floor(base: Fraction, exponent: Fraction) -> tuple[float, bool]:
    """The largest float64 not above base**exponent, and whether it is equal."""
    low, exact = power_bounds(base, exponent)
    near = low.numerator / low.denominator
    if Fraction(near) > low:
        near = float(np.nextafter(near, 0.0))
    return near, exact and Fraction(near) == low
