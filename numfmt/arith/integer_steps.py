"""Integer accumulators: exact products; the sum wraps in two's complement, or saturates at each step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import to_float64
from .._checks import check_int_range
from ..kernels import steps
from .accumulator import Accumulator, Compute, Step, spread
from .blas import blas
from .operands import Operand
from .proof import bound

_LARGEST_INTEGER = 2.0**62  # integers and sums up to here are added in int64 without thought of its range


@dataclass(frozen=True)
class IntAccumulator(Accumulator):
    """Exact integer products; the sum wraps in two's complement, or saturates at each step."""

    width: int
    saturate: bool = False

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 64)
        if self.saturate:
            check_int_range("width", self.width, 2, 62)

    def __str__(self) -> str:
        return f"int{self.width}" + ("+saturate" if self.saturate else "")

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
        return array.astype(np.int64)

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """BLAS where the sum is provably exact (and, saturating, never reaches the limit), else int64 step by step."""
        x, y = a.values[:, start:stop], b.values[:, start:stop]
        limits = bound(x, y)
        most = limits.terms * limits.largest_a * limits.largest_b
        if self.saturate:
            if limits.exact_in(53) and most <= self.high:
                step, compute = blas(x, y, limits, start, stop, "; never saturates")

                def unless_started(c: np.ndarray) -> np.ndarray:
                    return self._steps(x, y, c) if np.any(c) else compute(c)

                return step, unless_started
            return Step(start, stop, "saturating_matmul", "saturates at each step, k upward"), lambda c: self._steps(x, y, c)
        if limits.exact_in(53) and most <= _LARGEST_INTEGER:
            step, compute = blas(x, y, limits, start, stop)
            return step, lambda c: self.wrap(to_int(compute(c)) + to_int(c))
        return Step(start, stop, "native_matmul", "int64 sums wrap modulo 2**64"), lambda c: self._wide(x, y, c)

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

    def _steps(self, x: np.ndarray, y: np.ndarray, c: np.ndarray) -> np.ndarray:
        total = to_int(c)
        steps.saturating_matmul(_rows(x), _rows(y.T), total, self.low, self.high)
        return total

    def _wide(self, x: np.ndarray, y: np.ndarray, c: np.ndarray) -> np.ndarray:
        total = to_int(c)
        steps.native_matmul(_rows(x), _rows(y.T), total)
        return self.wrap(total)


def to_int(x: np.ndarray) -> np.ndarray:
    """A copy in int64."""
    return x.copy() if x.dtype == np.int64 else np.rint(x).astype(np.int64)


def _rows(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x, dtype=np.int64)


def _made(match: re.Match[str]) -> IntAccumulator:
    options = [p.lower() for p in match[2].split("+")[1:]]
    if options not in ([], ["saturate"], ["wrap"]):
        raise ValueError(f"datapath {match[0]!r}: option {'+'.join(options)!r} of an integer accumulator; use saturate or wrap")
    return IntAccumulator(int(match[1]), "saturate" in options)


RULES: list[tuple[str, Any]] = [(r"(?i)int(\d+)((?:\+[^+]*)*)", _made)]


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    return {"int32": ("exact integer products, 32-bit sum that wraps", "two's complement", "verified")}
