"""Scales from the elements of a group: absmax, asymmetric range, powers of two, percentile; and how a scale is stored."""

from __future__ import annotations

import numpy as np

from ..formats import Fixed, Float, Format, cast
from ..kernels import scale as kernels
from ..kernels.blocks import largest_word
from .scheme import Arith, Scheme

# The published BitMoD code bounds scales to [1e-5, 1e4] in float16 (quant_weight.py).
HALF_SCALE_MIN = float(np.float16(1e-5))
HALF_SCALE_MAX = float(np.float16(1e4))
POWERS = ("floor", "ceil", "rceil", "even")  # rules whose scale is a power of two


def refuse_specials(rows: np.ndarray) -> None:
    """Raises ValueError where a float32 or float64 matrix holds NaN or infinities."""
    if rows.dtype == np.float32:
        finite = int(largest_word(np.ascontiguousarray(rows).reshape(-1).view(np.int32))) < 0x7F800000
    else:
        finite = bool(np.isfinite(rows).all())
    if not finite:
        bad = int((~np.isfinite(rows)).sum())
        raise ValueError(f"x holds {bad} NaN or infinite value(s); replace them before quantizing")


def rounded(x: np.ndarray, arith: Arith) -> np.ndarray:
    """Float64 values rounded in place to the precision of the rule's arithmetic."""
    if arith in ("float16", "float32"):
        kernels.round_array(x.reshape(-1), arith == "float16")
    return x


def scales_of(groups: np.ndarray, magnitude: np.ndarray, made: Scheme, index: int) -> np.ndarray:
    """The stored scale of each group for one candidate, float64. groups: (count, size); magnitude: what counts as the largest."""
    fmt = made.candidates[index]
    if made.param("eps") != "0":  # the published codes keep the largest magnitude away from zero
        magnitude = np.maximum(magnitude, float(np.float32(made.param("eps"))))
    if made.rule in POWERS:
        return _power_of_two(magnitude, fmt, made)
    half = made.arith == "float16"
    scales = rounded(magnitude / made.limit(index), made.arith)
    if half:
        return store(np.clip(scales, HALF_SCALE_MIN, HALF_SCALE_MAX), made)
    if not made.way.zero_scale(made):  # type: ignore[attr-defined]
        scales = np.where(magnitude == 0, 1.0, scales)
    return store(scales, made, magnitude)


def _power_of_two(magnitude: np.ndarray, fmt: Format, made: Scheme) -> np.ndarray:
    top = np.frexp(made.limit(made.candidates.index(fmt)))[1] - 1
    if made.rule == "rceil":
        inverse = np.float32(1.0) / np.float32(made.limit(made.candidates.index(fmt)))
        product = (magnitude.astype(np.float32) * inverse).astype(np.float64)
        mantissa, exponent = np.frexp(product)
        exponent = np.where(product == 0, -127, exponent - (mantissa == 0.5))  # the product of a tiny maximum may be zero
    else:
        if made.rule == "even":
            assert isinstance(fmt, Float)
            # half up in the element's fraction bits, on the bits of the float32, so that a carry raises the exponent
            word = np.ascontiguousarray(magnitude.astype(np.float32)).view(np.uint32)
            word = word + np.uint32(1 << (23 - fmt.man_bits - 1))
            magnitude = (word & np.uint32(0xFF800000)).view(np.float32).astype(np.float64)
        mantissa, exponent = np.frexp(magnitude)
        exponent = exponent - 1 - top + ((mantissa != 0.5) if made.rule == "ceil" else 0)
    exponent = np.clip(exponent, -127, 127)
    return np.ldexp(1.0, np.where(magnitude == 0, -127, exponent))


def store(scales: np.ndarray, made: Scheme, magnitude: np.ndarray | None = None) -> np.ndarray:
    """The scales as the scale format holds them: rounded, an underflow raised to its smallest value, an overflow refused.

    magnitude: where it is zero, a scale of zero stays, if the format has a zero; without it none does.
    """
    assert made.scale is not None
    over = np.isinf(scales) | (scales > made.scale.max)
    stored = cast(scales, made.scale).astype(np.float64)
    if (np.isinf(stored) | (over & ~(stored >= scales * (1 - 2.0**-3)))).any():
        raise ValueError(f"a scale reaches {float(scales.max()):g}, beyond {made.scale}; use a wider scale format or scale x down")
    lost = (stored == 0) if magnitude is None else (stored == 0) & (magnitude > 0)
    lost |= np.isnan(stored) & ~over  # e8m0 has no zero: its cast of zero is NaN
    return np.where(lost, made.scale.min_positive, stored)


def range_scale(low: np.ndarray, high: np.ndarray, made: Scheme) -> np.ndarray:
    """Scale of an asymmetric group: (max - min) over the code range, with the floors of the published codes.

    zp=awq: the range is at least 1e-5 (float16: the scale within [1e-5, 1e4]). zp=gptq: the range takes in zero, and an all-zero
    group spans -1 to 1. zp=omniquant: the scale lies within [1e-5, 1e4].
    """
    rule = made.param("zp")
    if rule == "gptq":
        low, high = _with_zero(low, high)
    steps = float((1 << made.element_bits) - 1)
    span = rounded(high - low, made.arith)
    if not np.isfinite(span).all():
        raise ValueError(f"the range of a group exceeds {made.arith}; scale x down")
    half = made.arith == "float16"
    if not half and rule == "awq":
        span = np.maximum(span, float(np.float32(1e-5)))
    scales = rounded(span / steps, made.arith)
    if rule == "omniquant" and not half:
        return np.clip(scales, float(np.float32(1e-5)), 1e4)
    return np.clip(scales, HALF_SCALE_MIN, HALF_SCALE_MAX) if half else scales


def _with_zero(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    empty = (low == 0) & (high == 0)
    return np.where(empty, -1.0, low), np.where(empty, 1.0, high)


def zero_points(low: np.ndarray, high: np.ndarray, scales: np.ndarray, made: Scheme) -> np.ndarray:
    """-min / scale rounded to the nearest code, ties to even; zp=omniquant keeps zero points beyond the codes, within 1e4."""
    rule = made.param("zp")
    if rule == "gptq":
        low, _ = _with_zero(low, high)
    zeros = np.rint(rounded(-low / scales, made.arith))
    return np.clip(zeros, *zero_point_bounds(made)).astype(np.int32)


def zero_point_bounds(made: Scheme) -> tuple[int, int]:
    """Least and greatest zero point of an asymmetric scheme."""
    return (-10000, 10000) if made.param("zp") == "omniquant" else (0, (1 << made.element_bits) - 1)


def integer_bounds(fmt: Fixed, made: Scheme) -> tuple[float, float]:
    """Least and greatest code value that the scheme uses."""
    return (fmt.min if made.full or not fmt.signed else -fmt.max), fmt.max
