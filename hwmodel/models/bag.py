"""Weight layers out of a set of tensors whose architecture is not known."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from numfmt.layers.network import LayerBag, LayerSpec

# Two axes, but looked up or multiplied element by element: no dot product is computed with them.
_NOT_LINEAR = re.compile(r"embed|(^|[._])(wte|wpe|token_type|norm|ln|rotary|position|relative_attention_bias)", re.IGNORECASE)


def is_weight_layer(name: str, shape: tuple[int, ...]) -> bool:
    """True for `*.weight` with two axes (linear) or four (conv2d) that is no embedding and no norm."""
    return name.endswith(".weight") and len(shape) in (2, 4) and 0 not in shape and not _NOT_LINEAR.search(name)


def bag_of_layers(name: str, tensors: Mapping[str, NDArray[np.float32]], shapes: Mapping[str, tuple[int, ...]]) -> LayerBag:
    """Every weight layer of `tensors`, in file order. Raises ValueError when there is none."""
    layers: dict[str, LayerSpec] = {}
    for tensor, shape in shapes.items():
        if not is_weight_layer(tensor, shape):
            continue
        layer = tensor.removesuffix(".weight")
        bias = f"{layer}.bias"
        has_bias = shapes.get(bias) == shape[:1]
        kind = "linear" if len(shape) == 2 else "conv2d"
        layers[layer] = LayerSpec(layer, kind, tensors[tensor], tensors[bias] if has_bias else None)
    if not layers:
        some = ", ".join(f"{n} {s}" for n, s in list(shapes.items())[:3]) or "none at all"
        raise ValueError(
            f"{name} has no linear or conv2d layers: none of its floating-point tensors is a '*.weight' with 2 or "
            f"4 axes that is not an embedding or a norm (its tensors: {some}{', ...' if len(shapes) > 3 else ''})"
        )
    return LayerBag(name, layers)
