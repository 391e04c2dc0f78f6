"""When a plain floating-point product is exact: every partial sum is a multiple of one quantum and below 2**p quanta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bound:
    """The inequality `terms * largest_a * largest_b < 2**bits * quantum_a * quantum_b`, and whether it holds for 24 and 53 bits."""

    terms: int
    largest_a: float
    largest_b: float
    quantum_a: float
    quantum_b: float

    @property
    def span_bits(self) -> float:
        """log2 of the largest possible |partial sum| in units of the common quantum; infinite where an operand is not finite."""
        top = self.terms * self.largest_a * self.largest_b / self.quantum_a / self.quantum_b
        return float(np.log2(top)) if 0 < top < np.inf else (0.0 if top == 0 else np.inf)

    def exact_in(self, bits: int) -> bool:
        """Whether any order of summation in a float of `bits` significant bits gives the exact sum."""
        # the quotients below are exact: the quanta are powers of two
        ratio = (self.largest_a / self.quantum_a) * (self.largest_b / self.quantum_b)
        quantum = self.quantum_a * self.quantum_b
        if not ratio * self.terms < 2.0**bits:
            return False
        if bits > 24:  # operands are float32 values: the exponents of their products and sums lie well within float64
            return quantum >= 2.0**-1022
        return quantum >= 2.0**-149 and self.terms * self.largest_a * self.largest_b < 2.0**128

    def __str__(self) -> str:
        return (
            f"K*max|a|*max|b| = {self.terms} * {self.largest_a:g} * {self.largest_b:g} "
            f"= 2**{self.span_bits:.2f} quanta of {self.quantum_a:g} * {self.quantum_b:g}"
        )


def bound(a: np.ndarray, b: np.ndarray, quantum_a: float | None = None, quantum_b: float | None = None) -> Bound:
    """The bound for the product of two row operands (rows, K), from their actual values."""
    largest_a, largest_b = float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0))
    if not (np.isfinite(largest_a) and np.isfinite(largest_b)):
        return Bound(a.shape[1], np.inf, np.inf, 1.0, 1.0)
    return Bound(a.shape[1], largest_a, largest_b, quantum_a or quantum(a), quantum_b or quantum(b))


def quantum(x: np.ndarray) -> float:
    """The largest power of two of which every value of x (float64, finite) is an integer multiple; 1 for all zeros."""
    nonzero = x[x != 0]
    if not nonzero.size:
        return 1.0
    words = nonzero.view(np.int64)
    fraction = words & ((1 << 52) - 1)
    exponent = ((words >> 52) & 0x7FF) - 1075
    significand = fraction | (1 << 52)
    low = significand & -significand  # operands are float32 values, normal in float64
    lowest = exponent + np.frexp(low.astype(np.float64))[1] - 1
    return float(2.0 ** int(lowest.min()))
