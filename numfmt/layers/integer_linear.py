"""A dense layer of integers."""

from __future__ import annotations

from typing import Any

from .._arrays import restore_like
from ..arith import Datapath
from .integer_requantize import Requantize
from .integer_sums import IntegerSums, centred
from .integer_tensor import integers, whole


class IntegerLinear:
    """sum over k of (x - input_zero_point) * (w - weight_zero_point) + bias, in an integer accumulator, then `requantize`.

    weight: integers (N, K). bias: integers (N,) in the accumulator's scale, or None. path: an integer accumulator; "int32" wraps in
    two's complement as C code and hardware do. requantize: None gives the accumulators.
    TensorFlow Lite: convention "tflite_double" is that of the Micro kernels; LiteRT 2.3.0 on x86-64 rounds this layer once, ties
    away ("tvm_tonearest"), unlike its convolutions (measured).
    Raises ValueError for values that are not integers and shapes that do not fit.
    """

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        *,
        input_zero_point: int = 0,
        weight_zero_point: Any = 0,
        path: str | Datapath = "int32",
        requantize: Requantize | None = None,
    ) -> None:
        self.weight = whole(weight, "weight")
        if self.weight.ndim != 2 or not self.weight.size:
            raise ValueError(f"weight has shape {self.weight.shape}; it must be (outputs, inputs), not empty")
        self.sums = IntegerSums(self.weight, bias, 1, input_zero_point, weight_zero_point, path, requantize)

    def __call__(self, x: Any) -> Any:
        """x: integers (..., K) -> (..., N): int32 accumulators, or what `requantize` gives; the kind of array that came in."""
        array, _ = integers(x)
        if array.ndim == 0 or array.shape[-1] != self.weight.shape[1]:
            raise ValueError(f"x has shape {array.shape}; its last axis must be the layer's {self.weight.shape[1]} inputs")
        values, largest = centred(array, self.sums.input_zero_point)
        rows = values.reshape(-1, 1, self.weight.shape[1])
        if not len(rows):
            raise ValueError(f"x has shape {array.shape}, which is empty; give at least one row")
        made = self.sums.run(rows, largest)
        return restore_like(x, made.reshape(*array.shape[:-1], made.shape[-1]))

    def explain(self, given: object = None) -> str:
        """What it computes, in a line."""
        return self.sums.explain()

    def __repr__(self) -> str:
        return f"IntegerLinear({self.weight.shape[1]} -> {self.weight.shape[0]}, {self.sums.path}, {self.sums.requantize})"
