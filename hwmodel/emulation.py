"""A network's weight layers computed as an accelerator's processing elements would, with the error of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import numfmt as nf
from hwmodel.accelerators import AnyAccelerator
from hwmodel.accelerators.native import check_activation, weight_mode
from numfmt import LayerPlan, Plan, Scheme
from numfmt.arith.datapath import BitSerialAccumulator
from numfmt.layers.network import Float32, LayerSpec, Network, conv2d

# What an element computes when weights reach it as float16 although it has no published float16 mode.
FLOAT16_PATH = "fp16"
_ROWS_AT_ONCE = 4096  # weight rows in float64 at a time
_KEEP_PREPARED_BELOW = 20_000_000  # weights; larger networks are prepared layer by layer to bound memory


@dataclass
class LayerError:
    """Sums over everything a layer computed: of squared exact results and squared errors, and the largest error."""

    signal: float = 0.0
    noise: float = 0.0
    largest: float = 0.0
    weight_sqnr_db: float = math.nan
    path: str = ""

    def add(self, exact: np.ndarray, got: np.ndarray) -> None:
        """Count one result against the exact one (float64)."""
        error = got.astype(np.float64) - exact
        self.signal += float(np.square(exact).sum())
        self.noise += float(np.square(error).sum())
        self.largest = max(self.largest, float(np.abs(error).max(initial=0.0)))

    @property
    def sqnr_db(self) -> float:
        """Signal to quantization noise ratio in dB; infinite without noise, NaN without signal."""
        return decibel(self.signal, self.noise)


def decibel(signal: float, noise: float) -> float:
    """10 log10(signal / noise)."""
    if not signal or math.isnan(noise):
        return math.nan
    return math.inf if noise == 0 else -math.inf if math.isinf(noise) else 10 * math.log10(signal / noise)


@dataclass
class Emulator:
    """Computes the layers of a network under a plan on an accelerator; `apply` and `kv` go into `Network.run`.

    Raises ValueError, naming the layer, where the accelerator cannot run what the plan asks for.
    """

    network: Network
    plan: Plan
    accelerator: AnyAccelerator
    errors: dict[str, LayerError] = field(default_factory=dict)
    _prepared: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = sum(spec.weight.size for spec in self.network.layers.values())
        self._keep = total <= _KEEP_PREPARED_BELOW

    def apply(self, name: str, x: Float32) -> Float32:
        """One weight layer, bit for bit, its error noted in `errors`."""
        spec = self.network.layers[name]
        layer = self._prepared.get(name) or self._prepare(spec)
        if self._keep:
            self._prepared[name] = layer
        y = layer(x)
        self.errors[name].add(_exact(spec, x), y)
        return y

    def kv(self, name: str, x: Float32) -> Float32:
        """Keys and values as the cache holds them."""
        scheme = cache_scheme(self.accelerator, self.plan.for_layer(name))
        return x if scheme is None else nf.quantize(x, scheme).dequantize()

    @staticmethod
    def attend(a: Float32, b: Float32) -> Float32:
        """Attention products: float16 operands, float32 products and sums, k upward."""
        return nf.matmul(nf.cast(a, "float16"), nf.cast(b, "float16"), "fp32")

    def _prepare(self, spec: LayerSpec) -> Callable[[Any], Any]:
        layer = self.plan.for_layer(spec.name)
        try:
            check_activation(self.accelerator, layer.activation)
            mode = weight_mode(self.accelerator, layer.weight)
            native_path = self.accelerator.pe.datapath
            path = native_path if mode.native else FLOAT16_PATH if _codes_only(native_path) else native_path
            options: dict[str, Any] = {
                "weight_scheme": layer.weight,
                "activation_scheme": layer.activation,
                "path": path,
                "weight_operand": "float16" if mode.dequantize else None,
            }
            made: nf.layers.Linear | nf.layers.Conv2d
            if spec.kind == "conv2d":
                made = nf.layers.Conv2d(spec.weight, spec.bias, stride=spec.stride, padding=spec.padding, **options)
                stored = np.concatenate([q.dequantize() for q in made.weights])
            else:
                made = nf.layers.Linear(spec.weight, spec.bias, **options)
                stored = made.weight.dequantize()
        except ValueError as error:
            raise ValueError(f"layer {spec.name}: {error}") from error
        note = self.errors.setdefault(spec.name, LayerError())
        note.path = str(made.path)
        weights = spec.weight.reshape(stored.shape)
        signal, noise = float(np.square(weights, dtype=np.float64).sum()), np.subtract(stored, weights, dtype=np.float64)
        note.weight_sqnr_db = decibel(signal, float(np.square(noise, out=noise).sum()))
        return made


def cache_scheme(acc: AnyAccelerator, layer: LayerPlan) -> Scheme | None:
    """How keys and values are stored: as the plan says, or at the accelerator's own width where it leaves them float16."""
    if str(layer.kv) != "float16":
        return layer.kv
    return nf.scheme("float16") if acc.kv_bits == 16 else nf.scheme(f"int{acc.kv_bits}/token")


def _codes_only(path: str) -> bool:
    """Whether a datapath takes weight codes and has no meaning for float16 weights."""
    return isinstance(nf.datapath(path).inner, BitSerialAccumulator)


def _exact(spec: LayerSpec, x: Float32) -> np.ndarray:
    """The layer's result for its float32 weights and inputs, computed in float64: the yardstick of its error."""
    wide: Any = x.astype(np.float64)
    if spec.kind == "conv2d":
        weight: Any = spec.weight.astype(np.float64)
        bias: Any = None if spec.bias is None else spec.bias.astype(np.float64)
        return conv2d(wide, weight, bias, spec.stride, spec.padding)
    out = np.empty((*x.shape[:-1], spec.weight.shape[0]))
    for start in range(0, spec.weight.shape[0], _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        out[..., part] = wide @ spec.weight[part].T.astype(np.float64)
    return out if spec.bias is None else out + spec.bias
