"""What the loops of numfmt.kernels.float_lanes must know of a float format under given modes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import inf, nan
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..kernels import float_lanes as k
from .base import Overflow, Rounding

if TYPE_CHECKING:
    from .floats import Float


class FloatLike(Protocol):
    """What a format must tell: steps in binades of 2**man_bits codes from zero upward, and a sign bit if signed."""

    @property
    def bits(self) -> int: ...
    @property
    def man_bits(self) -> int: ...
    @property
    def emin(self) -> int: ...
    @property
    def signed(self) -> bool: ...
    @property
    def zero(self) -> bool: ...
    @property
    def has_nan(self) -> bool: ...
    @property
    def has_minus_zero(self) -> bool: ...
    @property
    def nan_code(self) -> int: ...
    @property
    def max_magnitude_code(self) -> int: ...
    @property
    def max(self) -> float: ...
    @property
    def min_positive(self) -> float: ...
    def overflowed(self, rounding: Rounding, overflow: Overflow, negative: bool, infinite: bool) -> tuple[int, float]: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Carrier:
    """The float type in which a loop computes."""

    real: type[np.floating]
    word: type[np.signedinteger]
    man_bits: int  # 23 or 52
    bias: int
    random_bits: int  # most random bits for which the comparison of a stochastic rounding is exact

    def holds(self, fmt: FloatLike) -> bool:
        """Whether the format meets the conditions of `float_lanes` in this carrier."""
        top = (fmt.max_magnitude_code >> fmt.man_bits) + fmt.emin - (1 if fmt.zero else 0)
        highest = max(top, fmt.emin) + 1 + self.man_bits - fmt.man_bits
        return fmt.man_bits <= self.man_bits - 2 and fmt.emin - fmt.man_bits > -self.bias and highest <= self.bias

    def same_range(self, fmt: FloatLike) -> bool:
        """Whether the format differs from the carrier in its mantissa bits alone."""
        return fmt.zero and 1 <= fmt.man_bits < self.man_bits and fmt.emin == 1 - self.bias and fmt.max < 2.0 * 2.0**self.bias


SINGLE = Carrier(np.float32, np.int32, 23, 127, 32)
DOUBLE = Carrier(np.float64, np.int64, 52, 1023, 32)


@dataclass(frozen=True)
class Facts:
    """Arguments of the loops: `words` and `reals` in the order of the places named in `float_lanes`."""

    words: np.ndarray
    reals: np.ndarray
    check: bool  # NaN has no code
    signed: bool  # `float_signed` (and `float_even` for ties_even) serve for values
    signed_codes: bool  # and for codes
    clipped: bool  # unsigned, and negative numbers become 0: `float_even` serves for ties_even
    drawn: bool  # the short way of stochastic rounding serves


def _inward(rounding: Rounding, negative: bool) -> bool:
    return rounding is Rounding.TOWARD_ZERO or rounding is (Rounding.UP if negative else Rounding.DOWN)


def overflowed(fmt: Float, rounding: Rounding, overflow: Overflow, negative: bool, infinite: bool) -> tuple[int, float]:
    """Code and value of what lies beyond the range on one side (P3109 v4.0 section 4.7.5; OCP OFP8 section 5.2).

    A format with NaN and no infinity gives NaN under `nonsat`, as OFP8's E4M3 does.
    """
    sign = 1 << (fmt.bits - 1) if negative and fmt.signed else 0
    if negative and not fmt.signed:
        end = (0, 0.0 if fmt.zero else fmt.min_positive)
        has_inf = False
    else:
        end = (fmt.max_magnitude_code | sign, -fmt.max if negative else fmt.max)
        has_inf = fmt.has_inf
    if overflow is Overflow.SATURATE or (overflow is Overflow.PROPAGATE and not infinite):
        return end
    if not infinite and _inward(rounding, negative):
        return end
    if has_inf:
        return fmt.inf_code | sign, -inf if negative else inf
    if overflow is Overflow.NONSAT and fmt.has_nan:
        return fmt.nan_code, nan
    return end


@lru_cache(maxsize=4096)
def facts(fmt: FloatLike, rounding: Rounding, overflow: Overflow, width: int, carrier: Carrier) -> Facts:
    """The facts of a format that `carrier` holds, or of whose range it is; width: random bits of a stochastic rounding."""
    t, p = fmt.man_bits, carrier.man_bits
    stochastic = rounding in (Rounding.STOCHASTIC_A, Rounding.STOCHASTIC_B, Rounding.STOCHASTIC_C)
    added = width + (rounding is Rounding.STOCHASTIC_B)  # bits kept below the last one of the format
    drawn = stochastic and t + added <= p - 1
    near = rounding in (Rounding.TIES_EVEN, Rounding.TIES_AWAY, Rounding.TIES_ZERO, Rounding.TIES_UP, Rounding.TIES_DOWN)
    over_pos, over_neg, inf_pos, inf_neg = (
        fmt.overflowed(rounding, overflow, negative, infinite) for infinite in (False, True) for negative in (False, True)
    )
    sign = 1 << (fmt.bits - 1) if fmt.signed else 0
    if fmt.zero:
        zero_pos, zero_neg = (0, 0.0), (sign, -0.0) if fmt.has_minus_zero else (0, 0.0)
        lowest = 0
    else:
        zero_pos = zero_neg = (fmt.nan_code, nan) if fmt.has_nan else (0, fmt.min_positive)
        lowest = -1
    word = {
        k.MASK: (2 * carrier.bias + 1) << p,
        k.EMIN: max(fmt.emin + carrier.bias, 0) << p,
        k.SHIFT: (p - t) << p,
        k.ONE: 1,
        k.TWICE_BIAS: 2 * carrier.bias << p,
        k.CODE_SHIFT: p - t,
        k.CODE_OFFSET: 0 if fmt.zero else -(1 << t),
        k.INEXACT_POS: rounding in (Rounding.AWAY, Rounding.UP),
        k.INEXACT_NEG: rounding in (Rounding.AWAY, Rounding.DOWN),
        k.NEAREST: near,
        k.TIE_POS: rounding in (Rounding.TIES_AWAY, Rounding.TIES_UP),
        k.TIE_NEG: rounding in (Rounding.TIES_AWAY, Rounding.TIES_DOWN),
        k.TIE_ODD: rounding is Rounding.TIES_EVEN,
        k.TO_ODD: rounding is Rounding.TO_ODD,
        k.TOP_POS: fmt.max_magnitude_code,
        k.TOP_NEG: fmt.max_magnitude_code if fmt.signed else lowest,
        k.OVER_POS: over_pos[0],
        k.OVER_NEG: over_neg[0],
        k.INF_POS: inf_pos[0],
        k.INF_NEG: inf_neg[0],
        k.ZERO_POS: zero_pos[0],
        k.ZERO_NEG: zero_neg[0],
        k.NAN: max(fmt.nan_code, 0),
        k.SIGN: sign,
        k.SIGN_OF_ZERO: sign if fmt.has_minus_zero or not fmt.zero else 0,  # of code 0, which may be a number
        k.SIGN_SHIFT: 8 * np.dtype(carrier.word).itemsize - fmt.bits,
        k.KEEP: -(1 << (p - t)),
        k.HALF: (1 << (p - t - 1)) - 1 if t < p else 0,
        k.RNE_C: rounding is Rounding.STOCHASTIC_C,
        k.MOST_RANDOM: (1 << width) - 1,
        k.D_SHIFT: (p - t - added) << p if drawn else 0,
        k.D_WIDTH: added if drawn else 0,
        k.D_KEEP: -(1 << added) if drawn else 0,
        k.D_CUT: rounding is not Rounding.STOCHASTIC_C,
        k.D_TWICE: rounding is Rounding.STOCHASTIC_B,
    }
    largest = Fraction(fmt.max)
    unit = Fraction(2) ** ((fmt.max_magnitude_code >> t) + fmt.emin - (1 if fmt.zero else 0) - t)
    if fmt.zero and fmt.max_magnitude_code >> t == 0:
        unit *= 2  # the largest value is subnormal
    quick = fmt.signed and fmt.zero and t >= 1
    clipped = not fmt.signed and fmt.zero and t >= 1 and over_neg[0] == inf_neg[0] == 0
    nan_code = np.isnan(over_pos[1]) or np.isnan(inf_pos[1])  # has no sign, which the short loops would add
    if overflow is Overflow.NONSAT:
        begin = carrier.real(float(largest + unit / 2))
        if fmt.max_magnitude_code % 2 == 0:  # the tie stays
            begin = np.nextafter(begin, carrier.real(inf))
        beyond = over_pos
    else:
        begin, beyond = carrier.real(inf), inf_pos
    real = {
        k.R_CLAMP: float(largest + unit) if carrier.holds(fmt) else inf,
        k.R_LEAST: 0.0 if fmt.zero else fmt.min_positive,
        k.R_PLUS: -0.0 if fmt.has_minus_zero else 0.0,
        k.R_INF: inf,
        k.R_TOP_POS: fmt.max,
        k.R_TOP_NEG: fmt.max if fmt.signed else float(lowest),
        k.R_OVER_POS: over_pos[1],
        k.R_OVER_NEG: over_neg[1],
        k.R_INF_POS: inf_pos[1],
        k.R_INF_NEG: inf_neg[1],
        k.R_ZERO_POS: zero_pos[1],
        k.R_ZERO_NEG: zero_neg[1],
        k.R_FROM: begin,
        k.R_OVER: beyond[1],
        k.R_LIMIT: 2.0**width if stochastic else 1.0,
        k.R_HALF: 0.5 if rounding is Rounding.STOCHASTIC_B else 2.0,
        k.R_MAX: fmt.max,
        k.R_FLOOR: -inf if fmt.signed else 0.0,
        k.R_FACTOR: 2.0 ** (width - (p - t)),
    }
    word[k.OVER] = beyond[0]
    unsigned = (1 << 8 * np.dtype(carrier.word).itemsize) - 1
    words = np.array([int(word[i]) & unsigned for i in range(len(word))], np.uint64).astype(f"u{np.dtype(carrier.word).itemsize}")
    with np.errstate(over="ignore"):
        reals = np.array([real[i] for i in range(len(real))], dtype=np.float64).astype(carrier.real)
    return Facts(
        words.view(carrier.word), reals, not fmt.has_nan, quick, quick and not (nan_code and fmt.has_minus_zero), clipped, drawn
    )
