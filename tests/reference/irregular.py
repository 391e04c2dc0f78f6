"""Plain models of the irregular formats: exact values from their definitions, rounding by search. Fraction and int only."""

from __future__ import annotations

from fractions import Fraction
from math import copysign, inf, isinf, isnan

NAN = "nan"
F = Fraction
TWO = Fraction(2)


def to_number(code, n):
    """Two's complement."""
    return code - (1 << n) if code >> (n - 1) else code


def posit(n, es, code):
    """Value of a posit; NAN for NaR. The standard's own formula works on the negated bit string."""
    if code == 0:
        return F(0)
    if code == 1 << (n - 1):
        return NAN
    negative = code >> (n - 1)
    if negative:
        code = (1 << n) - code
    bits = format(code, f"0{n}b")[1:]
    run = len(bits) - len(bits.lstrip(bits[0]))
    regime = run - 1 if bits[0] == "1" else -run
    rest = bits[run + 1 :]
    exponent = int(rest[:es].ljust(es, "0") or "0", 2)
    tail = rest[es:]
    fraction = F(int(tail, 2), 1 << len(tail)) if tail else F(0)
    value = (1 + fraction) * TWO ** (regime * (1 << es) + exponent)
    return -value if negative else value


def takum_fields(n, code):
    """(s, c, m) of a takum code, from the bit string with zeros appended."""
    width = max(n, 12) + 12
    bits = format(code << (width - n), f"0{width}b")
    s, d, regime = int(bits[0]), int(bits[1]), int(bits[2:5], 2)
    r = regime if d else 7 - regime
    held = int(bits[5 : 5 + r] or "0", 2)
    c = 2**r - 1 + held if d else -(2 ** (r + 1)) + 1 + held
    tail = bits[5 + r :]
    return s, c, F(int(tail, 2), 1 << len(tail))


def takum(n, code):
    """Value of a linear takum."""
    if code == 0:
        return F(0)
    if code == 1 << (n - 1):
        return NAN
    s, c, m = takum_fields(n, code)
    return ((1 - 3 * s) + m) * TWO ** ((1 - 2 * s) * (c + s))


def bit_string_encode(value_of, n, x):
    """Nearest code of the bit string with round to even, by search: value_of(n, code) must be monotone; never 0 or NaR."""
    if isnan(x) or isinf(x):
        return 1 << (n - 1)
    exact = F(x)
    if exact == 0:
        return 0
    negative, magnitude = exact < 0, abs(exact)
    low, high = 1, (1 << (n - 1)) - 1
    if magnitude <= value_of(n, low):
        code = low
    elif magnitude >= value_of(n, high):
        code = high
    else:
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if value_of(n, middle) <= magnitude else (low, middle)
        cut = value_of(n + 1, 2 * low + 1)
        code = high if magnitude > cut or (magnitude == cut and low & 1) else low
    return (1 << n) - code if negative else code


def hif8():
    """{code: value} of HiFloat8, by the prefix of its second field."""
    table = {}
    for code in range(256):
        sign = -1 if code >> 7 else 1
        bits = format(code & 127, "07b")
        for prefix, d in (("11", 4), ("10", 3), ("01", 2), ("001", 1), ("0001", 0)):
            if bits.startswith(prefix):
                rest = bits[len(prefix) :]
                if d == 0:
                    exponent, tail = 0, rest
                else:
                    size = int("1" + rest[1:d], 2)
                    exponent, tail = (-size if rest[0] == "1" else size), rest[d:]
                value = (1 + F(int(tail, 2), 1 << len(tail))) * TWO**exponent
                break
        else:
            low = int(bits[4:], 2)
            value = TWO ** (low - 23) if low else F(0)
        table[code] = sign * value
    table[0], table[128], table[0x6F], table[0xEF] = F(0), NAN, inf, -inf
    return table


def p3109(k, p, signed, extended):
    """{code: value} of Binary{K}p{P}{s|u}{e|f}, P3109 v4.0 section 4.2."""
    width = k - 1 if signed else k
    bias = 1 << (k - p - 1) if signed else 1 << (k - p)
    t = p - 1
    table = {}
    for code in range(1 << width):
        field, low = code >> t, code & ((1 << t) - 1)
        value = F(low) * TWO ** (1 - bias - t) if field == 0 else ((1 << t) + low) * TWO ** (field - bias - t)
        table[code] = value
    top = (1 << width) - 1
    if signed:
        for code in range(1, 1 << width):
            table[code + (1 << width)] = -table[code]
        table[1 << width] = NAN
        if extended:
            table[top], table[(1 << k) - 1] = inf, -inf
    else:
        table[top] = NAN
        if extended:
            table[top - 1] = inf
    return table


