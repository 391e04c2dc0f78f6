"""L-Mul: a product with an addition in place of the mantissa multiplier (Luo and Sun, arXiv 2410.00907).

Two functions go by this name. "adder": the integer adder on the bit patterns, r = a + b - (B * 2**m - 2**(m - l)), which is what
hardware builds. "formula": the paper's sign * (1 + xm + ym + 2**-l) * 2**(xe + ye). They differ where the mantissas carry:
with u = xm + ym + 2**-l >= 1 the adder gives 2 u * 2**e, the formula (1 + u) * 2**e.

The paper leaves zeros, subnormals and specials open; here, in both: a zero or subnormal operand gives a signed zero, an exponent
field that falls to zero or below gives a signed zero, one beyond the largest overflows by the format's rule, NaN and infinities
go the way of an exact product.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import check_in, check_int_range
from .arithmetic import operate
from .base import Format, Overflow, Rounding, as_overflow
from .cast import cast, decode, encode
from .floats import Float
from .parse import parse


def offset_bits(man_bits: int) -> int:
    """l(m): m up to 3, then 3 for m = 4, then 4 (arXiv 2410.00907, equation 1)."""
    return man_bits if man_bits <= 3 else 3 if man_bits == 4 else 4


def lmul(
    x: Any,
    y: Any,
    fmt: Float | str,
    method: str = "adder",
    *,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    out: np.ndarray | None = None,
) -> Any:
    """L-Mul product of x and y in a float format, as values.

    x, y: arrays that broadcast; they are rounded to the format first if they are not values of it. method: "adder" or "formula";
    the formula's value is rounded once to the format under `rounding`. Raises ValueError for formats other than signed floats
    with zero, at most 49 mantissa bits and at least one.
    """
    check_in("method", method, ("adder", "formula"))
    fmt = _lmul_format(parse(fmt))
    (a, restore), (b, _) = to_numpy(x, "x"), to_numpy(y, "y")
    a, b = np.broadcast_arrays(a, b)
    over = as_overflow(overflow, fmt.overflow)
    x_codes, y_codes = encode(np.ascontiguousarray(a), fmt), encode(np.ascontiguousarray(b), fmt)
    left, right = decode(x_codes, fmt).astype(np.float64), decode(y_codes, fmt).astype(np.float64)
    sign = np.signbit(left) != np.signbit(right)
    small = (np.abs(left) < fmt.min_normal) | (np.abs(right) < fmt.min_normal)
    special = ~(np.isfinite(left) & np.isfinite(right))
    magnitude = _adder(x_codes, y_codes, fmt) if method == "adder" else _formula(left, right, fmt)
    magnitude = np.where(small, 0.0, magnitude)
    values = cast(np.where(sign, -magnitude, magnitude), fmt, rounding, over)
    if special.any():
        flat = np.flatnonzero(special)
        exact = operate("multiply", (left.reshape(-1)[flat], right.reshape(-1)[flat]), fmt, None, overflow=over)
        values.reshape(-1)[flat] = exact
    if out is None:
        return restore(values)
    if not isinstance(out, np.ndarray) or out.shape != values.shape or out.dtype != values.dtype:
        raise ValueError(f"out must be a NumPy array of shape {values.shape} and dtype {values.dtype}")
    out[...] = values
    return out


def _lmul_format(fmt: Format) -> Float:
    if not isinstance(fmt, Float) or not fmt.signed or not fmt.zero or not 1 <= fmt.man_bits <= 49:
        raise ValueError(f"lmul needs a signed float format with zero and 1 to 49 mantissa bits, not {fmt}")
    return fmt


def _adder(x_codes: np.ndarray, y_codes: np.ndarray, fmt: Float) -> np.ndarray:
    """Magnitude of the adder's result, unbounded above; zero where the exponent field falls to zero or below."""
    m = fmt.man_bits
    mask = np.int64((1 << (fmt.exp_bits + m)) - 1)
    total = (x_codes.astype(np.int64) & mask) + (y_codes.astype(np.int64) & mask)
    total -= (fmt.bias << m) - (1 << (m - offset_bits(m)))
    field, fraction = total >> m, total & ((1 << m) - 1)
    exponent = np.clip(field - fmt.bias - m, -1074, 1023 - m).astype(np.int32)
    size = np.where(field - fmt.bias > 1023, np.inf, np.ldexp((fraction + (1 << m)).astype(np.float64), exponent))
    return np.where(field <= 0, 0.0, size)


def _formula(left: np.ndarray, right: np.ndarray, fmt: Float) -> np.ndarray:
    """The paper's value, exact in float64 for up to 49 mantissa bits; zero below the smallest normal value."""
    with np.errstate(invalid="ignore"):
        (xf, xe), (yf, ye) = np.frexp(np.abs(left)), np.frexp(np.abs(right))
        u = (2 * xf - 1) + (2 * yf - 1) + 2.0 ** -offset_bits(fmt.man_bits)
    with np.errstate(over="ignore"):
        value = np.ldexp(1 + u, np.clip(xe + ye - 2, -1100, 1030).astype(np.int32))
    return np.where(value < fmt.min_normal, 0.0, value)


@cache
def lmul_error(man_bits: int, method: str = "adder") -> dict[str, float]:
    """Relative error of L-Mul against the exact product over all pairs of mantissas: mean, mean_abs, min, max.

    man_bits 1 to 10 (exhaustive). The formula's error is that of its unrounded value.
    """
    check_int_range("man_bits", man_bits, 1, 10)
    check_in("method", method, ("adder", "formula"))
    mantissa = np.arange(1 << man_bits) / (1 << man_bits)
    x, y = mantissa[:, None], mantissa[None, :]
    u = x + y + 2.0 ** -offset_bits(man_bits)
    carried = 2 * u if method == "adder" else 1 + u
    error = np.where(u >= 1, carried, 1 + u) / ((1 + x) * (1 + y)) - 1
    return {
        "mean": float(error.mean()), "mean_abs": float(np.abs(error).mean()), "min": float(error.min()), "max": float(error.max()),
    }  # fmt: skip
