"""Accumulators to integers of the next layer: rescale, zero point, clamp; and ReLU on integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import unknown
from ..arith.dyadic import dyadic_round
from ..arith.requantize import CONVENTIONS, real_multiplier, requantize
from .integer_tensor import along, channel_axis, integers, limits, narrow, scales

_EVEN = ("hawqv3", "exact_half_even")
_EITHER_SIGN = (*_EVEN, "hawq_float64_emulation", "fp32_lrint")


class Requantize:
    """round(acc * in_scale * weight_scale / out_scale) + zero_point, clamped: integers in, integers out.

    out_scale: of the result. bits, signed: its type. in_scale, weight_scale: of the accumulator; weight_scale may be one a channel
    (axis 1 of images, else the last). Or multiplier=, the real number itself. convention: see `nf.requantizations()`; "ibert" is
    "hawqv3". clamp=False leaves the result unclamped, in int64 (I-BERT's 22- and 32-bit tensors). low, high: tighter limits, as
    those of a fused activation, in integers of the result.

    A negative scale (gamma kept in the scale, I-BERT's GELU) gives a negative multiplier: HAWQ's b / 2**c with b below 0. Ties to
    even do not care; conventions with other ties refuse it. HAWQ's exact conventions take accumulators of up to 62 bits, others 32.

    Raises ValueError for scales that are zero or not finite, and limits outside the type.
    """

    def __init__(
        self,
        out_scale: float | None = None,
        bits: int = 8,
        *,
        signed: bool = True,
        convention: str = "hawqv3",
        in_scale: Any = 1.0,
        weight_scale: Any = 1.0,
        multiplier: Any = None,
        zero_point: int = 0,
        clamp: bool = True,
        low: int | None = None,
        high: int | None = None,
    ) -> None:
        convention = "hawqv3" if convention == "ibert" else convention
        names = [c.name for c in CONVENTIONS]
        if convention not in names:
            raise unknown("convention", convention, [*names, "ibert"])
        if (multiplier is None) == (out_scale is None):
            raise ValueError("give either out_scale, with in_scale and weight_scale, or multiplier")
        self.convention, self.bits, self.signed, self.out_scale, self.clamp = convention, bits, signed, out_scale, clamp
        first, last = limits(bits, signed)
        self.low, self.high = first if low is None else int(low), last if high is None else int(high)
        if not first <= self.low <= self.high <= last:
            raise ValueError(
                f"limits {self.low} to {self.high} leave {first} to {last}, the range of {bits} bits: use limits within"
            )
        if not first <= zero_point <= last:
            raise ValueError(f"zero_point={zero_point} is not allowed; it must lie within {first} and {last}")
        self.zero_point = int(zero_point)
        if multiplier is not None:
            self.multiplier = scales(multiplier, "multiplier")
        else:
            parts = scales(in_scale, "in_scale"), scales(weight_scale, "weight_scale"), scales(out_scale, "out_scale")
            if parts[2].size != 1 or parts[2].reshape(-1)[0] < 0:
                raise ValueError(f"out_scale={out_scale} is not allowed; it must be one number above zero")
            self.multiplier = scales(real_multiplier(*parts, convention), "the multiplier (its scales are too far apart, it)")
        if (self.multiplier < 0).any() and convention not in _EITHER_SIGN:
            raise ValueError(
                f"a negative multiplier is not allowed under {convention}; use {', '.join(_EITHER_SIGN)}, or a sign in the weights"
            )

    def __call__(self, x: Any) -> Any:
        """x: accumulators, any shape -> int8, uint8, int16, ... of the same shape and kind of array."""
        array, restore = integers(x)
        return restore(self.run(array, channel_axis(array.ndim)))

    def run(self, array: np.ndarray, axis: int) -> np.ndarray:
        """`__call__` of an int64 array whose channels lie along `axis`."""
        made = self.rounded(array, axis) + self.zero_point
        if not self.clamp:
            return made
        return narrow(np.clip(made, self.low, self.high), *limits(self.bits, self.signed))

    def rounded(self, array: np.ndarray, axis: int) -> np.ndarray:
        """The rescaled integers before zero point and clamp, int64."""
        return rescale(array, self.multiplier, self.convention, axis)

    def explain(self, given: object = None) -> str:
        """What it computes, in a line."""
        m = self.multiplier.reshape(-1)
        span = f"{m[0]:.6g}" if m.size == 1 else f"{m.min():.4g}..{m.max():.4g} ({m.size} channels)"
        zero = f" + {self.zero_point}" if self.zero_point else ""
        return f"round(acc * {span}){zero} by {self.convention}, " + (
            f"clamped to {self.low}..{self.high}" if self.clamp else "no clamp"
        )

    def __repr__(self) -> str:
        return f"Requantize({'int' if self.signed else 'uint'}{self.bits}, {self.convention})"


def rescale(array: np.ndarray, multiplier: np.ndarray, convention: str, axis: int) -> np.ndarray:
    """Rounded products of int64 integers and a multiplier of either sign, one number or one along `axis`; int64."""
    m = along(multiplier, array.ndim, axis)
    if m.ndim and m.size != array.shape[axis]:
        raise ValueError(f"x has {array.shape[axis]} channels along axis {axis} and the multiplier {m.size}; they must agree")
    if convention in _EVEN:
        return dyadic_round(array, m)
    made: np.ndarray = requantize(array, np.abs(m), convention)
    return np.where(m < 0, -made, made) if (m < 0).any() else made


class IntegerReLU:
    """max(x, zero_point), and min(., high) where given (ReLU6 in integers). The dtype stays."""

    def __init__(self, zero_point: int = 0, high: int | None = None) -> None:
        if high is not None and high < zero_point:
            raise ValueError(f"high={high} lies below zero_point={zero_point}; use a larger limit")
        self.zero_point, self.high = zero_point, high

    def __call__(self, x: Any) -> Any:
        """x: integers, any shape."""
        array, restore = integers(x)
        dtype = to_numpy(x)[0].dtype
        made = np.maximum(array, self.zero_point)
        return restore((made if self.high is None else np.minimum(made, self.high)).astype(dtype))

    def __repr__(self) -> str:
        return "IntegerReLU(" + ", ".join(str(v) for v in (self.zero_point, self.high) if v) + ")"
