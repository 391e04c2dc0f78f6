"""Array loops over the exact operations: special cases, then one rounding."""

from __future__ import annotations

import numpy as np

from .jit import float_bits, kernel
from .rounding import DOWN
from .soft import (
    ADD,
    DIVIDE,
    MULTIPLY,
    REMAINDER,
    SQRT,
    SUBTRACT,
    add_exact,
    divide_exact,
    fma_exact,
    multiply_exact,
    remainder_exact,
    sqrt_exact,
)
from .soft_round import DIVIDE_BY_ZERO, INVALID, odd_float64, round_to_code

FINITE, ZERO, INFINITE, NOT_A_NUMBER = range(4)


@kernel
def _negative(x):
    return float_bits(np.float64(x)) < 0


@kernel
def _added(x, y, down):
    """Sum of x and y, with the special cases: class, sign, significand, exponent, flags."""
    xn, yn = _negative(x), _negative(y)
    if np.isnan(x) or np.isnan(y):
        return NOT_A_NUMBER, False, np.int64(0), np.int64(0), 0
    if np.isinf(x):
        if np.isinf(y) and xn != yn:
            return NOT_A_NUMBER, False, np.int64(0), np.int64(0), INVALID
        return INFINITE, xn, np.int64(0), np.int64(0), 0
    if np.isinf(y):
        return INFINITE, yn, np.int64(0), np.int64(0), 0
    if x == 0 and y == 0:
        return ZERO, (xn if xn == yn else down), np.int64(0), np.int64(0), 0
    if x == -y:
        return ZERO, down, np.int64(0), np.int64(0), 0
    if x == 0:
        negative, significand, exponent = multiply_exact(y, 1.0)
    elif y == 0:
        negative, significand, exponent = multiply_exact(x, 1.0)
    else:
        negative, significand, exponent = add_exact(x, y)
    return FINITE, negative, significand, exponent, 0


@kernel
def _product_class(x, y):
    """Class, sign and flags of x * y where an operand is special; FINITE where none is."""
    negative = _negative(x) != _negative(y)
    if np.isnan(x) or np.isnan(y):
        return NOT_A_NUMBER, False, 0
    if np.isinf(x) or np.isinf(y):
        if x == 0 or y == 0:
            return NOT_A_NUMBER, False, INVALID
        return INFINITE, negative, 0
    if x == 0 or y == 0:
        return ZERO, negative, 0
    return FINITE, negative, 0


@kernel
def _divided(x, y):
    negative = _negative(x) != _negative(y)
    if np.isnan(x) or np.isnan(y):
        return NOT_A_NUMBER, False, 0
    if np.isinf(x):
        return (NOT_A_NUMBER, False, INVALID) if np.isinf(y) else (INFINITE, negative, 0)
    if np.isinf(y):
        return ZERO, negative, 0
    if y == 0:
        return (NOT_A_NUMBER, False, INVALID) if x == 0 else (INFINITE, negative, DIVIDE_BY_ZERO)
    if x == 0:
        return ZERO, negative, 0
    return FINITE, negative, 0


