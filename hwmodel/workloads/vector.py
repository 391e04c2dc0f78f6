"""What is no matrix product in a transformer: norms, softmax, rotary embedding, residuals, activation functions.

Rows of kind "vector": `m` vectors of `n` elements under one operation `op` of `data/vector_ops.csv`, which says how many additions,
products, comparisons and special functions an element and a vector take.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hwmodel._checks import unknown
from hwmodel._data import csv_rows
from hwmodel.sources import Fact
from hwmodel.workloads import frame

if TYPE_CHECKING:
    from hwmodel.workloads.llm import Transformer

CLASSES = ("add", "multiply", "compare", "special")


@dataclass(frozen=True)
class VectorOp:
    """Operations of each class for an element (`each`) and for a vector beside them (`row`); elements read and written;
    `parameters` a position (weight, bias). `special`: exp, tanh, erf, reciprocal, reciprocal root."""

    name: str
    what: str
    each: dict[str, int]
    row: dict[str, int]
    reads: int
    writes: int
    parameters: int
    source: str
    status: str

    def facts(self) -> tuple[Fact, ...]:
        """The counts that are not 0."""
        found = [(f"{self.name}: {c} an element", self.each[c]) for c in CLASSES if self.each[c]]
        found += [(f"{self.name}: {c} a vector", self.row[c]) for c in CLASSES if self.row[c]]
        return tuple(Fact(name, float(n), "operations", self.source, self.status) for name, n in found)


@dataclass(frozen=True)
class Architecture:
    """Which vector operations a family of models has: norms a block and outside, share of a head that is rotated, sums of
    embeddings, soft caps."""

    norm: str
    block_norms: int
    outer_norms: int
    rotary_share: float
    position_adds: int
    embedding_scale: bool
    score_softcap: bool
    logit_softcap: bool
    source: str
    status: str


@lru_cache(maxsize=1)
def vector_ops() -> dict[str, VectorOp]:
    """The operations of `data/vector_ops.csv` by name."""
    known = {}
    for r in csv_rows("hwmodel.workloads", "vector_ops"):
        each, row = ({c: int(r.get(f"{mark}{c}", 0)) for c in CLASSES} for mark in ("", "row_"))
        sizes = (int(r["reads"]), int(r["writes"]), int(r["parameters"]))
        known[r["op"]] = VectorOp(r["op"], r["what"], each, row, *sizes, r["source"], r["status"])
    return known


@lru_cache(maxsize=1)
def architectures() -> dict[str, Architecture]:
    """The families of `data/llm_vector.csv` by name."""
    known = {}
    for r in csv_rows("hwmodel.workloads", "llm_vector"):
        counts = (int(r["block_norms"]), int(r["outer_norms"]), float(r["rotary_share"]), int(r["position_adds"]))
        flags = (r["embedding_scale"] == "1", r["score_softcap"] == "1", r["logit_softcap"] == "1")
        known[r["architecture"]] = Architecture(r["norm"], *counts, *flags, r["source"], r["status"])
    return known


def row(layer: str, op: str, count: int, vectors: int, width: int, parameters: int | None = None) -> dict[str, Any]:
    """A row of `vectors` vectors of `width` elements under `op`, all `count` times.

    Elements, reads, writes and parameters are over `count`; parameters default to those of the operation, once a position.
    """
    if op not in vector_ops():
        raise unknown("vector operation", op, vector_ops())
    known, elements = vector_ops()[op], count * vectors * width
    held = known.parameters * width if parameters is None else parameters
    shape = dict(zip(frame.SHAPE, (layer, "vector", count, 1, vectors, width, 1, width), strict=True))
    extra = (op, elements, known.reads * elements, known.writes * elements, count * held)
    return shape | dict(zip(frame.VECTOR, extra, strict=True))


def block_rows(t: Transformer, prefix: str, count: int, batch: int, queries: int, spans: list[int]) -> list[dict[str, Any]]:
    """The vector rows of `count` equal blocks; `spans` the context of each."""
    known = architecture_of(t)
    tokens = batch * queries
    rows = [row(f"{prefix}norm", known.norm, count * known.block_norms, tokens, t.hidden)] if known.block_norms else []
    if known.rotary_share:
        rotated = round(t.head_dim * (known.rotary_share if t.rotary_share is None else t.rotary_share))
        rows.append(row(f"{prefix}rope", "rope", count, tokens * (t.heads + t.kv_heads), rotated, queries * rotated))
    for span in sorted(set(spans), reverse=True):
        mark = prefix if span == max(spans) else f"{prefix}window."
        vectors = batch * t.heads * queries
        if known.score_softcap:
            rows.append(row(f"{mark}softcap", "softcap", spans.count(span), vectors, span))
        rows.append(row(f"{mark}softmax", "softmax", spans.count(span), vectors, span))
    rows.append(row(f"{prefix}residual", "add", 2 * count, tokens, t.hidden))
    share = tokens * t.experts_per_token
    rows.append(row(f"{prefix}activation", t.activation, count, share, t.intermediate))
    if t.ffn_up_mats == 2:
        rows.append(row(f"{prefix}gate", "multiply", count, share, t.intermediate))
    if t.experts > 1:
        rows.append(row(f"{prefix}router_softmax", "softmax", count, tokens, t.experts))
        rows.append(row(f"{prefix}experts.weight", "scale", count, share, t.hidden))
        if t.experts_per_token > 1:
            rows.append(row(f"{prefix}experts.sum", "add", count, tokens * (t.experts_per_token - 1), t.hidden))
    return rows


def outer_rows(t: Transformer, tokens: int, logits: int) -> list[dict[str, Any]]:
    """The vector rows outside the blocks; `logits`: tokens that the lm_head sees."""
    known = architecture_of(t)
    rows = []
    if known.embedding_scale:
        rows.append(row("embedding_scale", "scale", 1, tokens, t.hidden))
    if known.position_adds:
        rows.append(row("embedding_sum", "add", known.position_adds, tokens, t.hidden))
    if known.outer_norms:
        rows.append(row("norm", known.norm, known.outer_norms, tokens, t.hidden))
    if known.logit_softcap and logits:
        rows.append(row("logit_softcap", "softcap", 1, logits, t.vocab))
    return rows


def architecture_of(t: Transformer) -> Architecture:
    """The family of a transformer; ValueError where its vector operations are not known."""
    if t.architecture not in architectures():
        raise unknown(f"vector operations of {t.name}: architecture", t.architecture or "(none)", architectures())
    if t.activation not in vector_ops():
        raise unknown(f"activation function of {t.name}", t.activation or "(none)", vector_ops())
    return architectures()[t.architecture]
