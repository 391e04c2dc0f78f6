"""Float accumulators in strict order: the fastest kernel that a proof allows for each tile, the careful one for rows that break it.

Every kernel gives the same bits where its assumptions hold, so the choice, made anew for each tile from what its operands span,
never shows. Tiles bound the memory: no copy of a whole operand is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp
from typing import Any

import numba
import numpy as np

from .._threads import SERIAL, in_pieces
from ..formats import Float
from ..kernels import float_chain, float_wide, half_chain, steps
from .operands import Operand
from .span import Span

DEPTH = 1024  # k of a tile of b
COLUMNS = 1024
ROWS = 512


@dataclass(frozen=True)
class Target:
    """A format that results are rounded to: its facts for each kernel."""

    format: Float
    mode: int

    @property
    def emax(self) -> int:
        """The exponent of the largest value."""
        return frexp(self.format.max)[1] - 1

    @property
    def unit(self) -> float:
        """The least subnormal number."""
        return 2.0 ** (self.format.emin - self.format.man_bits)

    @property
    def single(self) -> np.ndarray:
        """The words that `float_chain` takes."""
        m, emin = self.format.man_bits, max(self.format.emin, -126)
        factor = np.float32(2.0 ** (23 - m) + 1).view(np.int32)
        return np.array([(emin + 127) << 23, (max(23 - m, 0) << 23) | 1 << 22, -1 << (23 - m), 0, factor], np.int32)

    @property
    def words(self) -> np.ndarray:
        """The words that `float_wide` takes."""
        m = self.format.man_bits
        return np.array([(self.format.emin + 1023) << 52, (52 - m) << 52 | 1 << 51, m << 52], np.int64)

    @property
    def reals(self) -> np.ndarray:
        """The reals that `float_wide` takes."""
        largest, endless = self.format.max, np.inf if self.format.has_inf else self.format.max
        below_half = float(np.nextafter(0.5, 0))
        never, always = (-1.0, 1.0), (0.0, 0.0)
        inward, outward = (always[0], never[1]), (never[0], always[1])
        steps_of = {
            steps.NEAREST_EVEN: (never, never),
            steps.NEAREST_AWAY: ((-1.0, below_half), (-1.0, below_half)),
            steps.ZERO: (inward, inward),
            steps.PLUS: (outward, inward),
            steps.MINUS: (inward, outward),
        }[self.mode]
        held = {steps.ZERO: (True, True), steps.PLUS: (False, True), steps.MINUS: (True, False)}.get(self.mode, (False, False))
        sides = [(largest if h else endless, endless, *s) for h, s in zip(held, steps_of, strict=True)]
        return np.array([largest, *sides[0], *sides[1], 2.0 ** (52 - self.format.man_bits) + 1])


@dataclass(frozen=True)
class Chain:
    """Products rounded to `product` (None: exact), sums to `total`."""

    product: Target | None
    total: Target

    def kernel(self) -> tuple[str, str]:
        """The kernel that most tiles take, and why it is exact."""
        if self._half:
            return "half_chain", "this machine's float16 arithmetic rounds each operation to nearest even"
        if self._machine:
            return "chain32", "float32 hardware rounds each product and sum to nearest even"
        if self._cuts:
            return "chain32", "cut toward zero at each step, k upward; rows that leave the range again in float64"
        if self.total.mode != steps.NEAREST_EVEN or not (self.single or self._double or self.product is None):
            return "chain64", "exact float64 products, sums rounded to odd, then by the mode, k upward"
        if self.single:
            return "chain32", "rounds at each step, k upward; rows that leave the range again in float64"
        return "chain64", "rounds at each step, k upward; rows that leave the range again, by sums rounded to odd"

    @property
    def _nearest(self) -> bool:
        return self.total.mode == steps.NEAREST_EVEN

    @property
    def _cuts(self) -> bool:
        """Whether sums toward zero fit float32's exponents, and products are multiples of the sums' least subnormal number."""
        p, t = self.product, self.total
        fits = (
            p is not None and p.mode == t.mode == steps.ZERO and p.format.man_bits <= t.format.man_bits <= 22 and p.unit >= t.unit
        )
        return fits and p is not None and p.format.emin >= -126 and t.unit >= 2.0**-149

    @property
    def _half(self) -> bool:
        same = self.product is None or self.product.format == self.total.format
        return same and self._nearest and str(self.total.format) == "float16" and half_chain.available()

    @property
    def _machine(self) -> bool:
        same = self.product is None or self.product.format == self.total.format
        return same and self._nearest and str(self.total.format) == "float32"

    @property
    def _double(self) -> bool:
        """Whether a sum rounded to float64 first is the same, and its terms are multiples of its least subnormal number."""
        p, t = self.product, self.total
        return self._nearest and p is not None and p.format.man_bits <= t.format.man_bits and p.unit >= t.unit

    @property
    def single(self) -> bool:
        """`_double` for float32, which has room for the exponents too."""
        t, p = self.total, self.product
        return self._double and p is not None and t.format.man_bits <= 10 and p.format.emin >= -126 and t.unit >= 2.0**-149

    @property
    def single_ceiling(self) -> float:
        """A magnitude up to which sums are right in float32."""
        return 2.0 ** min(self.total.emax, 126 - (23 - self.total.format.man_bits))

    @property
    def single_product_ceiling(self) -> float:
        """A magnitude below which products are."""
        p = self.product or self.total
        return 2.0 ** min(p.emax, 126 - (23 - p.format.man_bits))

    @property
    def zero(self) -> float:
        """An exact zero sum of terms of different sign."""
        return -0.0 if self.total.mode == steps.MINUS else 0.0

    @property
    def facts(self) -> tuple[Any, ...]:
        """Arguments of the careful kernels: whether products are rounded, words and reals of both formats, `zero`."""
        p, t = self.product or self.total, self.total
        return self.product is not None, p.words, p.reals, t.words, t.reals, self.zero

    def run(self, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray) -> np.ndarray:
        """The accumulators (M, N) in float64 after k = start .. stop - 1, from c (float64, values of the format)."""
        result = np.array(c, np.float64, order="C")
        if not result.size or start == stop:
            return result
        threads = numba.get_num_threads()
        if b.rows >= 64 * threads or a.rows < 2:
            width = min(COLUMNS, max(64, -(-b.rows // (64 * threads)) * 64))
            in_pieces(b.rows, lambda j, k: self._columns(a, b, start, stop, slice(0, a.rows), slice(j, k), result), width, 0)
        else:
            height = max(1, -(-a.rows // threads))
            serial = 0 if result.size * (stop - start) >= SERIAL else a.rows + 1  # less work than a second thread costs
            in_pieces(a.rows, lambda j, k: self._columns(a, b, start, stop, slice(j, k), slice(0, b.rows), result), height, serial)
        return result

    def _columns(self, a: Operand, b: Operand, start: int, stop: int, rows: slice, columns: slice, result: np.ndarray) -> int:
        for j in range(columns.start, columns.stop, COLUMNS):
            for i in range(rows.start, rows.stop, ROWS):
                some = slice(i, min(i + ROWS, rows.stop)), slice(j, min(j + COLUMNS, columns.stop))
                result[some] = self._tile(a, b, start, stop, *some, result[some])
        return 0

    def _tile(self, a: Operand, b: Operand, start: int, stop: int, rows: slice, columns: slice, c: np.ndarray) -> np.ndarray:
        if self._half and (halves := self._in_half(a, b, start, stop, rows, columns, c)) is not None:
            return halves
        failed = np.zeros(c.shape[0], bool)
        total = c
        if self._machine or self.single or self._cuts:
            total, failed = self._in_single(a, b, start, stop, rows, columns, c)
        elif self._nearest and (self._double or self.product is None):
            total, failed = self._in_double(a, b, start, stop, rows, columns, c)
        else:
            failed[:] = True
        if failed.any():
            total = np.asarray(total, np.float64)
            total[failed] = self._careful(a, b, start, stop, np.flatnonzero(failed) + rows.start, columns, c[failed])
        return total

    def _in_half(self, a: Operand, b: Operand, start: int, stop: int, rows: slice, columns: slice, c: np.ndarray) -> Any:
        """The tile in float16, or None where operands are not float16 values."""
        total = c.astype(np.float16, order="C")
        for k in range(start, stop, DEPTH):
            end = min(k + DEPTH, stop)
            x, y = _halves(a, a.block, rows, k, end), _halves(b, b.panel, columns, k, end)
            if x is None or y is None:
                return None
            half_chain.half_chain(x.view(np.int16), y.view(np.int16), total.view(np.int16), self.product is None)
        return total

    def _in_single(
        self, a: Operand, b: Operand, start: int, stop: int, rows: slice, columns: slice, c: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tile in float32, and the rows whose proof failed."""
        total, failed = c.astype(np.float32, order="C"), minus_zero(c)
        words = (self.product or self.total).single, self.total.single
        if self._machine:
            failed[:] = False
        for k in range(start, stop, DEPTH):
            end = min(k + DEPTH, stop)
            x, y = a.block(rows, k, end, np.float32), b.panel(columns, k, end, np.float32)
            top = np.zeros(len(x), np.int32)
            if self._machine:
                kind = float_chain.FUSED if self.product is None else float_chain.NATIVE
                float_chain.chain32(x, y, total, kind, *words, top)
                continue
            kind, limit = self._single_kind(Span(x), Span(y))
            failed |= ~(limit > 0)
            if failed.all():
                break
            float_chain.chain32(x, y, total, kind, *words, top)
            failed |= ~(top.view(np.float32) <= limit)
        return total, failed

    def _single_kind(self, x: Span, y: Span) -> tuple[int, np.ndarray]:
        """The loop for a tile, and the magnitude that every fourth sum of each row may reach."""
        p, t = self.product, self.total
        assert p is not None
        m, pm = t.format.man_bits, p.format.man_bits
        with np.errstate(invalid="ignore"):  # infinity times zero: NaN proves nothing
            most = x.most * y.most.max()
        ceiling = self.single_ceiling
        limit = ceiling - 4 * (1.5 * most + p.unit + ceiling * 2.0**-m)
        limit[~(most < self.single_product_ceiling)] = -1.0
        if self._cuts:  # a sum toward zero is no larger than the exact one
            limit = 2.0 ** min(t.emax, 126) - 4 * most
            sure = x.width + y.width <= 24 and x.least * y.least >= 2.0**p.format.emin
            limit[~(most < 2.0 ** min(p.emax, 126)) | (not sure)] = -1.0
            return float_chain.CUT, limit
        short = x.width + y.width <= 24 or max(x.width, y.width) <= pm + 1
        normal = x.least * y.least >= 2.0**p.format.emin
        return (float_chain.SPLIT if short and normal else float_chain.ROUNDED), limit

    def _in_double(
        self, a: Operand, b: Operand, start: int, stop: int, rows: slice, columns: slice, c: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tile in float64, and the rows whose proof failed."""
        total = np.array(c, np.float64, order="C")
        failed = minus_zero(c) if self.product is not None else np.zeros(len(c), bool)
        p, t = self.product or self.total, self.total
        m = t.format.man_bits
        unit = np.full(len(c), np.inf)
        unit[(c != 0).any(axis=1)] = t.unit
        narrow = self.product is None and m <= 10 and t.unit >= 2.0**-149
        for k in range(start, stop, DEPTH):
            end = min(k + DEPTH, stop)
            x, y = a.block(rows, k, end, np.float32), b.panel(columns, k, end, np.float32)
            left, right = Span(x), Span(y)
            with np.errstate(invalid="ignore"):  # infinity times zero: NaN proves nothing
                most = left.most * right.most.max()
            finest = left.unit * right.unit.min()
            unit = np.minimum(unit, np.maximum(finest, t.unit))
            ceiling = 2.0**t.emax
            limit = ceiling - 4 * (1.5 * most + p.unit + ceiling * 2.0**-m)
            kind = float_wide.NEAR
            if self.product is None:
                bits = left.width + right.width
                exact = finest.min(initial=np.inf) >= t.unit
                if narrow and exact and bits + m + 1 <= 24:  # a false tie needs a term that is absorbed whole, which is noticed
                    single, top = total.astype(np.float32), np.zeros(len(x), np.int32)
                    lower = self.single_ceiling
                    limit = lower - 4 * (1.5 * most + t.unit + lower * 2.0**-m)
                    failed |= ~(limit > 0)
                    float_chain.chain32(x, y, single, float_chain.FUSED_SPLIT, t.single, t.single, top)
                    failed |= ~(top.view(np.float32) <= limit)
                    total = single.astype(np.float64)
                    continue
                kind = float_wide.FUSED_SPLIT if exact else float_wide.FUSED_NEAR
                limit[~(most < 2.0**50 * unit)] = -1.0
                if bits + m + 1 > 52:
                    limit[:] = -1.0
            else:
                limit[~(most < 2.0**p.emax)] = -1.0
            failed |= ~(limit > 0)
            if failed.all():
                break
            top64 = np.zeros(len(x), np.int64)
            wide = x.astype(np.float64), y.astype(np.float64)
            float_wide.chain64(*wide, total, kind, x.shape[1], *self.facts, top64)
            failed |= ~(top64.view(np.float64) <= limit)
        return total, failed

    def _careful(
        self, a: Operand, b: Operand, start: int, stop: int, rows: np.ndarray, columns: slice, c: np.ndarray
    ) -> np.ndarray:
        total = np.array(c, np.float64, order="C")
        for k in range(start, stop, DEPTH):
            end = min(k + DEPTH, stop)
            x = a.block(rows, k, end, np.float64)
            y = b.panel(columns, k, end, np.float64)
            float_wide.chain64(x, y, total, float_wide.FULL, end - k, *self.facts, np.zeros(len(x), np.int64))
        return total


def _halves(x: Operand, part: Any, rows: slice, first: int, stop: int) -> np.ndarray | None:
    """A tile in float16 where that holds its values (NaN only where it comes in float16)."""
    if x.given.dtype == np.float16:
        made: np.ndarray = part(rows, first, stop, np.float16)
        return made
    single = part(rows, first, stop, np.float32)
    words = np.empty(single.shape, np.int16)
    return None if half_chain.narrow(single, words) else words.view(np.float16)


def minus_zero(c: np.ndarray) -> np.ndarray:
    """Which rows hold a -0, whose sign the fast loops lose."""
    found: np.ndarray = (np.signbit(c) & (c == 0)).any(axis=1)
    return found
