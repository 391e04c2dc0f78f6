"""The exact sum of exact products, rounded once (a Kulisch accumulator)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formats import Float, cast, encode, parse
from ..kernels import exact as kernels
from .accumulator import Accumulator, Compute, Step, zeros
from .blas import blas
from .float_format import accumulator_format, check_accumulator_format, float_result, short
from .operands import Operand, bound_of
from .slices import slices


@dataclass(frozen=True)
class ExactAccumulator(Accumulator):
    """The exact sum of exact products, rounded once (ties to even) to `format`."""

    format: Float

    def __post_init__(self) -> None:
        check_accumulator_format(self.format, 52)

    def __str__(self) -> str:
        name = short(self.format)
        return "exact" if name == "float64" else f"exact:{name}"

    def blank(self, shape: tuple[int, int]) -> np.ndarray:
        """Zeros that fill no memory."""
        return np.broadcast_to(np.float64(0), shape)

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """BLAS where the sum is provably exact, else a wide register."""
        limits = bound_of(a, b, start, stop)
        if limits.exact_in(53):
            step, compute = blas(a, b, limits, start, stop)
            return step, lambda c: self._wide(a, b, start, stop, c) if not zeros(c) else self._round_once(compute(c))
        cuts = slices(a, b, start, stop)
        if cuts is None:
            reason = f"{limits}: beyond float64, so a wide register sums exactly"
            return Step(start, stop, "exact_matmul", reason), lambda c: self._wide(a, b, start, stop, c)
        reason = f"{cuts}; their sums make one long integer, rounded once"
        step = Step(start, stop, "dgemm of slices", reason)
        return step, lambda c: self._wide(a, b, start, stop, c) if not zeros(c) else cuts.sum(self.format)

    def finish(self, total: np.ndarray) -> np.ndarray:
        """float32 where the format fits, else float64."""
        return float_result(total, self.format)

    def codes(self, result: np.ndarray) -> np.ndarray:
        """Words of the format."""
        return encode(result, self.format)

    def _round_once(self, total: np.ndarray) -> np.ndarray:
        if self.format == parse("float64"):
            return total
        if self.format == parse("float32"):
            with np.errstate(over="ignore"):
                return total.astype(np.float32).astype(np.float64)
        return cast(total, self.format).astype(np.float64)

    def _wide(self, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray) -> np.ndarray:
        result, fmt = np.empty(c.shape), self.format
        rows, columns = (np.ascontiguousarray(v.values[:, start:stop]) for v in (a, b))
        kernels.exact_matmul(rows, columns, np.array(c, order="C"), result, fmt.man_bits, fmt.emin, fmt.max, fmt.has_inf)
        return result


def _made(match: re.Match[str]) -> ExactAccumulator:
    if match[2]:
        raise ValueError(f"datapath {match[0]!r}: an exact accumulator takes no options; write exact or exact:fp32")
    return ExactAccumulator(accumulator_format(match[1] or "float64"))


RULES: list[tuple[str, Any]] = [(r"(?i)exact(?::([^+]+))?(\+.*)?", _made)]


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    return {
        "exact": ("exact sum rounded once to float64", "Kulisch accumulator", "verified"),
        "exact:fp32": ("exact sum rounded once to float32", "Kulisch accumulator", "verified"),
    }
