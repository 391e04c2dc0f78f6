"""An ap_fixed network from float weights and the configuration that hls4ml takes: types by layer name, layer class, or model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import unknown
from ..blocks import QuantizedTensor
from ..formats import Fixed
from .fixed_conv import FixedConv2d
from .fixed_dense import FixedDense
from .fixed_elementwise import FixedBatchNorm, FixedCast, FixedReLU
from .fixed_pool import FixedAvgPool2d, FixedMaxPool2d
from .fixed_tensor import hls4ml_type
from .sequential import Flatten, Sequential

_CLASSES = (
    "InputLayer", "Dense", "Conv2D", "DepthwiseConv2D", "BatchNormalization", "ReLU", "Activation", "AveragePooling2D",
    "MaxPooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten",
)  # fmt: skip


class Precisions:
    """The `Precision` entries of an hls4ml configuration.

    config: {"Model": {"Precision": ...}, "LayerType": {class: {"Precision": ...}}, "LayerName": {name: {"Precision": ...}}}, each
    precision a string or {"weight", "bias", "scale", "accum", "result", "default": string}. Source: hls4ml 1.3.0, model/graph.py
    `get_precision`: the name's own entry, the name's default, the class's, the class's default, the model's, its default.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        if "Model" not in config and not any(key in config for key in ("LayerName", "LayerType")):
            raise ValueError(f"config has the keys {sorted(config)}; it needs Model, LayerType or LayerName, as hls4ml's")
        self._names = {str(k).lower(): _entries(v) for k, v in config.get("LayerName", {}).items()}
        self._classes = {str(k).lower(): _entries(v) for k, v in config.get("LayerType", {}).items()}
        self._model = _entries(config.get("Model", {}))

    def of(self, name: str, kind: str, variable: str) -> Fixed | None:
        """The type of a layer's variable; None for 'auto'. Raises ValueError where nothing names it."""
        for entries in (self._names.get(name.lower(), {}), self._classes.get(kind.lower(), {}), self._model):
            found = entries.get(variable, entries.get("default"))
            if found is not None:
                return None if str(found).lower() == "auto" else hls4ml_type(found)
        raise ValueError(f"config names no precision for {variable} of layer {name!r}; give Model a default, as 'ap_fixed<16,6>'")


def _entries(section: Mapping[str, Any]) -> dict[str, Any]:
    precision = section.get("Precision")
    if isinstance(precision, Mapping):
        return dict(precision)
    return {} if precision is None else {"default": precision}


def fixed_network(steps: Sequence[Mapping[str, Any]], config: Mapping[str, Any], *, data_layout: str = "nhwc") -> Sequential:
    """The network that hls4ml would make of float weights: each number assigned to its type, each layer in its types.

    steps: one mapping a layer, {"class": one of InputLayer, Dense, Conv2D, DepthwiseConv2D, BatchNormalization, ReLU, Activation
    (relu and linear), AveragePooling2D, MaxPooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, Flatten; "name"; and what the
    class needs: "weight" (Keras order: (in, out), (kh, kw, in, out), (kh, kw, channels)), "bias", "strides", "padding",
    "dilation", "pool_size"; gamma, beta, mean, variance, epsilon, or scale and bias of a batch normalization}.
    config: hls4ml's (see `Precisions`), with its meaning of types: `fixed<16,6>` truncates and wraps.
    The first step should be the InputLayer, whose result type the inputs are cast to.

    Weights pass, as in hls4ml, through decimal text with as many decimals as the type has fraction bits, then the type's cast.
    Raises ValueError for unknown classes, missing fields and types, naming the layer.
    """
    types, layers = Precisions(config), []
    for n, step in enumerate(steps):
        kind, name = str(step.get("class")), str(step.get("name", f"layer_{n}"))
        if kind not in _CLASSES:
            raise unknown("layer class", kind, _CLASSES)
        try:
            layer = _layer(kind, name, step, types, data_layout)
        except KeyError as error:
            raise ValueError(f"layer {name!r} of class {kind} lacks the field {error}; see fixed_network") from None
        if layer is not None:
            layers.append((name, layer))
    return Sequential(layers)


def _layer(kind: str, name: str, step: Mapping[str, Any], types: Precisions, data_layout: str) -> Any:
    """One layer, or None where the class does nothing here."""

    def of(variable: str) -> Any:
        return types.of(name, kind, variable) or "auto"

    sizes = {"padding": step.get("padding", "valid"), "data_layout": data_layout}
    if kind == "Flatten":
        return Flatten()
    if kind in ("InputLayer", "Activation", "ReLU"):
        result = of("result")
        if kind == "ReLU" or step.get("activation") == "relu":
            return FixedReLU(result)
        if kind == "Activation" and step.get("activation") != "linear":
            raise ValueError(f"layer {name!r}: activation {step.get('activation')!r} is not built; use 'relu' or 'linear'")
        if result == "auto":
            raise ValueError(f"layer {name!r}: its result type cannot be 'auto'; state it")
        return FixedCast(result)
    if kind == "BatchNormalization":
        scale, bias = _moments(step)
        axis = -1 if data_layout == "nhwc" else 1
        return FixedBatchNorm(
            _stored(scale, types, name, kind, "scale"), _stored(bias, types, name, kind, "bias"), result_t=of("result"), axis=axis
        )
    if "Pooling" in kind:
        size = None if kind.startswith("Global") else step["pool_size"]
        made = FixedAvgPool2d if "Average" in kind else FixedMaxPool2d
        return made(size, stride=step.get("strides"), accum_t=of("accum"), result_t=of("result"), **sizes)
    weight = _stored(step["weight"], types, name, kind, "weight")
    held = _stored(step["bias"], types, name, kind, "bias") if step.get("bias") is not None else _no_bias(weight, kind)
    ends = {"accum_t": of("accum"), "result_t": of("result")}
    if kind == "Dense":
        return FixedDense(weight, held, **ends)
    moves = {"stride": step.get("strides", 1), "dilation": step.get("dilation", 1), "depthwise": kind == "DepthwiseConv2D"}
    return FixedConv2d(weight, held, **ends, **moves, **sizes)


def _no_bias(weight: QuantizedTensor, kind: str) -> QuantizedTensor:
    """Zeros of one unsigned bit, which hls4ml gives a layer without bias (they count where it infers an accumulator)."""
    outputs = weight.shape[2] if kind == "DepthwiseConv2D" else weight.shape[-1]
    return FixedCast("ap_ufixed<1,1>")(np.zeros(outputs))


def _moments(step: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Scale and bias of a batch normalization, float64."""
    if "scale" in step:
        return _float64(step["scale"], "scale"), _float64(step["bias"], "bias")
    gamma, beta, mean, variance = (_float64(step[key], key) for key in ("gamma", "beta", "mean", "variance"))
    scale = gamma / np.sqrt(variance + step.get("epsilon", 1e-3))
    return scale, beta - scale * mean


def _float64(x: Any, what: str) -> np.ndarray:
    made: np.ndarray = to_numpy(x, what)[0].astype(np.float64)
    return made


def _stored(values: Any, types: Precisions, name: str, kind: str, variable: str) -> QuantizedTensor:
    """Weights as hls4ml's generated header holds them: printed with the type's number of decimals, then assigned."""
    fmt = types.of(name, kind, variable)
    if fmt is None:
        raise ValueError(f"layer {name!r}: the type of {variable} cannot be 'auto' for float weights; state it")
    array = _float64(values, variable)
    printed = [float(f"{v:.{max(0, fmt.frac_bits)}f}") for v in array.reshape(-1).tolist()]
    return FixedCast(fmt)(np.array(printed).reshape(array.shape))
