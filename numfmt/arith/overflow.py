"""What an accumulator lost on given data, and the smallest one that would have lost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import to_numpy
from ..kernels import exact as exact_kernels
from ..kernels import watch as kernels
from .accumulator import Accumulator
from .datapath import Datapath, datapath
from .exact_sum import ExactAccumulator
from .float_steps import FloatAccumulator
from .integer_steps import IntAccumulator, to_int
from .matmul import _alone, _prepared, last_accumulator, matmul
from .operands import Operand, operand
from .own_product import OwnProduct
from .unit import Unit
from .unit_watch import watch_unit

if TYPE_CHECKING:
    import pandas as pd

_SMALL = 2.0**62
_ROWS = 1 << 16  # elements of the result whose wide registers are held at once


@dataclass(frozen=True)
class OverflowReport:
    """Counts over all elements of the result and all their steps (of the inner accumulator, unless said).

    truncated_terms: products that lost bits before they were added (rounded, or cut at alignment); flushed_terms: those of them
    that became zero. rounded_sums: additions that lost bits; absorbed_terms: terms other than zero that left the sum as it was.
    saturations, wraps: sums (and products cast first) beyond the range; overflows: finite sums that became infinite, in the inner
    and the outer accumulator. nans, infinities: elements of the result. largest_partial_sum: the largest size that an exact sum of
    the path's products had on its way, and exact_accumulator the smallest two's complement type that holds all those sums exactly
    (where k is cut into pieces: of a piece; of scaled operands: of the codes). None: the operands hold NaN or infinities.
    """

    path: str
    elements: int
    products: int
    saturations: int
    wraps: int
    overflows: int
    nans: int
    infinities: int
    truncated_terms: int
    flushed_terms: int
    rounded_sums: int
    absorbed_terms: int
    largest_partial_sum: float | None
    exact_accumulator: str | None

    @property
    def exact(self) -> bool:
        """Whether nothing was lost: every element is the exact sum."""
        lost = (self.saturations, self.wraps, self.overflows, self.truncated_terms, self.rounded_sums)
        return not any(lost) and self.largest_partial_sum is not None

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        return pd.DataFrame([self.__dict__])

    def __str__(self) -> str:
        rows = [f"{name:20} {value}" for name, value in self.__dict__.items()]
        return "\n".join(rows)


def overflow_report(a: Any, b: Any, path: str | Datapath, c: Any = None) -> OverflowReport:
    """Run `nf.matmul(a, b, path, c)` step by step and count what each step lost. Arguments as `nf.matmul`; two matrices.

    Raises ValueError for what `matmul` refuses, for batches, for output stages (their clamps are not sums), and for accumulators
    that cannot be watched (bit-serial elements, compensated or stochastic sums, trees, matrix units in float64).
    """
    made = datapath(path)
    if made.output:
        raise ValueError(f"path {made} has output stages; the report watches sums: leave them out")
    left, right = operand(a, "a", -1), operand(b, "b", 0)
    counts = np.zeros(kernels.COUNTS, np.int64)
    if _alone(made, a, b):
        parts = [[(0, left.depth)]]
        result = watch_unit(made.inner, a, b, c, counts)
    else:
        left, right, parts = _prepared(left, right, made)
        result = _watch(left, right, made, parts, c, counts)
    _same(result, matmul(a, b, made, c), made)
    wide = np.asarray(result, np.float64)
    extent = _Extent()
    for pieces in parts:
        for n, (first, stop) in enumerate(pieces):
            begin = c if n == 0 and pieces is parts[0] and len(pieces) == 1 else None
            extent.add(left, right, made.inner, first, stop, begin)
    truncated, flushed, rounded, absorbed, saturated, wrapped, overflowed = counts.tolist()
    return OverflowReport(
        path=str(made),
        elements=result.size,
        products=result.size * left.depth,
        saturations=saturated,
        wraps=wrapped,
        overflows=overflowed,
        nans=int(np.isnan(wide).sum()),
        infinities=int(np.isinf(wide).sum()),
        truncated_terms=truncated,
        flushed_terms=flushed,
        rounded_sums=rounded,
        absorbed_terms=absorbed,
        largest_partial_sum=extent.largest,
        exact_accumulator=extent.accumulator,
    )


def _same(watched: np.ndarray, plain: Any, made: Datapath) -> None:
    """The watched run must be the run itself."""
    if not np.array_equal(np.asarray(watched, np.float64), np.asarray(to_numpy(plain, "a")[0], np.float64), equal_nan=True):
        raise AssertionError(f"the watched sums of {made} differ from those of matmul")


def _watch(a: Operand, b: Operand, made: Datapath, parts: list[list[tuple[int, int]]], c: Any, counts: np.ndarray) -> np.ndarray:
    """`matmul.product` with every inner step watched; returns its result."""
    shape = (a.rows, b.rows)
    scaled = a.scales is not None or b.scales is not None
    last = last_accumulator(made, scaled)
    totals = []
    for n, pieces in enumerate(parts):
        total = last.start(c if n == 0 else None, shape)
        if not scaled and not made.order.chunk and made.outer is None:
            (piece,) = pieces
            totals.append(watch_piece(made.inner, a, b, *piece, total, counts))
            continue
        for first, stop in pieces:
            part = watch_piece(made.inner, a, b, first, stop, np.zeros(shape), counts)
            before = np.isfinite(total) & np.isfinite(part)
            if not scaled:
                total = last.join(total, part if isinstance(last, IntAccumulator) else made.inner.to_float64(part))
            else:
                scales = a.scale_of(first), b.scale_of(first)
                single = a.single_scales and b.single_scales
                total = made.outer_or_default.add_scaled(total, made.inner.to_float64(part), *scales, single_scales=single)
            counts[kernels.OVERFLOWED] += int((before & ~np.isfinite(total)).sum())
        totals.append(total)
    total = totals[0]
    for other in totals[1:]:
        total = last.join(total, other)
    return last.finish(total)


def watch_piece(
    inner: Accumulator, a: Operand, b: Operand, start: int, stop: int, total: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """One run of k, step by step. Raises ValueError for accumulators that cannot be watched."""
    if isinstance(inner, Unit):
        return watch_unit(inner, a, b, None, counts, (start, stop))
    if isinstance(inner, ExactAccumulator):
        return inner.plan(a, b, start, stop)[1](total)
    total_of = inner.sum if isinstance(inner, OwnProduct) else inner
    if isinstance(total_of, FloatAccumulator):
        if total_of.kahan or total_of.pairwise or total_of.random_width:
            raise ValueError(f"accumulator {inner} cannot be watched: its sums are no plain chain of rounded steps")
        facts = total_of.facts
        cut = np.array([-1.0, 0.0, 0.0, 0.0])
        if total_of is inner and not total_of.fused:
            held = FloatAccumulator(total_of.product_format or total_of.format, rounding=total_of.rounding)
            cut = np.array([float(f) for f in held.facts])
        made = np.array(total, np.float64)
        for terms in _terms(inner, a, b, start, stop):
            kernels.watch_floats(made, np.ascontiguousarray(terms, np.float64), cut, total_of.mode, *facts, counts)
        return made
    if isinstance(total_of, IntAccumulator) and not total_of.pairwise:
        made = to_int(np.asarray(total))
        limits = np.int64(total_of.low), np.int64(total_of.high), np.int64(total_of.width)
        for terms in _terms(inner, a, b, start, stop):
            kernels.watch_integers(made, np.ascontiguousarray(terms, np.int64), *limits, total_of.saturate, counts)
        return made
    raise ValueError(f"accumulator {inner} cannot be watched; float, integer, exact, table, shift, lmul and aligned sums can")


def _terms(inner: Accumulator, a: Operand, b: Operand, start: int, stop: int) -> Iterator[np.ndarray]:
    """The products of each k of a run, (M, N): exact ones as float64 or int64, others as the unit makes them."""
    for k in range(start, stop):
        if isinstance(inner, OwnProduct):
            yield inner.terms(a, b, k)
        elif isinstance(inner, IntAccumulator):
            yield _integers(a, k, k + 1) * _integers(b, k, k + 1).T
        else:
            with np.errstate(invalid="ignore"):
                yield a.values[:, k, None] * b.values[None, :, k]


def _integers(x: Operand, start: int, stop: int) -> np.ndarray:
    """Columns of an operand of integers, (rows, k) int64: float64 does not hold all of them."""
    return x.block(slice(0, x.rows), start, stop, np.int64, 1)


class _Extent:
    """The least and the largest partial sum of all runs, and the finest bit of any product."""

    def __init__(self) -> None:
        self.low, self.high = 0, 0  # integers in units of 2**finest
        self.finest: int | None = None
        self.finite = True

    def add(self, a: Operand, b: Operand, inner: Accumulator, start: int, stop: int, c: Any) -> None:
        """One run, from c (None: zero)."""
        x, y = a.values[:, start:stop], b.values[:, start:stop]
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            self.finite = False
            return
        if isinstance(inner, OwnProduct):
            raise_to = [np.array(t, np.float64) for t in _terms(inner, a, b, start, stop)]
            flat = np.stack(raise_to, -1).reshape(-1, stop - start) if raise_to else np.zeros((1, 0))
            if not np.isfinite(flat).all():
                self.finite = False
                return
            for row in range(0, len(flat), _ROWS):
                self._sums(flat[row : row + _ROWS], np.ones((1, stop - start)), np.zeros((len(flat[row : row + _ROWS]), 1)))
            return
        if isinstance(inner, IntAccumulator) and max(a.largest, b.largest) > 1 << 24:
            self._integer_sums(_integers(a, start, stop), _integers(b, start, stop), inner.start(c, (a.rows, b.rows)))
            return
        begin = np.zeros((a.rows, b.rows))
        if c is not None:
            begin = np.array(np.broadcast_to(np.asarray(inner.start(c, (a.rows, b.rows)), np.float64), begin.shape))
        if not np.isfinite(begin).all():
            self.finite = False
            return
        self._sums(x, y, begin)

    def _integer_sums(self, x: np.ndarray, y: np.ndarray, begin: np.ndarray) -> None:
        """Integers of any width, in Python's."""
        total = begin.astype(object)
        self._merge(min(0, total.min(initial=0)), max(0, total.max(initial=0)), 0, 0)
        for k in range(x.shape[1]):
            total = total + np.multiply.outer(x[:, k].astype(object), y[:, k].astype(object))
            self._merge(min(0, total.min(initial=0)), max(0, total.max(initial=0)), 0, 0)

    def _sums(self, x: np.ndarray, y: np.ndarray, begin: np.ndarray) -> None:
        fine = [p + q for p, q in zip(_finest(x.T), _finest(y.T), strict=True) if p is not None and q is not None]
        fine += [f for f in _finest(begin.reshape(1, -1)) if f is not None]
        if not fine:
            return
        unit = min(fine)
        most = float((np.abs(x).max(0, initial=0.0) * np.abs(y).max(0, initial=0.0)).sum()) + float(np.abs(begin).max(initial=0.0))
        if most * 2.0 ** min(-unit, 900) < _SMALL and -unit < 900 and _narrow(x) and _narrow(y):
            low, high = np.zeros(1, np.int64), np.zeros(1, np.int64)
            p, q = _unit_of(x), _unit_of(y)
            shift = unit - p - q
            if shift >= 0 and most * 2.0 ** (-p - q) < _SMALL:
                ints = [np.ascontiguousarray(np.ldexp(v, -e), np.int64) for v, e in ((x, p), (y, q))]
                kernels.extent(*ints, np.ldexp(begin, -p - q).astype(np.int64), low, high)
                self._merge(int(low[0]), int(high[0]), p + q, unit)
                return
        low, high = np.zeros(exact_kernels.DIGITS, np.int64), np.zeros(exact_kernels.DIGITS, np.int64)
        kernels.wide_extent(np.ascontiguousarray(x), np.ascontiguousarray(y), np.ascontiguousarray(begin), low, high)
        sizes = [sum(int(d) << (32 * n) for n, d in enumerate(digits.tolist())) for digits in (low, high)]
        self._merge(-sizes[0], sizes[1], exact_kernels.BASE, unit)

    def _merge(self, low: int, high: int, scale: int, finest: int) -> None:
        """low, high in units of 2**scale, multiples of 2**finest."""

        def whole(v: int, shift: int) -> int:
            return v << shift if shift >= 0 else v >> -shift

        low, high = whole(low, scale - finest), whole(high, scale - finest)
        before = finest if self.finest is None else self.finest
        unit = min(before, finest)
        self.low = min(self.low << (before - unit), low << (finest - unit))
        self.high = max(self.high << (before - unit), high << (finest - unit))
        self.finest = unit

    @property
    def largest(self) -> float | None:
        """Largest size of a partial sum, rounded to float64."""
        if not self.finite:
            return None
        return float(Fraction(max(-self.low, self.high)) * Fraction(2) ** (self.finest or 0))

    @property
    def accumulator(self) -> str | None:
        """The smallest two's complement type of all partial sums."""
        if not self.finite:
            return None
        low, high, finest = self.low, self.high, self.finest or 0
        if finest > 0:  # sums are multiples of 2**finest, but an integer accumulator starts at 1
            low, high, finest = low << finest, high << finest, 0
        bits = max(1 + high.bit_length(), 1 + (-low - 1).bit_length() if low < 0 else 1, 2)
        return f"int{bits}" if finest == 0 else f"fixed<{bits},{bits + finest}>"


def _finest(columns: np.ndarray) -> list[int | None]:
    """For each row of a matrix the exponent of its finest bit; None for zeros alone."""
    found: list[int | None] = []
    for row in columns:
        values = row[row != 0]
        if not values.size:
            found.append(None)
            continue
        fraction, exponent = np.frexp(values)
        whole = np.abs(np.ldexp(fraction, 53)).astype(np.int64)
        low = np.frexp((whole & -whole).astype(np.float64))[1] - 1
        found.append(int((exponent - 53 + low).min()))
    return found


def _unit_of(x: np.ndarray) -> int:
    found = [f for f in _finest(x.reshape(1, -1)) if f is not None]
    return found[0] if found else 0


def _narrow(x: np.ndarray) -> bool:
    """Whether integers in units of the finest bit fit 62 bits."""
    return float(np.abs(x).max(initial=0.0)) * 2.0 ** min(-_unit_of(x), 900) < _SMALL
