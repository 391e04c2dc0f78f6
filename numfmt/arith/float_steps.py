"""Float accumulators: each product is rounded to the format, then each sum; or only the sum."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import unknown
from ..formats import Float, Rounding, cast, encode
from ..kernels import steps
from .accumulator import Accumulator, Compute, Step, single_values
from .float_format import accumulator_format, check_accumulator_format, float_result, short
from .operands import Operand

STEP_ROUNDINGS = {
    "rne": Rounding.TIES_EVEN,
    "rna": Rounding.TIES_AWAY,
    "rz": Rounding.TOWARD_ZERO,
    "ru": Rounding.UP,
    "rd": Rounding.DOWN,
}
MODES = {
    Rounding.TIES_EVEN: steps.NEAREST_EVEN,
    Rounding.TIES_AWAY: steps.NEAREST_AWAY,
    Rounding.TOWARD_ZERO: steps.ZERO,
    Rounding.UP: steps.PLUS,
    Rounding.DOWN: steps.MINUS,
}


@dataclass(frozen=True)
class FloatAccumulator(Accumulator):
    """Each product is rounded to `format`, then each sum; with `fused` only the sum is rounded (a fused multiply-add)."""

    format: Float
    fused: bool = False
    rounding: Rounding = Rounding.TIES_EVEN

    def __post_init__(self) -> None:
        check_accumulator_format(self.format, 23)
        if self.format.emin < -500 or self.format.max > 2.0**500:  # exponents that the float64 of the kernels has room for
            raise ValueError(
                f"accumulator format {self.format} is not allowed: its exponents must lie within -500 and 500; choose another bias"
            )
        if self.rounding not in STEP_ROUNDINGS.values():
            raise ValueError(f"rounding {self.rounding} is not allowed in an accumulator; use one of {', '.join(STEP_ROUNDINGS)}")

    def __str__(self) -> str:
        mode = next(k for k, v in STEP_ROUNDINGS.items() if v is self.rounding)
        return short(self.format) + ("+fma" if self.fused else "") + ("" if mode == "rne" else f"+{mode}")

    @property
    def facts(self) -> tuple[int, int, float, bool]:
        """What the kernels need of the format."""
        fmt = self.format
        return fmt.man_bits, fmt.emin, fmt.max, fmt.has_inf

    @property
    def mode(self) -> int:
        """The kernels' number of the rounding."""
        return MODES[self.rounding]

    def start(self, c: Any, shape: tuple[int, int]) -> np.ndarray:
        """float64 (M, N) of values that the format holds."""
        if c is None:
            return np.zeros(shape)
        given = single_values(c, shape)
        held = cast(given, self.format).astype(np.float64)
        if not np.array_equal(held, given, equal_nan=True):
            raise ValueError(
                f"c holds values that the accumulator {self} cannot hold; round it with nf.cast(c, '{self.format}') first"
            )
        return held

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """The machine's own float32, or float64 lanes that round at each step."""
        x = a.values[:, start:stop]
        if str(self) == "fp32":
            step = Step(start, stop, "native_matmul", "float32 hardware rounds each product and sum to nearest even")
        else:
            step = Step(start, stop, "float_matmul", "rounds at each step, k upward")
        return step, lambda c: self._steps(x, b.columns[start:stop], c)

    def finish(self, total: np.ndarray) -> np.ndarray:
        """float32."""
        return float_result(total, self.format)

    def codes(self, result: np.ndarray) -> np.ndarray:
        """Words of the format."""
        return encode(result, self.format)

    def join(self, total: np.ndarray, part: np.ndarray) -> np.ndarray:
        """round(total + round(part)), the part first rounded to the format."""
        ones = np.ones(total.shape[0]), np.ones(total.shape[1])
        return self.add_scaled(total, part, *ones, single_scales=True)

    def add_scaled(
        self, total: np.ndarray, part: np.ndarray, row_scales: np.ndarray, column_scales: np.ndarray, single_scales: bool
    ) -> np.ndarray:
        """round(total + round(part * row_scale * column_scale)); writes `total`. single_scales: float32 holds every scale."""
        if not single_scales:
            steps.accumulate_wide(part, row_scales, column_scales, total, self.mode, *self.facts)
        elif str(self) == "fp32":
            steps.accumulate_scaled_single(part, row_scales, column_scales, total)
        else:
            steps.accumulate_scaled(part, row_scales, column_scales, total, self.mode, *self.facts)
        return total

    @property
    def plain(self) -> bool:
        """Whether it may stand in the outer place: its only choices are the format and the rounding."""
        return self == FloatAccumulator(self.format, rounding=self.rounding)

    @property
    def default_outer(self) -> Accumulator:
        """Pieces of k are added in the same format and rounding."""
        return FloatAccumulator(self.format, rounding=self.rounding)

    def _steps(self, x: np.ndarray, columns: np.ndarray, c: np.ndarray) -> np.ndarray:
        if str(self) == "fp32":
            single = c.astype(np.float32)
            steps.native_matmul(np.ascontiguousarray(x, np.float32), columns.astype(np.float32), single)
            return single.astype(np.float64)
        result = c.copy()
        steps.float_matmul(np.ascontiguousarray(x), columns, result, self.fused, self.mode, *self.facts)
        return result


def parse_accumulator(text: str) -> FloatAccumulator:
    """The float accumulator that a string names. Raises ValueError naming the nearest known words."""
    name, *options = [p.strip().lower() for p in text.split("+")]
    try:
        fmt = accumulator_format(name)
    except ValueError as error:
        if "<" in name or "ambiguous" in str(error):
            raise
        from . import registry

        raise unknown("datapath", text, [*registry.named(), "int16", "int24+saturate", "float<5,10>"]) from None
    fused, rounding = False, Rounding.TIES_EVEN
    for option in options:
        if option == "fma":
            fused = True
        elif option in STEP_ROUNDINGS:
            rounding = STEP_ROUNDINGS[option]
        else:
            raise ValueError(f"datapath {text!r}: option {option!r} is unknown; use fma, {', '.join(STEP_ROUNDINGS)}")
    return FloatAccumulator(fmt, fused, rounding)


def behind(text: str, what: str) -> FloatAccumulator:
    """The float accumulator that sums products of another kind. Raises ValueError for other accumulators."""
    try:
        return parse_accumulator(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} in front of {what} is not the float format of a sum, such as fp32 or bf16+rz: {error}"
        ) from None


def _made(match: re.Match[str]) -> FloatAccumulator:
    return parse_accumulator(match[0])


RULES: list[tuple[str, Any]] = [(r"(?s).*", _made)]  # the last module that is asked: it refuses what nobody knows


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    ieee = "IEEE 754-2019 section 5.4.1"
    return {
        "fp32": ("float32 product, then float32 sum, each rounded to nearest even", ieee, "verified"),
        "fp32+fma": ("exact product, float32 sum rounded once", ieee, "verified"),
        "fp16": ("float16 product, then float16 sum", ieee, "verified"),
        "fp16+fma": ("exact product, float16 sum rounded once", ieee, "verified"),
        "bf16": ("bfloat16 product, then bfloat16 sum", ieee + " applied to bfloat16", "verified"),
    }
