"""A product on BLAS, where a bound proves that every order of summation is exact."""

from __future__ import annotations

import numpy as np

from .accumulator import Compute, Step
from .proof import Bound


def blas(x: np.ndarray, y: np.ndarray, limits: Bound, start: int, stop: int, more: str = "") -> tuple[Step, Compute]:
    """sgemm or dgemm of rows x (M, K) and y (N, K), float64 results; `limits` must hold for 53 bits. The start is ignored."""
    single = limits.exact_in(24)
    dtype = np.float32 if single else np.float64
    step = Step(start, stop, "sgemm" if single else "dgemm", f"{limits} < 2**{24 if single else 53}: exact in any order{more}")

    def compute(c: np.ndarray) -> np.ndarray:
        return np.matmul(x.astype(dtype), y.astype(dtype).T).astype(np.float64) + 0.0  # +0.0: an exact zero is +0

    return step, compute
