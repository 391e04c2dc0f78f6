"""How far a function unit is from the function: errors in units in the last place, against the correctly rounded result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import check_in
from .base import Format
from .cast import cast, decode
from .elementary import elementary, near_values
from .fixed import Fixed
from .floats import Float
from .functions import FUNCTIONS
from .parse import parse


@dataclass(frozen=True)
class FunctionError:
    """Errors over the arguments measured. `exact_share`: how many results equal the correctly rounded one."""

    function: str
    format: Format
    count: int
    max_ulp: float
    mean_ulp: float
    worst_x: float
    max_relative: float
    exact_share: float

    def __str__(self) -> str:
        return (
            f"{self.function} in {self.format}, {self.count} arguments: largest error {self.max_ulp:.4g} ulp at "
            f"x = {self.worst_x!r}, mean {self.mean_ulp:.4g} ulp, largest relative error {self.max_relative:.3g}, "
            f"{self.exact_share:.2%} correctly rounded"
        )


def function_error(
    unit: Callable[[np.ndarray], Any],
    function: str,
    fmt: Format | str,
    *,
    x: Any = None,
    low: float | None = None,
    high: float | None = None,
) -> FunctionError:
    """Error of `unit` (values to values, such as a `Program` bound to a format) against a function of `nf.elementary`.

    x: the arguments; None takes every finite value of the format (up to 16 bits) from `low` to `high`. An error is
    |unit(x) - f(x)| in ulps of the format at f(x); f(x) in float64, good to 2**-36, so formats of at most 30 significant bits.
    Raises ValueError where nothing is left to measure or the unit gives NaN or infinity where the function is finite.
    """
    check_in("function", function, list(FUNCTIONS))
    fmt = parse(fmt)
    if not (isinstance(fmt, Float) and fmt.man_bits <= 30) and not (isinstance(fmt, Fixed) and fmt.width <= 31):
        raise ValueError(f"ulps are measured in floats of at most 30 mantissa bits and fixed point of at most 31 bits, not {fmt}")
    arguments = np.unique(fmt.values()) if x is None else np.asarray(x, dtype=np.float64).reshape(-1)
    inside = np.isfinite(arguments)
    inside &= (arguments >= low) if low is not None else True
    inside &= (arguments <= high) if high is not None else True
    arguments = arguments[inside]
    exact = near_values(FUNCTIONS[function], arguments)
    kept = np.isfinite(exact) & (np.abs(exact) <= fmt.largest_magnitude)
    arguments, exact = arguments[kept], exact[kept]
    if not arguments.size:
        raise ValueError(f"no argument is left on which {function} has a finite value of {fmt}; widen low, high or x")
    got = np.asarray(unit(cast(arguments, fmt)), dtype=np.float64)
    if not np.isfinite(got).all():
        first = arguments[np.flatnonzero(~np.isfinite(got))[0]]
        raise ValueError(
            f"the unit gives {got[~np.isfinite(got)][0]} at x = {first!r}, where {function} is finite; narrow low and high"
        )
    error = np.abs(got - exact)
    ulps = error / _ulp(exact, fmt)
    right = np.asarray(decode(elementary(function, arguments, fmt, returns="codes"), fmt), dtype=np.float64)
    worst = int(np.argmax(ulps))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(exact != 0, error / np.abs(exact), 0.0)
    return FunctionError(
        function, fmt, arguments.size, float(ulps[worst]), float(ulps.mean()), float(arguments[worst]), float(relative.max()),
        float(np.mean(got == right)),
    )  # fmt: skip


def _ulp(values: np.ndarray, fmt: Float | Fixed) -> np.ndarray:
    """Unit in the last place of the format at each value."""
    if isinstance(fmt, Fixed):
        return np.full(values.shape, fmt.quantum)
    exponent = np.maximum(np.frexp(values)[1] - 1, fmt.emin)
    return np.ldexp(1.0, np.where(values == 0, fmt.emin, exponent) - fmt.man_bits)
