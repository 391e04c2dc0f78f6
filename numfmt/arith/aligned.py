"""Matrix units as accumulators: the aligned block sum with parameters of one's own, and the named instructions of GPUs."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .._arrays import is_torch, restore_like
from .._checks import check_in, check_int_range
from . import unit_operands, unit_rule
from .unit import Unit
from .unit_rule import Rule


class Instruction(Unit):
    """A unit that sums blocks of products as a matrix instruction does."""

    @abstractmethod
    def rule(self, a: str, b: str) -> Rule:
        """The instruction for operands that come in formats a and b."""

    def words(self, a: Any, b: Any, c: Any = None) -> tuple[np.ndarray, str]:
        """Words of a @ b from c, batches as numpy.matmul, and their format."""
        rule = self.rule(unit_operands.natural_format(a), unit_operands.natural_format(b))
        left, right = unit_operands.words_of(a, "a", rule.a), unit_operands.words_of(b, "b", rule.b)
        if left.ndim < 2 or right.ndim < 2:
            raise ValueError(f"a has shape {left.shape} and b {right.shape}; both need at least two axes (add one with x[None])")
        if left.shape[-1] != right.shape[-2]:
            raise ValueError(
                f"a sums over {left.shape[-1]} elements and b over {right.shape[-2]}; the inner dimensions must be equal"
            )
        try:
            lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        except ValueError:
            raise ValueError(f"a has shape {left.shape} and b {right.shape}: their batch axes differ") from None
        shape = (*lead, left.shape[-2], right.shape[-1])
        start = None
        if c is not None:
            start = unit_operands.words_of(c, "c", rule.result)
            try:
                start = np.broadcast_to(start, shape)
            except ValueError:
                raise ValueError(f"c has shape {start.shape}; it must broadcast to the result's {shape}") from None
        if not lead:
            return self.compute(rule, _rows(left), _rows(right.T), start), rule.result
        result = np.empty(shape, unit_operands.word_dtype(rule.result))
        left = np.broadcast_to(left, (*lead, *left.shape[-2:]))
        right = np.broadcast_to(right, (*lead, *right.shape[-2:]))
        for at in np.ndindex(*lead):
            result[at] = self.compute(rule, _rows(left[at]), _rows(right[at].T), None if start is None else start[at])
        return result, rule.result

    def compute(self, rule: Rule, a: np.ndarray, b: np.ndarray, c: np.ndarray | None) -> np.ndarray:
        """Result words of operand words a (M, K) and b (N, K), from c (M, N)."""
        return unit_rule.run(rule, a, b, c)

    def product(self, a: Any, b: Any, c: Any, returns: str) -> Any:
        """`nf.matmul` with this unit alone."""
        words, result = self.words(a, b, c)
        made = words if returns == "codes" else unit_operands.values_of(words, result)
        like = next((x for x in (a, b) if is_torch(x)), None)
        return made if like is None else restore_like(like, made)

    def reason(self, a: str, b: str) -> tuple[str, str]:
        """The kernel for ordinary data of formats a and b, and why it gives the unit's bits."""
        rule = self.rule(a, b)
        kernel = unit_rule.kernel_of(rule)
        if kernel == "aligned_matmul":
            why = "products are exact in float32, their cut sums in 32 bits; Inf, NaN and far exponents: careful_matmul"
        else:
            why = "64-bit integers, one element at a time" if kernel == "careful_matmul" else "the instruction's own order"
        return kernel, f"{self}: {why}"

    def run_values(self, a: np.ndarray, b: np.ndarray, formats: tuple[str, str]) -> np.ndarray:
        """Values of a (M, K) times b (N, K) of one run of k from zero, float64: for an outer one. formats: of the elements."""
        rule = self.rule(*formats)
        left, right = unit_operands.words_of(a, "a", rule.a), unit_operands.words_of(b, "b", rule.b)
        words = self.compute(rule, _rows(left), _rows(right), None)
        return unit_operands.values_of(words, rule.result).astype(np.float64)


def _rows(words: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(words)


@dataclass(frozen=True)
class AlignedAccumulator(Instruction):
    """Blocks of `terms` products and the accumulator, aligned to their largest exponent (at least `floor`), each cut towards zero
    to `frac_bits` fraction bits, added exactly, and rounded: `output` "rz" (float32), "short" (float32 with 13 fraction bits) or
    "f16_rne" (float16).

    Operands keep the format they come in (`nf.from_codes`, float16 or ml_dtypes arrays; other arrays are float32).
    Source: the block sums of NVIDIA matrix units (Khattak and Mikaitis, arXiv 2512.07004; recorded on an H100).
    """

    terms: int
    frac_bits: int
    floor: int | None = None
    output: Literal["rz", "short", "f16_rne"] = "rz"

    def __post_init__(self) -> None:
        check_int_range("terms", self.terms, 1, 1024)
        check_int_range("frac_bits", self.frac_bits, 1, 48)
        if self.floor is not None:
            check_int_range("floor", self.floor, -400, 120)
        check_in("output", self.output, ("rz", "short", "f16_rne"))

    def rule(self, a: str, b: str) -> Rule:
        """The block sum for operands of formats a and b."""
        for name in (a, b):
            unit_rule.held_format(name)
        result = "float16" if self.output == "f16_rne" else "float32"
        return Rule("aligned", a, b, result, self.terms, self.terms, self.frac_bits, self.floor, self.output)

    def __str__(self) -> str:
        floor = "" if self.floor is None else f",e0={self.floor}"
        return f"aligned<{self.terms},{self.frac_bits}{floor},{self.output}>"


def _parse(match: re.Match[str]) -> AlignedAccumulator:
    fields = [f.strip() for f in match[1].split(",")]
    if len(fields) < 2 or not all(re.fullmatch(r"\d+", f) for f in fields[:2]):
        raise ValueError(
            f"datapath {match[0]!r}: write aligned<terms,frac_bits[,e0=N][,rz|short|f16_rne]>, as aligned<16,25,e0=-133,rz>"
        )
    floor, output = None, "rz"
    for field in fields[2:]:
        if found := re.fullmatch(r"e0=(-?\d+)", field):
            floor = int(found[1])
        elif field in ("rz", "short", "f16_rne"):
            output = field
        else:
            raise ValueError(f"datapath {match[0]!r}: option {field!r} is unknown; use e0=N, rz, short or f16_rne")
    return AlignedAccumulator(int(fields[0]), int(fields[1]), floor, output)  # type: ignore[arg-type]


RULES = ((r"aligned<([^<>]*)>", _parse),)
NAMED: dict[str, tuple[str, str, str]] = {
    "aligned<16,25,e0=-133,rz>": (
        "block sum of a matrix unit with parameters of one's own: terms, fraction bits, lowest exponent, output rule",
        "Khattak and Mikaitis, arXiv 2512.07004; H100 recordings",
        "measured",
    )
}


def named() -> dict[str, tuple[str, str, str]]:
    """Name -> (what it models, source, status)."""
    return NAMED
