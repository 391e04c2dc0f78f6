"""Sums of products in an integer accumulator, with zero points and a bias: what dense and convolution layers share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arith import Datapath, datapath
from ..arith.integer_steps import IntAccumulator
from ..arith.matmul import product
from ..arith.operands import Operand
from .integer_requantize import Requantize
from .integer_tensor import narrow, whole


class IntegerSums:
    """Weights (O, K) in groups of outputs, zero points, bias, accumulator, requantization."""

    def __init__(
        self,
        rows: np.ndarray,
        bias: Any,
        groups: int,
        input_zero_point: int,
        weight_zero_point: Any,
        path: str | Datapath,
        requantize: Requantize | None,
    ) -> None:
        made = datapath(path)
        if not isinstance(made.inner, IntAccumulator) or made.output or not isinstance(made.outer, IntAccumulator | None):
            raise ValueError(
                f"path {made} is not allowed in an integer layer; use int32, int32+saturate, int16>int32, ... without stages"
            )
        self.path, self.last = made, made.outer or made.inner
        self.input_zero_point, self.requantize = int(input_zero_point), requantize
        outputs = rows.shape[0]
        zero = whole(weight_zero_point, "weight_zero_point")
        if zero.size not in (1, outputs):
            raise ValueError(
                f"weight_zero_point has {zero.size} values; it must be one number, or one for each of {outputs} outputs"
            )
        centred = (rows - zero.reshape(-1, 1)).astype(np.float64)
        size = outputs // groups
        self._right = [Operand(centred[i : i + size], None, True, None) for i in range(0, outputs, size)]
        self._largest_weight = int(np.abs(centred).max(initial=0))
        self._doubles = [np.ascontiguousarray(r.values.T) for r in self._right]
        self._singles = [w.astype(np.float32) for w in self._doubles]
        self.bias = self._checked_bias(bias, outputs)
        if requantize is not None and requantize.multiplier.size not in (1, outputs):
            raise ValueError(
                f"requantize has {requantize.multiplier.size} multipliers and the layer {outputs} outputs; they must agree"
            )

    def _checked_bias(self, bias: Any, outputs: int) -> np.ndarray | None:
        if bias is None:
            return None
        array = whole(bias, "bias")
        if array.shape != (outputs,):
            raise ValueError(f"bias has shape {array.shape}; it must be ({outputs},), one integer an output")
        if array.size and not self.last.low <= int(array.min()) <= int(array.max()) <= self.last.high:
            raise ValueError(f"bias runs from {array.min()} to {array.max()}; the accumulator {self.last} cannot hold it")
        return array

    def run(self, rows: np.ndarray, largest: int) -> np.ndarray:
        """rows: (n, groups, K) integers in int64 or float32, none beyond `largest` -> (n, O): accumulators, or what the
        requantization gives."""
        parts = self._on_blas(rows, largest) or [
            product(Operand(rows[:, g].astype(np.float64), None, True, None), right, self.path)
            for g, right in enumerate(self._right)
        ]
        total = np.concatenate(parts, axis=1).astype(np.int64) if len(parts) > 1 else parts[0].astype(np.int64)
        if self.bias is not None:
            total = self.last.join(total, np.broadcast_to(self.bias, total.shape))
        if self.requantize is not None:
            return self.requantize.run(total, 1)
        return narrow(total, self.last.low, self.last.high)

    def _on_blas(self, rows: np.ndarray, largest: int) -> list[np.ndarray] | None:
        """The sums where no order can round or wrap them: K * largest |x| * largest |w| below 2**24 or 2**53."""
        top = rows.shape[2] * largest * self._largest_weight
        if not isinstance(self.last, IntAccumulator) or self.path.outer is not None or not self.path.order.sequential:
            return None
        if top > self.last.high or top >= 1 << 53:
            return None
        single = top < 1 << 24
        right = self._singles if single else self._doubles
        return [rows[:, g].astype(np.float32 if single else np.float64, copy=False) @ w for g, w in enumerate(right)]

    def explain(self) -> str:
        """Accumulator and output stage."""
        zero = f"(x - {self.input_zero_point})" if self.input_zero_point else "x"
        tail = f"; {self.requantize.explain()}" if self.requantize is not None else ""
        return f"{zero} * w in {self.path}{' + bias' if self.bias is not None else ''}{tail}"


def centred(array: np.ndarray, zero_point: int) -> tuple[np.ndarray, int]:
    """(x - zero_point, its largest magnitude), in float32 where that holds it, else int64. Raises ValueError beyond 32 bits."""
    largest = max(int(array.max()) - zero_point, zero_point - int(array.min())) if array.size else 0
    if largest > 1 << 31:
        raise ValueError(f"x runs from {array.min()} to {array.max()}; a layer takes integers of up to 32 bits: requantize first")
    return (array - zero_point).astype(np.float32 if largest < 1 << 24 else np.int64), largest
