"""A Llama-architecture decoder (Touvron et al., arXiv 2302.13971) in NumPy, every weight layer computed by the caller.

RMSNorm, RoPE, softmax and SiLU are computed in float64 from exactly defined operations and rounded to float32 once, so
the result depends only on what `apply`, `kv` and `attend` return.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numfmt.layers.attention import Attend, causal_attention, matmul_float64
from numfmt.layers.elementary import exp
from numfmt.layers.network import Apply, Float32, LayerSpec, MapCache, Network, checked_output, identity
from numfmt.layers.rotary import LAYOUTS, rotary_rates, rotary_table, rotate

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class LlamaShape:
    """The fields of a Hugging Face config.json that decide the computation, under the same names."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    rope_scaling: Mapping[str, Any] | None
    attention_bias: bool
    mlp_bias: bool
    tie_word_embeddings: bool


REQUIRED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "rms_norm_eps",
)


def _count(config: Mapping[str, Any], field: str, default: int | None = None) -> int:
    value = config.get(field)
    if value is None:
        value = default
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"model config: {field} is {value!r}; a whole number of at least 1 is needed")
    return value


def _positive(config: Mapping[str, Any], field: str, default: float) -> float:
    value = config.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"model config: {field} is {value!r}; a positive number is needed")
    return float(value)


