"""Operands of a matrix product as rows of code values, with the scales of each run of k."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .._arrays import to_float64, to_numpy
from ..blocks import QuantizedTensor
from ..formats import Fixed
from ..kernels.integer_chain import widen_rows
from ..kernels.widen import widen_bfloat_rows
from . import bitserial
from .code_table import CodeTable, code_table
from .proof import Bound, quantum
from .span import Extent, extent


@dataclass(frozen=True)
class Operand:
    """given: (rows, K), exact code values of any dtype and memory order; scales: (rows, runs) float64 or None, each for `run`
    columns; whole: whether codes are integers, None where only the values tell."""

    given: np.ndarray
    scales: np.ndarray | None
    whole: bool | None
    source: QuantizedTensor | None
    run: int = 0  # columns that share a scale; 0: all
    table: CodeTable | None = None  # of the codes of up to 8 bits that `given` holds
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
        given = self.given if self.table is None else self.table.values[self.given]
        return np.ascontiguousarray(to_float64(given, "values"))

    @cached_property
    def integers(self) -> bool:
        """Whether every value is an integer."""
        if self.whole is not None:
            return self.whole
        if self.given.dtype.kind in "iub" and self.table is None:
            return True
        return bool(np.isfinite(self.values).all() and np.array_equal(np.rint(self.values), self.values))

    def block(self, rows: slice | np.ndarray, first: int, stop: int, dtype: type, to: int = 4) -> np.ndarray:
        """Some rows of some columns of k, contiguous, (rows, k); k is padded with zeros to a multiple of `to`."""
        part = self.given[rows, first:stop]
        made = np.empty((part.shape[0], -(-part.shape[1] // to) * to), dtype)
        self._convert(part, made[:, : part.shape[1]])
        made[:, part.shape[1] :] = 0
        return made

    def panel(self, rows: slice | np.ndarray, first: int, stop: int, dtype: type, to: int = 4) -> np.ndarray:
        """`block` with k first, (k, rows); padded with -0, so that the products beyond are -0, which changes no sum."""
        part = self.given[rows, first:stop].T
        made = np.empty((-(-part.shape[0] // to) * to, part.shape[1]), dtype)
        self._convert(part, made[: part.shape[0]])
        made[part.shape[0] :] = -0.0
        return made

    def either(self, rows: slice, first: int, stop: int, room: np.ndarray) -> np.ndarray:
        """`panel` without padding, in the memory order of the operand, in `room`."""
        part = self.given[rows, first:stop]
        by_rows = not self._upright
        part = part if by_rows else part.T
        made = room[: part.size].reshape(part.shape)
        self._convert(part, made)
        return made.T if by_rows else made

    def bound(self, first: int, stop: int) -> tuple[float, float]:
        """Largest magnitude among these k, or above it, and a power of two of which all values are multiples."""
        if self.short_integers:
            return self.largest, 1.0
        if self.table is not None:
            return self._table_bound if (first, stop) == (0, self.depth) else self.table.bound(self.given[:, first:stop])
        if self.single:
            return self._span(first, stop)
        part = self.values[:, first:stop]
        largest = float(np.abs(part).max(initial=0.0))
        return (largest, quantum(part)) if np.isfinite(largest) else (np.inf, 1.0)

    @cached_property
    def _table_bound(self) -> tuple[float, float]:
        assert self.table is not None
        return self.table.bound(self.given)

    def _span(self, first: int, stop: int) -> tuple[float, float]:
        reach = self.extent(first, stop)
        return (reach.most, reach.unit if np.isfinite(reach.unit) else 1.0) if np.isfinite(reach.most) else (np.inf, 1.0)

    def extent(self, first: int, stop: int) -> Extent:
        """What the values among these k span, of operands that float32 holds."""
        if (first, stop) == (0, self.depth):
            return self._extent
        return self._extent_of(first, stop)

    @cached_property
    def _extent(self) -> Extent:
        return self._extent_of(0, self.depth)

    def _extent_of(self, first: int, stop: int) -> Extent:
        reach = Extent()
        for part in self.parts(first, stop):
            reach |= extent(part)
        return reach

    def parts(self, first: int, stop: int) -> Iterator[np.ndarray]:
        """The values of these k in float32, in pieces with contiguous rows, in the memory order of the operand."""
        given = self.given[:, first:stop].T if self._upright else self.given[:, first:stop]
        size = max(1, (1 << 18) // max(1, given.shape[1]))
        plain = self.table is None and given.dtype == np.float32 and given.strides[1] == given.itemsize and given.flags.aligned
        for start in range(0, given.shape[0], size):
            part = given[start : start + size]
            if not plain:
                made = np.empty(part.shape, np.float32)
                self._convert(part, made)
                part = made
            yield part

    @property
    def _upright(self) -> bool:
        """Whether neighbours in memory have one k."""
        return abs(self.given.strides[0]) < abs(self.given.strides[1])

    @property
    def short_integers(self) -> bool:
        """Whether the values come as 8-bit or 16-bit integers."""
        return self.table is None and self.given.dtype.kind in "iu" and self.given.dtype.itemsize <= 2

    def _convert(self, x: np.ndarray, out: np.ndarray) -> None:
        """Part of `given`, decoded, in the dtype of `out`, which holds it."""
        if self.table is not None:
            self.table.decode(x, out)
        else:
            convert(x, out)

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
        if self.table is not None or _narrow(self.given.dtype):
            return True
        with np.errstate(over="ignore"):
            return bool(np.array_equal(self.values.astype(np.float32), self.values, equal_nan=True))

    @cached_property
    def largest(self) -> float:
        """Largest absolute value; of 8-bit and 16-bit integers, what their type can hold."""
        if self.short_integers:
            info = np.iinfo(self.given.dtype)
            return float(max(info.max, -info.min))
        if self.table is not None:
            return self._table_bound[0]
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
        codes, table = _coded(x)
        values = x.row_values() if codes is None else codes
        if x.row_scales is None:
            return Operand(values, None, fixed and not x.scheme.scaled, x, table=table)
        by_row = x.runs()
        if by_row is None:
            raise ValueError(
                f"{what} is {x.scheme} of shape {x.shape}: its blocks run across rows, so no run of k shares a scale; "
                f"quantize with a block length that divides the row length, or pass {what}.dequantize()"
            )
        scales, run = by_row
        return Operand(values, scales, fixed, x, run if scales.shape[1] > 1 else 0, table)
    array, _ = to_numpy(x, what)
    if array.ndim != 2:
        raise ValueError(f"{what} has shape {array.shape}; it must have two axes")
    rows = np.moveaxis(array, reduced, -1)
    made = Operand(rows, None, None, None)
    if rows.dtype.kind == "O":
        made = Operand(to_float64(np.ascontiguousarray(rows), what), None, None, None)
    if rows.dtype.kind not in "iu" and not made.single:
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
        widen_rows(x, out)
    elif x.dtype.kind == "f" or x.dtype.kind in "iub":
        np.copyto(out, x, casting="unsafe")
    elif x.dtype.name == "bfloat16":  # the upper half of a float32
        if out.dtype == np.float32 and out.strides[1] == out.itemsize and x.strides[1] == x.itemsize and x.flags.aligned:
            widen_bfloat_rows(x.view(np.uint16), out)
        else:
            np.copyto(out, (x.view(np.uint16).astype(np.uint32) << 16).view(np.float32), casting="unsafe")
    else:
        out[...] = x.astype(out.dtype)


def _coded(x: QuantizedTensor) -> tuple[np.ndarray | None, CodeTable | None]:
    """Codes of up to 8 bits that alone give the values, to be decoded in pieces, and their table; None for others."""
    if len(x.scheme.candidates) != 1 or not x.scheme.way.plain or "zero_points" in x.stored:
        return None, None
    table = code_table(x.scheme.candidates[0])
    codes = None if table is None else x.row_codes
    return (codes, table) if codes is not None and codes.dtype == np.uint8 and codes.ndim == 2 else (None, None)


def permuted(x: Operand, places: np.ndarray) -> Operand:
    """The operand with its columns in the order `places`, which stays within each run of shared scales."""
    return replace(x, given=np.ascontiguousarray(x.given[:, places]), places=places)


def bound_of(a: Operand, b: Operand, start: int, stop: int) -> Bound:
    """The bound for k = start .. stop - 1 of two operands."""
    (largest_a, quantum_a), (largest_b, quantum_b) = a.bound(start, stop), b.bound(start, stop)
    return Bound(stop - start, largest_a, largest_b, quantum_a, quantum_b)


def runs(a: Operand, b: Operand) -> list[tuple[int, int]]:
    """The runs of k within which all scales are shared, in order."""
    depth = a.depth
    cuts = {0, depth}
    for side in (a, b):
        if side.scales is not None and side.run:
            cuts |= set(range(0, depth, side.run))
    ordered = sorted(cuts)
    return list(itertools.pairwise(ordered))
