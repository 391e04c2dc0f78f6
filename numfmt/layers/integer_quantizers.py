"""The quantizers of HAWQ-V3: scales and integers of weights, activations and biases, in its float32 order.

Source: HAWQ @ 1616df6, utils/quantization_utils/quant_utils.py and quant_modules.py. Integers are
clamp(rne(fl32(fl32(1 / s) * x))): the reciprocal is rounded first, which a division would not do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import check_in, check_int_range
from .integer_tensor import limits, narrow

_F = np.float32
_LEAST = _F(1e-8)


def _singles(x: Any, what: str) -> np.ndarray:
    array = to_numpy(x, what)[0]
    with np.errstate(over="ignore"):
        made = array.astype(_F)
    if not np.isfinite(made).all():
        raise ValueError(f"{what} holds {int((~np.isfinite(made)).sum())} value(s) that are no finite float32; replace them first")
    return made


def weight_scale(weight: Any, bits: int = 8, *, per_channel: bool = True) -> np.ndarray:
    """max(largest |w|, 1e-8) / (2**(bits - 1) - 1), float32: (O,) one an output channel (axis 0), or () for the tensor.

    Raises ValueError for values that are not finite, and bits outside 2 to 16.
    """
    check_int_range("bits", bits, 2, 16)
    array = _singles(weight, "weight")
    if not array.size or array.ndim == 0:
        raise ValueError(f"weight has shape {array.shape}; it must hold at least one value, output channels first")
    rows = np.abs(array.reshape(array.shape[0], -1) if per_channel else array.reshape(1, -1))
    made: np.ndarray = np.maximum(rows.max(axis=1), _LEAST) / _F(2 ** (bits - 1) - 1)
    return made if per_channel else made[0]


def quantize_weight(weight: Any, scale: Any, bits: int = 8, *, clamp: str = "hawqv3") -> np.ndarray:
    """Integers of a weight (O, ...), scale () or (O,); int8 or int16.

    clamp: "hawqv3" to -n-1..n, n = 2**(bits-1) - 1; "ibert" to -n..n-1, the range of I-BERT's released quantizer, which turns its
    largest weight, n, into n - 1; "symmetric" to -n..n.
    """
    check_in("clamp", clamp, ("hawqv3", "ibert", "symmetric"))
    check_int_range("bits", bits, 2, 16)
    array = _singles(weight, "weight")
    n = 2 ** (bits - 1) - 1
    low, high = {"hawqv3": (-n - 1, n), "ibert": (-n, n - 1), "symmetric": (-n, n)}[clamp]
    return narrow(np.clip(_scaled(array, scale, 0), low, high), *limits(bits, True))


def activation_scale(low: Any, high: Any, bits: int = 8, *, signed: bool = True) -> np.float32:
    """Scale of a tensor whose values run from low to high: max(|low|, |high|, 1e-8) / (2**(bits-1) - 1), or unsigned
    max(high - low, 1e-8) / (2**bits - 1), as HAWQ has it for 4-bit activations (low is 0 behind a ReLU).

    Raises ValueError for limits that are not finite or the wrong way round.
    """
    check_int_range("bits", bits, 2, 32)
    first, last = _singles(low, "low").reshape(()), _singles(high, "high").reshape(())
    if first > last:
        raise ValueError(f"low={first} exceeds high={last}; give the least value first")
    span = np.maximum(np.abs(first), np.abs(last)) if signed else last - first
    return _F(np.maximum(span, _LEAST) / _F(2 ** (bits - 1) - 1 if signed else 2**bits - 1))


def quantize_activation(x: Any, scale: Any, bits: int = 8, *, signed: bool = True) -> Any:
    """Integers of real values under one scale; clamped to -2**(bits-1)..2**(bits-1)-1, or 0..2**bits-1. The kind of array of x."""
    array, restore = to_numpy(x, "x")
    low, high = limits(bits, signed)
    return restore(narrow(np.clip(_scaled(_singles(array, "x"), scale, None), low, high), low, high))


def quantize_bias(bias: Any, weight_scale: Any, in_scale: Any, bits: int = 32) -> np.ndarray:
    """rne(bias / (weight_scale * in_scale)) clamped to `bits` signed bits, int32; the scale is a float32 product, its reciprocal
    float32 too. The float32 emulation clamps to 2**31, which 32 bits do not hold: here it is 2**31 - 1."""
    low, high = limits(bits, True)
    with np.errstate(over="ignore", under="ignore"):
        scale = _scale(weight_scale, "weight_scale") * _scale(in_scale, "in_scale")
    return narrow(np.clip(_scaled(_singles(bias, "bias"), scale, 0), low, high), low, high)


def _scale(scale: Any, what: str) -> np.ndarray:
    made = _singles(scale, what)
    if (made == 0).any() or made.ndim > 1:
        raise ValueError(f"{what} must be a number, or one a channel, and not zero; it has shape {made.shape}")
    return made


def _scaled(array: np.ndarray, scale: Any, axis: int | None) -> np.ndarray:
    """rne(fl32(fl32(1 / s) * x)) as float64."""
    made = _scale(scale, "scale")
    if made.size > 1:
        if axis is None or made.size != array.shape[axis]:
            raise ValueError(f"scale has {made.size} values; it must be one number, or one for each of the output channels")
        made = made.reshape(-1, *[1] * (array.ndim - 1))
    with np.errstate(over="ignore"):
        return np.rint((_F(1) / made) * array).astype(np.float64)


class ActivationRange:
    """The range of a tensor over batches as HAWQ's QuantAct tracks it: the first batch is copied; then with momentum m the range
    is m * range + (1 - m) * batch, in float32, or with momentum -1 (its default) the running least and largest value.

    percentile p (0: off): the ends are order statistics, HAWQ's kth values: the k-th largest below (0 for unsigned), the k-th
    smallest above, k = round(n * p / 100).
    """

    def __init__(self, momentum: float = -1, percentile: float = 0, *, signed: bool = True) -> None:
        if momentum != -1 and not 0 <= momentum <= 1:
            raise ValueError(f"momentum={momentum} is not allowed; use -1 (running least and largest) or 0 to 1")
        if not 0 <= percentile <= 100:
            raise ValueError(f"percentile={percentile} is not allowed; use 0 (off) to 100")
        self.momentum, self.percentile, self.signed = momentum, percentile, signed
        self.low, self.high = _F(0), _F(0)

    def update(self, x: Any) -> ActivationRange:
        """Take a batch in."""
        values = _singles(x, "x").reshape(-1)
        if not values.size:
            raise ValueError("x is empty; a range needs at least one value")
        low, high = self._ends(values)
        if self.low == self.high:  # HAWQ's sign of a fresh range
            self.low, self.high = _F(self.low + low), _F(self.high + high)
        elif self.momentum == -1:
            self.low, self.high = min(self.low, low), max(self.high, high)
        else:
            old, new = _F(self.momentum), _F(1 - self.momentum)
            self.low, self.high = _F(self.low * old + low * new), _F(self.high * old + high * new)
        return self

    def scale(self, bits: int = 8) -> np.float32:
        """`activation_scale` of the range."""
        return activation_scale(self.low, self.high, bits, signed=self.signed)

    def _ends(self, values: np.ndarray) -> tuple[np.float32, np.float32]:
        if not self.percentile:
            return _F(values.min()), _F(values.max())
        count, ordered = values.size, np.sort(values)
        high_at = min(max(round(count * self.percentile * 0.01), 1), count)
        low_at = min(max(round(count * (1 - (100 - self.percentile) * 0.01)), 1), count)  # counted from the top
        return _F(ordered[count - low_at]) if self.signed else _F(0), _F(ordered[high_at - 1])