class P3109Model:
    """Round to the unbounded format, then saturate: sections 4.7.4 and 4.7.5."""

    def __init__(self, k, p, signed, extended):
        self.t, self.signed, self.extended = p - 1, signed, extended
        self.bias = 1 << (k - p - 1) if signed else 1 << (k - p)
        self.table = p3109(k, p, signed, extended)
        self.codes = {v: c for c, v in self.table.items()}
        finite = [v for v in self.table.values() if isinstance(v, Fraction)]
        self.top, self.low = max(finite), min(finite)

    def round(self, x, mode, width=0, random=0):
        """The rounded value, a Fraction, range unbounded."""
        if x == 0:
            return F(0)
        exponent = max(floor_log2(abs(x)), 1 - self.bias) - self.t
        scaled = abs(x) / TWO**exponent
        kept = scaled.numerator // scaled.denominator
        tail = scaled - kept
        odd = kept & 1 == 1 if self.t else kept != 0 and (exponent + self.bias) & 1 == 1
        limit = 1 << width
        half = F(1, 2)
        outward = {
            "toward_zero": lambda: False,
            "up": lambda: tail > 0 and x > 0,
            "down": lambda: tail > 0 and x < 0,
            "away": lambda: tail > 0,
            "ties_even": lambda: tail > half or (tail == half and odd),
            "ties_away": lambda: tail >= half,
            "ties_zero": lambda: tail > half,
            "ties_up": lambda: tail > half or (tail == half and x > 0),
            "ties_down": lambda: tail > half or (tail == half and x < 0),
            "to_odd": lambda: tail > 0 and not odd,
            "stochastic_a": lambda: (tail * limit) // 1 + random >= limit,
            "stochastic_b": lambda: (tail * 2 * limit) // 1 + 2 * random + 1 >= 2 * limit,
            "stochastic_c": lambda: round(tail * limit) + random >= limit,
        }[mode]()
        value = (kept + int(outward)) * TWO**exponent
        return value if x > 0 else -value

    def saturate(self, r, mode, overflow):
        """The value (Fraction, inf, -inf or NAN) that a rounded value or an infinity becomes."""
        minus = -inf if self.signed and self.extended else self.low
        plus = inf if self.extended else self.top
        if isinstance(r, Fraction):
            if self.low <= r <= self.top:
                return r
            if overflow != "nonsat":
                return self.top if r > 0 else self.low
            if r > 0:
                inward = mode in ("toward_zero", "down") or (mode == "to_odd" and not self.signed and self.extended)
                return self.top if inward else plus
            if mode in ("toward_zero", "up"):
                return self.low
            return minus if self.signed else NAN
        if overflow == "saturate":
            return self.top if r > 0 else self.low
        if r > 0:
            return plus
        return NAN if overflow == "nonsat" and not self.signed else minus

    def encode(self, x, mode, overflow, width=0, random=0):
        """Code of a float or Fraction."""
        if isinstance(x, float) and isnan(x):
            return self.codes[NAN]
        if isinstance(x, float) and isinf(x):
            return self.codes[self.saturate(x, mode, overflow)]
        return self.codes[self.saturate(self.round(F(x), mode, width, random), mode, overflow)]


def floor_log2(x):
    """floor(log2(x)) of a positive Fraction."""
    e = x.numerator.bit_length() - x.denominator.bit_length() + 1
    while TWO**e > x:
        e -= 1
    return e


def neighbours(values, x):
    """The entries of an ascending list around x (Fraction): (below or None, above or None)."""
    under = [v for v in values if v <= x]
    over = [v for v in values if v >= x]
    return (under[-1] if under else None), (over[0] if over else None)


def nearest(values, x, tie):
    """The nearest of some values; tie(below, above) chooses."""
    low, high = neighbours(values, x)
    if low is None or high is None or low == high:
        return high if low is None else low
    left, right = x - low, high - x
    if left == right:
        return tie(low, high)
    return low if left < right else high


def is_minus_zero(x):
    return x == 0 and copysign(1.0, x) < 0
