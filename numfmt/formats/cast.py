"""encode, decode and cast: values to codes and back, under the format's own modes or given ones."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .._arrays import to_float64, to_numpy
from ..kernels import encode as kernels
from .base import Format, Overflow, Rounding, as_overflow, as_rounding
from .codebook import Codebook
from .fixed import Fixed
from .floats import Float
from .parse import parse

_ROUNDING_INDEX = {mode: i for i, mode in enumerate(Rounding)}
_OVERFLOW_INDEX = {mode: i for i, mode in enumerate(Overflow)}


def encode(
    x: Any,
    fmt: Format | str,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    out: np.ndarray | None = None,
) -> Any:
    """Codes of the values `x` in the format `fmt`, each rounded once from its exact value.

    x: array of floats or integers, any shape (NumPy, ml_dtypes or torch). Returns codes of the same shape in the smallest
    unsigned dtype (`out` if given), of the kind of array that `x` is.

    rounding and overflow None mean the format's own modes: `ties_even`; infinity on overflow where the format has one, else
    saturation. NaN becomes the format's NaN. Negative values become the smallest value of an unsigned format (NaN under
    `nonsat`, where it has one).

    Raises ValueError for NaN into a format without NaN, for modes the format does not have, and for a wrong `out`.
    Source: P3109 interim report v4.0 sections 4.7.4 and 4.7.5; OCP OFP8 section 5.2.
    """
    fmt = parse(fmt)
    array, restore = to_numpy(x)
    values = np.ascontiguousarray(to_float64(array)).reshape(-1)
    _check_exact_integers(array, fmt)
    codes = _out(out, array.shape, fmt.code_dtype)
    flat = codes.reshape(-1)
    if isinstance(fmt, Float):
        refused = _encode_float(values, flat, fmt, rounding, overflow)
    elif isinstance(fmt, Fixed):
        mode = _ROUNDING_INDEX[as_rounding(rounding, fmt.rounding)]
        over = as_overflow(overflow, fmt.overflow)
        if over not in (Overflow.SATURATE, Overflow.WRAP):
            raise ValueError(f"overflow={str(over)!r} does not apply to {fmt}; use saturate or wrap")
        refused = kernels.encode_fixed(
            values, flat, fmt.frac_bits, fmt.min_int, fmt.max_int, fmt.width, mode, _OVERFLOW_INDEX[over]
        )
    else:
        if not isinstance(fmt, Codebook):
            raise TypeError(f"format {fmt} of type {type(fmt).__name__} has no encoder")
        if rounding is not None and as_rounding(rounding, fmt.rounding) is not fmt.rounding:
            raise ValueError(
                f"rounding={str(rounding)!r} does not apply to codebook {fmt}, which rounds to nearest, {fmt.rounding}"
            )
        if as_overflow(overflow, fmt.overflow) is not Overflow.SATURATE:
            raise ValueError(f"overflow={str(overflow)!r} does not apply to codebook {fmt}; values beyond its ends become the ends")
        refused = kernels.encode_table(values, flat, fmt.midpoints, fmt.grid_codes, fmt.ties == "upper")
    if refused:
        raise ValueError(
            f"x holds {refused} value(s) that {fmt} cannot hold (NaN in a format without NaN); "
            "replace them first, or use a format with NaN such as e4m3fn"
        )
    return restore(codes) if out is None else out


def _encode_float(
    values: np.ndarray, flat: np.ndarray, fmt: Float, rounding: Rounding | str | None, overflow: Overflow | str | None
) -> int:
    mode = _ROUNDING_INDEX[as_rounding(rounding, fmt.rounding)]
    over = as_overflow(overflow, fmt.overflow)
    if over is Overflow.WRAP:
        raise ValueError(f"overflow='wrap' does not apply to {fmt}; use saturate, propagate or nonsat")
    sign_bit = np.uint64(1 << (fmt.bits - 1)).astype(np.int64) if fmt.signed else np.int64(0)
    return kernels.encode_float(
        values, flat, fmt.man_bits, fmt.bias, fmt.emin, fmt.max_magnitude_code, sign_bit, fmt.zero,
        fmt.has_minus_zero, fmt.nan_code, fmt.inf_code, mode, _OVERFLOW_INDEX[over],
    )  # fmt: skip


def _check_exact_integers(array: np.ndarray, fmt: Format) -> None:
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and isinstance(fmt, Float) and fmt.man_bits > 49:
        top = int(np.abs(array.astype(np.float64)).max(initial=0.0))
        if top > 1 << 53:
            raise ValueError(
                f"x holds integers beyond 2**53, which {fmt} would round twice; use a format of at most 49 mantissa bits"
            )


def _out(out: np.ndarray | None, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise ValueError(f"out must be a C-contiguous NumPy array of shape {shape} and dtype {dtype}")
    return out


@lru_cache(maxsize=256)
def decode_table(fmt: Format) -> np.ndarray:
    """The value of every code in the format's value dtype, read-only. Formats of up to 16 bits."""
    table = fmt.values().astype(fmt.value_dtype)
    table.setflags(write=False)
    return table


