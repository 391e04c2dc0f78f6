"""Operands of a matrix product as rows of code values, with the scales of each run of k."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .._arrays import to_float64, to_numpy
from ..blocks import QuantizedTensor
from ..formats import Fixed
from . import bitserial


@dataclass(frozen=True)
class Operand:
    """values: (rows, K) float64, exact code values; scales: (rows, runs) float64 or None, each for `run` columns; integers: codes
    are integers."""

    values: np.ndarray
    scales: np.ndarray | None
    integers: bool
    source: QuantizedTensor | None
    run: int = 0  # columns that share a scale; 0: all
    places: np.ndarray | None = None  # which column of the source stands at each place; None: its own

    @property
    def rows(self) -> int:
        """Rows of the operand: of the result for the left one, columns of the result for the right one."""
        return self.values.shape[0]

    @property
    def depth(self) -> int:
        """Length of the sum."""
        return self.values.shape[1]

    @cached_property
    def terms(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Bit-serial terms of quantized weights; see `bitserial.weight_terms`."""
        if self.source is None:
            raise ValueError(
                "b is a plain array; the bit-serial element takes quantized weights, such as nf.quantize(w, 'bitmod4').T"
            )
        terms, bsig, unit = bitserial.weight_terms(self.source)
        return (terms if self.places is None else np.ascontiguousarray(terms[:, self.places])), bsig, unit

    @cached_property
    def fields(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Significands, exponents and signs of float16 activations; see `bitserial.activation_fields`."""
        return bitserial.activation_fields(self.values)

    @cached_property
    def columns(self) -> np.ndarray:
        """The values with k first, (K, rows), for the loops that run along the result's columns."""
        return np.ascontiguousarray(self.values.T)

    @cached_property
    def single(self) -> bool:
        """Whether float32 holds every value, as all accumulators but the integer ones need."""
        with np.errstate(over="ignore"):
            return bool(np.array_equal(self.values.astype(np.float32), self.values, equal_nan=True))

    @cached_property
    def largest(self) -> float:
        """Largest absolute value."""
        return float(np.abs(self.values).max(initial=0.0))

    @cached_property
    def single_scales(self) -> bool:
        """Whether float32 holds every scale, so that float64 holds the product of two."""
        return self.scales is None or bool(np.array_equal(self.scales.astype(np.float32), self.scales))

    def scale_of(self, start: int) -> np.ndarray:
        """The scale of each row for the run that begins at `start`, (rows,)."""
        if self.scales is None:
            return np.ones(self.rows)
        column = start // self.run if self.run else 0
        return np.ascontiguousarray(np.broadcast_to(self.scales[:, column], (self.rows,)))


def operand(x: Any, what: str, reduced: int) -> Operand:
    """A matrix operand, reduced along axis `reduced` (-1 for the left one, 0 for the right one).

    Plain arrays are unscaled float32 values, or integers that float64 holds. Raises ValueError for other values, for quantized
    tensors grouped along the other axis, and for other than two axes.
    """
    if isinstance(x, QuantizedTensor):
        if len(x.shape) != 2:
            raise ValueError(f"{what} has shape {x.shape}; a quantized operand must be a matrix (reshape before quantizing)")
        want = reduced % 2
        if x.axis != want:
            raise ValueError(
                f"{what} has shape {x.shape} and its scales run along axis {x.axis}; the product sums along axis {want}: "
                f"quantize with axis={reduced}, or pass its transpose .T"
            )
        fixed = all(isinstance(f, Fixed) and f.frac_bits == 0 for f in x.scheme.candidates)
        values = x.row_values().astype(np.float64)
        if x.row_scales is None:
            return Operand(values, None, fixed and not x.scheme.scaled, x)
        by_row = x.runs()
        if by_row is None:
            raise ValueError(
                f"{what} is {x.scheme} of shape {x.shape}: its blocks run across rows, so no run of k shares a scale; "
                f"quantize with a block length that divides the row length, or pass {what}.dequantize()"
            )
        scales, run = by_row
        return Operand(values, scales, fixed, x, run if scales.shape[1] > 1 else 0)
    array, _ = to_numpy(x, what)
    if array.ndim != 2:
        raise ValueError(f"{what} has shape {array.shape}; it must have two axes")
    rows = np.ascontiguousarray(np.moveaxis(array, reduced, -1))
    wide = to_float64(rows, what)
    with np.errstate(over="ignore"):
        single = wide.astype(np.float32)
    if rows.dtype != np.float32 and rows.dtype.kind not in "iu" and not np.array_equal(single, wide, equal_nan=True):
        raise ValueError(f"{what} holds values that float32 does not hold exactly; round it with nf.cast(x, 'float32') first")
    integers = bool(rows.dtype.kind in "iu" or (np.isfinite(single).all() and np.array_equal(np.rint(single), single)))
    return Operand(wide, None, integers, None)


def permuted(x: Operand, places: np.ndarray) -> Operand:
    """The operand with its columns in the order `places`, which stays within each run of shared scales."""
    return replace(x, values=np.ascontiguousarray(x.values[:, places]), places=places)


def runs(a: Operand, b: Operand) -> list[tuple[int, int]]:
    """The runs of k within which all scales are shared, in order."""
    depth = a.depth
    cuts = {0, depth}
    for side in (a, b):
        if side.scales is not None and side.run:
            cuts |= set(range(0, depth, side.run))
    ordered = sorted(cuts)
    return list(itertools.pairwise(ordered))
