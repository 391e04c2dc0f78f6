"""Widths of accumulators that lose nothing, by the published formulas."""

from __future__ import annotations

from math import ceil, log2

from hwmodel._checks import positive_int


def growth(terms: int) -> int:
    """Bits that a sum of so many terms grows by."""
    return ceil(log2(positive_int("terms", terms))) if terms > 1 else 0


def integer_sum_bits(a_bits: int, b_bits: int, terms: int) -> int:
    """a + b + ceil(log2 n) + 1, from A2Q's bound. Source: arXiv 2311.12359 v3, as quoted by others."""
    return positive_int("a_bits", a_bits) + positive_int("b_bits", b_bits) + growth(terms) + 1


def minifloat_sum_bits(e1: int, m1: int, e2: int, m2: int, terms: int) -> int:
    """Fixed-point accumulator of a dot product of two minifloats: 2**e1 + m1 + 2**e2 + m2 + ceil(log2 n) - 1.

    Source: as integer_sum_bits. Exponential in exponent bits: 4608 terms of E2M3 take 26 bits, E3M2 32, E3M3 34.
    """
    for name, bits in (("e1", e1), ("e2", e2)):
        positive_int(name, bits)
    for name, bits in (("m1", m1), ("m2", m2)):
        positive_int(name, bits, minimum=0)
    return 2**e1 + m1 + 2**e2 + m2 + growth(terms) - 1
