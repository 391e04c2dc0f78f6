"""DSP slices of FPGAs: what their multiplier ports take, the wrap of their accumulator, and two products in one slice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .accumulator import Accumulator, Compute, Step
from .integer_steps import IntAccumulator, to_int
from .operands import Operand

SLICES = {"dsp48e1": (25, 18, 48), "dsp48e2": (27, 18, 48), "dsp58": (27, 24, 58)}
_LOW_BITS = 18  # of the packed slice's lower sum
_PACKED = 48


def _bits(x: Operand) -> int:
    """Bits of the narrowest two's complement that holds the operand."""
    low, high = int(x.values.min(initial=0)), int(x.values.max(initial=0))
    return 1 + max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0)


@dataclass(frozen=True)
class DspAccumulator(IntAccumulator):
    """A slice's multiplier (signed ports of `ports` bits, either operand at either) and its accumulator, which wraps.

    Source: AMD UG479, UG579, AM004 (multiplier and accumulator widths).
    """

    width: int = 48
    saturate: bool = False
    slice: str = "dsp48e2"

    def __str__(self) -> str:
        return self.slice

    def check(self, a: Operand, b: Operand) -> None:
        """Raises ValueError for operands wider than the ports."""
        super().check(a, b)
        wide, narrow, _ = SLICES[self.slice]
        widths = _bits(a), _bits(b)
        if max(widths) > wide or min(widths) > narrow:
            raise ValueError(
                f"a has {widths[0]} bits and b {widths[1]}; the multiplier of {self} takes {wide} by {narrow}: use narrower codes"
            )


@dataclass(frozen=True)
class PackedDspAccumulator(Accumulator):
    """Two int8 products in one DSP48E2: rows 2i and 2i + 1 of a, 18 bits apart, times one b; one 48-bit accumulator for both.

    The lower sum (row 2i + 1) is its 18 bits; the upper one is corrected by the lower's sign. Exact for 7 products and less;
    beyond, the lower sum wraps and its carry reaches the upper one: write `dsp48e2.int8x2+chunk7>int32`. An odd last row stands
    alone, above.
    Source: AMD WP486 (packing, 7 products); the bits beyond are the arithmetic's.
    """

    def __str__(self) -> str:
        return "dsp48e2.int8x2"

    @property
    def integers(self) -> bool:
        """True."""
        return True

    @property
    def default_outer(self) -> Accumulator:
        """Pieces of k are added in 32 bits."""
        return IntAccumulator(32)

    def check(self, a: Operand, b: Operand) -> None:
        """Raises ValueError for operands of more than 8 bits."""
        IntAccumulator(_PACKED).check(a, b)
        if max(_bits(a), _bits(b)) > 8:
            raise ValueError(f"a has {_bits(a)} bits and b {_bits(b)}; {self} takes int8")

    def start(self, c: Any, shape: tuple[int, int]) -> np.ndarray:
        """Zeros: the packed accumulator is not given values."""
        if c is not None:
            raise ValueError(f"c is given, but {self} starts from zero; give c to an outer accumulator ('{self}+chunk7>int32')")
        return np.zeros(shape, np.int64)

    def plan(self, a: Operand, b: Operand, start: int, stop: int) -> tuple[Step, Compute]:
        """The exact sums, packed and taken apart."""
        step, compute = IntAccumulator(_PACKED).plan(a, b, start, stop)

        def packed(c: np.ndarray) -> np.ndarray:
            sums = to_int(compute(np.zeros(c.shape)))
            upper, lower = sums[0::2], np.zeros_like(sums[0::2])
            lower[: sums.shape[0] // 2] = sums[1::2]
            word = IntAccumulator(_PACKED).wrap((upper << _LOW_BITS) + lower)
            low = IntAccumulator(_LOW_BITS).wrap(word)
            found = np.empty_like(sums)
            found[0::2], found[1::2] = (word - low) >> _LOW_BITS, low[: sums.shape[0] // 2]
            return found

        return Step(start, stop, step.kernel, step.reason + "; packed in 48 bits"), packed

    def finish(self, total: np.ndarray) -> np.ndarray:
        """int64."""
        return total

    def codes(self, result: np.ndarray) -> np.ndarray:
        """32-bit words of the sums."""
        return IntAccumulator(32).codes(result)


def _made(match: re.Match[str]) -> DspAccumulator:
    name = match[0].lower()
    return DspAccumulator(width=SLICES[name][2], slice=name)


RULES: list[tuple[str, Any]] = [
    (r"(?i)dsp48e1|dsp48e2|dsp58", _made),
    (r"(?i)dsp48e2\.int8x2", lambda match: PackedDspAccumulator()),
]


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    rows = {
        name: (f"{wide} x {narrow} multiplier, {acc}-bit accumulator that wraps", "AMD UG479, UG579, AM004", "read")
        for name, (wide, narrow, acc) in SLICES.items()
    }
    rows["dsp48e2.int8x2"] = ("two int8 products in one slice, one 48-bit accumulator for both", "AMD WP486", "inferred")
    return rows
