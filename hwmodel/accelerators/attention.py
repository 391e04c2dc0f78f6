"""How an accelerator shapes attention: the two revisions of the published simulator."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwmodel.accelerators.compute import Ints, Products


def shaped(work: Mapping[str, Ints], kinds: tuple[Ints, Ints], rule: str) -> tuple[Products, Ints]:
    """The products and input row lengths that an accelerator with attention rule `rule` runs.

    "j25" (July 2025) is the workload's own shape: one product per sequence and key-value head. "h25" (December 2024,
    behind the paper's figures) runs one product a sequence: QK^T with n = queries, k = hidden, m = heads * queries;
    PV with n = heads * queries, k = context, m = queries; both with inputs as long as all keys of a token. It
    over-counts prefill and under-counts decode attention, as published.
    """
    batch, m, n, k, k_in = (work[c] for c in ("batch", "m", "n", "k", "k_in"))
    if rule == "j25":
        return Products(batch, m, n, k), k_in
    qk, pv = kinds
    attention = qk | pv
    heads, kv_heads, dim, queries, context = (work[c] for c in ("heads", "kv_heads", "head_dim", "queries", "context"))
    every = heads * queries
    batch = np.where(attention, batch // np.maximum(kv_heads, 1), batch)
    m = np.where(qk, every, np.where(pv, queries, m))
    n = np.where(qk, queries, np.where(pv, every, n))
    k = np.where(qk, heads * dim, np.where(pv, context, k))
    return Products(batch, m, n, k), np.where(attention, dim * kv_heads, k_in)
