"""A fully connected layer with quantized weights and activations, computed by a datapath."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_float64, to_numpy
from ..arith import Datapath, datapath
from ..arith.fixed_steps import FixedAccumulator
from ..arith.float_steps import FloatAccumulator
from ..arith.matmul import product
from ..arith.operands import Operand, operand
from ..blocks import QuantizedTensor, Scheme, quantize, scheme
from ..formats import Float, Format, cast, parse
from ..kernels.steps import add_rows

_ELEMENTS_AT_ONCE = 1 << 22  # weights are prepared for the datapath so many at a time, which bounds memory
_SPANS_KEPT = 2


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
        self.weight = _quantized_weight(weight, weight_scheme)
        self._operand_format = None if weight_operand is None else float_format(weight_operand)
        self.activation_scheme = scheme(activation_scheme)
        self.path = layer_path(path)
        self.bias = check_bias(bias, self.weight.shape[0])
        rows = max(1, _ELEMENTS_AT_ONCE // max(1, self.in_features))
        self._spans = [(i, min(i + rows, self.out_features)) for i in range(0, self.out_features, rows)]
        self._prepared: dict[int, Operand] = {}
        self._right(0)  # refuses weights that the multipliers cannot take

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
        rows = operand(quantize(array.reshape(-1, self.in_features), self.activation_scheme), "x", -1)
        y = np.empty((rows.rows, self.out_features), np.float32)
        for i, (start, stop) in enumerate(self._spans):
            bias = None if self.bias is None else self.bias[start:stop]
            y[:, start:stop] = add_bias(product(rows, self._right(i), self.path), bias)
        return restore(y.reshape(*array.shape[:-1], self.out_features))

    @property
    def operand(self) -> QuantizedTensor:
        """The weights as the multipliers see them."""
        return dequantized_to(self.weight, self._operand_format)

    def _right(self, index: int) -> Operand:
        """A span of the weights, prepared for the datapath; small layers stay prepared."""
        if index in self._prepared:
            return self._prepared[index]
        part = dequantized_to(self.weight.take_rows(*self._spans[index]), self._operand_format)
        made = operand(part.T, "weight", 0)
        if len(self._spans) <= _SPANS_KEPT:
            self._prepared[index] = made
        return made

    def __repr__(self) -> str:
        what = f"w={self.weight.scheme}, a={self.activation_scheme}, path={self.path}"
        return f"Linear({self.in_features} -> {self.out_features}, {what})"


def layer_path(path: str | Datapath | None) -> Datapath:
    """The datapath of a layer. Raises ValueError for those that need what a layer does not have."""
    made = datapath(path) if path is not None else datapath("exact>fp32")
    if isinstance(made.inner, FloatAccumulator) and made.inner.random_width:
        raise ValueError(f"path {made} rounds stochastically, and a layer has no random bits; use nf.matmul with seed=")
    if isinstance(made.inner, FixedAccumulator):
        raise ValueError(f"path {made} adds fixed-point words; use nf.layers.FixedDense or FixedConv2d")
    if made.output:
        raise ValueError(
            f"path {made} has output stages, which need data that a layer does not have; use nf.matmul, or leave them out"
        )
    return made


def _quantized_weight(weight: Any, weight_scheme: str | Scheme) -> QuantizedTensor:
    if isinstance(weight, QuantizedTensor):
        if len(weight.shape) != 2 or weight.axis != 1:
            raise ValueError(
                f"weight has shape {weight.shape} and groups along axis {weight.axis}; it must be (N, K) quantized along K"
            )
        return weight
    array, _ = to_numpy(weight, "weight")
    if array.ndim != 2:
        raise ValueError(f"weight has shape {array.shape}; it must be (outputs, inputs)")
    return quantize(array, weight_scheme)


def dequantized_to(quantized: QuantizedTensor, fmt: str | Format | None) -> QuantizedTensor:
    """The weights as the multipliers see them: themselves, or each exact value rounded once to a float format."""
    if fmt is None:
        return quantized
    fmt = float_format(fmt)
    return quantize(cast(exact_values(quantized), fmt), scheme(fmt))


def exact_values(quantized: QuantizedTensor) -> np.ndarray:
    """Code value times scale of every element, rows with the grouped axis last; float64, in which that product is exact."""
    values = quantized.row_values().astype(np.float64)
    if quantized.row_scales is not None:
        values = values * quantized._spread(quantized.row_scales)
    return values


def float_format(fmt: str | Format) -> Float:
    """The float format that `weight_operand` names."""
    made = parse(fmt)
    if not isinstance(made, Float):
        raise ValueError(f"weight_operand {made} is not a float format; use float16, bfloat16, e4m3fn, ...")
    return made


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
