"""Hugging Face `config.json` as a workload."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hwmodel._checks import unknown
from hwmodel.workloads.llm import Transformer, transformer_workload

# model_type -> (matrices before the activation, family)
KINDS = dict.fromkeys(
    ("llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "olmo", "stablelm"), (2, "decoder")
)
KINDS |= dict.fromkeys(("opt", "phi", "gpt2", "gpt_neox", "gptj", "starcoder2"), (1, "decoder"))
KINDS |= dict.fromkeys(("bert", "roberta", "vit", "deit"), (1, "encoder"))
_ACTIVATION_FIELDS = ("hidden_activation", "hidden_act", "activation_function")
_ACTIVATIONS = {"swish": "silu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh", "gelu_fast": "gelu_tanh"}
_ALIASES = {
    "hidden_size": ("n_embd",),
    "intermediate_size": ("ffn_dim", "n_inner"),
    "num_attention_heads": ("n_head",),
    "num_hidden_layers": ("n_layer",),
    "max_position_embeddings": ("n_positions",),
}


def workload_from_config(
    config: str | Path | Mapping[str, Any],
    phase: str = "prefill",
    context: int | None = None,
    batch: int = 1,
    *,
    lm_head: str = "all",
    fold: bool = True,
    vector_ops: bool = False,
    experts: str = "balanced",
) -> pd.DataFrame:
    """The workload of a model given by its Hugging Face config.json (a path, its folder, or the mapping itself).

    Arguments after the first are those of `hw.workload`. Nothing is guessed: key-value heads default to heads and the head
    dimension to hidden/heads, as the configurations mean them; other absent fields are refused. Multimodal configurations
    give their `text_config`. Raises ValueError for an unknown model_type (nearest named), missing or malformed fields (with
    file and field), FileNotFoundError for no such file.
    """
    fields, where = _read(config)
    options: dict[str, Any] = {"lm_head": lm_head, "fold": fold, "vector_ops": vector_ops, "experts": experts}
    return transformer_workload(transformer_of(fields, where), phase, context, batch, **options)


def transformer_of(fields: Mapping[str, Any], where: str = "config") -> Transformer:
    """The shapes that a configuration describes."""
    if isinstance(fields.get("text_config"), Mapping):
        fields = fields["text_config"]
    kind = fields.get("model_type")
    if kind not in KINDS:
        raise ValueError(f"{where}: {unknown('model_type', str(kind), tuple(KINDS))}")
    ups, family = KINDS[kind]
    read = _Fields(fields, where)
    hidden, heads = read.whole("hidden_size"), read.whole("num_attention_heads")
    if kind == "opt" and read.whole("word_embed_proj_dim", hidden) != hidden:
        raise ValueError(f"{where}: word_embed_proj_dim differs from hidden_size {hidden}: projected embeddings are not modelled")
    head_dim = read.whole("head_dim", hidden // heads)
    kv_heads = read.whole("num_key_value_heads", heads)
    if heads % kv_heads or (hidden % heads and not fields.get("head_dim")):
        raise ValueError(
            f"{where}: {heads} heads need num_key_value_heads (here {kv_heads}) and hidden_size that they divide, or head_dim"
        )
    window, window_layers = _window(kind, fields, read)
    patch = read.whole("patch_size") if kind in ("vit", "deit") else 0
    if patch:
        longest, vocab = (read.whole("image_size") // patch) ** 2 + 1, 0
    else:
        longest, vocab = read.whole("max_position_embeddings"), read.whole("vocab_size")
    experts = read.whole("num_local_experts", 1)
    return Transformer(
        name=str(fields.get("_name_or_path") or where),
        hidden=hidden,
        intermediate=read.whole("intermediate_size", 4 * hidden if kind in ("gpt2", "gptj") else None),
        heads=heads,
        kv_heads=kv_heads,
        layers=read.whole("num_hidden_layers"),
        vocab=vocab,
        head_dim=head_dim,
        ffn_up_mats=ups,
        sliding_window=window,
        window_layers=window_layers,
        max_context=longest,
        experts=experts,
        experts_per_token=read.whole("num_experts_per_tok") if experts > 1 else 1,
        family=family,
        source=where,
        status="user",
        patch=patch,
        classes=_classes(fields) if patch else 0,
        activation=_activation(fields),
        architecture=kind,
        rotary_share=_rotary_share(fields, where),
    )


def _classes(fields: Mapping[str, Any]) -> int:
    labels = fields.get("id2label")
    return len(labels) if isinstance(labels, Mapping) else int(fields.get("num_labels", 0))


def _activation(fields: Mapping[str, Any]) -> str:
    given = next((fields[key] for key in _ACTIVATION_FIELDS if fields.get(key) is not None), "")
    return _ACTIVATIONS.get(str(given), str(given))


def _rotary_share(fields: Mapping[str, Any], where: str) -> float | None:
    share = fields.get("partial_rotary_factor")
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ValueError(f"{where}: field partial_rotary_factor is {share!r}; give a share above 0, at most 1")
    return float(share)


def _window(kind: str, fields: Mapping[str, Any], read: _Fields) -> tuple[int, str]:
    if not fields.get("sliding_window") or fields.get("use_sliding_window") is False:
        return 0, "none"
    if fields.get("use_sliding_window") is True and fields.get("max_window_layers"):
        raise ValueError(
            f"{read.where}: max_window_layers mixes windowed and full layers, which is not modelled; set use_sliding_window false"
        )
    return read.whole("sliding_window"), "alternate" if kind == "gemma2" else "all"


class _Fields:
    """Checked fields of a configuration."""

    def __init__(self, fields: Mapping[str, Any], where: str) -> None:
        self.fields, self.where = fields, where

    def whole(self, name: str, default: int | None = None) -> int:
        value = next((self.fields[key] for key in (name, *_ALIASES.get(name, ())) if self.fields.get(key) is not None), default)
        if value is None:
            raise ValueError(f"{self.where}: field {name} is missing")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{self.where}: field {name} is {value!r}; give a whole number of at least 1")
        return value


def _read(config: str | Path | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if isinstance(config, Mapping):
        return config, "config"
    path = Path(config)
    path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"model configuration {str(path)!r} does not exist")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        line = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"{path}{line}: not JSON: {error}") from error
    if not isinstance(fields, Mapping):
        raise ValueError(f"{path}: holds {type(fields).__name__}, not a mapping of fields such as model_type and hidden_size")
    return fields, str(path)
