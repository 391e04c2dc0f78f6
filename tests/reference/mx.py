"""Plain models of blocks under shared scales: MX, block floating point, microexponents (Fraction) and NVFP4 (NumPy float32).

One block at a time; no code shared with numfmt. Sources: OCP Microscaling v1.0 section 6.3; torchao 0.18.0
prototype/mx_formats (rules); NVIDIA/TransformerEngine and NVIDIA/Model-Optimizer (see tools/record_nvfp4.py); Rouhani et al., ISCA
2023 (recalled).
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from functools import cache

import ml_dtypes
import numpy as np

from .formats import floor_log2

F = np.float32
# name: (exponent bits, fraction bits, bias, largest finite magnitude code)
FLOATS = {
    "mxfp4": (2, 1, 1, 0x7),
    "mxfp6_e2m3": (2, 3, 1, 0x1F),
    "mxfp6_e3m2": (3, 2, 3, 0x1F),
    "mxfp8_e4m3": (4, 3, 7, 0x7E),
    "mxfp8_e5m2": (5, 2, 15, 0x7B),
}


@cache
def magnitudes(name):
    """Values of the magnitude codes from 0 on, as Fractions."""
    _, man_bits, bias, top = FLOATS[name]
    return [float_value(code, man_bits, bias) for code in range(top + 1)]


def float_value(code, man_bits, bias):
    field, fraction = code >> man_bits, code & ((1 << man_bits) - 1)
    if field == 0:
        return Fraction(fraction) * Fraction(2) ** (1 - bias - man_bits)
    return Fraction((1 << man_bits) + fraction) * Fraction(2) ** (field - bias - man_bits)


@cache
def multiples(bits):
    """q * 2**-(bits - 1) for q of `bits` magnitude bits: block floating point."""
    return [Fraction(q, 1 << (bits - 1)) for q in range(1 << bits)]


def scale_code(amax, top, man_bits, rule):
    """The E8M0 code of a group with this largest magnitude (a float32). top: largest magnitude of the element format, Fraction."""
    exact = Fraction(float(amax))
    if exact == 0:
        return 0
    if rule == "rceil":
        product = Fraction(float(F(amax) * (F(1) / F(float(top)))))
        if product == 0:
            return 0
        power = floor_log2(product)
        power += Fraction(2) ** power < product
        return min(max(power, -127), 127) + 127
    if rule == "even":
        unit = Fraction(2) ** (max(floor_log2(exact), -126) - man_bits)
        exact = (exact / unit + Fraction(1, 2)).__floor__() * unit
        if exact == 0:
            return 0
    power = floor_log2(exact)
    if rule == "ceil":
        power += Fraction(2) ** power < exact
    return min(max(power - floor_log2(top), -127), 127) + 127


def nearest_even(x, values):
    """Index of the value nearest to x >= 0; a tie goes to the even index; beyond the last, the last."""
    if x >= values[-1]:
        return len(values) - 1
    low = bisect_right(values, x) - 1
    below, above = x - values[low], values[low + 1] - x
    return low + (above < below or (above == below and low % 2 == 1))


def element_codes(block, code, values, bits):
    """Sign-and-magnitude codes of a block under scale code `code`."""
    power = Fraction(2) ** (code - 127)
    found = []
    for x in block:
        index = nearest_even(abs(Fraction(float(x))) / power, values)
        found.append(index | (1 << (bits - 1) if np.signbit(x) else 0))
    return found


def mx_block(block, name, rule):
    """(element codes, scale code) of float32 values."""
    exp_bits, man_bits, _, _ = FLOATS[name]
    values = magnitudes(name)
    code = scale_code(np.abs(block).max(), values[-1], man_bits, rule)
    return element_codes(block, code, values, 1 + exp_bits + man_bits), code


def integer_block(block, bits, code):
    """Two's complement codes of integers -(2**(bits - 1) - 1) .. in units of 2**-(bits - 2) under a scale code."""
    unit, top = Fraction(2) ** (code - 127 - (bits - 2)), (1 << (bits - 1)) - 1
    found = []
    for x in block:
        q = round(Fraction(float(x)) / unit)  # Python rounds halves to even
        found.append(min(max(q, -top), top) % (1 << bits))
    return found


