"""Codes of floats too wide for a table to values."""

from __future__ import annotations

import numpy as np

from .jit import bits_float, kernel

_ONE = np.int64(1)


@kernel
def _power(exponent):
    """2**exponent, a normal float64."""
    return bits_float((exponent + 1023) << 52)


@kernel
def decode_float(codes, out, man_bits, exp_bits, bias, emin, zero, max_code, inf_code, nan_code):
    """Values of the float format that these facts describe (as for `encode_float`). codes: unsigned; out: float32 or float64."""
    field_mask, fraction_mask = (_ONE << exp_bits) - 1, (_ONE << man_bits) - 1
    size_mask = (_ONE << (exp_bits + man_bits)) - 1
    for i in range(codes.size):
        word = np.int64(codes[i])
        size = word & size_mask
        field, significand = (size >> man_bits) & field_mask, size & fraction_mask
        exponent = emin if field == 0 and zero else field - bias
        significand |= np.int64(0) if field == 0 and zero else _ONE << man_bits
        exponent -= man_bits
        near = max(exponent, np.int64(-1000))  # the rest scales an exact product to a value that is exact too
        value = np.float64(significand) * _power(near) * _power(exponent - near)
        value = np.nan if size > max_code else value
        value = np.inf if size == inf_code else value
        value = -value if word != size else value
        out[i] = np.nan if word == nan_code else value
