"""A tensor to codes under a scheme."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._arrays import to_float64, to_lanes, to_numpy
from .._threads import in_pieces
from ..formats import Format
from .family import Family, Given
from .grid import Grid
from .rules import refuse_specials, zero_point_bounds
from .scheme import Scheme, scheme
from .tensor import QuantizedTensor, checked_axis, matrix_of, scales_shape

_ELEMENTS_AT_ONCE = 1 << 20  # rows are quantized so many elements at a time, which bounds the temporaries


def quantize(
    x: Any,
    spec: str | Scheme | Format,
    axis: int = -1,
    *,
    scales: Any = None,
    choice: Any = None,
    zero_points: Any = None,
    like: QuantizedTensor | None = None,
    weights: Any = None,
    packed: bool = False,
) -> QuantizedTensor:
    """`x` as codes and scales of a scheme.

    x: array of shape (..., K, ...), K along `axis` (the reduction axis: groups run along it, `channel` and `token` give one scale
    to each vector along it; 2-D blocks take rows from the other axes, flattened). Values are first rounded to the scheme's
    arithmetic (float32, or float16 for the BitMoD schemes).
    scales, choice, zero_points: impose given ones, in the shapes that `QuantizedTensor` reports (one number where the whole tensor
    shares a scale); only codes are computed then. like: impose everything that another tensor of the same scheme and shape stores
    beside its codes, second-level scales included.
    weights: how much the error of each element counts (a Fisher diagonal), in the shape of x, for schemes that learn from x with
    weights (`squeezellm4`, `kvquant3`, `vptq...`); ValueError for the others.
    packed: hold codes and scales in dense storage (`QuantizedTensor.pack`).

    Raises ValueError where x is empty or holds NaN or an infinity (unless the scheme says what they become), where a group size
    does not divide K, where x or a scale leaves the range of the arithmetic, and for imposed arrays of a wrong shape.
    Source: symmetric and asymmetric integers: AWQ, arXiv 2306.00978 (float32) and the BitMoD repository's quant_weight.py
    (`arith=float16`); mixtures: BitMoD, arXiv 2411.11745, algorithm 1; NF4: QLoRA, arXiv 2305.14314; MX: OCP Microscaling v1.0
    section 6.3; every preset: `nf.schemes()`.
    """
    made = scheme(spec)
    array, _ = to_numpy(x)
    if array.size == 0:
        raise ValueError(f"x of shape {array.shape} is empty; quantize needs at least one element")
    if array.ndim == 0:
        raise ValueError("x is a scalar; quantize needs an array with a reduction axis (use nf.cast for one value)")
    axis = checked_axis(axis, array.shape, "x")
    rows, _moved = matrix_of(array, axis)
    grid = made.grid(*rows.shape)
    given = _imposed(scales, choice, zero_points, array.shape, axis, made, grid)
    if like is not None:
        given = _alike(like, array.shape, axis, made, given)
    if weights is not None:
        given = replace(given, weights=_sensitivity(weights, array.shape, axis, made))
    stored = _quantize_rows(rows, made, grid, given)
    result = QuantizedTensor(made, tuple(array.shape), axis, stored)
    return result.pack() if packed else result


def _quantize_rows(rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
    """The stored arrays of a matrix; rows that do not depend on one another go some at a time, on several threads."""
    way = made.way
    if not given.empty or not way.by_rows(made) or rows.size <= _ELEMENTS_AT_ONCE or rows.shape[0] == 1:
        return way.quantize(_checked(rows, way), made, grid, given)
    parts = way.parts(made, grid)
    stored = {name: np.empty(part.shape, part.dtype) for name, part in parts.items()}
    height = grid.granularity.height
    step = max(1, _ELEMENTS_AT_ONCE // (rows.shape[1] * height)) * height

    def work(start: int, stop: int) -> int:
        for first in range(start, stop, step):
            last = min(first + step, stop)
            some = _checked(rows[first:last], way)
            found = way.quantize(some, made, made.grid(last - first, rows.shape[1]), given)
            for name, array in found.items():
                begin = first // parts[name].height
                stored[name][begin : begin + array.shape[0]] = array
        return 0

    in_pieces(rows.shape[0], work, piece=step, serial=0)
    return stored


def _checked(rows: np.ndarray, way: Family) -> np.ndarray:
    """Rows in float32 or float64. Raises ValueError for NaN and infinities that the scheme has no rule for."""
    if rows.dtype not in (np.float32, np.float64):
        flat = np.ascontiguousarray(rows).reshape(-1)
        wide = to_float64(flat) if flat.dtype.kind in "iu" and flat.dtype.itemsize == 8 else to_lanes(flat)
        rows = wide.reshape(rows.shape)
    if not way.specials:
        refuse_specials(rows)
    return rows


def _imposed(scales: Any, choice: Any, zero_points: Any, shape: tuple[int, ...], axis: int, made: Scheme, grid: Grid) -> Given:
    if scales is None and choice is None and zero_points is None:
        return Given()
    if not made.scaled:
        raise ValueError(f"{made} is a plain cast: scales, choice and zero_points do not apply; give it a granularity")
    parts = made.way.parts(made, grid)
    rows: dict[str, np.ndarray | None] = {}
    for name, value in (("scales", scales), ("choice", choice), ("zero_points", zero_points)):
        if value is None:
            rows[name] = None
            continue
        array = to_numpy(value, name)[0]
        if array.dtype == object:  # int, float or Fraction
            array = array.astype(np.float64)
        held = parts[name].shape if name in parts else grid.shape
        want = (1,) * len(shape) if held == (1, 1) else scales_shape(made, shape, axis)
        if array.size == 1 and held == (1, 1):
            array = array.reshape(want)
        if array.shape != want:
            raise ValueError(f"{name} has shape {array.shape}; {made} needs {want} here")
        rows[name] = array.reshape(held) if held == (1, 1) or grid.height != 1 else np.moveaxis(array, axis, -1).reshape(held)
    if rows["scales"] is not None:
        made.way.check_scales(rows["scales"], made)
    if rows["choice"] is not None and ("choice" not in parts or not _within(rows["choice"], len(made.candidates) - 1)):
        raise ValueError(
            f"choice must be 0 to {len(made.candidates) - 1} of a scheme with several candidates; {made} has {len(made.candidates)}"
        )
    zeros = rows["zero_points"]
    if zeros is not None and ("zero_points" not in parts or rows["scales"] is None):
        raise ValueError(f"zero_points go with scales and with an asymmetric scheme such as int4/g128+asym, not {made}")
    if zeros is not None:
        low, top = zero_point_bounds(made)
        if not _within(zeros, top, low):
            raise ValueError(f"zero_points must be integers from {low} to {top} for {made}")
    wide = None if rows["scales"] is None else rows["scales"].astype(np.float64)
    return Given(wide, zeros, rows["choice"])


def _sensitivity(weights: Any, shape: tuple[int, ...], axis: int, made: Scheme) -> np.ndarray:
    if not made.way.weighted:
        raise ValueError(f"weights= serves schemes that learn from x (squeezellm4, kvquant3, vptq...), not {made}; leave it out")
    array = to_numpy(weights, "weights")[0]
    if array.shape != tuple(shape):
        raise ValueError(f"weights has shape {array.shape}; it must have the shape of x, {tuple(shape)}")
    rows: np.ndarray = matrix_of(array, axis)[0].astype(np.float64)
    if not np.isfinite(rows).all() or rows.min() < 0 or rows.max() == 0:
        raise ValueError("weights must be finite, not negative and not all zero")
    return rows


def _within(values: np.ndarray, top: int, low: int = 0) -> bool:
    return bool(((values >= low) & (values <= top) & (values == np.rint(values))).all())


def _alike(like: QuantizedTensor, shape: tuple[int, ...], axis: int, made: Scheme, given: Given) -> Given:
    if not given.empty:
        raise ValueError("like= imposes scales, choice and zero points itself; leave scales=, choice= and zero_points= out")
    if not isinstance(like, QuantizedTensor):
        raise ValueError(f"like={like!r:.80} is not a QuantizedTensor; pass what nf.quantize or nf.load returned")
    if like.scheme != made or like.shape != tuple(shape) or like.axis != axis:
        raise ValueError(
            f"like= is {like.scheme} of shape {like.shape}, axis {like.axis}; it must have the scheme, shape and axis asked for: "
            f"{made}, {tuple(shape)}, axis {axis}"
        )
    beside = {name: like.part(name) for name in like.stored if name != "codes"}
    scales = like.row_scales
    return Given(None if scales is None else scales.astype(np.float64), beside.get("zero_points"), beside.get("choice"), beside)
