"""L-Mul in place of the multiplier, in front of a float accumulator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .._checks import check_in
from ..formats import Float, cast, lmul, parse
from ..formats.lmul import offset_bits
from ..kernels import lmul_chain as kernels
from .accumulator import Accumulator, Compute, Step
from .float_format import accumulator_format, short
from .float_steps import FloatAccumulator, behind
from .operands import Operand

_FLOAT32 = parse("float32")
_SIZE = np.int32((1 << 31) - 1)


def _least(x: np.ndarray) -> float:
    """Smallest magnitude other than zero."""
    sizes = np.abs(x[x != 0])
    return float(sizes.min(initial=np.inf))


@dataclass(frozen=True)
class LMulAccumulator(Accumulator):
    """Each product is `nf.lmul` in `format` (operands are values of it); the sum is rounded as `sum` says.

    method: "adder" (the integer adder on bit patterns) or "formula" (arXiv 2410.00907). Subnormal operands count as zeros; see
    `nf.lmul` for zeros, overflow and specials.
    """

    sum: FloatAccumulator
    format: Float
    method: Literal["adder", "formula"] = "adder"

    def __post_init__(self) -> None:
        check_in("method", self.method, ("adder", "formula"))
        if not self.sum.plain:
            raise ValueError(
                f"accumulator {self.sum} is not allowed behind lmul; name a format and a rounding, such as fp32 or bf16"
            )
        fmt = self.format
        if not fmt.signed or not fmt.zero or not 1 <= fmt.man_bits <= 23:
            raise ValueError(f"lmul format {fmt} is not allowed: it needs a sign, a zero and 1 to 23 mantissa bits")

    def __str__(self) -> str:
        inner = "" if self.format == self.sum.format else f"<{short(self.format)}>"
        return f"{self.sum}+lmul{inner}" + ("" if self.method == "adder" else f"={self.method}")

    def check(self, a: Operand, b: Operand) -> None:
        """Raises ValueError for operands that are no values of the product's format."""
        super().check(a, b)
        for x, what in ((a, "a"), (b, "b")):
            if not np.array_equal(cast(x.values, self.format), x.values, equal_nan=True):
                raise ValueError(
                    f"{what} holds values that {self.format}, the format of the L-Mul adder, does not hold; round it with "
                    f"nf.cast({what}, '{self.format}') first, or name the operands' format as lmul<bf16>"
                )

    def start(self, c: Any, shape: tuple[int, int]) -> np.ndarray:
        """As the accumulator of the sum."""
        return self.sum.start(c, shape)

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """Integer additions of float32 words where every sum of two fits 31 bits; else `nf.lmul` k by k."""
        x, y = a.values[:, start:stop], b.values[:, start:stop]
        fmt = self.format
        fits = fmt.emin >= -126 and fmt.max < 2.0**128 and a.largest * b.largest < 2.0**124  # NaN and infinities do not
        if not fits:
            step = Step(start, stop, "lmul", "nf.lmul at each k: specials, or exponents beyond float32's")
            return step, lambda c: self._slow(a, b, start, stop, c)
        word = "float32 words added as 31-bit integers"
        if str(self.sum) == "fp32" and self.method == "adder" and 4 * a.largest * b.largest <= fmt.max:
            least = _least(x) * _least(y)
            sure = least >= 4 * fmt.min_normal and bool(np.all(y))
            name, why = (
                ("lmul_sure", "none leaves the format's range") if sure else ("lmul_single", "none beyond the largest value")
            )
            return Step(start, stop, name, f"{word}, float32 sums, {why}"), lambda c: self._single(
                x, b.columns[start:stop], c, sure
            )
        return Step(start, stop, "lmul_rows", f"{word}, sums rounded at each step"), lambda c: self._rows(
            x, b.columns[start:stop], c
        )

    def finish(self, total: np.ndarray) -> np.ndarray:
        """As the accumulator of the sum."""
        return self.sum.finish(total)

    def codes(self, result: np.ndarray) -> np.ndarray:
        """Words of the accumulator's format."""
        return self.sum.codes(result)

    @property
    def default_outer(self) -> Accumulator:
        """Pieces of k are added in the same format and rounding."""
        return self.sum

    def terms(self, a: Operand, b: Operand, k: int) -> np.ndarray:
        """The products of one k, (M, N) float64."""
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(lmul(a.values[:, k, None], b.values[None, :, k], self.format, self.method), np.float64)

    def _facts(self) -> tuple[np.int32, np.int32, np.int32, np.int32]:
        """Offset, least and largest magnitude word, and the word of an overflow."""
        fmt = self.format
        offset = (1 << (23 - offset_bits(fmt.man_bits))) - (127 << 23)
        least, most = (int(np.float32(v).view(np.int32)) for v in (fmt.min_normal, fmt.max))
        over = cast(np.float32(np.inf) if fmt.max == _FLOAT32.max else np.float32(2.0**127), fmt)
        return np.int32(offset), np.int32(least), np.int32(most), np.int32(np.float32(over).view(np.int32))

    def _words(self, x: np.ndarray) -> np.ndarray:
        """int32 words of float32, subnormals of the format as zeros."""
        single = np.ascontiguousarray(x, np.float32)
        small = np.abs(single) < np.float32(self.format.min_normal)
        words: np.ndarray = np.where(small, np.copysign(np.float32(0), single), single).view(np.int32)
        return words

    def _single(self, x: np.ndarray, columns: np.ndarray, c: np.ndarray, sure: bool) -> np.ndarray:
        total = c.astype(np.float32)
        left, right = self._words(x), self._words(columns)
        offset, least, _, _ = self._facts()
        if sure:
            kernels.lmul_sure(left, right, total, offset)
        else:
            top = int((left & _SIZE).max(initial=0)) >> 23
            up = np.int32((top + 3) << 23) - np.int32(least) - np.int32(127 << 23)  # a zero of b then makes a sum below `least`
            up = np.int32(max(0, int(up) >> 23) << 23)
            raised = np.where((right & _SIZE) == 0, right, right + up)
            kernels.lmul_single(left, raised, total, offset - up, least)
        return total.astype(np.float64)

    def _rows(self, x: np.ndarray, columns: np.ndarray, c: np.ndarray) -> np.ndarray:
        total = c.astype(np.float64)
        drop = np.int32(23 - self.format.man_bits)
        kernels.lmul_rows(
            self._words(x),
            self._words(columns),
            total,
            self.method == "formula",
            *self._facts(),
            drop,
            self.sum.mode,
            *self.sum.facts,
        )
        return total

    def _slow(self, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray) -> np.ndarray:
        total = c.astype(np.float64)
        for k in range(start, stop):
            products = self.terms(a, b, k)
            kernels.add_products(total, products, self.sum.mode, *self.sum.facts)
        return total


def _made(match: re.Match[str]) -> LMulAccumulator:
    total = behind(match[1] or "fp32", "lmul")
    fmt = accumulator_format(match[2].strip().lower()) if match[2] else total.format
    method = (match[3] or "adder").lower()
    return LMulAccumulator(total, fmt, method)  # type: ignore[arg-type]


RULES: list[tuple[str, Any]] = [(r"(?i)(?:(.+)\+)?lmul(?:<([^<>]*(?:<[^<>]*>)?)>)?(?:=(\w+))?", _made)]


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    source = "Luo and Sun, arXiv 2410.00907"
    return {
        "fp32+lmul": (
            "the bit patterns of float32 operands added in place of the product, float32 sum (also: lmul)",
            source,
            "verified",
        ),
        "fp32+lmul<bf16>": ("L-Mul of bfloat16 operands, float32 sum", source, "verified"),
        "fp32+lmul<e4m3fn>": ("L-Mul of FP8 operands, float32 sum", source, "verified"),
        "fp32+lmul<bf16>=formula": ("the paper's formula, rounded to bfloat16, float32 sum", source, "verified"),
    }
