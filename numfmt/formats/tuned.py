"""Minifloats whose exponent bias is fitted to a tensor: AdaptivFloat (an integer) and LLM-FP4 (a real number)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import frexp, isfinite
from typing import Any

import numpy as np

from .._checks import check_int_range
from .entry import Entry
from .exponentials import power_of_two
from .ladder import Ladder


@dataclass(frozen=True)
class AdaptivFloat(Ladder):
    """`width` bits: sign, exp_bits of exponent field E, fraction field T of m bits; value 2**(E + bias) * (1 + T / 2**m), no
    subnormals; the code E = T = 0 is zero with either sign (plus zero is written). Nearest, ties to the even code; what lies
    beyond the ends saturates; below the smallest magnitude, the nearer of it and zero.

    `bias` belongs to a tensor: `AdaptivFloat.fit`. Source: AdaptivFloat, DAC 2020, arXiv 1909.13271 (recalled).
    """

    width: int
    exp_bits: int
    bias: int

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 3, 16)
        check_int_range("exp_bits", self.exp_bits, 1, min(self.width - 2, 8))
        check_int_range("bias", self.bias, -700, 700)

    @classmethod
    def fit(cls, x: Any, width: int = 8, exp_bits: int = 3) -> AdaptivFloat:
        """The format whose largest binade holds the largest magnitude of x; ValueError if that is not finite and positive."""
        top = float(np.max(np.abs(np.asarray(x, dtype=np.float64)), initial=0.0))
        if not isfinite(top) or top == 0.0:
            raise ValueError(f"x has largest magnitude {top}; AdaptivFloat.fit needs a finite one above zero")
        return cls(width, exp_bits, frexp(top)[1] - 1 - ((1 << exp_bits) - 1))

    @property
    def bits(self) -> int:
        return self.width

    @property
    def man_bits(self) -> int:
        """Fraction bits."""
        return self.width - 1 - self.exp_bits

    @property
    def steps(self) -> int:
        return 1 << (self.width - 1)

    def magnitude(self, step: int) -> Fraction:
        field, low = step >> self.man_bits, step & ((1 << self.man_bits) - 1)
        significand = (1 << self.man_bits) + low if step else 0
        return significand * Fraction(2) ** (field + self.bias - self.man_bits)

    def step_codes(self, negative: bool) -> np.ndarray:
        codes = np.arange(self.steps)
        if negative:
            codes[1:] += self.steps
        return codes

    def special_values(self) -> dict[int, float]:
        return {self.steps: 0.0}

    def __str__(self) -> str:
        return f"adaptivfloat<{self.width},{self.exp_bits},bias={self.bias}>"


@dataclass(frozen=True)
class LlmFp(Ladder):
    """Sign, exp_bits, man_bits and a real-valued bias b: the integers of a minifloat times the step 2**(1 - man_bits - b),
    rounded to float64 (b need not be an integer, so the step need not be a power of two).

    x is clipped to the ends; k = max(floor(log2|x| + b), 1), then rounded to nearest, ties even, in units of 2**(k - man_bits - b).
    No infinities, no NaN; minus zero has a code. Source: LLM-FP4, EMNLP 2023, nbasyl/LLM-FP4.

    Here the values *are* the float64 products of step and integer, and nearest is decided between them exactly.
    """

    exp_bits: int
    man_bits: int
    bias: float

    def __post_init__(self) -> None:
        check_int_range("exp_bits", self.exp_bits, 1, 6)
        check_int_range("man_bits", self.man_bits, 0, 9)
        if isinstance(self.bias, bool) or not isinstance(self.bias, (int, float)) or not abs(self.bias) <= 500:
            raise ValueError(f"bias={self.bias!r} is not allowed; it must be a number from -500 to 500")
        object.__setattr__(self, "bias", float(self.bias))

    @classmethod
    def fit(cls, largest: float, exp_bits: int = 2, man_bits: int = 1) -> LlmFp:
        """The format whose largest value is `largest`, to the accuracy of a float64 bias."""
        if not (isfinite(largest) and largest > 0):
            raise ValueError(f"largest={largest!r} is not allowed; it must be finite and above zero")
        return cls(exp_bits, man_bits, float((1 << exp_bits) - 1 + np.log2(2 - 2.0**-man_bits) - np.log2(largest)))

    @property
    def bits(self) -> int:
        return 1 + self.exp_bits + self.man_bits

    @property
    def steps(self) -> int:
        return 1 << (self.bits - 1)

    @property
    def unit(self) -> float:
        """The smallest magnitude: 2**(1 - man_bits - bias), correctly rounded."""
        return power_of_two(1 - self.man_bits - Fraction(self.bias))

    def integer(self, step: int) -> int:
        """Magnitude in units of the smallest one."""
        field, low = step >> self.man_bits, step & ((1 << self.man_bits) - 1)
        return low if field == 0 else ((1 << self.man_bits) + low) << (field - 1)

    def magnitude(self, step: int) -> Fraction:
        return Fraction(self.integer(step) * self.unit)

    def step_codes(self, negative: bool) -> np.ndarray:
        return np.arange(self.steps) + (self.steps if negative else 0)

    def __str__(self) -> str:
        return f"llmfp<{self.exp_bits},{self.man_bits},b={self.bias!r}>"


def _adaptivfloat(match: re.Match[str], text: str) -> AdaptivFloat:
    return AdaptivFloat(int(match[1]), int(match[2]), int(match[3]))


def _llmfp(match: re.Match[str], text: str) -> LlmFp:
    try:
        bias = float(match[3])
    except ValueError:
        raise ValueError(f"format {text!r} has a bias that is not a number; write llmfp<2,1,b=0.5>") from None
    return LlmFp(int(match[1]), int(match[2]), bias)


RULES = [
    (re.compile(r"adaptivfloat<\s*(\d+)\s*,\s*(\d+)\s*,\s*bias=(-?\d+)\s*>"), _adaptivfloat),
    (re.compile(r"llmfp<\s*(\d+)\s*,\s*(\d+)\s*,\s*b=([^>,]+)>"), _llmfp),
]


def entries() -> list[Entry]:
    """Catalogue rows: a sample of each family; the bias of a tensor makes others."""
    return [
        Entry("adaptivfloat<8,3,bias=-7>", AdaptivFloat(8, 3, -7), "AdaptivFloat, DAC 2020, arXiv 1909.13271", "recalled"),
        Entry("llmfp<2,1,b=1.0>", LlmFp(2, 1, 1.0), "LLM-FP4, EMNLP 2023; nbasyl/LLM-FP4", "read", ("llmfp<2,1,b=1>",)),
    ]
