"""Exact scalar models of formats and roundings in Fraction; no code shared with numfmt's kernels.

Floats follow P3109 v4.0 section 4.7: round to the unbounded format first, then apply the overflow rule.
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from math import copysign, floor, inf, isinf, isnan

NAN = "nan"


def float_values(exp_bits, man_bits, bias, specials, signed=True, zero=True):
    """{code: Fraction | inf | -inf | NAN | '-0'} of a float format, from the field definitions."""
    table = {}
    for code in range(1 << (exp_bits + man_bits)):
        field, fraction = code >> man_bits, code & ((1 << man_bits) - 1)
        if field == 0 and zero:
            value = Fraction(fraction) * Fraction(2) ** (1 - bias - man_bits)
        else:
            value = Fraction((1 << man_bits) + fraction) * Fraction(2) ** (field - bias - man_bits)
        last = code == (1 << (exp_bits + man_bits)) - 1
        if specials == "ieee" and field == (1 << exp_bits) - 1:
            value = inf if fraction == 0 else NAN
        elif specials == "fn" and last:
            value = NAN
        table[code] = value
    if signed:
        half = 1 << (exp_bits + man_bits)
        for code in range(half):
            value = table[code]
            table[code + half] = value if value == NAN else (-value if value != 0 else "-0")
        if specials == "fnuz":
            table[half] = NAN
    return table


def away(mode, below, above, magnitude, odd_below, negative, random=None):
    """Whether `magnitude` strictly between the magnitudes `below` and `above` goes to `above`."""
    left, right = magnitude - below, above - magnitude
    if mode.startswith("stochastic"):
        drawn, width = random
        share = left / (above - below)
        if mode == "stochastic_a":
            return floor(share * 2**width) + drawn >= 2**width
        if mode == "stochastic_b":
            return floor(share * 2 ** (width + 1)) + 2 * drawn + 1 >= 2 ** (width + 1)
        scaled = share * 2**width
        whole = floor(scaled)
        half = scaled - whole
        whole += half > Fraction(1, 2) or (half == Fraction(1, 2) and whole % 2 == 1)
        return whole + drawn >= 2**width
    directed = {
        "toward_zero": False, "away": True, "up": not negative, "down": negative, "to_odd": not odd_below,
    }  # fmt: skip
    if mode in directed:
        return directed[mode]
    if left != right:
        return left > right
    return {
        "ties_even": odd_below, "ties_away": True, "ties_zero": False, "ties_up": not negative, "ties_down": negative,
    }[mode]  # fmt: skip


class FloatModel:
    """A float format as its table of values, prepared once: sorted magnitudes with their codes."""

    def __init__(self, table, man_bits, bias, signed):
        self.man_bits, self.bias, self.signed = man_bits, bias, signed
        self.half = len(table) // 2 if signed else 0
        self.nan = any(v == NAN for v in table.values())
        self.inf_code = next((c for c, v in table.items() if v == inf), None)
        self.minus_zero = any(v == "-0" for v in table.values())
        finite = sorted((v, c) for c, v in table.items() if isinstance(v, Fraction) and v >= 0 and (not signed or c < self.half))
        self.magnitudes = [v for v, _ in finite]
        self.codes = [c for _, c in finite]

    def encode(self, x, rounding, overflow, random=None):
        """Code of the Python float x; "nan" for a NaN code, None where it has no code. random: (R, N) of a stochastic rounding."""
        no_value = "nan" if self.nan else None
        if isnan(x):
            return no_value
        negative = copysign(1.0, x) < 0
        sign = self.half if negative else 0
        if x == 0:
            if self.magnitudes[0] != 0:
                return no_value or 0
            return sign if self.minus_zero else 0
        if negative and not self.signed:
            if overflow != "nonsat" or not self.nan or (rounding in ("toward_zero", "up") and not isinf(x)):
                return 0
            if self.magnitudes[0] == 0 and not isinf(x) and self._round(abs(Fraction(x)), rounding, True, random) == 0:
                return 0  # rounded first: zero is in the range
            return "nan"
        code = None if isinf(x) else self._round(abs(Fraction(x)), rounding, negative, random)
        if code is None:
            inward = rounding == "toward_zero" or (rounding == "down" and not negative) or (rounding == "up" and negative)
            top = self.codes[-1] | sign
            if overflow == "saturate" or (overflow == "propagate" and not isinf(x)) or (inward and not isinf(x)):
                return top
            if self.inf_code is not None:
                return self.inf_code | sign
            return "nan" if overflow == "nonsat" and self.nan else top
        return code | sign if code or self.minus_zero or self.magnitudes[0] != 0 else 0

    def _round(self, magnitude, rounding, negative, random=None):
        """Code of the rounded magnitude, None where it lies beyond the largest value."""
        largest = self.magnitudes[-1]
        if magnitude > largest:  # the format continued upward: steps of its last mantissa bit
            step = Fraction(2) ** (floor_log2(magnitude) - self.man_bits)
            if self.magnitudes[0] == 0:
                step = max(step, self.magnitudes[1])  # the largest value may be subnormal
            below = magnitude // step * step
            if below == magnitude or below > largest:
                return None
            odd = self.codes[-1] & 1 == 1
            return None if away(rounding, below, below + step, magnitude, odd, negative, random) else self.codes[-1]
        place = bisect_right(self.magnitudes, magnitude) - 1
        if place < 0:  # below the smallest value of a format without zero
            return self.codes[0]
        below = self.magnitudes[place]
        if below == magnitude:
            return self.codes[place]
        up = away(rounding, below, self.magnitudes[place + 1], magnitude, self.codes[place] & 1 == 1, negative, random)
        return self.codes[place + 1] if up else self.codes[place]


def floor_log2(x):
    """floor(log2(x)) of a positive Fraction, exactly."""
    n = x.numerator.bit_length() - x.denominator.bit_length()
    return n if Fraction(2) ** n <= x else n - 1


def encode_fixed(x, width, frac_bits, signed, rounding, overflow):
    """Integer value (not code) of x in a fixed-point format; None for NaN."""
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    if isnan(x) or (isinf(x) and overflow == "wrap"):
        return None
    if isinf(x):
        return high if x > 0 else low
    exact = Fraction(x) * Fraction(2) ** frac_bits
    negative = exact < 0
    magnitude = abs(exact)
    below = floor(magnitude)
    whole = below
    if below != magnitude and away(rounding, Fraction(below), Fraction(below + 1), magnitude, below & 1 == 1, negative):
        whole = below + 1
    value = -whole if negative else whole
    if overflow == "wrap":
        value = (value - low) % (1 << width) + low
    return min(max(value, low), high)


def encode_table(x, table, ties):
    """Lowest code of the nearest entry of `table`."""
    distances = [(abs(Fraction(v) - Fraction(x)), v) for v in table]
    best = min(d for d, _ in distances)
    values = [v for d, v in distances if d == best]
    chosen = min(values) if ties == "lower" else max(values)
    return list(table).index(chosen)
