"""Binary floating-point formats of any exponent width, mantissa width and bias."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from .._checks import check_in, check_int_range
from ..kernels.decode import decode_float
from . import float_loops
from .base import Format, Overflow, Rounding, power_of_two
from .exact import floor_log2, round_magnitude
from .float_facts import overflowed

if TYPE_CHECKING:
    from .modes import Modes

Specials = Literal["ieee", "fn", "fnuz", "none"]


@dataclass(frozen=True)
class Float(Format):
    """Sign, exponent field E, mantissa field T of t bits, bias B.

    E = 0 stands for T * 2**(1-B-t) (zero and subnormals), E > 0 for (2**t + T) * 2**(E-B-t), unless `specials` gives
    the code another meaning:

    - "ieee": E of all ones is infinity (T = 0) or NaN (T > 0), as in IEEE 754;
    - "fn":   finite; only the code of all ones (beside the sign) is NaN (OCP OFP8 E4M3);
    - "fnuz": finite; the code of minus zero is the only NaN, there is no minus zero;
    - "none": every code is a number (OCP MX E2M1, E2M3, E3M2).

    `zero=False` makes E = 0 an ordinary binade: no zero, no subnormals (OCP E8M0).
    Source: IEEE 754-2019 section 3.4; OCP OFP8 v1.0; OCP MX v1.0 section 5.3.
    """

    exp_bits: int
    man_bits: int
    bias: int
    specials: Specials = "ieee"
    signed: bool = True
    zero: bool = True

    def __post_init__(self) -> None:
        check_int_range("exp_bits", self.exp_bits, 1, 11)
        check_int_range("man_bits", self.man_bits, 0, 52)
        check_int_range("bias", self.bias, -1000, 1100)
        check_in("specials", self.specials, ("ieee", "fn", "fnuz", "none"))
        if self.specials == "fnuz" and not self.signed:
            raise ValueError("specials='fnuz' needs a sign bit: its NaN is the code of minus zero; use specials='fn'")
        if self.specials == "fnuz" and not self.zero:
            raise ValueError("specials='fnuz' needs a zero: its NaN stands in place of minus zero; use specials='fn'")
        if self.specials == "ieee" and self.man_bits == 0:
            raise ValueError("specials='ieee' needs man_bits >= 1: its NaN has a nonzero mantissa; use 'fn' or 'none'")
        if self.max_magnitude_code < 1:
            raise ValueError(f"Float({self.exp_bits}, {self.man_bits}, specials={self.specials!r}) holds no number but zero")
        top = (self.max_magnitude_code >> self.man_bits) - self.bias
        if top > 1023 or self.emin - self.man_bits < -1074:
            raise ValueError(f"bias={self.bias} puts values of the format outside float64; choose one nearer 2**(exp_bits-1)")

    @cached_property
    def bits(self) -> int:
        return int(self.signed) + self.exp_bits + self.man_bits

    @cached_property
    def emin(self) -> int:
        """Exponent of the smallest normal binade."""
        return (1 if self.zero else 0) - self.bias

    @property
    def precision(self) -> int:
        """Significant bits, the hidden one included."""
        return self.man_bits + 1

    @cached_property
    def max_magnitude_code(self) -> int:
        """Code of the largest finite value, without its sign bit."""
        top = (1 << (self.exp_bits + self.man_bits)) - 1
        if self.specials == "ieee":
            return top - (1 << self.man_bits)
        return top - 1 if self.specials == "fn" else top

    def _magnitude(self, code: int) -> float:
        exponent, fraction = code >> self.man_bits, code & ((1 << self.man_bits) - 1)
        if exponent == 0 and self.zero:
            return fraction * power_of_two(self.emin - self.man_bits)
        return ((1 << self.man_bits) + fraction) * power_of_two(exponent - self.bias - self.man_bits)

    @cached_property
    def max(self) -> float:
        return self._magnitude(self.max_magnitude_code)

    @property
    def min(self) -> float:
        return -self.max if self.signed else (0.0 if self.zero else self._magnitude(0))

    @property
    def min_positive(self) -> float:
        return self._magnitude(1 if self.zero else 0)

    @property
    def min_normal(self) -> float:
        """Smallest value with a full significand."""
        return power_of_two(self.emin)

    @cached_property
    def quantum(self) -> float:
        return power_of_two(self.emin - self.man_bits)

    @property
    def has_nan(self) -> bool:
        return self.specials != "none"

    @property
    def has_inf(self) -> bool:
        return self.specials == "ieee"

    @cached_property
    def has_minus_zero(self) -> bool:
        """Whether minus zero has a code of its own."""
        return self.signed and self.zero and self.specials != "fnuz"

    @cached_property
    def nan_code(self) -> int:
        """The NaN that encode writes; -1 where the format has none."""
        if self.specials == "none":
            return -1
        if self.specials == "fnuz":
            return 1 << (self.bits - 1)
        if self.specials == "ieee":  # quiet, top mantissa bit set
            return (self.max_magnitude_code + 1) | (1 << (self.man_bits - 1))
        return self.max_magnitude_code + 1

    @cached_property
    def inf_code(self) -> int:
        """Code of plus infinity; -1 where the format has none."""
        return self.max_magnitude_code + 1 if self.has_inf else -1

    @property
    def rounding(self) -> Rounding:
        """The mode that rounding=None means."""
        return Rounding.TIES_EVEN

    @property
    def overflow(self) -> Overflow:
        """The mode that overflow=None means: infinity where there is one, else saturation."""
        return Overflow.NONSAT if self.has_inf else Overflow.SATURATE

    def overflowed(self, rounding: Rounding, overflow: Overflow, negative: bool, infinite: bool) -> tuple[int, float]:
        """Code and value of what lies beyond the range on one side, after rounding or as an infinity."""
        return overflowed(self, rounding, overflow, negative, infinite)

    @property
    def odd_safe(self) -> bool:
        return self.man_bits <= 49

    def encode_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        return float_loops.encode_array(self, x, out, modes)

    def cast_array(self, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
        refused = float_loops.cast_array(self, x, out, modes)
        return super().cast_array(x, out, modes) if refused is None else refused

    def encode_exact(self, value: Fraction | float, modes: Modes, random: int = 0) -> int:
        if isinstance(value, float):
            code = np.empty(1, self.code_dtype)
            plain = replace(modes, rounding=Rounding.TIES_EVEN, random=None)  # no rounding in NaN, infinities and zeros
            if self.encode_array(np.array([value]), code, plain):
                raise ValueError(f"x holds {value}, which {self} cannot hold; replace it first, or use a format with NaN")
            return int(code[0])
        if value == 0:
            return self.encode_exact(0.0, modes)
        negative, magnitude = value < 0, abs(value)
        top = max(floor_log2(magnitude), self.emin)
        base = (top + self.bias - 1) << self.man_bits
        code_exact = max(base + round_magnitude(magnitude / Fraction(2) ** (top - self.man_bits), modes, base, negative, random), 0)
        beyond = code_exact > self.max_magnitude_code or (negative and not self.signed and (code_exact > 0 or not self.zero))
        if beyond:
            return overflowed(self, modes.rounding, modes.overflow, negative, infinite=False)[0]
        sign = 1 << (self.bits - 1) if negative else 0
        return 0 if code_exact == 0 and self.zero and not self.has_minus_zero else code_exact | sign

    def decode_array(self, codes: np.ndarray, out: np.ndarray) -> None:
        if self.bits <= 16:
            super().decode_array(codes, out)
        else:
            decode_float(
                codes, out, self.man_bits, self.exp_bits, self.bias, self.emin, self.zero, self.max_magnitude_code, self.inf_code,
                self.nan_code,
            )  # fmt: skip

    @cached_property
    def value_dtype(self) -> np.dtype:
        fits = self.man_bits <= 23 and self.max < 2.0**128 and self.quantum >= 2.0**-149
        return np.dtype(np.float32 if fits else np.float64)

    def _decode_table(self) -> np.ndarray:
        magnitudes = np.array([self._magnitude(c) for c in range(self.max_magnitude_code + 1)])
        half = 1 << (self.exp_bits + self.man_bits)
        table = np.full(1 << self.bits, np.nan)
        table[: magnitudes.size] = magnitudes
        if self.has_inf:
            table[self.inf_code] = np.inf
        if self.signed:
            table[half:] = -table[:half]
            if self.specials == "fnuz":
                table[half] = np.nan
        return table

    def __str__(self) -> str:
        from .catalogue import canonical_name

        named = canonical_name(self)
        if named is not None:
            return named
        kind = "float" if self.signed else "ufloat"
        zero = "" if self.zero else ",nozero"
        return f"{kind}<{self.exp_bits},{self.man_bits},bias={self.bias},{self.specials}{zero}>"


def _float(match: re.Match[str], text: str) -> Format:
    exp_bits, man_bits = int(match[2]), int(match[3])
    check_int_range("exp_bits", exp_bits, 1, 11)
    bias = (1 << (exp_bits - 1)) - 1
    specials, zero, subnormals = "ieee" if man_bits else "none", True, True
    options = [part.strip() for part in match[4].split(",") if part.strip()]
    kinds = ["bias" if o.startswith("bias") else "specials" if o not in ("nozero", "nosub") else o for o in options]
    if twice := [kind for kind in kinds if kinds.count(kind) > 1]:
        raise ValueError(f"format {text!r} names its {twice[0]} twice; write it once")
    for option in options:
        if given := re.fullmatch(r"bias=(-?\d+)", option):
            bias = int(given[1])
        elif option in ("ieee", "fn", "fnuz", "none"):
            specials = option
        elif option == "nozero":
            zero = False
        elif option == "nosub":
            subnormals = False
        else:
            raise ValueError(f"option {option!r} of format {text!r} is unknown; use bias=N, ieee, fn, fnuz, none, nozero, nosub")
    made = Float(exp_bits, man_bits, bias, cast(Specials, specials), not match[1], zero)
    if subnormals:
        return made
    from .flushed import FlushedFloat

    return FlushedFloat(made)


RULES = [(re.compile(r"(u?)float\s*<\s*(\d+)\s*,\s*(\d+)\s*((?:,[^>]*)?)>"), _float)]
