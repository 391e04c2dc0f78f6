"""Integer accumulators: exact products; the sum wraps in two's complement, or saturates at each step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from .._arrays import to_float64
from .._checks import check_int_range
from .._threads import in_pieces
from ..kernels import float_pairwise, integer_chain, steps
from .accumulator import Accumulator, Compute, Step, spread, zeros
from .blas import blas, pieces
from .operands import Operand, bound_of
from .proof import Bound

_COLUMNS = 1024
_DEPTH = 1024
_LARGEST_INTEGER = 2.0**62  # integers and sums up to here are added in int64 without thought of its range


@dataclass(frozen=True)
class IntAccumulator(Accumulator):
    """Exact integer products; the sum wraps in two's complement, or saturates at each step."""

    width: int
    saturate: bool = False
    pairwise: bool = (
        False  # saturating sums in a balanced tree of exact products, then added to the start; wrapped ones are the same
    )

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 64)
        if self.saturate:
            check_int_range("width", self.width, 2, 62)

    def __str__(self) -> str:
        return f"int{self.width}" + "+saturate" * self.saturate + "+pairwise" * self.pairwise

    @property
    def low(self) -> int:
        """The least number it holds."""
        return -(1 << (self.width - 1))

    @property
    def high(self) -> int:
        """The largest number it holds."""
        return (1 << (self.width - 1)) - 1

    def check(self, a: Operand, b: Operand) -> None:
        """Raises ValueError for operands that are not integers, or too wide."""
        if not (a.integers and b.integers):
            which = "a" if not a.integers else "b"
            raise ValueError(
                f"{which} holds values that are not integers; the accumulator {self} takes integer codes (int8, int4, ...)"
            )
        for x, what in ((a, "a"), (b, "b")):
            if x.largest > _LARGEST_INTEGER:
                raise ValueError(f"{what} holds integers beyond 2**62; the accumulator {self} takes codes of at most 62 bits")
        if self.saturate and a.largest * b.largest > _LARGEST_INTEGER:
            raise ValueError(f"a and b make products beyond 2**62, which {self} cannot add at each step; use narrower codes")

    def start(self, c: Any, shape: tuple[int, int]) -> np.ndarray:
        """int64 (M, N)."""
        if c is None:
            return np.zeros(shape, np.int64)
        array = spread(c, shape)
        if array.dtype.kind not in "iub":
            array = to_float64(array, "c")
            if not (np.isfinite(array).all() and np.array_equal(np.rint(array), array)):
                raise ValueError(f"c holds values that are not integers; the accumulator {self} starts from an integer")
        if array.size and not self.low <= int(array.min()) <= int(array.max()) <= self.high:
            raise ValueError(
                f"c holds values that the accumulator {self} cannot hold; it must lie within {self.low} and {self.high}"
            )
        return array.astype(np.int64, order="C")

    def blank(self, shape: tuple[int, int]) -> np.ndarray:
        """Zeros that fill no memory."""
        return np.broadcast_to(np.int64(0), shape)

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """BLAS where the sum is provably exact (and, saturating, never reaches the limit), else step by step."""
        limits = bound_of(a, b, start, stop)
        most = limits.terms * limits.largest_a * limits.largest_b
        if self.saturate:
            if limits.exact_in(53) and most <= self.high:
                step, compute = blas(a, b, limits, start, stop, "; never saturates")

                def unless_started(c: np.ndarray) -> np.ndarray:
                    return self._steps(a, b, start, stop, limits, c) if not zeros(c) else compute(c)

                return step, unless_started
            return Step(start, stop, "saturating lanes", "saturates at each step, k upward"), lambda c: self._steps(
                a, b, start, stop, limits, c
            )
        if limits.exact_in(53) and most <= _LARGEST_INTEGER:
            step, _ = blas(a, b, limits, start, stop)
            return step, lambda c: self._wrapped(a, b, start, stop, limits, c)
        return Step(start, stop, "native_matmul", "int64 sums wrap modulo 2**64"), lambda c: self._wide(a, b, start, stop, c)

    def finish(self, total: np.ndarray) -> np.ndarray:
        """int64."""
        return total if total.dtype == np.int64 else to_int(total)

    def codes(self, result: np.ndarray) -> np.ndarray:
        """Two's complement words of the narrowest unsigned type."""
        dtype = next(d for d in (np.uint8, np.uint16, np.uint32, np.uint64) if self.width <= np.dtype(d).itemsize * 8)
        mask = np.uint64((1 << self.width) - 1)
        words: np.ndarray = (result.astype(np.int64).astype(np.uint64) & mask).astype(dtype)
        return words

    def join(self, total: np.ndarray, part: np.ndarray) -> np.ndarray:
        """The sum of two accumulators, wrapped or saturated."""
        total, part = to_int(total), to_int(part)
        if not self.saturate:
            return self.wrap(total + part)
        return np.clip(total + part, self.low, self.high)

    def to_float64(self, part: np.ndarray) -> np.ndarray:
        """The sum of a run; raises ValueError beyond 2**53."""
        if part.dtype == np.int64 and part.size and max(int(part.max()), -int(part.min())) > 1 << 53:
            raise ValueError(
                f"the sum of a run of {self} exceeds 2**53 and cannot be scaled exactly; use groups or a narrower width"
            )
        return part.astype(np.float64)

    @property
    def integers(self) -> bool:
        """True."""
        return True

    @property
    def default_outer(self) -> Accumulator:
        """Pieces of k are added in the accumulator itself."""
        return self

    def wrap(self, total: np.ndarray) -> np.ndarray:
        """Two's complement of `width` bits of int64 sums."""
        if self.width < 64:
            low = 1 << (self.width - 1)
            total = ((total + low) & ((1 << self.width) - 1)) - low
        return total

    def _steps(self, a: Operand, b: Operand, start: int, stop: int, limits: Bound, c: np.ndarray) -> np.ndarray:
        """Saturating sums, in lanes of the narrowest type that holds each product and the accumulator."""
        product = limits.largest_a * limits.largest_b
        dtype: type = np.int64 if product + self.high >= 2.0**31 else np.int32
        if product < 2.0**15 and self.width <= 16:
            dtype = np.int16
        short = max(limits.largest_a, limits.largest_b) < 2.0**15
        operands: type = np.int16 if short else dtype
        run = integer_chain.saturating_short if dtype == np.int16 else integer_chain.saturating_wide
        total = to_int(c)
        if self.pairwise:
            return self._tree(a, b, start, stop, total)
        ends = dtype(self.low), dtype(self.high)

        def columns(first: int, last: int) -> int:
            for j in range(first, last, _COLUMNS):
                some = slice(j, min(j + _COLUMNS, last))
                part: np.ndarray = total[:, some].astype(dtype)
                for k in range(start, stop, _DEPTH):
                    end = min(k + _DEPTH, stop)
                    x, y = a.block(slice(0, a.rows), k, end, operands), b.panel(some, k, end, operands)
                    run(x, y, part, *ends)
                total[:, some] = part
            return 0

        threads = numba.get_num_threads()
        in_pieces(b.rows, columns, min(_COLUMNS, max(64, -(-b.rows // threads))), 0)
        return total

    def _tree(self, a: Operand, b: Operand, start: int, stop: int, total: np.ndarray) -> np.ndarray:
        for j in range(0, b.rows, 64):
            some = slice(j, min(j + 64, b.rows))
            x, y = a.block(slice(0, a.rows), start, stop, np.int64, 1), b.panel(some, start, stop, np.int64, 1)
            stack = np.empty(((stop - start).bit_length() + 1, y.shape[1]), np.int64)
            part = np.ascontiguousarray(total[:, some])
            float_pairwise.integer_tree(x, y, stack, part, self.low, self.high)
            total[:, some] = part
        return total

    def _wrapped(self, a: Operand, b: Operand, start: int, stop: int, limits: Bound, c: np.ndarray) -> np.ndarray:
        fresh = zeros(c) and start < stop
        total = np.empty(c.shape, np.int64) if fresh else to_int(c)

        def take(part: np.ndarray, some: slice, first: bool) -> None:
            integer_chain.add_wrapped(part, total[:, some], self.width, first and fresh)

        pieces(a, b, start, stop, limits, take)
        return total

    def _wide(self, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray) -> np.ndarray:
        total = to_int(c)
        steps.native_matmul(
            a.block(slice(0, a.rows), start, stop, np.int64), b.panel(slice(0, b.rows), start, stop, np.int64), total
        )
        return self.wrap(total)


def to_int(x: np.ndarray) -> np.ndarray:
    """Integers in int64, writable, rows contiguous."""
    if x.dtype == np.int64:
        return x if x.flags.writeable and x.flags.c_contiguous else x.copy()
    return np.ascontiguousarray(np.rint(x), np.int64)


def _made(match: re.Match[str]) -> IntAccumulator:
    options = [p.strip().lower() for p in match[2].split("+")[1:]]
    if (
        len(set(options) & {"saturate", "wrap"}) > 1
        or not set(options) <= {"saturate", "wrap", "pairwise"}
        or len(set(options)) < len(options)
    ):
        raise ValueError(
            f"datapath {match[0]!r}: option {'+'.join(options)!r} of an integer accumulator; use saturate or wrap, and pairwise"
        )
    return IntAccumulator(int(match[1]), "saturate" in options, "pairwise" in options)


RULES: list[tuple[str, Any]] = [(r"(?i)int(\d+)((?:\+[^+]*)*)", _made)]


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    return {"int32": ("exact integer products, 32-bit sum that wraps", "two's complement", "verified")}
