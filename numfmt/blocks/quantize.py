"""A tensor to codes: the scale of each group, the nearest code, and the choice among candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..formats import Codebook, Fixed, Float, Format, cast, decode, encode
from ..kernels import encode as encode_kernels
from ..kernels import scale as kernels
from .scheme import Scheme, scheme
from .tensor import QuantizedTensor, check_scales, matrix_of, scales_shape

# The published BitMoD code bounds scales to [1e-5, 1e4] in float16 (quant_weight.py).
_HALF_SCALE_MIN = float(np.float16(1e-5))
_HALF_SCALE_MAX = float(np.float16(1e4))
_ELEMENTS_AT_ONCE = 1 << 22  # rows are quantized so many elements at a time, which bounds the float64 temporaries


def quantize(
    x: Any,
    spec: str | Scheme | Format,
    axis: int = -1,
    *,
    scales: Any = None,
    choice: Any = None,
    zero_points: Any = None,
) -> QuantizedTensor:
    """`x` as codes and scales of a scheme.

    x: array of shape (..., K, ...), K along `axis` (the reduction axis: groups run along it, `channel` and `token` give one scale
    to each vector along it). Values are first rounded to the scheme's arithmetic (float32, or float16 for the BitMoD schemes).
    scales, choice, zero_points: impose given ones, in the shapes that `QuantizedTensor` reports; only codes are computed then.

    Raises ValueError where x is empty or holds NaN or an infinity, where a group size does not divide K, where x or a scale
    leaves the range of the arithmetic, and for imposed arrays of a wrong shape.
    Source: symmetric and asymmetric integers: AWQ, arXiv 2306.00978 (float32) and the BitMoD repository's quant_weight.py
    (`arith=float16`); mixtures: BitMoD, arXiv 2411.11745, algorithm 1; NF4: QLoRA, arXiv 2305.14314; MX: OCP Microscaling v1.0
    section 6.3.
    """
    made = scheme(spec)
    array, _ = to_numpy(x)
    if array.size == 0:
        raise ValueError(f"x of shape {array.shape} is empty; quantize needs at least one element")
    if array.ndim == 0:
        raise ValueError("x is a scalar; quantize needs an array with a reduction axis (use nf.cast for one value)")
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis={axis} is not an axis of x with shape {array.shape}; use {-array.ndim} to {array.ndim - 1}")
    rows, _moved_shape = matrix_of(array, axis)
    independent = made.granularity.kind != "tensor" and scales is None and choice is None and zero_points is None
    if independent and rows.size > _ELEMENTS_AT_ONCE and rows.shape[0] > 1:
        return _in_blocks(rows, made, array.shape, axis % array.ndim)
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows)).sum())
        raise ValueError(f"x holds {bad} NaN or infinite value(s); replace them before quantizing")
    if not made.scaled:
        if not (scales is None and choice is None and zero_points is None):
            raise ValueError(f"{made} is a plain cast: scales, choice and zero_points do not apply; give it a granularity")
        codes = encode(rows, made.candidates[0])
        return QuantizedTensor(made, array.shape, axis % array.ndim, codes.reshape(rows.shape), None, None, None)
    half = made.arith == "float16"
    work = rows.astype(np.float64).reshape(-1)
    kernels.round_array(work, half)
    if not np.isfinite(work).all():
        raise ValueError(
            f"x reaches {float(np.abs(rows).max()):g}, beyond the range of the {made.arith} arithmetic of {made}; scale it down"
        )
    scale_rows, per_row, size = made.granularity.groups(*rows.shape)
    groups = work.reshape(1, -1) if made.granularity.kind == "tensor" else work.reshape(scale_rows * per_row, size)
    given = _imposed(scales, choice, zero_points, scales_shape(made, array.shape, axis), made, axis)
    codes, group_scales, zeros, chosen = _quantize_groups(groups, made, half, *given)
    return QuantizedTensor(
        made,
        array.shape,
        axis % array.ndim,
        codes.reshape(rows.shape),
        group_scales.astype(np.float32).reshape(scale_rows, per_row),
        None if zeros is None else zeros.reshape(scale_rows, per_row),
        None if chosen is None else chosen.reshape(scale_rows, per_row),
    )


def _in_blocks(rows: np.ndarray, made: Scheme, shape: tuple[int, ...], axis: int) -> QuantizedTensor:
    """`quantize` of rows that do not depend on one another, some at a time."""
    count = max(1, _ELEMENTS_AT_ONCE // rows.shape[1])
    parts = [quantize(rows[i : i + count], made) for i in range(0, rows.shape[0], count)]

    def joined(name: str) -> np.ndarray | None:
        held = [getattr(part, name) for part in parts]
        return None if held[0] is None else np.concatenate(held)

    codes = np.concatenate([part.row_codes for part in parts])
    return QuantizedTensor(made, shape, axis, codes, joined("row_scales"), joined("row_zero_points"), joined("row_choice"))


def _imposed(scales: Any, choice: Any, zero_points: Any, shape: tuple[int, ...], made: Scheme, axis: int) -> tuple[Any, Any, Any]:
    flat: list[Any] = []
    for name, value in (("scales", scales), ("choice", choice), ("zero_points", zero_points)):
        if value is None:
            flat.append(None)
            continue
        array = to_numpy(value, name)[0]
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}; {made} needs {shape} here")
        flat.append(np.moveaxis(array, axis, -1).reshape(-1))
    if flat[0] is not None:
        check_scales(flat[0], made)
    if flat[1] is not None and (len(made.candidates) == 1 or not _integers_within(flat[1], len(made.candidates) - 1)):
        raise ValueError(
            f"choice must be 0 to {len(made.candidates) - 1} of a scheme with several candidates; {made} has {len(made.candidates)}"
        )
    if flat[2] is not None and (made.rule != "range" or flat[0] is None):
        raise ValueError(f"zero_points go with scales and with an asymmetric scheme such as int4/g128+asym, not {made}")
    if flat[2] is not None and not _integers_within(flat[2], (1 << made.zero_point_bits) - 1):
        raise ValueError(f"zero_points must be integers from 0 to {(1 << made.zero_point_bits) - 1} for {made}")
    return flat[0], flat[1], flat[2]


def _integers_within(values: np.ndarray, top: int) -> bool:
    return bool(((values >= 0) & (values <= top) & (values == np.rint(values))).all())


def _quantize_groups(
    groups: np.ndarray, made: Scheme, half: bool, scales: Any, choice: Any, zeros: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Codes, scales, zero points and choices of (groups, size) float64 values already rounded to the arithmetic."""
    low, high, magnitude = (np.empty(groups.shape[0]) for _ in range(3))
    kernels.extremes(groups, low, high, magnitude)
    if made.rule == "range":
        if scales is None:
            scales = _range_scale(low, high, made, half)
            scales = _store(scales, made, scales)
        scales = scales.astype(np.float64)
        if zeros is None:
            zeros = _zero_points(low, scales, made, half)
        codes = _asymmetric(groups, scales, zeros.astype(np.float64), made, half)
        return codes, scales, zeros.astype(np.int32), None
    zero = encode(np.zeros(1), made.candidates[0])[0]
    best_codes = np.full(groups.shape, zero, np.result_type(*(f.code_dtype for f in made.candidates)))
    best_scales = np.zeros(groups.shape[0])
    best_error = np.full(groups.shape[0], 1000.0 if made.sel == "fp16" else np.inf)  # 1e3: the published starting value
    chosen = np.zeros(groups.shape[0], np.uint8)
    values = np.empty(groups.shape)
    for index, fmt in enumerate(made.candidates):
        group_scales = _scales(magnitude, made, index, half) if scales is None else scales.astype(np.float64)
        codes = _nearest(groups, group_scales, fmt, made, half)
        if len(made.candidates) == 1:
            return codes, group_scales, None, None
        error = np.empty(groups.shape[0])
        values[...] = decode(codes, fmt)
        (kernels.half_errors if made.sel == "fp16" else kernels.squared_errors)(values, group_scales, groups, error)
        better = (choice == index) if choice is not None else (error < best_error)
        best_codes[better] = codes[better]
        best_scales[better] = group_scales[better]
        best_error[better] = error[better]
        chosen[better] = index
        if index == 0:  # what a group keeps that no candidate improves
            best_scales[~better] = group_scales[~better]
    return best_codes, best_scales, None, chosen


