"""Accumulators whose products are other than exact: what becomes of the sum is the business of another accumulator."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from .accumulator import Accumulator
from .operands import Operand


class OwnProduct(Accumulator):
    """An accumulator with products of its own, summed as `sum` says."""

    sum: Any  # the accumulator of the products; each kind names which it takes

    @abstractmethod
    def terms(self, a: Operand, b: Operand, k: int) -> np.ndarray:
        """The products of one k, (M, N)."""

    def start(self, c: Any, shape: tuple[int, int]) -> np.ndarray:
        """As the accumulator of the sum."""
        made: np.ndarray = self.sum.start(c, shape)
        return made

    def finish(self, total: np.ndarray) -> np.ndarray:
        """As the accumulator of the sum."""
        made: np.ndarray = self.sum.finish(total)
        return made

    def codes(self, result: np.ndarray) -> np.ndarray:
        """Words of the accumulator of the sum."""
        made: np.ndarray = self.sum.codes(result)
        return made

    def to_float64(self, part: np.ndarray) -> np.ndarray:
        """As the accumulator of the sum."""
        return np.asarray(self.sum.to_float64(part), np.float64)

    @property
    def integers(self) -> bool:
        """As the accumulator of the sum."""
        return bool(self.sum.integers)

    @property
    def default_outer(self) -> Accumulator | None:
        """Pieces of k are added in the accumulator of the sum."""
        made: Accumulator = self.sum
        return made
