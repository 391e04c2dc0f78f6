"""A real network's layers as a workload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from hwmodel._checks import positive_int, unknown
from hwmodel.workloads import frame


class Layer(Protocol):
    """What is read of a network's layer (numfmt.layers.network.LayerSpec has it)."""

    @property
    def kind(self) -> str: ...
    @property
    def weight(self) -> Any: ...
    @property
    def stride(self) -> int: ...
    @property
    def padding(self) -> int: ...


def workload_from_network(
    network: Any,
    tokens: int = 1,
    phase: str = "prefill",
    *,
    context: int | None = None,
    batch: int = 1,
    config: Any = None,
    input_hw: Mapping[str, tuple[int, int]] | tuple[int, int] | None = None,
) -> pd.DataFrame:
    """The matrix products of a network with `.layers` (name -> layer with kind, weight, stride, padding).

    Linear layers, weights (N, K), see `tokens` input rows of each of `batch` samples in prefill, one in decode.
    Convolutions, weights (O, C, kh, kw), become products of batch * output pixels rows: `input_hw` gives the height
    and width of each convolution's input by layer name, or those of the first convolution's (default: the network's
    `image_shape`); the ones after it then follow without pooling in between. `config` (default: the network's
    `config` or `shape`) with heads, layers and head_dim or hidden size, as attributes or keys, Hugging Face names
    too, adds a network's attention rows, with `context` (default: `tokens`) tokens to attend to.

    Raises ValueError for a network without layers, a kind that is neither linear nor conv2d, or an output size below 1.
    """
    if phase not in ("prefill", "decode"):
        raise unknown("phase", phase, ("prefill", "decode"))
    layers: Mapping[str, Layer] = getattr(network, "layers", None) or {}
    if not layers:
        raise ValueError(f"network {getattr(network, 'name', network)!r} has no layers; there is nothing to score")
    tokens, batch = positive_int("tokens", tokens), positive_int("batch", batch)
    length = tokens if context is None else positive_int("context", context)
    queries = tokens if phase == "prefill" else 1
    rows: list[dict[str, Any]] = []
    image = getattr(network, "image_shape", None)
    size = input_hw if isinstance(input_hw, tuple) else tuple(image[-2:]) if image is not None else None
    for name, layer in layers.items():
        shape = tuple(int(s) for s in layer.weight.shape)
        if layer.kind == "linear":
            rows.append(frame.linear(name, 1, batch * queries, shape[0], shape[1]))
        elif layer.kind == "conv2d":
            size = input_hw.get(name) if isinstance(input_hw, Mapping) else size
            row, size = _conv(name, layer, shape, size, batch)
            rows.append(row)
        else:
            raise unknown(f"kind of layer {name}", layer.kind, ("linear", "conv2d"))
    for source in (config, getattr(network, "config", None), getattr(network, "shape", None)):
        if source is not None:
            rows += _attention(source, list(layers), batch, queries, length)
            break
    return frame.table(rows, model=getattr(network, "name", ""), phase=phase, context=length, batch=batch)


def _conv(
    name: str, layer: Layer, shape: tuple[int, ...], size: tuple[int, int] | None, batch: int
) -> tuple[dict[str, Any], tuple[int, int]]:
    if size is None:
        raise ValueError(f"layer {name} is a convolution; give input_hw={{{name!r}: (height, width)}}")
    outputs, channels, kh, kw = shape
    stride, padding = (layer.stride,) * 2, (2 * layer.padding,) * 2
    row = frame.conv2d(name, batch, (channels, outputs), size, (kh, kw), stride, padding)
    return row, (row["out_h"], row["out_w"])


_CONFIG = {
    "heads": ("heads", "num_attention_heads", "n_heads"),
    "kv_heads": ("kv_heads", "num_key_value_heads", "n_kv_heads"),
    "head_dim": ("head_dim",),
    "hidden": ("hidden", "hidden_size", "dim", "width"),
    "layers": ("layers", "num_hidden_layers", "n_layers", "blocks"),
}


def _attention(config: Any, names: list[str], batch: int, queries: int, context: int) -> list[dict[str, Any]]:
    def get(field: str) -> int | None:
        for key in _CONFIG[field]:
            value = config.get(key) if isinstance(config, Mapping) else getattr(config, key, None)
            if isinstance(value, int) and value > 0:
                return value
        return None

    heads, layers = get("heads"), get("layers")
    if not heads or not layers:
        return []
    kv_heads, head_dim = get("kv_heads") or heads, get("head_dim") or (get("hidden") or 0) // heads
    if not head_dim or heads % kv_heads:
        raise ValueError(f"network config: {heads} heads need head_dim (or hidden) and kv_heads that divide them")
    blocks = [found[1] for name in names if (found := re.match(r"((?:.*\.)?(?:layers|blocks|h)\.)\d+\.", name))]
    prefix = blocks[0] if blocks else "layers."
    rows = []
    for i in range(layers):
        rows += frame.attention(f"{prefix}{i}.", 1, batch, heads, kv_heads, head_dim, queries, context)
    return rows
