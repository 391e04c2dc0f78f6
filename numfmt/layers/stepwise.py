"""Arithmetic of one format: every operation is the exact result rounded once. Layers are programs of such operations."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np

from ..formats import Fixed, Float, Format, Rounding, cast, elementary, parse
from ..formats.arithmetic import Options, compute
from ..formats.modes import STOCHASTIC, resolve

_PLAIN = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}


class Steps:
    """Operations on arrays of values of one format, in its value dtype.

    fmt: any format. rounding: a deterministic rounding mode of the operations; None is the format's own. Overflow is its own.
    Raises ValueError for stochastic roundings, and from each operation whose result is NaN in a format without NaN.
    """

    def __init__(self, fmt: Format | str, rounding: Rounding | str | None = None) -> None:
        self.format = parse(fmt)
        if self.format.value_dtype.kind != "f":
            raise ValueError(f"format {self.format} is not supported in a layer: float64 does not hold its values")
        if rounding is not None and str(rounding) in STOCHASTIC:
            raise ValueError(
                f"rounding={str(rounding)!r} is not allowed in a layer: its steps take no random bits; use another mode"
            )
        modes = resolve(self.format, rounding)
        self.rounding = modes.rounding
        self._single = str(self.format) == "float32"
        # sums and products of fixed-point numbers of so few bits are exact in float64
        self._exact_in_float64 = isinstance(self.format, Fixed) and self.format.bits <= 26
        self._options = Options(modes, None, False, False, "after", "values", "values")

    def cast(self, x: np.ndarray) -> np.ndarray:
        """Any values, rounded into the format in its own mode: conversions of inputs, parameters and results are no operations."""
        if self._single and x.dtype == np.float32:
            return x
        return np.asarray(cast(x, self.format))

    def constant(self, value: float | Fraction) -> np.ndarray:
        """A number of the program, rounded into the format."""
        return self.cast(np.array(float(value)))

    def _run(self, name: str, *arrays: np.ndarray) -> np.ndarray:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        if self._exact_in_float64 and name in _PLAIN:
            exact = _PLAIN[name](*(a.astype(np.float64) for a in arrays))
            return np.asarray(cast(exact, self.format, rounding=self.rounding))
        out = np.empty(shape, self.format.value_dtype)
        if out.size:
            compute(name, [np.broadcast_to(a, shape) for a in arrays], self.format, self._options, out)
        return out

    def add(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._run("add", x, y)

    def subtract(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._run("subtract", x, y)

    def multiply(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._run("multiply", x, y)

    def divide(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._run("divide", x, y)

    def sqrt(self, x: np.ndarray) -> np.ndarray:
        return self._run("sqrt", x)

    def function(self, name: str, x: np.ndarray) -> np.ndarray:
        """A function of `nf.elementary`, correctly rounded."""
        source = self.format if self.format.bits <= 16 else None
        return np.asarray(elementary(name, x, self.format, source=source, rounding=self.rounding))

    @property
    def lanes(self) -> tuple[int, int, float, float] | None:
        """What `kernels.step_sums.sum_steps` takes; None where it does not serve."""
        return _lanes(self.format) if self.rounding is Rounding.TIES_EVEN else None

    @property
    def fused(self) -> tuple[int, int, float, float] | None:
        """The facts for `kernels.layer_steps`, which know every NaN and zero of IEEE; None where they do not serve."""
        fmt = self.format
        return self.lanes if isinstance(fmt, Float) and fmt.has_nan and fmt.has_minus_zero else None

    @property
    def native(self) -> bool:
        """Whether the machine's own addition is that of the format."""
        return self.rounding is Rounding.TIES_EVEN and str(self.format) in ("float32", "float64")


@lru_cache(maxsize=256)
def _lanes(fmt: Format) -> tuple[int, int, float, float] | None:
    if not isinstance(fmt, Float) or not fmt.signed or not fmt.zero or not 1 <= fmt.man_bits <= 23:
        return None
    if fmt.emin < -500 or fmt.max > 2.0**500:
        return None
    beyond = np.float64(cast(np.array([2.0**600]), fmt)[0])  # an infinity, NaN or the largest value, as the format overflows
    return fmt.man_bits, fmt.emin, fmt.max, float(beyond)
