"""Sums of rounded steps that are no plain chain: balanced trees, Kahan's compensation, stochastic rounding with given bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from .._threads import in_pieces
from ..kernels import float_pairwise, kahan, stochastic_chain
from .chains import Chain, minus_zero
from .operands import Operand
from .span import Span

_DEPTH = 512  # a multiple of 8
_COLUMNS = 512
_ROWS = 128


@dataclass(frozen=True)
class Bits:
    """Random bits of each step: given (M, N, K), or of Philox under `seed`. batch: the number of the product among several."""

    given: np.ndarray | None
    seed: int = 0
    batch: int = 0

    def of(self, rows: slice, columns: slice, first: int, stop: int, width: int) -> np.ndarray:
        """(rows, k, columns)."""
        if self.given is not None:
            return np.ascontiguousarray(self.given[rows, columns, first:stop].transpose(0, 2, 1), np.uint32)
        made = np.empty((rows.stop - rows.start, stop - first, columns.stop - columns.start), np.uint32)
        stochastic_chain.draw(made, width, np.uint64(self.seed), rows.start, columns.start, first, self.batch)
        return made


def tiled(a: Operand, b: Operand, c: np.ndarray, work: Any) -> np.ndarray:
    """work(rows, columns, start) -> accumulators, for each tile of the result, from c in float64."""
    result = np.array(c, np.float64, order="C")

    def columns(first: int, last: int) -> int:
        for j in range(first, last, _COLUMNS):
            across = slice(j, min(j + _COLUMNS, last))
            for i in range(0, a.rows, _ROWS):
                some = slice(i, min(i + _ROWS, a.rows)), across
                result[some] = work(*some, np.ascontiguousarray(result[some]))
        return 0

    threads = numba.get_num_threads()
    in_pieces(b.rows, columns, min(_COLUMNS, max(64, -(-b.rows // threads))), 0)
    return result


def compensated(chain: Chain, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray) -> np.ndarray:
    """Kahan's sum from c, with nothing lost yet."""

    def work(rows: slice, columns: slice, total: np.ndarray) -> np.ndarray:
        lost = np.zeros(total.shape)
        for k in range(start, stop, _DEPTH):
            end = min(k + _DEPTH, stop)
            x, y = a.block(rows, k, end, np.float64, 1), b.panel(columns, k, end, np.float64, 1)
            kahan.kahan_chain(x, y, total, lost, *chain.facts)
        return total

    return tiled(a, b, c, work)


def stochastic(chain: Chain, width: int, random: Bits, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray) -> np.ndarray:
    """The sum from c, each step rounded with `width` random bits."""

    def work(rows: slice, columns: slice, total: np.ndarray) -> np.ndarray:
        for k in range(start, stop, 64):
            end = min(k + 64, stop)
            x, y = a.block(rows, k, end, np.float64, 1), b.panel(columns, k, end, np.float64, 1)
            stochastic_chain.stochastic_chain(x, y, total, random.of(rows, columns, k, end, width), width, *chain.facts)
        return total

    return tiled(a, b, c, work)


def pairwise(chain: Chain, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray) -> np.ndarray:
    """The balanced tree of the products, then c added."""
    if start == stop:
        return np.array(c, np.float64, order="C")

    def work(rows: slice, columns: slice, total: np.ndarray) -> np.ndarray:
        failed = np.ones(len(total), bool)
        result = total
        if chain.single:
            result, failed = _single_tree(chain, a, b, start, stop, rows, columns, total)
        if failed.any():
            some = np.flatnonzero(failed) + rows.start
            result = np.asarray(result, np.float64)
            result[failed] = _full_tree(chain, a, b, start, stop, some, columns, total[failed])
        return result

    return tiled(a, b, c, work)


def _single_tree(
    chain: Chain, a: Operand, b: Operand, start: int, stop: int, rows: slice, columns: slice, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The tree in float32, and the rows whose proof failed."""
    eights = -(-(stop - start) // 8)
    stack = np.empty((len(c), eights.bit_length() + 1, c.shape[1]), np.float32)
    top, failed = np.zeros(len(c), np.int32), minus_zero(c)
    p, t = chain.product, chain.total
    assert p is not None
    ceiling = chain.single_ceiling
    for k in range(start, stop, _DEPTH):
        end = min(k + _DEPTH, stop)
        x, y = a.block(rows, k, end, np.float32, 8), b.panel(columns, k, end, np.float32, 8)
        most = Span(x).most * Span(y).most.max()
        failed |= ~((most < chain.single_product_ceiling) & (16 * most + 8 * p.unit < ceiling))
        if failed.all():
            return c, failed
        float_pairwise.tree32(x, y, stack, (k - start) // 8, p.single, t.single, top)
    total = c.astype(np.float32, order="C")
    float_pairwise.tree32_end(stack, eights.bit_count(), total, t.single, top)
    return total, failed | ~(top.view(np.float32) <= ceiling)


def _full_tree(
    chain: Chain, a: Operand, b: Operand, start: int, stop: int, rows: np.ndarray, columns: slice, c: np.ndarray
) -> np.ndarray:
    stack = np.empty((len(c), (stop - start).bit_length() + 1, c.shape[1]))
    for k in range(start, stop, _DEPTH):
        end = min(k + _DEPTH, stop)
        x, y = a.block(rows, k, end, np.float64, 1), b.panel(columns, k, end, np.float64, 1)
        float_pairwise.tree64(x, y, stack, k - start, *chain.facts)
    total = np.array(c, np.float64, order="C")
    float_pairwise.tree64_end(stack, (stop - start).bit_count(), total, chain.total.words, chain.total.reals, chain.zero)
    return total
