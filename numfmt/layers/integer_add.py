"""Addition of two integer tensors with scales of their own, as each stack rounds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import check_in
from ..arith.requantize import real_multiplier, shifted
from .integer_requantize import rescale
from .integer_tensor import channel_axis, integers, limits, narrow, scales

RULES = {
    "hawqv3": "each branch rounded once to the result's scale, then added; no clamp",
    "ibert": "as hawqv3, then clamped where bits is 4, 8 or 16",
    "tflite": "both shifted left, each rescaled to twice the larger scale, added, rescaled: three roundings; zero points; clamp",
    "qnnpack": "22-bit multipliers under one shift: one rounding, ties away; zero points; clamp",
}


class ResidualAdd:
    """a * scale_a + b * scale_b in integers of `out_scale`.

    scale_a, scale_b: a number; for accumulators of a convolution (hawqv3, ibert) the pair (input scale, weight scale, which may be
    one a channel). bits, signed: of the result. zero_points: (of a, of b, of the result), tflite and qnnpack alone. low, high:
    limits of a fused activation.

    "hawqv3" (fixedpoint_fn, case 1): rne(a * b1 / 2**c1) + rne(b * b2 / 2**c2), int32, not clamped: the sum of two 16-bit tensors
    may need 17 bits. "tflite": left_shift bits in front (default 20 for 8 bits, 15 for 16), double rounding three times. "qnnpack":
    multipliers rint(scale / out_scale * 2**(21 - e)), e the exponent of the larger, shift 21 - e; 8 bits, ratios 2**-14 to 2**8.

    Raises ValueError for scales, zero points and widths that the rule does not take.
    """

    def __init__(
        self,
        scale_a: Any,
        scale_b: Any,
        out_scale: float,
        *,
        rule: str = "hawqv3",
        bits: int | None = None,
        signed: bool = True,
        zero_points: tuple[int, int, int] = (0, 0, 0),
        low: int | None = None,
        high: int | None = None,
        left_shift: int | None = None,
    ) -> None:
        check_in("rule", rule, RULES)
        self.rule, self.signed = rule, signed
        self.bits = bits if bits is not None else (16 if rule == "hawqv3" else 22 if rule == "ibert" else 8)
        first, last = limits(self.bits, signed)
        self.low, self.high = first if low is None else low, last if high is None else high
        if not first <= self.low <= self.high <= last:
            raise ValueError(
                f"limits {self.low} to {self.high} leave {first} to {last}, the range of {self.bits} bits: use limits within"
            )
        self.zero_points = tuple(int(z) for z in zero_points)
        if len(self.zero_points) != 3:
            raise ValueError(f"zero_points={zero_points} is not allowed; give three: of a, of b, of the result")
        out = scales(out_scale, "out_scale")
        if out.size != 1 or out.reshape(-1)[0] < 0:
            raise ValueError(f"out_scale={out_scale} is not allowed; it must be one number above zero")
        self.multipliers: list[np.ndarray]
        if rule in ("hawqv3", "ibert"):
            if any(self.zero_points):
                raise ValueError(
                    f"zero_points={zero_points} is not allowed under {rule}, whose tensors have none; use tflite or qnnpack"
                )
            self.multipliers = [
                real_multiplier(*_pair(s, w), out, "hawqv3") for s, w in ((scale_a, "scale_a"), (scale_b, "scale_b"))
            ]
            return
        numbers = [_number(s, w) for s, w in ((scale_a, "scale_a"), (scale_b, "scale_b"))]
        if rule == "tflite":
            if self.bits not in (8, 16):
                raise ValueError(f"bits={self.bits} is not allowed under tflite; use 8 or 16")
            self.left_shift = left_shift if left_shift is not None else (20 if self.bits == 8 else 15)
            twice = 2 * max(numbers)
            self.multipliers = [np.asarray(s / twice) for s in numbers]
            self.multipliers.append(np.asarray(twice / ((1 << self.left_shift) * float(out.reshape(())))))
            if self.multipliers[2] >= 1:
                raise ValueError(
                    f"out_scale={out_scale} is too fine for scales {numbers}; TFLite takes a multiplier below 1 behind the sum"
                )
        else:
            if self.bits != 8:
                raise ValueError(f"bits={self.bits} is not allowed under qnnpack; use 8")
            ratios = [np.float32(s) / np.float32(out.reshape(())) for s in numbers]
            if not all(2.0**-14 <= r < 2.0**8 for r in ratios):
                raise ValueError(
                    f"scale / out_scale of {ratios[0]:g} and {ratios[1]:g}: qnnpack takes ratios from 2**-14 to below 2**8"
                )
            exponent = int(np.frexp(max(ratios))[1]) - 1
            self.shift = 21 - exponent
            self.multipliers = [np.asarray(np.rint(np.float64(r) * 2.0**self.shift)) for r in ratios]

    def __call__(self, a: Any, b: Any) -> Any:
        """a, b: integers of one shape -> the same shape; int32 under hawqv3, int64 unclamped under ibert. a's kind of array."""
        (x, restore), (y, _) = integers(a, "a"), integers(b, "b")
        if x.shape != y.shape:
            raise ValueError(f"a has shape {x.shape} and b {y.shape}; the branches of a block must agree")
        if self.rule == "tflite":
            return restore(self._tflite(x, y))
        if self.rule == "qnnpack":
            return restore(self._qnnpack(x, y))
        axis = channel_axis(x.ndim)
        first, second = (rescale(v, m, "hawqv3", axis) for v, m in zip((x, y), self.multipliers, strict=True))
        total = first + second
        if self.rule == "ibert":
            return restore(self._clamped(total) if self.bits in (4, 8, 16) else total)
        if total.size and not -(1 << 31) <= int(total.min()) <= int(total.max()) < 1 << 31:
            raise ValueError("the sum leaves 32 bits; out_scale is too fine for these tensors: use a coarser one")
        return restore(total.astype(np.int32))

    def _tflite(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        total = np.zeros(x.shape, np.int64)
        for v, zero, m in zip((x, y), self.zero_points[:2], self.multipliers[:2], strict=True):
            wide = (v - zero) << self.left_shift
            total += rescale(wide, m, "tflite_double", 0)
        return self._clamped(rescale(total, self.multipliers[2], "tflite_double", 0) + self.zero_points[2])

    def _qnnpack(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        zeros, (m, n) = self.zero_points, (f.astype(np.int64) for f in self.multipliers)
        total = (x - zeros[0]) * m + (y - zeros[1]) * n
        return self._clamped(shifted(total, np.full(x.shape, self.shift), "away") + self.zero_points[2])

    def _clamped(self, made: np.ndarray) -> np.ndarray:
        return narrow(np.clip(made, self.low, self.high), *limits(self.bits, self.signed))

    def __repr__(self) -> str:
        return f"ResidualAdd({self.rule}, {'int' if self.signed else 'uint'}{self.bits})"


def _pair(scale: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(scale, tuple):
        if len(scale) != 2:
            raise ValueError(f"{what} has {len(scale)} parts; give a number or (input scale, weight scale)")
        return scales(scale[0], what), scales(scale[1], what)
    return scales(scale, what), np.ones(())


def _number(scale: Any, what: str) -> float:
    if isinstance(scale, tuple) or np.size(scale) != 1 or not np.isfinite(scale) or not np.all(np.asarray(scale) > 0):
        raise ValueError(f"{what}={scale!r} is not allowed; it must be one number above zero")
    return float(np.asarray(scale).reshape(()))