def bfp_block(block, bits):
    """(sign-and-magnitude codes, exponent code) with the exponent of the maximum and no hidden bit."""
    code = scale_code(np.abs(block).max(), Fraction(1), 0, "floor")
    return element_codes(block, code, multiples(bits), bits + 1), code


def micro_block(block, bits):
    """(codes, exponent code, pair bits): a pair below the power of two of the block has half its unit."""
    code = scale_code(np.abs(block).max(), Fraction(1), 0, "floor")
    codes, pairs = [], []
    for pair in block.reshape(-1, 2):
        small = max(abs(Fraction(float(x))) for x in pair) < Fraction(2) ** (code - 127)
        codes += element_codes(pair, code - small, multiples(bits), bits + 1)
        pairs.append(int(small))
    return codes, code, pairs


# -- NVFP4: float32 scalars, one rounding an operation ---------------------------------------------------------------------------

E4M3 = ml_dtypes.float8_e4m3fn
MOST = np.finfo(F).max
E2M1 = [Fraction(n, 2) for n in (0, 1, 2, 3, 4, 6, 8, 12)]


def e4m3_saturated(x):
    """float32 to E4M3FN, clipped at 448 (ml_dtypes makes NaN of more)."""
    return F(min(x, F(448))).astype(E4M3)


def e2m1_code(x, zero_sign=True):
    """The code of a float32 clipped at 6, ties to even."""
    size = 7 if np.isinf(x) else nearest_even(abs(Fraction(float(x))), E2M1)
    return size | (8 if (np.signbit(x) if zero_sign else x < 0) else 0)


def te_constants(amax, bound=448):
    encode = min(F(6 * bound) / F(amax), MOST) if amax else F(1)
    encode = F(1) if encode == 0 else F(encode)
    return encode, F(1) / encode


def te_block(block, amax):
    """(element codes, block scale byte) as TransformerEngine."""
    encode, decode = te_constants(amax)
    scale = e4m3_saturated(min(np.abs(block).max() * (encode * (F(1) / F(6))), MOST))
    return te_elements(block, scale, decode), int(scale.view(np.uint8))


def te_elements(block, scale, decode):
    factor = min(F(1) / (scale.astype(F) * decode), MOST)
    return [e2m1_code(x * F(factor)) for x in block]


def four_over_six_block(block, amax, bound, squared, fast):
    """(element codes, block scale byte): the mapping to 4 where its error is smaller than that of the mapping to 6."""
    encode, decode = te_constants(amax, bound)
    base = np.abs(block).max() / F(6) * encode
    tried = []
    for scale in (e4m3_saturated(base), e4m3_saturated(base * F(1.5))):
        codes = te_elements(block, scale, decode)
        error = F(0)
        for x, code in zip(block, codes, strict=True):
            value = F(float(E2M1[code & 7])) * (F(-1) if code & 8 else F(1)) * scale.astype(F)
            difference = value - x * encode if fast else value * F(amax) / F(6 * bound) - x
            error = error + (difference * difference if squared else abs(difference))
        tried.append((codes, int(scale.view(np.uint8)), error))
    return tried[1][:2] if tried[1][2] < tried[0][2] else tried[0][:2]


def torchao_block(block, amax):
    """(element codes, block scale byte) as torchao with a tensor scale."""
    tensor = F(amax) / F(448 * 6)
    wanted = np.abs(block).max() / F(6) / tensor
    scale = e4m3_saturated(max(wanted, F(2.0**-6)))
    factor = F(1) / tensor / scale.astype(F)
    return [e2m1_code(x * factor) for x in block], int(scale.view(np.uint8))


def modelopt_block(block, amax, floored):
    """(element codes, block scale byte) as modelopt."""
    tensor = F(amax) / F(6 * 448)
    wanted = np.abs(block).max() / (F(6) * tensor)
    wanted = F(1) if wanted == 0 else wanted
    scale = e4m3_saturated(max(wanted, F(2.0**-9)) if floored else wanted)
    divisor = scale.astype(F) * tensor
    codes = []
    for x in block:
        y = x / divisor
        codes.append(7 if np.isnan(y) else e2m1_code(y, zero_sign=False))
    return codes, int(scale.view(np.uint8))
