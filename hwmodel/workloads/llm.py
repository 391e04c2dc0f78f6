"""Transformer models as tables of matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Any

import pandas as pd

from hwmodel._checks import positive_int, unknown
from hwmodel._data import csv_rows
from hwmodel.workloads import frame, vector
from hwmodel.workloads.network import workload_from_network
from hwmodel.workloads.vision import vision_nets, vision_workload

LM_HEAD = ("all", "last", "none")
EXPERTS = ("balanced", "expected")


@dataclass(frozen=True)
class Transformer:
    """Shapes of one transformer. `window_layers`: none, all or alternate layers use the sliding window. `activation`,
    `architecture` and `rotary_share` (of a head, None: the architecture's) say what its vector operations are.

    `patch` > 0: a vision transformer on square images of three channels; `classes` outputs of its classifier.
    """

    name: str
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    layers: int
    vocab: int
    head_dim: int
    ffn_up_mats: int
    sliding_window: int
    window_layers: str
    max_context: int
    experts: int
    experts_per_token: int
    family: str
    source: str
    status: str
    patch: int = 0
    classes: int = 0
    activation: str = ""
    architecture: str = ""
    rotary_share: float | None = None


@lru_cache(maxsize=1)
def transformers() -> dict[str, Transformer]:
    """The models of `data/llm_models.csv` by lower-case name."""
    known: dict[str, Transformer] = {}
    for r in csv_rows("hwmodel.workloads", "llm_models"):
        counts = "hidden intermediate heads kv_heads layers vocab head_dim ffn_up_mats sliding_window experts"
        fields: dict[str, Any] = {c: int(r[c]) for c in [*counts.split(), "experts_per_token", "patch", "classes"]}
        fields |= {c: r[c] for c in ("window_layers", "family", "activation", "architecture", "source", "status")}
        known[r["model"].lower()] = Transformer(name=r["model"], max_context=int(r["max_ctx"]), **fields)
    return known


def workload(
    model: str,
    phase: str = "prefill",
    context: int | None = None,
    batch: int = 1,
    *,
    lm_head: str = "all",
    fold: bool = True,
    vector_ops: bool = False,
    experts: str = "balanced",
) -> pd.DataFrame:
    """The matrix products of one phase of a transformer, one row per layer (columns: see `frame.table`).

    `phase` "prefill" runs `context` tokens of each of `batch` sequences, "decode" one token each with `context`
    tokens to attend to. `context` defaults to 256, or the model's longest if that is shorter. `lm_head`: for "all"
    tokens of prefill (as the BitMoD simulator counts), the "last" of each sequence, or "none". With `fold` identical
    layers are one row ("layers.*.q_proj") with a count; without, one row each ("layers.0.q_proj"), so that a plan can
    tell them apart. A sliding window limits the context of the layers that have one. Look-ups of embeddings are not listed.

    `vector_ops` adds rows of kind "vector" (see `hwmodel.workloads.vector`): norms, rotary embedding, softmax, residual sums,
    activation functions and the product with the gate, soft caps, weights of experts. Biases of linear layers start their
    accumulators and are not listed. `experts`, for mixtures of experts: "balanced", the token and expert pairs spread evenly
    over the fewest experts that can hold them; "expected", over the number of experts that tokens with t random ones of E
    reach on average, E (1 - (1 - t/E)^tokens), rounded to a whole number over all layers.

    Vision transformers on a whole image (their longest context, the default) list the patch embedding and the classifier
    too. Convolutional networks (ResNet-18, ResNet-50, MobileNetV2, VGG-16: 224x224 images) have no context.

    The networks that `hwmodel score` knows by name (pydoc-lm, digits, smollm2) are workloads too, one row a layer.

    Raises ValueError for an unknown model (nearest names listed), phase, context or batch.
    """
    name = str(model).strip().lower()
    if found := transformers().get(name):
        options: dict[str, Any] = {"lm_head": lm_head, "fold": fold, "vector_ops": vector_ops, "experts": experts}
        return transformer_workload(found, phase, context, batch, **options)
    if vector_ops:
        raise ValueError(f"vector_ops of {model} are not modelled; leave them out, or use a transformer by name or config.json")
    if name in vision_nets():
        if phase != "prefill" or context is not None:
            raise ValueError(
                f"{model} is a network for images, without phases: phase is {phase!r}, context {context!r}; leave both out"
            )
        return vision_workload(name, batch)
    return _of_package(model, phase, context, batch)


def transformer_workload(
    found: Transformer,
    phase: str = "prefill",
    context: int | None = None,
    batch: int = 1,
    *,
    lm_head: str = "all",
    fold: bool = True,
    vector_ops: bool = False,
    experts: str = "balanced",
) -> pd.DataFrame:
    """`workload` of a transformer given by its shapes."""
    if phase not in ("prefill", "decode"):
        raise unknown("phase", phase, ("prefill", "decode"))
    if phase == "decode" and found.family == "encoder":
        raise ValueError(f"phase is 'decode' but {found.name} is an encoder, it generates nothing; use phase='prefill'")
    if lm_head not in LM_HEAD:
        raise unknown("lm_head", lm_head, LM_HEAD)
    if experts not in EXPERTS:
        raise unknown("experts", experts, EXPERTS)
    length = min(256, found.max_context) if context is None else positive_int("context", context)
    if length > found.max_context:
        raise ValueError(f"context is {length} but {found.name} has at most {found.max_context} positions")
    batch = positive_int("batch", batch)
    queries = length if phase == "prefill" else 1
    rows = _layers(found, batch, queries, length, fold, vector_ops, experts == "expected")
    tokens = batch * (queries if lm_head == "all" else 1)
    head = bool(found.vocab) and lm_head != "none"
    if vector_ops:
        rows += vector.outer_rows(found, batch * queries, tokens if head else 0)
    if head:
        rows.append(frame.linear("lm_head", 1, tokens, found.vocab, found.hidden))
    if found.patch and length == found.max_context:
        side = isqrt(length - 1) * found.patch
        patch, channels = (found.patch, found.patch), (3, found.hidden)
        rows.insert(0, frame.conv2d("patch_embed", batch, channels, (side, side), patch, patch))
        if found.classes:
            rows.append(frame.linear("classifier", 1, batch, found.classes, found.hidden))
    facts = {"model": found.name, "phase": phase, "context": length, "batch": batch}
    return frame.table(rows, **facts, source=found.source, status=found.status)


def _of_package(model: str, phase: str, context: int | None, batch: int) -> pd.DataFrame:
    """The workload of a network that the package loads by name; ValueError for other names."""
    from hwmodel.models import load_network, model_names  # weights are read only where they are asked for

    if model not in model_names():
        raise unknown("model", model, (*(t.name for t in transformers().values()), *vision_nets().values(), *model_names()))
    network = load_network(model).network
    longest = getattr(getattr(network, "shape", None), "max_position_embeddings", None)
    length = min(256, longest or 256) if context is None else positive_int("context", context)
    if longest is not None and length > longest:
        raise ValueError(f"context is {length} but {model} has at most {longest} positions")
    tokens = length if phase == "prefill" and longest is not None else 1
    return workload_from_network(network, tokens, phase, context=length, batch=batch)


def _layers(
    t: Transformer, batch: int, queries: int, context: int, fold: bool, vectors: bool, expected: bool
) -> list[dict[str, Any]]:
    spans = [_span(t, i, context) for i in range(t.layers)]
    rows: list[dict[str, Any]] = []
    groups = [(f"layers.{i}.", i, spans[i : i + 1]) for i in range(t.layers)]
    if fold:
        groups = [("layers.*.", 0, spans)]
    tokens = batch * queries
    for prefix, first, own in groups:
        count = len(own)
        wide, narrow = t.heads * t.head_dim, t.kv_heads * t.head_dim
        for name, n, k in (("q", wide, t.hidden), ("k", narrow, t.hidden), ("v", narrow, t.hidden)):
            rows.append(frame.linear(f"{prefix}{name}_proj", count, tokens, n, k))
        for span in sorted(set(own), reverse=True):
            mark = "" if span == max(own) else "window."
            rows += frame.attention(f"{prefix}{mark}", own.count(span), batch, t.heads, t.kv_heads, t.head_dim, queries, span)
        rows.append(frame.linear(f"{prefix}o_proj", count, tokens, t.hidden, wide))
        rows += _feed_forward(t, prefix, first, count, tokens, expected)
        if vectors:
            rows += vector.block_rows(t, prefix, count, batch, queries, own)
    return rows


def _span(t: Transformer, layer: int, context: int) -> int:
    windowed = t.window_layers == "all" or (t.window_layers == "alternate" and layer % 2 == 0)
    return min(context, t.sliding_window) if windowed and t.sliding_window else context


def _feed_forward(t: Transformer, prefix: str, first: int, count: int, tokens: int, expected: bool) -> list[dict[str, Any]]:
    ups = ("gate_proj", "up_proj") if t.ffn_up_mats == 2 else ("fc1",)
    down = "down_proj" if t.ffn_up_mats == 2 else "fc2"
    shapes = [(name, t.intermediate, t.hidden) for name in ups] + [(down, t.hidden, t.intermediate)]
    if t.experts == 1:
        return [frame.linear(f"{prefix}{name}", count, tokens, n, k) for name, n, k in shapes]
    rows = [frame.linear(f"{prefix}router", count, tokens, t.experts, t.hidden)]
    pairs = tokens * t.experts_per_token
    reached = count * t.experts
    if expected:  # layers share the rounding, so that unfolded ones add up to the folded
        reached = round(distinct(t, tokens) * (first + count)) - round(distinct(t, tokens) * first)
    each, more = divmod(count * pairs, reached)
    for mark, experts, load in (("", reached - more, each), ("busy.", more, each + 1)):
        if experts and load:
            rows += [frame.linear(f"{prefix}experts.{mark}{name}", experts, load, n, k) for name, n, k in shapes]
    return rows


def distinct(t: Transformer, tokens: int) -> float:
    """Experts that `tokens` tokens reach on average where each takes its own at random: E (1 - (1 - t/E)^tokens)."""
    return t.experts * (1 - (1 - t.experts_per_token / t.experts) ** tokens)
