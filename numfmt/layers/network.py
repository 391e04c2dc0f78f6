"""A network as an ordered set of weight layers and a forward pass that lets the caller compute each of them."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Apply = Callable[[str, Float32], Float32]
MapCache = Callable[[str, Float32], Float32]


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """One weight layer.

    weight: float32, (N, K) = (outputs, inputs) of a "linear" layer, (O, C, kh, kw) of a "conv2d".
    bias: float32 (N,) or None. stride and padding (zeros, both sides, both axes) belong to "conv2d".
    """

    name: str
    kind: str
    weight: Float32
    bias: Float32 | None = None
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        rank = {"linear": 2, "conv2d": 4}.get(self.kind)
        if rank is None:
            raise ValueError(f"layer {self.name!r}: kind {self.kind!r} is not known; use 'linear' or 'conv2d'")
        if self.weight.ndim != rank or 0 in self.weight.shape:
            raise ValueError(
                f"layer {self.name!r}: the weight of a {self.kind} layer needs {rank} non-empty axes, got shape {self.weight.shape}"
            )
        if self.bias is not None and self.bias.shape != self.weight.shape[:1]:
            raise ValueError(f"layer {self.name!r}: bias has shape {self.bias.shape}, expected {self.weight.shape[:1]}")

    @property
    def reduction(self) -> int:
        """Length of the dot products: K, or C * kh * kw."""
        return int(np.prod(self.weight.shape[1:]))


def identity(name: str, x: Float32) -> Float32:
    """The default map of keys and values: unchanged."""
    return x


def linear(x: Float32, weight: Float32, bias: Float32 | None) -> Float32:
    """x (..., K) times weight (N, K) transposed, plus bias, in the machine's float32."""
    y = x @ weight.T
    return y if bias is None else y + bias


def conv2d(x: Float32, weight: Float32, bias: Float32 | None, stride: int, padding: int) -> Float32:
    """x (B, C, H, W) with weight (O, C, kh, kw): cross-correlation, in the machine's float32."""
    if padding:
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    y = np.tensordot(windows, weight, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    return y if bias is None else y + bias[:, None, None]


class Network(ABC):
    """Base class. Subclasses fill `layers` (in execution order) and define `run`."""

    name: str
    layers: dict[str, LayerSpec]

    def __init__(self, name: str, layers: dict[str, LayerSpec]) -> None:
        self.name = name
        self.layers = layers

    @abstractmethod
    def run(self, batch: NDArray[Any], apply: Apply, kv: MapCache | None = None) -> Float32:
        """Forward pass.

        apply(name, x) -> y computes each weight layer: float32 (..., K) -> (..., N), or (B, C, H, W) -> (B, O, H2, W2).
        kv(name, x) maps what a decoder keeps in its cache; the default leaves it unchanged.
        """

    def layer(self, name: str) -> LayerSpec:
        """The layer called `name`. Raises ValueError with the nearest names."""
        if name not in self.layers:
            near = difflib.get_close_matches(name, self.layers, n=3, cutoff=0.4) or list(self.layers)[:3]
            raise ValueError(f"network {self.name!r} has no layer {name!r}; nearest: {', '.join(near)}")
        return self.layers[name]

    def reference(self, name: str, x: Float32) -> Float32:
        """Plain float32 result of one layer. Its last bits depend on the machine's BLAS."""
        spec = self.layer(name)
        if spec.kind == "conv2d":
            return conv2d(x, spec.weight, spec.bias, spec.stride, spec.padding)
        return linear(x, spec.weight, spec.bias)


class LayerBag(Network):
    """Weight layers whose connection is not known: each can be scored alone, the whole cannot run."""

    def run(self, batch: NDArray[Any], apply: Apply, kv: MapCache | None = None) -> Float32:
        """Always raises ValueError."""
        raise ValueError(
            f"network {self.name!r} is only a set of weight layers: how they connect is not known, so it has no "
            "forward pass. A folder whose config.json describes a Llama architecture can be run"
        )


def checked_output(name: str, y: NDArray[Any], shape: tuple[int, ...]) -> Float32:
    """What `apply` or `kv` returned, as float32. Raises ValueError when its shape is not the layer's."""
    if y.shape != shape:
        raise ValueError(f"layer {name!r}: apply returned shape {y.shape}, expected {shape}")
    return np.asarray(y, dtype=np.float32)