def decode(codes: Any, fmt: Format | str, out: np.ndarray | None = None) -> Any:
    """Values of `codes` in the format `fmt`: float32 where every value of the format is exact in it, else float64.

    codes: integers of any shape, 0 <= code < 2**bits. Raises ValueError for codes outside that range, for codes that a
    codebook does not define, and for non-integer arrays.
    """
    fmt = parse(fmt)
    array, restore = to_numpy(codes, "codes")
    if array.dtype.kind not in "iu":
        raise ValueError(f"codes has dtype {array.dtype}; codes are unsigned integers (use nf.encode to make them from values)")
    if array.size and (int(array.max()) >= 1 << fmt.bits or int(array.min()) < 0):
        raise ValueError(
            f"codes run from {int(array.min())} to {int(array.max())}; codes of {fmt} run from 0 to {(1 << fmt.bits) - 1}"
        )
    if fmt.bits <= 16:
        table = decode_table(fmt)
        values = np.take(table, array)
        if isinstance(fmt, Codebook) and len(fmt.table) < 1 << fmt.bits and np.isnan(values).any():
            raise ValueError(f"codes hold a code beyond the {len(fmt.table)} entries of {fmt}")
    elif isinstance(fmt, Float):
        values = _decode_wide_float(array, fmt)
    else:
        assert isinstance(fmt, Fixed)
        signed = array.astype(np.int64)
        if fmt.signed:
            signed = np.where(signed > fmt.max_int, signed - (1 << fmt.width), signed)
        values = (signed * fmt.quantum).astype(fmt.value_dtype)
    if out is None:
        return restore(np.asarray(values))
    _out(out, array.shape, fmt.value_dtype)[...] = values
    return out


def _decode_wide_float(array: np.ndarray, fmt: Float) -> np.ndarray:
    magnitude = array.astype(np.uint64) & np.uint64((1 << (fmt.exp_bits + fmt.man_bits)) - 1)
    field = (magnitude >> np.uint64(fmt.man_bits)).astype(np.int64)
    fraction = (magnitude & np.uint64((1 << fmt.man_bits) - 1)).astype(np.int64)
    subnormal = (field == 0) & fmt.zero
    significand = np.where(subnormal, fraction, fraction + (1 << fmt.man_bits))
    exponent = np.where(subnormal, fmt.emin, field - fmt.bias) - fmt.man_bits
    values = np.ldexp(significand.astype(np.float64), np.minimum(exponent, 971))
    top = fmt.max_magnitude_code
    if fmt.has_inf:
        values = np.where(magnitude == np.uint64(fmt.inf_code), np.inf, values)
        values = np.where(magnitude > np.uint64(fmt.inf_code), np.nan, values)
    elif fmt.specials == "fn":
        values = np.where(magnitude > np.uint64(top), np.nan, values)
    if fmt.signed:
        negative = (array.astype(np.uint64) >> np.uint64(fmt.bits - 1)) == 1
        values = np.where(negative, -values, values)
        if fmt.specials == "fnuz":
            values = np.where(negative & (magnitude == 0), np.nan, values)
    return values.astype(fmt.value_dtype)


def cast(
    x: Any,
    fmt: Format | str,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    out: np.ndarray | None = None,
) -> Any:
    """The values of `x` rounded to the format: decode(encode(x)), with the same arguments and errors as `encode`."""
    fmt = parse(fmt)
    array, restore = to_numpy(x)
    values = decode(encode(array, fmt, rounding, overflow), fmt)
    if out is None:
        return restore(values)
    _out(out, array.shape, fmt.value_dtype)[...] = values
    return out
