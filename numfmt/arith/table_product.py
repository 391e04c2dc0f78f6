"""A table in place of the multiplier: products of two codes, in front of an integer or float accumulator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formats import Format, encode
from ..kernels import table_chain as kernels
from . import approximate
from .accumulator import Compute, Step
from .float_steps import FloatAccumulator, behind
from .integer_steps import IntAccumulator, to_int
from .operands import Operand
from .own_product import OwnProduct
from .product_table import ProductTable, product_table


@dataclass(frozen=True)
class TableAccumulator(OwnProduct):
    """Each product is `table.entries[code of a, code of b]`; the sum goes the way of `sum`.

    Operands: quantized tensors whose elements have the table's formats, or arrays of values of those formats. Tables of integers go
    into integer accumulators, or into float ones exactly; tables of floats into float ones (the entry is not rounded again).
    """

    sum: IntAccumulator | FloatAccumulator
    table: ProductTable

    def __post_init__(self) -> None:
        if isinstance(self.sum, IntAccumulator) and not self.table.integers:
            raise ValueError(f"table {self.table.name!r} holds floats; put a float accumulator in front of it, such as fp32")
        if isinstance(self.sum, FloatAccumulator) and not self.sum.plain:
            raise ValueError(
                f"accumulator {self.sum} is not allowed behind a table; name a format and a rounding, such as fp32 or bf16"
            )
        if isinstance(self.sum, FloatAccumulator) and self.table.integers and self.table.largest > 2.0**24:
            raise ValueError(f"table {self.table.name!r} holds integers beyond 2**24, which float accumulators do not take")

    def __str__(self) -> str:
        return f"{self.sum}+table<{self.table.name}>"

    def check(self, a: Operand, b: Operand) -> None:
        """Raises ValueError for operands without codes of the table's formats."""
        _codes(a, "a", self.table.a)
        _codes(b, "b", self.table.b)

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """Look-ups of two rows at once where sums of 31 bits hold, else one by one."""
        x, y = _codes(a, "a", self.table.a)[:, start:stop], _codes(b, "b", self.table.b)[:, start:stop]
        if isinstance(self.sum, FloatAccumulator):
            total = self.sum
            return Step(
                start, stop, "table_single" if str(total) == "fp32" else "table_rounded", "sums rounded at each k"
            ), lambda c: self._floats(total, x, y, c)
        integer = self.sum
        if integer.saturate:
            return Step(start, stop, "table_steps", "saturates at each step, k upward"), lambda c: self._steps(integer, x, y, c)
        reason = f"pairs of 32-bit sums: {self._piece()} * {self.table.largest:g} < 2**31"
        return Step(start, stop, "table_fours", reason), lambda c: integer.wrap(self._fours(x, y, to_int(c)))

    def terms(self, a: Operand, b: Operand, k: int) -> np.ndarray:
        """The products of one k, (M, N), in the table's type."""
        x, y = (_codes(o, what, f)[:, k] for o, what, f in ((a, "a", self.table.a), (b, "b", self.table.b)))
        return self.table.entries[x[:, None], y[None, :]]

    def _piece(self) -> int:
        """k whose sums stay within 31 bits."""
        return max(4, int((2.0**31 - 1) / max(self.table.largest, 1.0)) // 4 * 4)

    def _fours(self, x: np.ndarray, y: np.ndarray, total: np.ndarray) -> np.ndarray:
        rows, depth = x.shape
        even, whole = rows // 4 * 4, depth // 4 * 4
        table = self.table.entries
        columns = np.ascontiguousarray(y.T)
        if self.table.largest * 4 >= 2.0**31:
            even = 0
        piece = self._piece()
        upper = table << 32
        for first in range(0, whole if even else 0, piece):
            last = min(first + piece, whole)
            kernels.table_fours(table, upper, np.ascontiguousarray(x[:even, first:last]), columns[first:last], total[:even])
        rest = np.int64(0), np.int64(0), False
        if even and whole < depth:
            kernels.table_steps(table, np.ascontiguousarray(x[:even, whole:]), columns[whole:], total[:even], *rest)
        if even < rows:
            kernels.table_steps(table, np.ascontiguousarray(x[even:]), columns, total[even:], *rest)
        return total

    def _steps(self, integer: IntAccumulator, x: np.ndarray, y: np.ndarray, c: np.ndarray) -> np.ndarray:
        total = to_int(c)
        limits = np.int64(integer.low), np.int64(integer.high)
        kernels.table_steps(self.table.entries, np.ascontiguousarray(x), np.ascontiguousarray(y.T), total, *limits, True)
        return total

    def _floats(self, to: FloatAccumulator, x: np.ndarray, y: np.ndarray, c: np.ndarray) -> np.ndarray:
        x, columns = np.ascontiguousarray(x), np.ascontiguousarray(y.T)
        if str(to) == "fp32":
            single = c.astype(np.float32, order="C")
            kernels.table_single(self.table.entries.astype(np.float32), x, columns, single)
            return single.astype(np.float64)
        total = c.astype(np.float64, order="C")
        kernels.table_rounded(self.table.entries.astype(np.float64), x, columns, total, to.mode, *to.facts)
        return total


def _codes(x: Operand, what: str, fmt: Format) -> np.ndarray:
    """Codes of an operand's elements in the table's format, uint8 (rows, K)."""
    if x.source is not None:
        scheme = x.source.scheme
        if scheme.candidates != (fmt,) or x.source.row_zero_points is not None or not scheme.way.plain:
            raise ValueError(f"{what} is {scheme}; the table takes codes of {fmt}: quantize to it, without zero points")
        codes = x.source.row_codes if x.places is None else x.source.row_codes[:, x.places]
    else:
        try:
            codes = encode(x.values, fmt)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None
        if not np.array_equal(np.asarray(fmt.values(), np.float64)[codes], x.values):
            raise ValueError(f"{what} holds values that {fmt}, the table's format, does not hold; round it with nf.cast first")
    return codes.astype(np.uint8)


def _made(match: re.Match[str]) -> TableAccumulator:
    table = product_table(match[3].strip())
    if match[1] is None and match[2] is None:
        return TableAccumulator(IntAccumulator(32) if table.integers else behind("fp32", "table"), table)
    if match[1] is not None:
        return TableAccumulator(IntAccumulator(int(match[1][3:].split("+")[0]), match[1].lower().endswith("saturate")), table)
    return TableAccumulator(behind(match[2], "table"), table)


RULES: list[tuple[str, Any]] = [(r"(?:(?:((?i:int)\d+(?:\+saturate)?)|([^<>]+(?:<[^<>]*>)?[^<>]*))\+)?table<([^<>]*)>", _made)]


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    rows = {}
    for name in approximate.EXAMPLES:
        models, source = next(text for kind, text in approximate.SOURCES.items() if name.startswith(kind))
        status = "verified" if name.startswith(("exact", "trunc")) else "recalled"
        rows[f"int32+table<{name}>"] = (f"{models}, from a table of {256 * 256} entries; 32-bit sum that wraps", source, status)
    return rows