def _scales(magnitude: np.ndarray, made: Scheme, index: int, half: bool) -> np.ndarray:
    fmt = made.candidates[index]
    if made.rule == "floor":
        assert isinstance(fmt, Float)
        top = np.frexp(fmt.max)[1] - 1
        exponent = np.clip(np.frexp(magnitude)[1] - 1 - top, -127, 127)
        return np.ldexp(1.0, np.where(magnitude == 0, -127, exponent))
    scales = magnitude / made.limit(index)
    kernels.round_array(scales, half)
    if half:
        return _store(np.clip(scales, _HALF_SCALE_MIN, _HALF_SCALE_MAX), made)
    if not made.reciprocal:
        scales = np.where(magnitude == 0, 1.0, scales)
    return _store(scales, made, magnitude)


def _store(scales: np.ndarray, made: Scheme, magnitude: np.ndarray | None = None) -> np.ndarray:
    """The scales as the scale format holds them: rounded, an underflow raised to its smallest value, an overflow refused."""
    assert made.scale is not None
    stored = cast(scales, made.scale).astype(np.float64)
    if np.isinf(stored).any():
        raise ValueError(f"a scale reaches {float(scales.max()):g}, beyond {made.scale}; use a wider scale format or scale x down")
    if magnitude is not None:
        stored = np.where((stored == 0) & (magnitude > 0), made.scale.min_positive, stored)
    return stored


