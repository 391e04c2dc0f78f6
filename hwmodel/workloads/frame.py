"""The workload table: one row per layer, identical layers folded into `count`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

SHAPE = ("layer", "kind", "count", "batch", "m", "n", "k", "k_in")
HEADS = ("heads", "kv_heads", "head_dim", "queries", "context")
COLUMNS = (*SHAPE, "macs", "weights", *HEADS)
KINDS = ("linear", "attention_qk", "attention_pv", "conv2d")


def linear(layer: str, count: int, tokens: int, outputs: int, inputs: int) -> dict[str, Any]:
    """A row for `tokens` vectors times an (outputs, inputs) weight matrix."""
    return dict(zip(SHAPE, (layer, "linear", count, 1, tokens, outputs, inputs, inputs), strict=True))


def attention(
    prefix: str, count: int, batch: int, heads: int, kv_heads: int, head_dim: int, queries: int, context: int
) -> list[dict[str, Any]]:
    """The two products of grouped-query attention, one per sequence and key-value head.

    The query heads that share a key-value head fold into the rows of one product, so that keys and values are read
    once: m = queries * heads / kv_heads.
    """
    extra = dict(zip(HEADS, (heads, kv_heads, head_dim, queries, context), strict=True))
    rows, products = queries * (heads // kv_heads), batch * kv_heads
    qk = (f"{prefix}attention_qk", "attention_qk", count, products, rows, context, head_dim, head_dim)
    pv = (f"{prefix}attention_pv", "attention_pv", count, products, rows, head_dim, context, context)
    return [dict(zip(SHAPE, shape, strict=True)) | extra for shape in (qk, pv)]


def table(rows: Sequence[Mapping[str, Any]], **attrs: Any) -> pd.DataFrame:
    """Rows as a DataFrame with all columns; `attrs` (name, phase, ...) go into `DataFrame.attrs`.

    Columns: layer, kind, count, batch, m (tokens or output pixels), n (outputs), k (reduction), k_in (length of a
    stored input row), macs and weights (both over `count`; keys and values are no weights), and for attention rows
    heads, kv_heads, head_dim, queries, context (0 elsewhere).
    """
    columns: dict[str, Any] = {c: [row[c] for row in rows] for c in ("layer", "kind")}
    for name in SHAPE[2:]:
        columns[name] = np.array([row[name] for row in rows], dtype=np.int64)
    columns["macs"] = columns["count"] * columns["batch"] * columns["m"] * columns["n"] * columns["k"]
    weighted = np.array([not kind.startswith("attention") for kind in columns["kind"]], dtype=bool)
    columns["weights"] = np.where(weighted, columns["count"] * columns["batch"] * columns["n"] * columns["k"], 0)
    for name in HEADS:
        columns[name] = np.array([row.get(name, 0) for row in rows], dtype=np.int64)
    out = pd.DataFrame(columns, columns=list(COLUMNS))
    out.attrs.update(attrs)
    return out