def llama_shape(config: Mapping[str, Any]) -> LlamaShape:
    """Read and check a Hugging Face style config dict. Raises ValueError naming the field."""
    missing = [field for field in REQUIRED if config.get(field) is None]
    if missing:
        raise ValueError(f"model config lacks {', '.join(missing)}; a Llama config needs {', '.join(REQUIRED)}")
    heads, width = _count(config, "num_attention_heads"), _count(config, "hidden_size")
    kv_heads = _count(config, "num_key_value_heads", heads)
    head_dim = _count(config, "head_dim", width // heads)
    if heads % kv_heads:
        raise ValueError(f"model config: num_key_value_heads {kv_heads} does not divide num_attention_heads {heads}")
    if head_dim % 2:
        raise ValueError(f"model config: head_dim is {head_dim}; rotary embedding needs an even number")
    activation = config.get("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise ValueError(f"model config: hidden_act {activation!r} is not supported; only 'silu' is")
    # Newer writers put the rotary fields into one dict.
    rope = config.get("rope_parameters") or {}
    return LlamaShape(
        vocab_size=_count(config, "vocab_size"),
        hidden_size=width,
        intermediate_size=_count(config, "intermediate_size"),
        num_hidden_layers=_count(config, "num_hidden_layers"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        max_position_embeddings=_count(config, "max_position_embeddings", 2048),
        rms_norm_eps=_positive(config, "rms_norm_eps", 1e-6),
        rope_theta=_positive({**config, **rope}, "rope_theta", 10000.0),
        rope_scaling=config.get("rope_scaling") or rope or None,
        attention_bias=bool(config.get("attention_bias", False)),
        mlp_bias=bool(config.get("mlp_bias", False)),
        tie_word_embeddings=bool(config.get("tie_word_embeddings", False)),
    )


def weight_shapes(s: LlamaShape) -> dict[str, tuple[int, int]]:
    """(N, K) of every weight layer, in execution order; names without `.weight`."""
    q, kv = s.num_attention_heads * s.head_dim, s.num_key_value_heads * s.head_dim
    d, f = s.hidden_size, s.intermediate_size
    block = dict(zip(ATTENTION, ((q, d), (kv, d), (kv, d), (d, q)), strict=True))
    mlp = dict(zip(FEED_FORWARD, ((f, d), (f, d), (d, f)), strict=True))
    shapes: dict[str, tuple[int, int]] = {}
    for i in range(s.num_hidden_layers):
        shapes |= {f"model.layers.{i}.self_attn.{name}": shape for name, shape in block.items()}
        shapes |= {f"model.layers.{i}.mlp.{name}": shape for name, shape in mlp.items()}
    return shapes | {"lm_head": (s.vocab_size, d)}


def _take(tensors: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> Float32:
    if name not in tensors:
        raise ValueError(f"tensor {name!r} is missing; the model config asks for it with shape {shape}")
    tensor = tensors[name]  # may read or dequantize: once
    if tensor.shape != shape:
        raise ValueError(f"tensor {name!r} has shape {tensor.shape}; the model config asks for {shape}")
    return np.asarray(tensor, dtype=np.float32)


def rms_norm(x: Float32, gain: Float32, eps: float) -> Float32:
    """x / sqrt(mean(x**2) + eps) * gain over the last axis; float64, rounded once."""
    wide = np.ascontiguousarray(x, dtype=np.float64)
    mean = (wide * wide).sum(axis=-1, keepdims=True) / x.shape[-1]
    return (wide / np.sqrt(mean + eps) * gain).astype(np.float32)


def gated_silu(gate: Float32, up: Float32) -> Float32:
    """silu(gate) * up; float64, rounded once."""
    wide = gate.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return (wide / (1.0 + exp(-wide)) * up).astype(np.float32)


class Llama(Network):
    """Decoder with the tensors of a Hugging Face Llama checkpoint.

    config: the fields of config.json. tensors: arrays under Hugging Face names (`model.embed_tokens.weight`,
    `model.layers.0.self_attn.q_proj.weight`, ...), any float dtype. rotary_layout: "half" (Hugging Face) or "adjacent"
    (GGUF: rows of the query and key weights stored for rotation of neighbouring channels).
    Raises ValueError naming the field or the tensor that is missing or has a wrong shape.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        *,
        name: str = "llama",
        rotary_layout: str = "half",
    ) -> None:
        if rotary_layout not in LAYOUTS:
            raise ValueError(f"rotary_layout {rotary_layout!r} is not known; use one of {', '.join(LAYOUTS)}")
        self.shape = s = llama_shape(config)
        self.rotary_layout = rotary_layout
        self.embedding = _take(tensors, "model.embed_tokens.weight", (s.vocab_size, s.hidden_size))
        gains = [
            f"model.layers.{i}.{n}" for i in range(s.num_hidden_layers) for n in ("input_layernorm", "post_attention_layernorm")
        ]
        self.gains = {n: _take(tensors, f"{n}.weight", (s.hidden_size,)) for n in [*gains, "model.norm"]}
        layers: dict[str, LayerSpec] = {}
        for layer, shape in weight_shapes(s).items():
            tied = layer == "lm_head" and s.tie_word_embeddings
            weight = self.embedding if tied else _take(tensors, f"{layer}.weight", shape)
            biased = (s.attention_bias and ".self_attn." in layer) or (s.mlp_bias and ".mlp." in layer)
            bias = _take(tensors, f"{layer}.bias", shape[:1]) if biased else None
            layers[layer] = LayerSpec(layer, "linear", weight, bias)
        super().__init__(name, layers)
        self._rates = rotary_rates(s.head_dim, s.rope_theta, s.rope_scaling)

    def run(self, batch: NDArray[Any], apply: Apply, kv: MapCache | None = None, *, attend: Attend = matmul_float64) -> Float32:
        """Logits, float32 (B, T, vocab), of tokens (B, T).

        apply(name, x): x (B, T, K) -> (B, T, N), for every weight layer, `lm_head` last.
        kv(name, x): x (B, T, kv_heads * head_dim) after rotation, same shape back; names
        `model.layers.<i>.self_attn.k_cache` and `...v_cache`.
        attend(a, b): batched a @ b of float32, for queries by keys and for probabilities by values.
        Raises ValueError for tokens of another shape, out of the vocabulary, or longer than the context.
        """
        tokens = self._checked(batch)
        keep = identity if kv is None else kv
        table = rotary_table(tokens.shape[1], self._rates)

        def layer(name: str, x: Float32) -> Float32:
            return checked_output(name, np.asarray(apply(name, x)), (*x.shape[:-1], self.layers[name].weight.shape[0]))

        x = self.embedding[tokens]
        for i in range(self.shape.num_hidden_layers):
            block = f"model.layers.{i}"
            h = self._norm(f"{block}.input_layernorm", x)
            q, k, v = (layer(f"{block}.self_attn.{name}", h) for name in ATTENTION[:3])
            q, k = self._rotate(q, table), self._rotate(k, table)
            k = checked_output(f"{block}.self_attn.k_cache", keep(f"{block}.self_attn.k_cache", k), k.shape)
            v = checked_output(f"{block}.self_attn.v_cache", keep(f"{block}.self_attn.v_cache", v), v.shape)
            x = x + layer(f"{block}.self_attn.o_proj", self._attention(q, k, v, attend))
            h = self._norm(f"{block}.post_attention_layernorm", x)
            h = gated_silu(layer(f"{block}.mlp.gate_proj", h), layer(f"{block}.mlp.up_proj", h))
            x = x + layer(f"{block}.mlp.down_proj", h)
        return layer("lm_head", self._norm("model.norm", x))

    def _checked(self, batch: NDArray[Any]) -> NDArray[np.int64]:
        tokens = np.asarray(batch)
        if tokens.ndim != 2 or tokens.size == 0 or tokens.dtype.kind not in "iu":
            raise ValueError(f"tokens must be a non-empty integer array (B, T), got {tokens.dtype} {tokens.shape}")
        low, high = int(tokens.min()), int(tokens.max())
        if low < 0 or high >= self.shape.vocab_size:
            raise ValueError(f"tokens run from {low} to {high}; the vocabulary is 0 to {self.shape.vocab_size - 1}")
        if tokens.shape[1] > self.shape.max_position_embeddings:
            raise ValueError(
                f"windows of {tokens.shape[1]} tokens exceed the model's context of "
                f"{self.shape.max_position_embeddings}; use shorter windows"
            )
        return tokens.astype(np.int64)

    def _norm(self, name: str, x: Float32) -> Float32:
        return rms_norm(x, self.gains[name], self.shape.rms_norm_eps)

    def _heads(self, x: Float32) -> Float32:
        """(B, T, heads * head_dim) -> (B, heads, T, head_dim)."""
        return x.reshape(*x.shape[:2], -1, self.shape.head_dim).transpose(0, 2, 1, 3)

    def _rotate(self, x: Float32, table: tuple[NDArray[np.float64], NDArray[np.float64]]) -> Float32:
        turned = rotate(self._heads(x), *table, self.rotary_layout)
        return np.ascontiguousarray(turned.transpose(0, 2, 1, 3)).reshape(x.shape)

    def _attention(self, q: Float32, k: Float32, v: Float32, attend: Attend) -> Float32:
        scale = 1.0 / float(np.sqrt(float(self.shape.head_dim)))
        qs, ks, vs = (self._heads(x) for x in (q, k, v))
        # One sequence at a time bounds the memory of the (heads, T, T) scores.
        out = np.stack([causal_attention(qs[b], ks[b], vs[b], scale, attend) for b in range(q.shape[0])])
        return np.ascontiguousarray(out.transpose(0, 2, 1, 3)).reshape(q.shape)
