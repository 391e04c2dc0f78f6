"""A fully connected layer with quantized weights and activations, computed by a datapath."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_float64, to_numpy
from ..arith import Datapath, datapath
from ..arith.matmul import product
from ..arith.operands import operand
from ..blocks import QuantizedTensor, Scheme, quantize, scheme
from ..formats import Float, Format, cast, parse
from ..kernels.steps import add_rows


class Linear:
    """y = x W^T + b as hardware computes it.

    weight: (N, K) array, or a QuantizedTensor of it. bias: (N,) or None, added in float32 with one rounding.
    weight_scheme, activation_scheme: schemes; activations are quantized as they come (dynamic scales).
    path: datapath; None means `exact>fp32`.
    weight_operand: a float format that the weights are dequantized to in front of the multipliers (code value times scale, one
    rounding), for processing elements that do not take the weight format; None feeds codes.

    Raises ValueError for shapes that do not fit and whatever `quantize` and `matmul` refuse.
    """

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        *,
        weight_scheme: str | Scheme = "float16",
        activation_scheme: str | Scheme = "float16",
        path: str | Datapath | None = None,
        weight_operand: str | Format | None = None,
    ) -> None:
        self.weight, self.operand = _prepare_weight(weight, weight_scheme, weight_operand)
        self.activation_scheme = scheme(activation_scheme)
        self.path = datapath(path) if path is not None else datapath("exact>fp32")
        self.bias = check_bias(bias, self.weight.shape[0])
        self._right = operand(self.operand.T, "weight", 0)

    @property
    def out_features(self) -> int:
        """Rows of the weight."""
        return self.weight.shape[0]

    @property
    def in_features(self) -> int:
        """Columns of the weight: the length of the sums."""
        return self.weight.shape[1]

    def __call__(self, x: Any) -> Any:
        """x: (..., K) -> float32 (..., N), the kind of array that came in."""
        array, restore = to_numpy(x)
        if array.ndim == 0 or array.shape[-1] != self.in_features:
            raise ValueError(f"x has shape {array.shape}; its last axis must be the layer's {self.in_features} inputs")
        rows = quantize(array.reshape(-1, self.in_features), self.activation_scheme)
        y = add_bias(product(operand(rows, "x", -1), self._right, self.path), self.bias)
        return restore(y.reshape(*array.shape[:-1], self.out_features))

    def __repr__(self) -> str:
        what = f"w={self.weight.scheme}, a={self.activation_scheme}, path={self.path}"
        return f"Linear({self.in_features} -> {self.out_features}, {what})"


def _prepare_weight(
    weight: Any, weight_scheme: str | Scheme, weight_operand: str | Format | None
) -> tuple[QuantizedTensor, QuantizedTensor]:
    if isinstance(weight, QuantizedTensor):
        if len(weight.shape) != 2 or weight.axis != 1:
            raise ValueError(
                f"weight has shape {weight.shape} and groups along axis {weight.axis}; it must be (N, K) quantized along K"
            )
        quantized = weight
    else:
        array, _ = to_numpy(weight, "weight")
        if array.ndim != 2:
            raise ValueError(f"weight has shape {array.shape}; it must be (outputs, inputs)")
        quantized = quantize(array, weight_scheme)
    return quantized, dequantized_to(quantized, weight_operand)


def dequantized_to(quantized: QuantizedTensor, fmt: str | Format | None) -> QuantizedTensor:
    """The weights as the multipliers see them: themselves, or each exact value rounded once to a float format."""
    if fmt is None:
        return quantized
    fmt = parse(fmt)
    if not isinstance(fmt, Float):
        raise ValueError(f"weight_operand {fmt} is not a float format; use float16, bfloat16, e4m3fn, ...")
    values = quantized.row_values().astype(np.float64)
    if quantized.row_scales is not None:
        values = values * quantized._spread(quantized.row_scales)
    return quantize(cast(values, fmt), scheme(fmt))


def check_bias(bias: Any, outputs: int) -> np.ndarray | None:
    """The bias as float32 (outputs,), or None."""
    if bias is None:
        return None
    with np.errstate(over="ignore"):
        array = to_numpy(bias, "bias")[0].astype(np.float32)
    if array.shape != (outputs,):
        raise ValueError(f"bias has shape {array.shape}; it must be ({outputs},), one value an output")
    if not np.isfinite(array).all():
        raise ValueError(f"bias holds {int((~np.isfinite(array)).sum())} value(s) that are no finite float32; replace them first")
    return array


def add_bias(y: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """y + bias along the last axis, rounded once to float32."""
    result = np.empty(y.shape, np.float32)
    add_rows(to_float64(y, "y"), np.zeros(y.shape[1], np.float32) if bias is None else bias, bias is not None, result)
    return result
