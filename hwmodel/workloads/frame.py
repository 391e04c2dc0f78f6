"""The workload table: one row per layer, identical layers folded into `count`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

SHAPE = ("layer", "kind", "count", "batch", "m", "n", "k", "k_in")
HEADS = ("heads", "kv_heads", "head_dim", "queries", "context")
COLUMNS = (*SHAPE, "macs", "weights", *HEADS)
GEOMETRY = ("in_ch", "in_h", "in_w", "k_h", "k_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "groups", "out_h", "out_w")
VECTOR = ("op", "elements", "reads", "writes", "parameters")
KINDS = ("linear", "attention_qk", "attention_pv", "conv2d")  # matrix products; rows of kind "vector" are none


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


def conv2d(
    layer: str,
    images: int,
    channels: tuple[int, int],
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    *,
    groups: int = 1,
    partial: bool = False,
) -> dict[str, Any]:
    """A convolution as matrix products, one a group: m output pixels of all images, n outputs, k inputs of a window.

    `channels` (in, out), `size` (height, width) of the input, `padding` the rows and columns added in all (both sides).
    With `partial` a last window that hangs over the edge counts, as SCALE-Sim has it. ValueError where a kernel does not
    fit or groups do not divide the channels.
    """
    if channels[0] % groups or channels[1] % groups:
        raise ValueError(f"layer {layer}: {groups} groups do not divide {channels[0]} and {channels[1]} channels")
    padded = tuple(s + p for s, p in zip(size, padding, strict=True))
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    if padded[0] < reach[0] or padded[1] < reach[1]:
        raise ValueError(f"layer {layer}: a {kernel[0]}x{kernel[1]} kernel does not fit its {size[0]}x{size[1]} input")
    over = [s - 1 if partial else 0 for s in stride]
    out = tuple((p - r + o) // s + 1 for p, r, o, s in zip(padded, reach, over, stride, strict=True))
    k = channels[0] // groups * kernel[0] * kernel[1]
    # The input is charged as the unfolded rows that the array reads (k_in = k): no line buffer is modelled.
    shape = dict(zip(SHAPE, (layer, "conv2d", 1, groups, images * out[0] * out[1], channels[1] // groups, k, k), strict=True))
    return shape | dict(zip(GEOMETRY, (channels[0], *padded, *kernel, *stride, *dilation, groups, *out), strict=True))


def table(rows: Sequence[Mapping[str, Any]], **attrs: Any) -> pd.DataFrame:
    """Rows as a DataFrame with all columns; `attrs` (name, phase, ...) go into `DataFrame.attrs`.

    Columns: layer, kind, count, batch, m (tokens or output pixels), n (outputs), k (reduction), k_in (length of a
    stored input row), macs and weights (both over `count`; keys and values are no weights), and for attention rows
    heads, kv_heads, head_dim, queries, context (0 elsewhere). Convolutions of known shape add in_ch, in_h and in_w (with
    padding), k_h, k_w, stride_h, stride_w, dilation_h, dilation_w, groups, out_h, out_w.
    Rows of kind "vector" (no products: macs and weights 0; m vectors of n elements) add op and, over `count`, elements, reads,
    writes (elements) and parameters.
    """
    columns: dict[str, Any] = {c: [row[c] for row in rows] for c in ("layer", "kind")}
    for name in SHAPE[2:]:
        columns[name] = np.array([row[name] for row in rows], dtype=np.int64)
    product = np.array([kind != "vector" for kind in columns["kind"]], dtype=np.int64)
    columns["macs"] = product * columns["count"] * columns["batch"] * columns["m"] * columns["n"] * columns["k"]
    weighted = np.array([not kind.startswith(("attention", "vector")) for kind in columns["kind"]], dtype=bool)
    columns["weights"] = np.where(weighted, columns["count"] * columns["batch"] * columns["n"] * columns["k"], 0)
    for name in HEADS:
        columns[name] = np.array([row.get(name, 0) for row in rows], dtype=np.int64)
    if any("k_h" in row for row in rows):
        columns |= {name: np.array([row.get(name, 0) for row in rows], dtype=np.int64) for name in GEOMETRY}
    if not product.all():
        columns["op"] = [row.get("op", "") for row in rows]
        columns |= {name: np.array([row.get(name, 0) for row in rows], dtype=np.int64) for name in VECTOR[1:]}
    out = pd.DataFrame(columns)
    out.attrs.update(attrs)
    return out


def checked_sizes(table: Mapping[str, Any], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a workload as integers. ValueError for anything but whole numbers of at least 1 (of heads: 0)."""
    sizes: dict[str, np.ndarray] = {}
    for name in names:
        values = np.asarray(table[name])
        low = 1 if name in SHAPE else 0
        numeric = values.dtype.kind in "iuf"
        if not numeric or not (np.isfinite(values) & (values >= low)).all() or not (values % 1 == 0).all():
            bad = next(v for v in values.tolist() if not numeric or not low <= v < math.inf or v % 1 != 0)
            raise ValueError(f"workload column {name!r} holds {bad!r}; give whole numbers of at least {low}")
        sizes[name] = values.astype(np.int64, copy=False)
    return sizes
