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

    def run(self, rows: np.ndarray) -> np.ndarray:
        """rows: (n, groups, K) int64 -> (n, O): accumulators, or requantized integers."""
        parts = [
            product(Operand(rows[:, g].astype(np.float64), None, True, None), right, self.path)
            for g, right in enumerate(self._right)
        ]
        total = np.concatenate(parts, axis=1).astype(np.int64) if len(parts) > 1 else parts[0].astype(np.int64)
        if self.bias is not None:
            total = self.last.join(total, np.broadcast_to(self.bias, total.shape))
        if self.requantize is not None:
            return self.requantize.run(total, 1)
        return narrow(total, self.last.low, self.last.high)

    def explain(self) -> str:
        """Accumulator and output stage."""
        zero = f"(x - {self.input_zero_point})" if self.input_zero_point else "x"
        tail = f"; {self.requantize.explain()}" if self.requantize is not None else ""
        return f"{zero} * w in {self.path}{' + bias' if self.bias is not None else ''}{tail}"


def centred(array: np.ndarray, zero_point: int) -> np.ndarray:
    """x - zero_point. Raises ValueError beyond 32 bits."""
    if array.size and max(int(array.max()) - zero_point, zero_point - int(array.min())) > 1 << 31:
        raise ValueError(f"x runs from {array.min()} to {array.max()}; a layer takes integers of up to 32 bits: requantize first")
    return array - zero_point
