"""L-Mul in place of the multiplier, in front of a float accumulator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np

from .._checks import check_in
from .._threads import in_pieces
from ..formats import Float, cast, lmul, parse
from ..formats.lmul import offset_bits
from ..kernels import lmul_chain as kernels
from .accumulator import Compute, Step
from .float_format import accumulator_format, short
from .float_steps import FloatAccumulator, behind
from .operands import Operand
from .own_product import OwnProduct

_FLOAT32 = parse("float32")


_DEPTH = 256  # of a tile of b, which stays in the second cache
_COLUMNS = 1024


@dataclass(frozen=True)
class LMulAccumulator(OwnProduct):
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
            if not self._holds(x):
                raise ValueError(
                    f"{what} holds values that {self.format}, the format of the L-Mul adder, does not hold; round it with "
                    f"nf.cast({what}, '{self.format}') first, or name the operands' format as lmul<bf16>"
                )

    def _holds(self, x: Operand) -> bool:
        fmt, reach = self.format, x.extent(0, x.depth)
        if (fmt.man_bits, fmt.emin, fmt.max) == (23, -126, _FLOAT32.max):
            return True
        if reach.width <= fmt.man_bits + 1 and reach.least >= fmt.min_normal and reach.most <= fmt.max:
            return True
        with np.errstate(over="ignore"):
            return all(np.array_equal(cast(part, fmt), part, equal_nan=True) for part in x.parts(0, x.depth))

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """Integer additions of float32 words where every sum of two fits 31 bits; else `nf.lmul` k by k."""
        x, y = a.extent(start, stop), b.extent(start, stop)
        fmt, most = self.format, x.most * y.most if x.most and y.most else 0.0
        fits = fmt.emin >= -126 and fmt.max < 2.0**128 and max(x.most, y.most) < np.inf and most < 2.0**124
        if not fits:
            step = Step(start, stop, "lmul", "nf.lmul at each k: specials, or exponents beyond float32's")
            return step, lambda c: self._slow(a, b, start, stop, c)
        word = "float32 words added as 31-bit integers"
        if str(self.sum) == "fp32" and self.method == "adder" and 4 * most <= fmt.max:
            sure = x.least * y.least >= 4 * fmt.min_normal and not y.zeros
            name, why = (
                ("lmul_sure", "none leaves the format's range") if sure else ("lmul_single", "none beyond the largest value")
            )
            return Step(start, stop, name, f"{word}, float32 sums, {why}"), lambda c: self._tiles(
                a, b, start, stop, c, (x.most, sure)
            )
        return Step(start, stop, "lmul_rows", f"{word}, sums rounded at each step"), lambda c: self._tiles(
            a, b, start, stop, c, None
        )

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

    def _tiles(self, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray, single: tuple[float, bool] | None) -> np.ndarray:
        """Tiles of columns in float32 where `single` gives the largest magnitude of a and `sure`, else in float64."""
        dtype = np.float64 if single is None else np.float32
        total = np.array(c, dtype, order="C")
        none = np.int32(0)
        offset, least, _, _ = self._facts()
        up, sure = none, False
        if single is not None:
            top, sure = int(np.float32(single[0]).view(np.int32)) >> 23, single[1]
            if not sure:  # a zero of b then makes a sum below `least`
                up = np.int32(max(0, ((top + 3) << 23) - int(least) - (127 << 23)) >> 23 << 23)

        def columns(first: int, last: int) -> int:
            for j in range(first, last, _COLUMNS):
                some = slice(j, min(j + _COLUMNS, last))
                part = np.ascontiguousarray(total[:, some])
                for k in range(start, stop, _DEPTH):
                    end = min(k + _DEPTH, stop)
                    to = 1 if single is None else 4
                    x, y = a.block(slice(0, a.rows), k, end, np.float32, to), b.panel(some, k, end, np.float32, to)
                    left, right = x.view(np.int32), y.view(np.int32)
                    kernels.words_of(x, least, none, left)
                    kernels.words_of(y, least, up, right)
                    if single is not None:
                        kernels.lmul_single(left, right, part, offset - up, least, sure)
                    else:
                        self._rows(left, right, part)
                total[:, some] = part
            return 0

        if single is None:  # its kernel has threads of its own
            columns(0, b.rows)
        else:
            in_pieces(b.rows, columns, min(_COLUMNS, max(64, -(-b.rows // numba.get_num_threads()))), 0)
        return total

    def _rows(self, left: np.ndarray, right: np.ndarray, total: np.ndarray) -> None:
        drop, formula = np.int32(23 - self.format.man_bits), self.method == "formula"
        kernels.lmul_rows(left, right, total, formula, *self._facts(), drop, self.sum.mode, *self.sum.facts)

    def _slow(self, a: Operand, b: Operand, start: int, stop: int, c: np.ndarray) -> np.ndarray:
        total = c.astype(np.float64, order="C")
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
