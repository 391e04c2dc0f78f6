"""A small convolutional classifier: a list of steps from a config, every weight layer computed by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numfmt.layers.network import Apply, Float32, LayerSpec, MapCache, Network, checked_output

OPERATIONS = ("conv2d", "linear", "relu", "flatten")


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Rows (or columns) of a convolution's output."""
    return (size + 2 * padding - kernel) // stride + 1


class ConvNet(Network):
    """Steps run one after the other.

    config: {"image": {"channels", "height", "width", "scale"}, "steps": [...]}, each step {"op": ...} with op one of
    "conv2d" (name, stride, padding), "linear" (name), "relu", "flatten". tensors: `<name>.weight`, optional
    `<name>.bias`.
    Raises ValueError naming the field, the step or the tensor that does not fit.
    """

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], *, name: str = "convnet") -> None:
        try:
            image, self.steps = config["image"], [dict(step) for step in config["steps"]]
            self.image_shape = (int(image["channels"]), int(image["height"]), int(image["width"]))
            self.scale = float(image["scale"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"network config: field {error} is missing or malformed; needs image and steps") from None
        layers: dict[str, LayerSpec] = {}
        shape: tuple[int, ...] = self.image_shape
        for step in self.steps:
            if step.get("op") in ("conv2d", "linear"):
                spec = _layer(step, tensors)
                if spec.name in layers:
                    raise ValueError(f"network config: two steps are named {spec.name!r}")
                layers[spec.name] = spec
                shape = _shape_after(spec, shape)
            elif step.get("op") == "flatten":
                shape = (int(np.prod(shape)),)
            elif step.get("op") != "relu":
                raise ValueError(f"network config: step {step} has an unknown op; use one of {', '.join(OPERATIONS)}")
        self.output_shape = shape
        super().__init__(name, layers)

    def run(self, batch: NDArray[Any], apply: Apply, kv: MapCache | None = None) -> Float32:
        """Class scores, float32 (B, classes), of images (B, channels, height, width); pixels are multiplied by the
        config's scale. There is no cache: kv is not used. Raises ValueError for images of another shape."""
        images = np.asarray(batch)
        if images.ndim != 4 or images.shape[1:] != self.image_shape or not len(images):
            raise ValueError(f"images have shape {images.shape}; network {self.name!r} takes (B, {self.image_shape})")
        x = (images.astype(np.float64) * self.scale).astype(np.float32)
        for step in self.steps:
            if step["op"] == "relu":
                x = np.maximum(x, np.float32(0))
            elif step["op"] == "flatten":
                x = x.reshape(len(x), -1)
            else:
                spec = self.layers[step["name"]]
                x = checked_output(spec.name, np.asarray(apply(spec.name, x)), (len(x), *_shape_after(spec, x.shape[1:])))
        return x


def _layer(step: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> LayerSpec:
    name = step.get("name")
    if not isinstance(name, str):
        raise ValueError(f"network config: step {dict(step)} needs a name")
    if f"{name}.weight" not in tensors:
        raise ValueError(f"tensor {name + '.weight'!r} is missing; the network config names it")
    weight = np.asarray(tensors[f"{name}.weight"], dtype=np.float32)
    bias = np.asarray(tensors[f"{name}.bias"], dtype=np.float32) if f"{name}.bias" in tensors else None
    return LayerSpec(name, str(step["op"]), weight, bias, int(step.get("stride", 1)), int(step.get("padding", 0)))


def _shape_after(spec: LayerSpec, shape: tuple[int, ...]) -> tuple[int, ...]:
    if spec.kind == "linear":
        if shape != spec.weight.shape[1:]:
            raise ValueError(f"tensor {spec.name + '.weight'!r} takes {spec.weight.shape[1]} inputs, the step before gives {shape}")
        return (spec.weight.shape[0],)
    outputs, channels, *kernel = spec.weight.shape
    if len(shape) != 3 or shape[0] != channels:
        raise ValueError(f"tensor {spec.name + '.weight'!r} takes {channels} channels, the step before gives {shape}")
    rows, columns = (output_size(n, k, spec.stride, spec.padding) for n, k in zip(shape[1:], kernel, strict=True))
    if rows < 1 or columns < 1:
        raise ValueError(f"layer {spec.name!r}: a kernel of {tuple(kernel)} does not fit the {shape[1:]} image")
    return (outputs, rows, columns)