@kernel
def exact_result(op, x, y, z, down):
    """Class, sign, significand, exponent and flags of one operation. `down`: exact cancellation gives -0."""
    zero = np.int64(0)
    if op == ADD:
        return _added(x, y, down)
    if op == SUBTRACT:
        return _added(x, -y, down)
    if op == MULTIPLY:
        kind, negative, flags = _product_class(x, y)
        if kind != FINITE:
            return kind, negative, zero, zero, flags
        negative, significand, exponent = multiply_exact(x, y)
        return FINITE, negative, significand, exponent, 0
    if op == DIVIDE:
        kind, negative, flags = _divided(x, y)
        if kind != FINITE:
            return kind, negative, zero, zero, flags
        negative, significand, exponent = divide_exact(x, y)
        return FINITE, negative, significand, exponent, 0
    if op == SQRT:
        if np.isnan(x):
            return NOT_A_NUMBER, False, zero, zero, 0
        if x == 0:
            return ZERO, _negative(x), zero, zero, 0
        if x < 0:
            return NOT_A_NUMBER, False, zero, zero, INVALID
        if np.isinf(x):
            return INFINITE, False, zero, zero, 0
        negative, significand, exponent = sqrt_exact(x)
        return FINITE, False, significand, exponent, 0
    if op == REMAINDER:
        if np.isnan(x) or np.isnan(y):
            return NOT_A_NUMBER, False, zero, zero, 0
        if np.isinf(x) or y == 0:
            return NOT_A_NUMBER, False, zero, zero, INVALID
        if x == 0:
            return ZERO, _negative(x), zero, zero, 0
        if np.isinf(y):
            negative, significand, exponent = multiply_exact(x, 1.0)
            return FINITE, negative, significand, exponent, 0
        negative, significand, exponent = remainder_exact(x, y)
        return (FINITE if significand else ZERO), negative, significand, exponent, 0
    # FMA
    kind, negative, flags = _product_class(x, y)
    if kind == NOT_A_NUMBER:
        return kind, negative, zero, zero, flags
    if kind == INFINITE:
        if np.isnan(z):
            return NOT_A_NUMBER, False, zero, zero, 0
        if np.isinf(z) and _negative(z) != negative:
            return NOT_A_NUMBER, False, zero, zero, INVALID
        return INFINITE, negative, zero, zero, 0
    if kind == ZERO:
        return _added(-0.0 if negative else 0.0, z, down)
    if np.isnan(z) or np.isinf(z):
        return _added(0.0, z, down)
    negative, significand, exponent = fma_exact(x, y, z)
    if significand == 0:
        return ZERO, down, zero, zero, 0
    return FINITE, negative, significand, exponent, 0


@kernel
def odd_results(op, x, y, z, out, down):
    """out[i] = the operation rounded to odd in float64; infinities and NaN as they are. float64 arrays of one length."""
    for i in range(out.size):
        kind, negative, significand, exponent, _ = exact_result(op, x[i], y[i], z[i], down)
        if kind == FINITE:
            out[i] = odd_float64(negative, significand, exponent)
        elif kind == NOT_A_NUMBER:
            out[i] = np.nan
        else:
            size = np.inf if kind == INFINITE else 0.0
            out[i] = -size if negative else size


@kernel
def code_results(
    op, x, y, z, out, flags, man_bits, bias, emin, max_code, sign_bit, zero, minus_zero, nan_code, inf_code,
    mode, overflow, random, width, tiny_after, flush,
):  # fmt: skip
    """out[i] = code of the operation's result in a float format, flags[i] = its IEEE flags. Returns how many have no code."""
    refused = 0
    for i in range(out.size):
        kind, negative, significand, exponent, raised = exact_result(op, x[i], y[i], z[i], mode == DOWN)
        sign = sign_bit if negative else np.int64(0)
        if kind == NOT_A_NUMBER:
            refused += nan_code < 0
            code = nan_code if nan_code >= 0 else np.int64(0)
        elif kind == INFINITE:
            if inf_code >= 0 and overflow != 0:
                code = inf_code | sign
            elif overflow == 2 and inf_code < 0 and nan_code >= 0:
                code = nan_code
            else:
                code = max_code | sign
        elif kind == ZERO:
            without = nan_code if nan_code >= 0 else np.int64(0)  # formats without zero
            code = (sign if minus_zero else np.int64(0)) if zero else without
        else:
            draw = random[i] if random.size else np.uint32(0)
            code, more = round_to_code(
                negative, significand, exponent, man_bits, bias, emin, max_code, sign_bit, zero, minus_zero, nan_code,
                inf_code, mode, overflow, draw, width, tiny_after, flush,
            )  # fmt: skip
            raised |= more
        out[i] = code
        flags[i] = raised
    return refused