def _nearest(groups: np.ndarray, scales: np.ndarray, fmt: Format, made: Scheme, half: bool) -> np.ndarray:
    quotients = np.empty(groups.shape)
    if made.rule == "floor":  # a power of two: the quotient is exact
        quotients = groups / scales[:, None]
    else:
        kernels.divide(groups, np.where(scales == 0, 1.0, scales), quotients, half, made.reciprocal)
    if isinstance(fmt, Fixed):
        low = fmt.min if made.full or not fmt.signed else -fmt.max
        np.clip(quotients, low, fmt.max, out=quotients)
    if isinstance(fmt, Codebook):
        # decision points in the precision of the rule, as the published codes hold them
        thresholds = fmt.midpoints.copy()
        kernels.round_array(thresholds, half)
        codes = np.empty(groups.size, fmt.code_dtype)
        encode_kernels.encode_table(quotients.reshape(-1), codes, thresholds, fmt.grid_codes, fmt.ties == "upper")
        return codes.reshape(groups.shape)
    return encode(quotients, fmt, overflow="saturate")


def _range_scale(low: np.ndarray, high: np.ndarray, made: Scheme, half: bool) -> np.ndarray:
    steps = float((1 << made.element_bits) - 1)
    span = high - low
    kernels.round_array(span, half)
    if not np.isfinite(span).all():
        raise ValueError(f"the range of a group exceeds {made.arith}; scale x down")
    if not half:
        span = np.maximum(span, float(np.float32(1e-5)))
    scales = span / steps
    kernels.round_array(scales, half)
    return np.clip(scales, _HALF_SCALE_MIN, _HALF_SCALE_MAX) if half else scales


def _zero_points(low: np.ndarray, scales: np.ndarray, made: Scheme, half: bool) -> np.ndarray:
    zeros = -low / scales
    kernels.round_array(zeros, half)
    return np.clip(np.rint(zeros), 0, (1 << made.element_bits) - 1).astype(np.int32)


def _asymmetric(groups: np.ndarray, scales: np.ndarray, zeros: np.ndarray, made: Scheme, half: bool) -> np.ndarray:
    quotients = np.empty(groups.shape)
    kernels.divide(groups, scales, quotients, half, False)
    shifted = np.rint(quotients) + zeros[:, None]
    return np.clip(shifted, 0, (1 << made.element_bits) - 1).astype(made.candidates[0].code_dtype)
