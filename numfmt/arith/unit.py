"""An accumulator that computes a whole product itself, rather than run by run."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from . import unit_operands
from .accumulator import Accumulator, Compute, Step
from .operands import Operand


class Unit(Accumulator):
    """An accumulator that computes a whole product itself, rather than step by step in `matmul`."""

    @abstractmethod
    def product(self, a: Any, b: Any, c: Any, returns: str) -> Any:
        """`nf.matmul` with this unit alone."""

    @abstractmethod
    def reason(self, a: str, b: str) -> tuple[str, str]:
        """The kernel for ordinary data of formats a and b, and why it gives the unit's bits."""

    @abstractmethod
    def run_values(self, a: np.ndarray, b: np.ndarray, formats: tuple[str, str]) -> np.ndarray:
        """Values of a (M, K) times b (N, K) of one run of k from zero, float64: for an outer one. formats: of the elements."""

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """The unit within one run of k: it starts from zero, and an outer accumulator takes its value."""
        formats = unit_operands.element_format(a.source), unit_operands.element_format(b.source)
        step = Step(start, stop, *self.reason(*formats))

        def compute(c: np.ndarray) -> np.ndarray:
            if np.any(c):
                raise ValueError(f"c is given for scaled operands without an outer accumulator; write '{self}>fp32'")
            return self.run_values(a.values[:, start:stop], b.values[:, start:stop], formats)

        return step, compute

    def finish(self, total: np.ndarray) -> np.ndarray:
        """The values that the unit gave."""
        return total

    def codes(self, result: np.ndarray) -> np.ndarray:
        """Refused: a unit's words come from the unit itself."""
        raise ValueError(f"{self} within an outer accumulator has no words of its own; use '{self}>fp32'")
