"""Integer-only exp, softmax, GELU, square root and LayerNorm as I-BERT computes them, exactly in integers.

A tensor is integers times a float32 scale. Constants follow from the scale in float32, fl(fl(1 / S) * c), then floor, as in the
released code (I-BERT @ 1b09c75, fairseq/quantization/utils/quant_modules.py; arXiv 2101.01321). That code carries integers in
float32 and so differs from these where they pass 2**24; here every step is an integer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..arith.dyadic import dyadic_round

_F = np.float32
_EXP_SHIFT = 30
_LN2 = -0.6931
_EXP = (0.35815147, 0.96963238, 1.0)  # a (x + b / a) ... : a x^2 + b x + c on (-ln 2, 0]
_ERF = (-0.2888, -1.769, 1.0)
_GELU_SHIFT = 14


def _integers(x: Any, name: str) -> np.ndarray:
    array = to_numpy(x, name)[0]
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {array.dtype}; it must hold the integers of the tensor (int32 or int64)")
    return array.astype(np.int64)


def _scale(scale: float) -> np.float32:
    made = _F(scale)
    if not (np.isfinite(made) and made > 0):
        raise ValueError(f"scale={scale} is not allowed; it must be a finite number above zero")
    return made


def _floor(constant: float, scale: np.float32, squared: bool = False) -> int:
    """floor(fl(fl(1 / S) * c)), the released code's integer of a real constant; S squared in float32 where asked."""
    inverse = _F(1) / (scale * scale if squared else scale)
    return int(np.floor(inverse * _F(constant)))


def _fits(bound: int, what: str, scale: np.float32) -> None:
    if bound >= 1 << 63:
        raise ValueError(f"scale={scale:g} makes {what} of {bound.bit_length()} bits; it does not fit 64: use a coarser scale")


def int_exp_constants(scale: float) -> tuple[int, int, int]:
    """(x0, b, c) of `int_exp`: -ln 2, and the polynomial's constants, in units of the scale and its square."""
    s = _scale(scale)
    a, b, c = _EXP
    return _floor(_LN2, s), _floor(b / a, s), _floor(c / a, s, squared=True)


def int_exp(q: Any, scale: float) -> tuple[np.ndarray, np.float32]:
    """exp(q * scale) for q <= 0: integers and their scale.

    q: integers, any shape. exp(x) = 2**-z * exp(r) with r in (-ln 2, 0] by a polynomial of degree 2, shifted left by 30 - z.
    Returns int64 and 0.35815147 * scale**2 / 2**30. Largest error against exp 2e-3 to 4e-3, by scale; not within 32 bits.

    Raises ValueError for q above 0, and for scales so fine that 64 bits do not hold the result.
    """
    s = _scale(scale)
    array = _integers(q, "q")
    if array.size and int(array.max()) > 0:
        raise ValueError(f"q reaches {array.max()}; int_exp takes numbers up to 0 (subtract the largest first)")
    x0, b, c = int_exp_constants(scale)
    _fits((abs(x0) * (abs(x0) + abs(b)) + c) << _EXP_SHIFT, "an exponential", s)
    array = np.maximum(array, _EXP_SHIFT * x0)
    z = array // x0
    r = array - x0 * z
    poly = r * (r + b) + c
    return np.maximum(poly << (_EXP_SHIFT - z), 0), _F(_F(_EXP[0]) * (s * s)) / _F(2.0**_EXP_SHIFT)


def int_softmax(q: Any, scale: float, exp_multiplier: float, out_bits: int = 8) -> tuple[np.ndarray, float]:
    """Softmax over the last axis in integers: row maximum subtracted, `int_exp`, 16 bits, then one division a row.

    q: integers (..., n). exp_multiplier: real multiplier from int_exp's integers to 16 bits signed (a tracked range in the released
    code: largest exp / 32767), applied by HAWQ's dyadic rescale and clipped to -32768..32767. out = (e * floor(2**32 / sum)) >>
    (32 - out_bits). Returns int64 and the scale 2**-out_bits. A row whose sum is a power of two gives 2**out_bits, one bit more.

    Raises ValueError where a row sums to zero.
    """
    array = _integers(q, "q")
    exp, _ = int_exp(array - array.max(axis=-1, keepdims=True), scale)
    return softmax_tail(dyadic(exp, exp_multiplier, 16), out_bits)


def softmax_tail(exp16: Any, out_bits: int = 8) -> tuple[np.ndarray, float]:
    """The last step of `int_softmax`: 16-bit exponentials (..., n) to probabilities."""
    e = _integers(exp16, "exp16")
    total = e.sum(axis=-1, keepdims=True)
    if (total <= 0).any():
        raise ValueError("a row of exponentials sums to zero or less; use a larger exp_multiplier")
    factor = (1 << 32) // total
    return (e * factor) >> (32 - out_bits), 2.0**-out_bits


