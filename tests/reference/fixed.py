"""Fixed point in plain Fraction and int: quantization, overflow, result types and operations, written from the rules' text.

Rules: UG1399 (Vitis HLS) "Quantization Modes" and "Overflow Modes", ap_fixed_base.h's result types. No code shared with numfmt.
"""

from fractions import Fraction
from math import floor


def rounded(value, mode, bits=None, random=None):
    """The integer that the Fraction `value` becomes."""
    below = floor(value)
    part = value - below
    if part == 0:
        return below
    negative = value < 0
    if mode.startswith("stochastic"):
        inner = 1 - part if negative else part  # of the magnitude
        scale = 1 << bits
        if mode == "stochastic_a":
            away = floor(inner * scale) + random >= scale
        elif mode == "stochastic_b":
            away = floor(inner * 2 * scale) + 2 * random + 1 >= 2 * scale
        else:
            away = round(inner * scale) + random >= scale
        return below if away == negative else below + 1
    half = Fraction(1, 2)
    choices = {
        "down": False,
        "up": True,
        "toward_zero": negative,
        "away": not negative,
        "to_odd": below % 2 == 0,
        "ties_up": part >= half,
        "ties_down": part > half,
        "ties_zero": part > half or (part == half and negative),
        "ties_away": part > half or (part == half and not negative),
        "ties_even": part > half or (part == half and below % 2 == 1),
    }
    return below + int(choices[mode])


def signed_of(bits):
    """Integer of a list of bits, most significant first, two's complement."""
    return int("".join(map(str, bits)), 2) - (bits[0] << len(bits))


def brought_into_range(whole, unrounded, width, signed, mode, n):
    """Raw integer of the rounded `whole`; `unrounded` is the exact value in units of the last bit. Bit lists, no masks."""
    if width == 0:
        return 0
    high = 2 ** (width - 1) - 1 if signed else 2**width - 1
    low = -(2 ** (width - 1)) if signed else 0
    symmetric = mode == "saturate_symmetric" and signed and width > 1
    if (-high if symmetric else low) <= whole <= high:
        return whole
    s = int(whole < 0)
    if mode in ("saturate", "saturate_symmetric"):
        return (-high if symmetric else low) if s else high
    if mode == "saturate_zero":
        return 0
    u = [(whole // 2**i) % 2 for i in range(width)][::-1]  # u[0] is the most significant bit
    if mode == "wrap":
        for i in range(n):
            u[i] = 1 if not signed else (s if i == 0 else 1 - s)
    else:
        if n == 0:
            lead = floor(unrounded) // 2**width % 2
            if lead != u[0]:
                u = [1 - b for b in u]
            u[0] = lead
        elif n == 1:
            if s != u[0]:
                u = [1 - b for b in u]
            u[0] = s
        else:
            if u[n - 1] == s:
                u = [1 - b for b in u]
            for i in range(1, n):
                u[i] = 1 - s
            u[0] = s
    return signed_of(u) if signed else signed_of([0, *u])


def cast(value, width, int_bits, signed, rounding, overflow, n=0, bits=None, random=None):
    """Raw integer of the Fraction `value`."""
    scaled = Fraction(value) * Fraction(2) ** (width - int_bits)
    return brought_into_range(rounded(scaled, rounding, bits, random), scaled, width, signed, overflow, n)


def result_type(op, a, b):
    """(W, I, S) of an operation on types (W, I, S)."""
    (w1, i1, s1), (w2, i2, s2) = a, b
    f1, f2 = w1 - i1, w2 - i2
    i_mixed = max(i1 + int(s2 and not s1), i2 + int(s1 and not s2))
    if op in ("add", "sub"):
        return i_mixed + 1 + max(f1, f2), i_mixed + 1, bool(s1 or s2 or op == "sub")
    if op == "mul":
        return w1 + w2, i1 + i2, bool(s1 or s2)
    if op == "div":
        return s2 + w1 + max(f2, 0), s2 + i1 + f2, bool(s1 or s2)
    if op == "neg":
        return w1 + 1, i1 + 1, True
    return a


def operation(op, x, y, a, b):
    """Raw result of raws x, y of types a, b."""
    (w1, i1, s1), (w2, i2, s2) = a, b
    f1, f2 = w1 - i1, w2 - i2
    unit1, unit2 = Fraction(2) ** -f1, Fraction(2) ** -f2
    w, i, s = result_type(op, a, b)
    unit = Fraction(2) ** -(w - i)
    if op == "add":
        exact = x * unit1 + y * unit2
    elif op == "sub":
        exact = x * unit1 - y * unit2
    elif op == "mul":
        exact = x * unit1 * y * unit2
    elif op == "neg":
        exact = -x * unit1
    elif op == "div":
        quotient = Fraction(x) * 2 ** max(f2, 0) / y
        whole = floor(abs(quotient)) * (1 if quotient >= 0 else -1)
        register = max(w1 + max(f2, 0) + int(s2 and not s1), w2 + int(s1 and not s2))
        return brought_into_range(whole, Fraction(whole), register, s, "wrap", 0)
    else:
        amount = y if op == "shl" else -y
        moved = Fraction(x) * Fraction(2) ** amount
        return brought_into_range(floor(moved), moved, w1, s1, "wrap", 0)
    raw = exact / unit
    assert raw.denominator == 1
    return int(raw)
