"""The exact sum rounded once, by BLAS on integer slices of the operands (kernels: `numfmt.kernels.exact_slices`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..formats import Float
from ..kernels import exact as wide_register
from ..kernels import exact_slices as kernels
from .operands import Operand
from .span import Span

_DEPTH = 1024
_COLUMNS = 512
_ROWS = 512
_PRODUCTS = 16  # of slices, beyond which the wide register is as fast


@dataclass(frozen=True)
class Side:
    """exponents: (rows,), |x| < 2**exponent; slices: how many of `width` bits hold every row; finite: which rows are."""

    exponents: np.ndarray
    slices: int
    finite: np.ndarray


@dataclass(frozen=True)
class Slices:
    """A run of k of two operands, to be cut into slices of `width` bits."""

    a: Operand
    b: Operand
    start: int
    stop: int
    width: int
    left: Side
    right: Side

    def __str__(self) -> str:
        return (
            f"{self.left.slices} and {self.right.slices} slices of {self.width} bits: "
            f"{_DEPTH} products of two slices stay below 2**53"
        )

    def sum(self, fmt: Float) -> np.ndarray:
        """The sums rounded once, (M, N) float64; rows and columns with infinities or NaN by the wide register."""
        facts = fmt.man_bits, fmt.emin, fmt.max, fmt.has_inf
        out = np.empty((self.a.rows, self.b.rows))
        for j in range(0, self.b.rows, _COLUMNS):
            columns = slice(j, min(j + _COLUMNS, self.b.rows))
            for i in range(0, self.a.rows, _ROWS):
                rows = slice(i, min(i + _ROWS, self.a.rows))
                sums = self._sums(rows, columns)
                ends = self.left.exponents[rows], self.right.exponents[columns]
                kernels.round_sums(sums, self.width, *ends, out[rows, columns], *facts)
        bad, good, wrong = (np.flatnonzero(f) for f in (~self.left.finite, self.left.finite, ~self.right.finite))
        for places, across in ((bad, np.arange(self.b.rows)), (good, wrong)):
            if len(places) and len(across):
                x, y = self._plain(self.a, places), self._plain(self.b, across)
                part = np.empty((len(places), len(across)))
                wide_register.exact_matmul(x, y, np.zeros(part.shape), part, *facts)
                out[np.ix_(places, across)] = part
        return out

    def _plain(self, x: Operand, rows: np.ndarray) -> np.ndarray:
        return x.block(rows, self.start, self.stop, np.float64, 1)

    def _sums(self, rows: slice, columns: slice) -> np.ndarray:
        """The sums of each weight, (slices, rows, columns) int64."""
        up = 2.0**self.width
        down = np.where(self.left.finite[rows], np.ldexp(up, -self.left.exponents[rows]), 0.0)
        across = np.where(self.right.finite[columns], np.ldexp(up, -self.right.exponents[columns]), 0.0)
        shape = rows.stop - rows.start, columns.stop - columns.start
        sums = np.zeros((self.left.slices + self.right.slices - 1, *shape), np.int64)
        part = np.empty(shape)
        for k in range(self.start, self.stop, _DEPTH):
            end = min(k + _DEPTH, self.stop)
            x, y = self.a.block(rows, k, end, np.float64, 1), self.b.panel(columns, k, end, np.float64, 1)
            x[~self.left.finite[rows]] = 0.0
            y[:, ~self.right.finite[columns]] = 0.0
            left, right = np.empty((self.left.slices, *x.shape)), np.empty((self.right.slices, *y.shape))
            kernels.cut_rows(x, down, up, left)
            kernels.cut_columns(y, across, up, right)
            for s, u in enumerate(left):
                for t, v in enumerate(right):
                    np.matmul(u, v, out=part)
                    kernels.add_integers(part, sums[s + t])
        return sums


def slices(a: Operand, b: Operand, start: int, stop: int) -> Slices | None:
    """How to cut the operands, or None where so many slices were needed that the wide register is as fast."""
    terms = max(1, (stop - start - 1).bit_length())
    width = min((53 - min(terms, (_DEPTH - 1).bit_length())) // 2, (58 - terms) // 2)
    if width < 12 or not (a.single and b.single):
        return None
    left, right = _side(a, start, stop, width), _side(b, start, stop, width)
    if left.slices * right.slices > _PRODUCTS:
        return None
    return Slices(a, b, start, stop, width, left, right)


def _side(x: Operand, start: int, stop: int, width: int) -> Side:
    exponents, spans, finite = np.empty(x.rows, np.int64), np.empty(x.rows), np.empty(x.rows, bool)
    size = max(1, (1 << 20) // max(1, stop - start))
    for i in range(0, x.rows, size):
        some = slice(i, min(i + size, x.rows))
        span = Span(x.block(some, start, stop, np.float32, 1))
        finite[some] = np.isfinite(span.most)
        most = np.where(finite[some], span.most, 0.0)
        exponents[some] = np.frexp(most)[1]
        lowest = np.where(np.isfinite(span.unit), np.frexp(span.unit)[1] - 1, exponents[some])
        spans[some] = np.where(finite[some] & (most > 0), exponents[some] - lowest, 0)
    return Side(exponents, max(1, int(-(-spans.max(initial=0) // width))), finite)
