"""A product on BLAS, where a bound proves that every order of summation is exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..kernels import integer_chain
from .accumulator import Compute, Step
from .operands import Operand
from .proof import Bound

_DEPTH = 1024  # of a tile of b
_FEW = 128
_NARROWEST = 64  # columns of it
_BYTES = 1 << 21  # of it
_SHORTEST = 128  # k of a chunk in float32, below which float64 is as fast


def blas(a: Operand, b: Operand, limits: Bound, start: int, stop: int, more: str = "") -> tuple[Step, Compute]:
    """sgemm or dgemm of k = start .. stop - 1, float64 results; `limits` must hold for 53 bits. The start is ignored.

    Where the whole sum needs more than 24 bits but a chunk of k does not, chunks in float32 are added in float64.
    """
    chunk = _chunk(limits)
    if limits.exact_in(24) or not chunk:
        reason = f"{limits} < 2**{24 if chunk else 53}: exact in any order{more}"
    else:
        reason = f"{limits} < 2**53, and < 2**24 in chunks of {chunk} k: exact in any order{more}"
    step = Step(start, stop, "sgemm" if chunk else "dgemm", reason)

    def compute(c: np.ndarray) -> np.ndarray:
        total = np.empty((a.rows, b.rows)) if stop > start else np.zeros((a.rows, b.rows))

        def take(part: np.ndarray, some: slice, first: bool) -> None:
            integer_chain.add_float64(part, total[:, some], first)

        pieces(a, b, start, stop, limits, take)
        return total  # begun from +0: an exact zero is +0

    return step, compute


def _chunk(limits: Bound) -> int:
    """How many k float32 adds exactly; 0 where too few."""
    if limits.exact_in(24):
        return limits.terms
    one = Bound(1, limits.largest_a, limits.largest_b, limits.quantum_a, limits.quantum_b)
    ratio = (limits.largest_a / limits.quantum_a) * (limits.largest_b / limits.quantum_b)
    if not one.exact_in(24) or ratio * _SHORTEST > 2.0**24:
        return 0
    terms = min(int(2.0**24 // ratio), limits.terms)
    return terms if terms * limits.largest_a * limits.largest_b < 2.0**127 else 0


def pieces(a: Operand, b: Operand, start: int, stop: int, limits: Bound, take: Callable[[np.ndarray, slice, bool], None]) -> None:
    """Exact products of pieces of k and of the result's columns, each given to `take` with its columns and
    whether it is their first, in memory that the next one uses again."""
    exact = _chunk(limits)
    dtype: type = np.float32 if exact else np.float64
    chunk = max(1, min(exact or stop - start, _DEPTH))
    width = max(1, min(b.rows, max(_NARROWEST, _BYTES // np.dtype(dtype).itemsize // chunk)))
    room: np.ndarray = np.empty(chunk * width, dtype)
    sums: np.ndarray = np.empty(a.rows * width, dtype)
    for k in range(start, stop, chunk):
        end = min(k + chunk, stop)
        x = a.block(slice(0, a.rows), k, end, dtype, 1)
        for j in range(0, b.rows, width):
            some = slice(j, min(j + width, b.rows))
            part = sums[: a.rows * (some.stop - j)].reshape(a.rows, some.stop - j)
            y = b.either(some, k, end, room)
            if y.flags.c_contiguous or a.rows > _FEW:
                np.matmul(x, y, out=part)
            else:  # for few rows, BLAS is faster at the transposed product
                np.copyto(part, np.matmul(y.T, x.T).T)
            take(part, some, k == start)