def int_gelu(q: Any, scale: Any) -> tuple[np.ndarray, Any]:
    """GELU of q * scale: integers and their (negative) scale. scale: a number, or one for each column of q's last axis.

    erf is sign(x) * (a * (min(|x|, -b) + b)**2 + 1) on x / 1.4142, then shifted right by 14 bits (in the released code alone).
    Valid on fine scales (1e-3: error 0.02); on 8-bit inputs the result is useless, so apply it to the accumulator before it.
    q = 0 gives 0. Raises ValueError where 64 bits do not hold the result.
    """
    if np.ndim(scale):
        columns = _integers(q, "q")
        if columns.shape[-1:] != np.shape(scale):
            raise ValueError(f"scale has shape {np.shape(scale)}; it must be one number, or one a column: ({columns.shape[-1]},)")
        parts = [int_gelu(columns[..., i], s) for i, s in enumerate(np.asarray(scale).tolist())]
        return np.stack([p[0] for p in parts], axis=-1), np.array([p[1] for p in parts], _F)
    s = _scale(scale)
    array = _integers(q, "q")
    narrow = s / _F(1.4142)
    a, b, c = _ERF
    b_int, c_int = _floor(b, narrow), _floor(c / a, narrow, squared=True)
    largest = int(np.abs(array).max(initial=0))
    _fits(largest * ((abs(c_int) + b_int * b_int) >> _GELU_SHIFT) * 2, "a GELU", s)
    poly = (np.minimum(np.abs(array), -b_int) + b_int) ** 2 + c_int
    erf = (np.sign(array) * poly) >> _GELU_SHIFT
    erf_scale = _F(_F(a) * (narrow * narrow)) * _F(2.0**_GELU_SHIFT)
    one = int(np.floor(_F(1) / erf_scale))
    return array * (erf + one), _F(s * erf_scale) / _F(2)


def int_sqrt(n: Any) -> np.ndarray:
    """floor(sqrt(n)) of integers from 0 to 2**62 by the paper's iteration: x = (x + n // x) >> 1 until it stops falling."""
    array = _integers(n, "n")
    if array.size and (int(array.min()) < 0 or int(array.max()) > 1 << 62):
        raise ValueError(f"n runs from {array.min()} to {array.max()}; int_sqrt takes 0 to 2**62")
    safe = np.maximum(array, 1)
    bits = np.frexp(safe.astype(np.float64))[1] + 1  # at least the bit length
    x = np.int64(1) << ((bits + 1) // 2)
    while True:
        following = (x + safe // x) >> 1
        falling = following < x
        if not falling.any():
            return np.where(array == 0, 0, x)
        x = np.where(falling, following, x)


def int_layernorm(q: Any, shift: int = 0) -> np.ndarray:
    """(q - mean) / std over the last axis n, in units of sqrt(n) / 2**30, before weight and bias.

    q: integers (..., n). mean is rounded to nearest even; the sum (not the mean) of squares is taken of y >> shift; std =
    floor(sqrt(sum)) << shift; out = (y * floor(2**31 / std)) >> 1. `shift` keeps the sum within 32 bits and is tracked in training;
    the bias, floor((beta / gamma) / scale), is added by the caller. No eps: raises ValueError for rows of equal values.
    """
    array = _integers(q, "q")
    if shift < 0:
        raise ValueError(f"shift={shift} is not allowed; use 0 or more")
    n = array.shape[-1]
    total = array.sum(axis=-1, keepdims=True)
    mean = total // n
    twice = 2 * (total - mean * n)
    mean += (twice > n) | ((twice == n) & (mean & 1 == 1))
    y = array - mean
    std = int_sqrt(((y >> shift) ** 2).sum(axis=-1, keepdims=True)) << shift
    if (std == 0).any():
        raise ValueError("a row holds equal values, whose deviation is 0; I-BERT's LayerNorm has no eps for them")
    return (y * ((1 << 31) // std)) >> 1


def dyadic(x: Any, real_multiplier: Any, bits: int | None = None) -> np.ndarray:
    """Integers of up to 62 bits times b / 2**c, b of 31 bits, rounded once to nearest even; clipped to `bits` signed bits if given.

    As HAWQ-V3 and I-BERT rescale between layers, exactly (their float64 product is not, beyond 2**53). real_multiplier: a number
    or an array that broadcasts, of either sign.
    """
    made = dyadic_round(_integers(x, "x"), real_multiplier)
    if bits is None:
        return made
    return np.clip(made, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
