"""The general quantizer of groups: any element format, scale rule and candidate list. Faster kernels must equal it bit for bit."""

from __future__ import annotations

import numpy as np

from ..formats import Codebook, Fixed, decode, encode
from ..kernels import encode as encode_kernels
from ..kernels import scale as kernels
from .family import Given
from .rules import POWERS, integer_bounds, range_scale, rounded, scales_of, store, zero_points
from .scheme import Scheme

_CLIPS = np.arange(64, 15, -1) / 64.0  # the MSE search clips at these parts of the largest magnitude, the largest first
_LEAST = float(np.float32(1e-38))  # bitsandbytes 0.50 raises a smaller absmax to it before it takes the reciprocal

Result = tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]


def quantize_groups(groups: np.ndarray, made: Scheme, given: Given) -> Result:
    """Codes, scales, zero points and choices of (count, size) float64 values already rounded to the arithmetic."""
    low, high, magnitude = (np.empty(groups.shape[0]) for _ in range(3))
    kernels.extremes(groups, low, high, magnitude)
    scales = None if given.scales is None else given.scales.reshape(-1)
    if made.rule == "range":
        return _asymmetric_groups(groups, low, high, made, given)
    if made.rule == "percentile" and scales is None:
        part = float(made.param("percentile")) / 100
        magnitude = rounded(np.quantile(np.abs(groups), part, axis=1), made.arith)
    half = made.arith == "float16"
    zero = encode(np.zeros(1), made.candidates[0])[0]
    best_codes = np.full(groups.shape, zero, np.result_type(*(f.code_dtype for f in made.candidates)))
    best_scales = np.zeros(groups.shape[0])
    best_error = np.full(groups.shape[0], 1000.0 if made.sel == "fp16" else np.inf)  # 1e3: the published starting value
    chosen = np.zeros(groups.shape[0], np.uint8)
    choice = None if given.choice is None else given.choice.reshape(-1)
    search = _CLIPS if made.rule == "mse" and scales is None else _CLIPS[:1]
    tried = [(index, clip) for index in range(len(made.candidates)) for clip in search]
    for count, (index, clip) in enumerate(tried):
        if scales is None:
            top = magnitude if clip == 1.0 else rounded(magnitude * clip, made.arith)
            group_scales = scales_of(groups, top, made, index)
        else:
            group_scales = scales
        codes = nearest(groups, group_scales, made, index)
        if len(tried) == 1:
            return codes, group_scales, None, None
        error = errors(codes, group_scales, groups, made, index, half)
        better = (choice == index) if choice is not None else (error < best_error)
        best_codes[better] = codes[better]
        best_scales[better] = group_scales[better]
        best_error[better] = error[better]
        chosen[better] = index
        if count == 0:  # what a group keeps that no candidate improves
            best_scales[~better] = group_scales[~better]
    return best_codes, best_scales, None, chosen if len(made.candidates) > 1 else None


def errors(codes: np.ndarray, scales: np.ndarray, groups: np.ndarray, made: Scheme, index: int, half: bool) -> np.ndarray:
    """Squared error of each group in the arithmetic of the choice."""
    values = np.empty(groups.shape)
    values[...] = decode(codes, made.candidates[index])
    error = np.empty(groups.shape[0])
    (kernels.half_errors if made.sel == "fp16" else kernels.squared_errors)(values, scales, groups, error)
    return error


def nearest(groups: np.ndarray, scales: np.ndarray, made: Scheme, index: int) -> np.ndarray:
    """Codes of the quotients by the scale, in the arithmetic of the rule."""
    fmt = made.candidates[index]
    quotients = np.empty(groups.shape)
    half = made.arith == "float16"
    if made.rule in POWERS or made.arith in ("float64", "exact"):  # by a power of two the quotient is exact
        np.divide(groups, np.where(scales == 0, 1.0, scales)[:, None], out=quotients)
    else:
        reciprocal = made.way.reciprocal(made)  # type: ignore[attr-defined]
        divisors = np.where(scales == 0, 1.0, scales)
        if made.name == "nf4":
            divisors = np.maximum(divisors, _LEAST)
        kernels.divide(groups, divisors, quotients, half, reciprocal)
    if isinstance(fmt, Fixed):
        np.clip(quotients, *integer_bounds(fmt, made), out=quotients)
    if isinstance(fmt, Codebook):
        # decision points in the precision of the rule, as the published codes hold them
        thresholds = rounded(fmt.midpoints.copy(), made.arith)
        codes = np.empty(groups.size, fmt.code_dtype)
        encode_kernels.encode_table(quotients.reshape(-1), codes, thresholds, fmt.grid_codes, fmt.ties == "upper")
        return codes.reshape(groups.shape)
    rounding = made.param("round")
    found: np.ndarray = encode(quotients, fmt, rounding=None if rounding == "own" else rounding, overflow="saturate")
    return found


def _asymmetric_groups(groups: np.ndarray, low: np.ndarray, high: np.ndarray, made: Scheme, given: Given) -> Result:
    if given.scales is None:
        scales = range_scale(low, high, made)
        scales = store(scales, made)
    else:
        scales = given.scales.reshape(-1)
    zeros = zero_points(low, high, scales, made) if given.zero_points is None else given.zero_points.reshape(-1).astype(np.int32)
    quotients = np.empty(groups.shape)
    divisors = np.where(scales == 0, 1.0, scales)  # a second-level scale of zero: every code stands for zero
    if made.arith in ("float64", "exact"):
        np.divide(groups, divisors[:, None], out=quotients)
    else:
        reciprocal = made.way.reciprocal(made)  # type: ignore[attr-defined]
        kernels.divide(groups, divisors, quotients, made.arith == "float16", reciprocal)
    shifted = np.rint(quotients) + zeros[:, None]
    codes = np.clip(shifted, 0, (1 << made.element_bits) - 1).astype(made.candidates[0].code_dtype)
    return codes, scales, zeros, None
