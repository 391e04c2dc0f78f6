"""Softmax over the last axis, every operation rounded to a format."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import check_in
from ..formats import Format, cast
from ..kernels import layer_steps as kernels
from .rows import layer_format, over_rows
from .stepwise import Steps
from .sums import check_order, total


def exponentials(x: np.ndarray, largest: np.ndarray, steps: Steps, margin: float = 2.0**-46) -> np.ndarray:
    """exp(x - largest), both operations rounded; x: (rows, n), largest: (rows, 1), of a format with `steps.fused`; margin: bound on
    the float64 exponential's relative error, beyond which the rounding is decided from more digits."""
    out, unsettled = np.empty_like(x), np.empty(x.shape, bool)
    kernels.exponentials(x, largest, out, unsettled, margin, steps.fused)
    if unsettled.any():
        rows, columns = np.nonzero(unsettled)
        out[rows, columns] = steps.function("exp", steps.subtract(x[rows, columns], largest[rows, 0]))
    return out


class Softmax:
    """exp(x - max(x)) over its sum, along the last axis, each line of `program` rounded to `internal`.

    fmt: format of input and output. internal: format of the steps, None for `fmt`. rounding: of the operations, None for the
    format's own, in which inputs and the result are converted. sum: order of the sum (`numfmt.layers.sums.total`). division:
    "divide" each by the sum, or "reciprocal" (1 / sum, then a product). exponential: "exp", or "exp2" of the product with log2(e)
    rounded to `internal`; both functions are correctly rounded. subtract_max: False leaves the maximum in. empty: what rows are
    without an element that counts (all masked, or all -inf): "nan", as the steps give, or "zero".

    Raises ValueError for unknown options.
    """

    def __init__(
        self,
        fmt: Format | str = "float32",
        *,
        internal: Format | str | None = None,
        rounding: str | None = None,
        sum: str = "sequential",
        division: str = "divide",
        exponential: str = "exp",
        subtract_max: bool = True,
        empty: str = "nan",
    ) -> None:
        self.fmt = layer_format(fmt)
        self.steps = Steps(self.fmt if internal is None else internal, rounding)
        self.sum = check_order(sum, self.steps)
        check_in("division", division, ("divide", "reciprocal"))
        check_in("exponential", exponential, ("exp", "exp2"))
        check_in("empty", empty, ("nan", "zero"))
        self.division, self.exponential, self.subtract_max, self.empty = division, exponential, bool(subtract_max), empty

    @classmethod
    def torch(cls, fmt: Format | str = "bfloat16") -> Softmax:
        """As F.softmax of torch on a CPU: float32 inside.

        Not its bits: torch's vector exponential errs by up to one unit in the last place of float32, and its sum runs in vectors as
        wide as the machine's. About 1 in 1000 bfloat16 or float16 results differ, by one unit.
        """
        return cls(fmt, internal="float32", division="divide", sum="lanes16")

    def __call__(self, x: Any, mask: Any = None) -> Any:
        """x: (..., n), rounded to `fmt` -> values of `fmt`, the same shape and kind of array.

        mask: booleans that broadcast to x, True where an element counts; the others are no part of maximum and sum, and come out
        +0. Raises ValueError for an empty last axis, other masks, and where a step gives NaN that the format has not.
        """
        others = [] if mask is None else [self._checked(mask, to_numpy(x)[0].shape)]
        return over_rows(x, self.fmt, self._rows, *others, length=None, serial=self.sum == "exact")

    @staticmethod
    def _checked(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
        array = to_numpy(mask, "mask")[0]
        if array.dtype != bool:
            raise ValueError(f"mask has dtype {array.dtype}; it must hold booleans, True where an element counts")
        try:
            return np.broadcast_to(array, shape)
        except ValueError:
            raise ValueError(f"mask has shape {array.shape}; it must broadcast to x, {shape}") from None

    def _rows(self, x: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        steps = self.steps
        x = steps.cast(x)
        none = None
        if mask is not None or self.empty == "zero":
            counted = x > -np.inf if self.empty == "zero" else np.ones(x.shape, bool)
            none = ~((counted | np.isnan(x)) & (True if mask is None else mask)).any(axis=1)
        held = x if mask is None else np.where(mask, x, -np.inf)
        if self.subtract_max:
            largest = held.max(axis=1, keepdims=True)
            if none is not None:
                largest[none] = 0
            x = x if mask is None else np.where(mask, x, largest)
        else:
            largest = np.zeros((x.shape[0], 1), x.dtype)
        facts = steps.fused
        fused = facts is not None and self.exponential == "exp"
        e = exponentials(x, largest, steps) if fused else self._exponentials(x, largest)
        if mask is not None:
            e = np.where(mask, e, e.dtype.type(0))
        s = total(e, steps, self.sum)
        if none is not None:
            s[none] = 1
        by = s if self.division == "divide" else steps.divide(steps.constant(1), s)
        if facts is not None:
            y = np.empty_like(e)
            kernels.quotients(e, np.zeros_like(s), by, self.division == "divide", y, facts)
        else:
            y = steps.divide(e, by) if self.division == "divide" else steps.multiply(e, by)
        if steps.format != self.fmt:
            y = np.asarray(cast(y, self.fmt))
        if none is not None and none.any():
            if self.empty == "nan" and not getattr(self.fmt, "has_nan", False):
                raise ValueError(f"a row has no element that counts, and {self.fmt} has no NaN; use empty='zero'")
            y[none] = 0 if self.empty == "zero" else np.nan
        return y

    def _exponentials(self, x: np.ndarray, largest: np.ndarray) -> np.ndarray:
        steps = self.steps
        d = steps.subtract(x, largest)
        if self.exponential == "exp":
            return steps.function("exp", d)
        return steps.function("exp2", steps.multiply(d, steps.constant(math.log2(math.e))))

    @property
    def program(self) -> str:
        """The steps in order."""
        lines = [f"x = {self.fmt}(x)", *(["d = x - max(x)"] if self.subtract_max else ["d = x"])]
        lines += ["e = exp(d)"] if self.exponential == "exp" else ["d = d * log2e", "e = exp2(d)"]
        lines += ["s = sum(e)", *(["y = e / s"] if self.division == "divide" else ["r = 1 / s", "y = e * r"]), f"y = {self.fmt}(y)"]
        return "\n".join([f"# each line rounded to {self.steps.format}; sums: {self.sum}", *lines])

    def __repr__(self) -> str:
        return f"Softmax(fmt={self.fmt}, internal={self.steps.format}, sum={self.sum}, division={self.division})"
