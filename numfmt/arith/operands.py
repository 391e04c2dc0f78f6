"""Operands of a matrix product as rows of code values, with the scales of each run of k."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .._arrays import to_float64, to_numpy
from ..blocks import QuantizedTensor
from ..formats import Fixed, Float
from ..kernels import integer_chain
from . import bitserial
from .proof import quantum


@dataclass(frozen=True)
class Operand:
    """given: (rows, K), exact code values of any dtype and memory order; scales: (rows, runs) float64 or None, each for `run`
    columns; whole: whether codes are integers, None where only the values tell."""

    given: np.ndarray
    scales: np.ndarray | None
    whole: bool | None
    source: QuantizedTensor | None
    run: int = 0  # columns that share a scale; 0: all
    places: np.ndarray | None = None  # which column of the source stands at each place; None: its own

    @property
    def rows(self) -> int:
        """Rows of the operand: of the result for the left one, columns of the result for the right one."""
        return self.given.shape[0]

    @property
    def depth(self) -> int:
        """Length of the sum."""
        return self.given.shape[1]

    @cached_property
    def values(self) -> np.ndarray:
        """The values in float64, (rows, K), contiguous."""
        return np.ascontiguousarray(to_float64(self.given, "values"))

    @cached_property
    def integers(self) -> bool:
        """Whether every value is an integer."""
        if self.whole is not None:
            return self.whole
        if self.given.dtype.kind in "iub":
            return True
        return bool(np.isfinite(self.values).all() and np.array_equal(np.rint(self.values), self.values))

    def block(self, rows: slice, first: int, stop: int, dtype: type, to: int = 4) -> np.ndarray:
        """Some rows of some columns of k, contiguous, (rows, k); k is padded with zeros to a multiple of `to`."""
        part = self.given[rows, first:stop]
        made = np.empty((part.shape[0], -(-part.shape[1] // to) * to), dtype)
        convert(part, made[:, : part.shape[1]])
        made[:, part.shape[1] :] = 0
        return made

    def panel(self, rows: slice, first: int, stop: int, dtype: type, to: int = 4) -> np.ndarray:
        """`block` with k first, (k, rows); padded with -0, so that the products beyond are -0, which changes no sum."""
        part = self.given[rows, first:stop].T
        made = np.empty((-(-part.shape[0] // to) * to, part.shape[1]), dtype)
        convert(part, made[: part.shape[0]])
        made[part.shape[0] :] = -0.0
        return made

    def either(self, rows: slice, first: int, stop: int, dtype: type) -> np.ndarray:
        """`panel` without padding, in the memory order of the operand."""
        if abs(self.given.strides[0]) > abs(self.given.strides[1]):
            return self.block(rows, first, stop, dtype, 1).T
        return self.panel(rows, first, stop, dtype, 1)

    def bound(self, first: int, stop: int) -> tuple[float, float]:
        """Largest magnitude among these k, or above it, and a power of two of which all values are multiples."""
        if self.given.dtype.kind in "iu" and self.given.dtype.itemsize <= 2:
            return self.largest, 1.0
        if (known := self._format_bound) is not None and known[0] / known[1] <= 2.0**12:
            return known
        part = np.ascontiguousarray(self.given[:, first:stop], np.float64)
        largest = float(np.abs(part).max(initial=0.0))
        return (largest, quantum(part)) if np.isfinite(largest) else (np.inf, 1.0)

    @property
    def _format_bound(self) -> tuple[float, float] | None:
        """Largest magnitude and least subnormal of the element format of a quantized tensor, where it is finite and alone."""
        formats = self.source.scheme.candidates if self.source is not None else ()
        fmt = formats[0] if len(formats) == 1 else None
        if not isinstance(fmt, Float) or fmt.has_inf or fmt.has_nan:
            return None
        return fmt.max, 2.0 ** (fmt.emin - fmt.man_bits)

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
        if _narrow(self.given.dtype):
            return True
        with np.errstate(over="ignore"):
            return bool(np.array_equal(self.values.astype(np.float32), self.values, equal_nan=True))

    @cached_property
    def largest(self) -> float:
        """Largest absolute value; of 8-bit and 16-bit integers, what their type can hold."""
        if self.given.dtype.kind in "iu" and self.given.dtype.itemsize <= 2:
            info = np.iinfo(self.given.dtype)
            return float(max(info.max, -info.min))
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

    Plain arrays are unscaled float32 values. Raises ValueError for values that float32 does not hold, for quantized tensors
    grouped along the other axis, and for other than two axes.
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
        values = x.row_values()
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
    rows = np.moveaxis(array, reduced, -1)
    made = Operand(rows, None, None, None)
    if rows.dtype.kind == "O":
        made = Operand(to_float64(np.ascontiguousarray(rows), what), None, None, None)
    if not made.single:
        raise ValueError(f"{what} holds values that float32 does not hold exactly; round it with nf.cast(x, 'float32') first")
    return made


def _narrow(dtype: np.dtype) -> bool:
    """Whether float32 holds every value of the type."""
    if dtype.kind in "iub":
        return dtype.itemsize <= 2
    return dtype == np.float32 or dtype.itemsize <= 2


def convert(x: np.ndarray, out: np.ndarray) -> None:
    """The values of x in the dtype of `out`, which holds them."""
    if x.dtype.kind in "iu" and out.strides[1] == out.itemsize and x.strides[1] == x.itemsize and x.flags.aligned:
        integer_chain.widen_rows(x, out)
    elif x.dtype.kind == "f" or x.dtype.kind in "iub":
        np.copyto(out, x, casting="unsafe")
    else:
        out[...] = x.astype(out.dtype)


def permuted(x: Operand, places: np.ndarray) -> Operand:
    """The operand with its columns in the order `places`, which stays within each run of shared scales."""
    return replace(x, given=np.ascontiguousarray(x.given[:, places]), places=places)


def runs(a: Operand, b: Operand) -> list[tuple[int, int]]:
    """The runs of k within which all scales are shared, in order."""
    depth = a.depth
    cuts = {0, depth}
    for side in (a, b):
        if side.scales is not None and side.run:
            cuts |= set(range(0, depth, side.run))
    ordered = sorted(cuts)
    return list(itertools.pairwise(ordered))
