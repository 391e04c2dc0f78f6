"""BitMoD's processing element as an accumulator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .._checks import check_in, unknown
from ..formats import Float, parse
from . import bitserial
from .accumulator import Accumulator, Compute, Step
from .exact_sum import ExactAccumulator
from .operands import Operand


@dataclass(frozen=True)
class BitSerialAccumulator(Accumulator):
    """BitMoD's processing element: float16 activations times weight terms, four lanes aligned to their largest exponent.

    mode "paper": alignment of the product to the accumulator as the paper intends; "rtl": the published Verilog, which leaves
    it out; "ideal": the exact sum. Source: BitMoD, HPCA 2025, section IV; its repository, hardware/pe.
    options (mode "paper"): guard bits below a significand (published: 3), kept magnitude bits of the accumulator (14), rounding to
    nearest even in place of truncation, terms in decreasing weight: `bitmod.paper<guard=5,kept=20,nearest,down>`.
    """

    mode: Literal["rtl", "paper", "ideal"]
    options: bitserial.Options = bitserial.DEFAULT

    def __post_init__(self) -> None:
        check_in("mode", self.mode, ("rtl", "paper", "ideal"))
        if self.mode != "paper" and self.options != bitserial.DEFAULT:
            raise ValueError(f"bitmod.{self.mode}<{self.options}> is not allowed: only bitmod.paper takes options")

    def __str__(self) -> str:
        return f"bitmod.{self.mode}" + (f"<{self.options}>" if self.options != bitserial.DEFAULT else "")

    def check(self, a: Operand, b: Operand) -> None:
        """Raises ValueError for scaled or wider activations, and weights that the decoder cannot take."""
        super().check(a, b)
        if a.scales is not None:
            raise ValueError("a is scaled; the bit-serial element takes unscaled float16 activations (a=float16)")
        _ = b.terms  # refuses formats that the decoder cannot take
        _ = a.fields  # refuses values beyond float16

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """Term by term; "ideal" is the exact sum."""
        if self.mode == "ideal":
            return _exact().plan(a, b, start, stop)
        terms, bsig, unit = b.terms
        fields = a.fields

        def compute(c: np.ndarray) -> np.ndarray:
            if np.any(c):
                raise ValueError(
                    "the bit-serial element starts from reset; give c to an outer accumulator (path 'bitmod.paper>fp32')"
                )
            part = tuple(f[:, start:stop] for f in fields)
            return bitserial.run(part, terms[:, start:stop], bsig, unit, self.mode == "rtl", self.options)

        return Step(start, stop, "bitserial_run", "every term of every weight, lanes of four, k upward"), compute

    def finish(self, total: np.ndarray) -> np.ndarray:
        """float64."""
        return total

    def codes(self, result: np.ndarray) -> np.ndarray:
        """Refused: mantissa and exponent of the element are no words of a format."""
        raise ValueError(f"{self} without an outer accumulator has no code words; use '{self}>fp32'")


def _exact() -> ExactAccumulator:
    fmt = parse("float64")
    assert isinstance(fmt, Float)
    return ExactAccumulator(fmt)


def _made(match: re.Match[str]) -> BitSerialAccumulator:
    if match[1] not in ("rtl", "paper", "ideal"):
        raise unknown("datapath", match[0], ["bitmod.rtl", "bitmod.paper", "bitmod.ideal"])
    return BitSerialAccumulator(match[1], bitserial.parse_options(match[2] or ""))  # type: ignore[arg-type]


RULES: list[tuple[str, Any]] = [(r"bitmod\.([^<>]*)(?:<([^<>]*)>)?", _made)]


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    source = "BitMoD, HPCA 2025, arXiv 2411.11745, section IV"
    return {
        "bitmod.paper": ("bit-serial terms, aligned and truncated, as the paper intends", source, "read"),
        "bitmod.rtl": ("bit-serial terms as the published Verilog adds them", source + "; repository hardware/pe", "read"),
        "bitmod.ideal": ("the exact group sum", source, "read"),
    }
