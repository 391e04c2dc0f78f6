"""A shifter in place of the multiplier: integers times powers of two, the bits beyond the point lost at each product."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..formats import Rounding
from ..kernels import shift_chain as kernels
from .accumulator import Compute, Step
from .fixed_rule import addends
from .integer_steps import IntAccumulator, to_int
from .operands import Operand
from .own_product import OwnProduct

_ROUNDINGS = {
    "floor": Rounding.DOWN,
    "rz": Rounding.TOWARD_ZERO,
    "rne": Rounding.TIES_EVEN,
    "half_up": Rounding.TIES_UP,
    "rna": Rounding.TIES_AWAY,
}
_MOST = 62  # places of a shift


@dataclass(frozen=True)
class ShiftAccumulator(OwnProduct):
    """a: integers; b: powers of two with sign, or zero (`pot4`, `denseshift4`, ...). Each product is sign * round(a * 2**e): the
    shifter first, then the sign; `rounding` "floor" is the plain arithmetic right shift. Exponents of 0 and above lose nothing.

    The exponents are those of b's values: choose the format's bias, or a scale, so that the point lies where the hardware has it.
    Source: the shift products of ShiftCNN (arXiv 1706.02393) and DenseShift (arXiv 2208.09708); which bits a right shift drops is
    the designer's choice and therefore named.
    """

    sum: IntAccumulator
    rounding: str = "floor"

    def __post_init__(self) -> None:
        if self.rounding not in _ROUNDINGS:
            raise ValueError(f"shift rounding {self.rounding!r} is not allowed; use one of {', '.join(_ROUNDINGS)}")

    def __str__(self) -> str:
        return f"{self.sum}+shift" + ("" if self.rounding == "floor" else f"={self.rounding}")

    def check(self, a: Operand, b: Operand) -> None:
        """Raises ValueError for a of other than integers, b of other than powers of two, and products beyond 62 bits."""
        if not a.integers:
            raise ValueError(f"a holds values that are not integers; {self} shifts integers (int8, ...) by the exponents of b")
        sizes = np.abs(b.values)
        fraction, exponent = np.frexp(sizes)
        if not ((sizes == 0) | (fraction == 0.5)).all() or not np.isfinite(sizes).all():
            raise ValueError(
                f"b holds values that are no powers of two; {self} takes pot4, denseshift4 or powers of two of your own"
            )
        if sizes.size and (int(exponent.max()) - 1 > _MOST or a.largest * float(sizes.max()) > 2.0**_MOST):
            raise ValueError(f"a and b make products beyond 2**{_MOST}, which {self} does not add; use smaller exponents")

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """The exact integer product where no exponent is below zero, else shifts in int64."""
        y = b.values[:, start:stop]
        if bool(((y == 0) | (np.abs(y) >= 1)).all()):
            whole = replace(b, whole=True)
            self.sum.check(a, whole)
            step, compute = self.sum.plan(a, whole, start, stop)
            return replace(step, reason=step.reason + "; no bit is shifted out"), compute
        return Step(start, stop, "shift_matmul", "int64 shifts, rounded at each product"), lambda c: self._shift(
            a, y, start, stop, c
        )

    def terms(self, a: Operand, b: Operand, k: int) -> np.ndarray:
        """The products of one k, (M, N) int64."""
        wide = ShiftAccumulator(IntAccumulator(64), self.rounding)
        return wide._shift(a, b.values[:, k : k + 1], k, k + 1, np.zeros((a.rows, b.rows), np.int64))

    def _shift(self, a: Operand, y: np.ndarray, start: int, stop: int, c: np.ndarray) -> np.ndarray:
        exponent = np.frexp(y.T)[1].astype(np.int64) - 1
        up, down = np.clip(exponent, 0, _MOST), np.clip(-exponent, 0, _MOST)  # 62 places leave nothing of an integer but its sign
        table = np.array([addends(_ROUNDINGS[self.rounding], s) for s in range(_MOST + 1)], np.int64).T
        total = to_int(c)
        x = np.ascontiguousarray(a.values[:, start:stop], np.int64)
        sign = np.ascontiguousarray(np.sign(y.T).astype(np.int64))
        limits = np.int64(self.sum.low), np.int64(self.sum.high)
        kernels.shift_matmul(
            x,
            np.ascontiguousarray(up),
            np.ascontiguousarray(down),
            sign,
            total,
            *np.ascontiguousarray(table),
            *limits,
            self.sum.saturate,
        )
        return total if self.sum.saturate else self.sum.wrap(total)


def _made(match: re.Match[str]) -> ShiftAccumulator:
    return ShiftAccumulator(IntAccumulator(int(match[1]), bool(match[2])), (match[3] or "floor").lower())


RULES: list[tuple[str, Any]] = [(r"(?i)int(\d+)(\+saturate)?\+shift(?:=(\w+))?", _made)]


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    return {
        "int32+shift": (
            "integers shifted by the exponents of powers of two, bits beyond the point dropped (floor), 32-bit sum that wraps",
            "ShiftCNN, arXiv 1706.02393; DenseShift, arXiv 2208.09708",
            "recalled",
        )
    }
