"""Float accumulators: each product is rounded to the format, then each sum; or only the sum."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._checks import check_int_range, nearest, unknown
from ..formats import Float, Rounding, cast, encode
from ..kernels import steps
from .accumulator import Accumulator, Compute, Step, single_values
from .chains import Chain, Target
from .float_format import accumulator_format, check_accumulator_format, float_result, short
from .operands import Operand
from .rounded_sums import Bits, compensated, pairwise, stochastic

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
    """Each product is rounded to `format` (or to `product_format`), then each sum; with `fused` only the sum is rounded (a fused
    multiply-add). kahan: sums are compensated, every operation rounded. random_width: sums are rounded stochastically with so many
    bits. pairwise: products are added in a balanced tree, then to the start."""

    format: Float
    fused: bool = False
    rounding: Rounding = Rounding.TIES_EVEN
    product_format: Float | None = None
    kahan: bool = False
    random_width: int = 0
    pairwise: bool = False
    bits: Bits | None = field(default=None, compare=False, repr=False)  # of one product; not part of the datapath

    def __post_init__(self) -> None:
        for fmt in (self.format, self.product_format or self.format):
            check_accumulator_format(fmt, 23)
            if fmt.emin < -500 or fmt.max > 2.0**500:  # exponents that the float64 of the kernels has room for
                raise ValueError(
                    f"accumulator format {fmt} is not allowed: its exponents must lie within -500 and 500; choose another bias"
                )
        if self.rounding not in STEP_ROUNDINGS.values():
            raise ValueError(f"rounding {self.rounding} is not allowed in an accumulator; use one of {', '.join(STEP_ROUNDINGS)}")
        if self.fused and self.product_format:
            raise ValueError("+fma keeps the product exact and +product= rounds it; give one of them")
        if sum((self.kahan, self.random_width > 0, self.pairwise)) > 1:
            raise ValueError("+kahan, +srN and +pairwise exclude each other; give one of them")
        check_int_range("random_width", self.random_width, 0, 28)

    def __str__(self) -> str:
        mode = next(k for k, v in STEP_ROUNDINGS.items() if v is self.rounding)
        words = [short(self.format)] + ["fma"] * self.fused + ([] if mode == "rne" else [mode])
        words += [f"product={short(self.product_format)}"] if self.product_format else []
        words += ["kahan"] * self.kahan + [f"sr{self.random_width}"] * (self.random_width > 0) + ["pairwise"] * self.pairwise
        return "+".join(words)

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
        """Lanes that round at each step, k upward."""
        product = None if self.fused else Target(self.product_format or self.format, self.mode)
        chain = Chain(product, Target(self.format, self.mode))
        if self.kahan:
            step = Step(start, stop, "kahan_chain", "every operation in float64, rounded to odd, then to the format; k upward")
            return step, lambda c: compensated(chain, a, b, start, stop, c)
        if self.pairwise:
            fast = "float32 where products and nodes keep within range, else " if chain.single else ""
            step = Step(start, stop, "tree32" if fast else "tree64", fast + "float64 nodes rounded to odd, then to the format")
            return step, lambda c: pairwise(chain, a, b, start, stop, c)
        if self.random_width:
            step = Step(start, stop, "stochastic_chain", "sums in float64 rounded to odd, then by the random bits; k upward")
            return step, lambda c: stochastic(chain, self.random_width, self._drawn(), a, b, start, stop, c)
        return Step(start, stop, *chain.kernel()), lambda c: chain.run(a, b, start, stop, c)

    def _drawn(self) -> Bits:
        if self.bits is None:
            raise ValueError(f"{self} takes its random bits from the option random_bits or seed of nf.matmul; give one of them")
        return self.bits

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


def parse_accumulator(text: str) -> FloatAccumulator:
    """The float accumulator that a string names. Raises ValueError naming the nearest known words."""
    name, *options = [p.strip().lower() for p in text.split("+")]
    try:
        fmt = accumulator_format(name)
    except ValueError as error:
        if "<" in name or "ambiguous" in str(error):
            raise
        from . import registry

        known = [*registry.named(), "int16", "int24+saturate", "float<5,10>"]
        if not nearest(text, known):  # the names of two hundred instructions would not help
            known = ["fp32", "bf16+fma", "float<5,10>", "int24+saturate", "exact", "ap_fixed<16,6>"]
        raise unknown("datapath", text, known, "(nf.datapaths() lists the named ones)") from None
    found: dict[str, Any] = {}

    def give(key: str, value: Any, option: str) -> None:
        if key in found:
            raise ValueError(f"datapath {text!r}: option {option!r} stands after another of its kind; give each once")
        found[key] = value

    for option in options:
        if option in ("fma", "kahan", "pairwise"):
            give("fused" if option == "fma" else option, True, option)
        elif option in STEP_ROUNDINGS:
            give("rounding", STEP_ROUNDINGS[option], option)
        elif match := re.fullmatch(r"product=(.+)", option):
            give("product_format", accumulator_format(match[1]), option)
        elif match := re.fullmatch(r"sr(\d+)", option):
            if not 1 <= int(match[1]) <= 28:
                raise ValueError(f"datapath {text!r}: option {option!r} is not allowed; use 1 to 28 random bits, as sr8")
            give("random_width", int(match[1]), option)
        else:
            words = ", ".join(STEP_ROUNDINGS)
            raise ValueError(
                f"datapath {text!r}: option {option!r} is unknown; use fma, {words}, product=FMT, kahan, srN, pairwise"
            )
    if found.get("product_format") == fmt:
        del found["product_format"]
    return FloatAccumulator(fmt, **found)


def behind(text: str, what: str) -> FloatAccumulator:
    """The float accumulator that sums products of another kind. Raises ValueError for other accumulators."""
    try:
        made = parse_accumulator(text)
        if made.product_format or made.kahan or made.random_width or made.pairwise:
            raise ValueError("its products have a rule of their own, and its sums run in order")
        return made
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
        "fp16+product=fp32": ("float32 product, then float16 sum", ieee, "verified"),
        "fp32+kahan": ("compensated sum, each operation rounded to float32", "Kahan, CACM 8 (1965) 40", "verified"),
        "bf16+sr8": (
            "bfloat16 product, then sum rounded stochastically with 8 given bits",
            "P3109, stochastic rounding A",
            "verified",
        ),
        "fp16+pairwise": ("float16 products in a balanced tree of float16 sums", ieee, "verified"),
        "bf16": ("bfloat16 product, then bfloat16 sum", ieee + " applied to bfloat16", "verified"),
    }
