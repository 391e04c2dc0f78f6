"""What every accumulator offers: which kernel sums a run of k, from which start, and what its result becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import to_float64, to_numpy
from ..blocks import QuantizedTensor

if TYPE_CHECKING:
    from .operands import Operand

Compute = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Step:
    """One run of k: the kernel that computes it and why that is exact."""

    start: int
    stop: int
    kernel: str
    reason: str


class Accumulator(ABC):
    """How the products of a run of k are made and summed. Frozen, hashable; `str` is its name in a datapath's string."""

    def check(self, a: Operand, b: Operand) -> None:
        """Raises ValueError for operands that this accumulator cannot take."""
        for x, what in ((a, "a"), (b, "b")):
            if not x.single:
                raise ValueError(f"{what} holds values that float32 does not hold exactly; {self} takes float32 values at most")

    def start(self, c: Any, shape: tuple[int, int]) -> np.ndarray:
        """The accumulator before the first product, from `c` (values, `from_codes`, or None for +0)."""
        return np.zeros(shape) if c is None else single_values(c, shape)

    def blank(self, shape: tuple[int, int]) -> np.ndarray:
        """`start` of None for `plan` alone, which may take zeros that fill no memory and cannot be written."""
        return self.start(None, shape)

    @abstractmethod
    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """The kernel for one run of k, and the function that runs it on an accumulator (M, N)."""

    @abstractmethod
    def finish(self, total: np.ndarray) -> np.ndarray:
        """The values of an accumulator in the dtype that users see."""

    @abstractmethod
    def codes(self, result: np.ndarray) -> np.ndarray:
        """The words of finished values."""

    def join(self, total: np.ndarray, part: np.ndarray) -> np.ndarray:
        """total + part of two accumulators of this kind, as it adds. Raises ValueError where it cannot stand outside."""
        raise ValueError(f"outer accumulator {self} is not allowed; it must be a float format such as fp32")

    def to_float64(self, part: np.ndarray) -> np.ndarray:
        """The sum of a run as float64, in which the product with the scales is exact."""
        return part

    @property
    def integers(self) -> bool:
        """Whether its sums are integers, which an integer accumulator can add."""
        return False

    @property
    def default_outer(self) -> Accumulator | None:
        """The accumulator that adds pieces of k of unscaled operands where the path names none; None: fp32."""
        return None


def zeros(c: np.ndarray) -> bool:
    """Whether an accumulator holds zeros alone."""
    return not (c[:1, :1] if c.strides == (0, 0) else c).any()


def spread(c: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The values of `c` in the shape of the result."""
    if isinstance(c, QuantizedTensor):
        if c.scheme.scaled:
            raise ValueError("c is scaled; give the words of the accumulator with nf.from_codes, or its values")
        array = c._in_place(c.row_values(), c.shape[c.axis])
    else:
        array = to_numpy(c, "c")[0]
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"c has shape {array.shape}; it must broadcast to the result's {shape}") from None


def single_values(c: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The values of `c` in float64, refused where float32 does not hold them."""
    wide = to_float64(spread(c, shape), "c").copy()
    with np.errstate(over="ignore"):
        if not np.array_equal(wide.astype(np.float32), wide, equal_nan=True):
            raise ValueError("c holds values that float32 does not hold exactly; round it with nf.cast(c, 'float32') first")
    return wide
