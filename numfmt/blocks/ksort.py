"""K-sort: an order of the channels in which channels of like size share a block."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import restore_like, to_numpy
from ..kernels.sums import plain_sums


def ksort_order(weight: Any, pairs: bool = False) -> np.ndarray:
    """The order of the rows of `weight` by descending Euclidean norm: int64 (rows,); `weight[order]` is sorted.

    weight: (channels, inputs), for example the key projection of one head. Permuting the rows of W_k and of W_q by the same order
    permutes the channels of K and Q alike, so every inner product of a query and a key keeps its terms, in another order, while
    blocks along the channels of K hold values of like size. Norms are float64 sums in a stated order; equal ones keep their order.
    pairs: rotary embeddings turn channels 2i and 2i + 1 together (inferred: the paper does not say), so pairs stay together and are
    sorted by their common norm. Raises ValueError for other than two axes, and for an odd number of rows with `pairs`.
    Source: Accurate Block Quantization in LLMs with Outliers, arXiv 2403.20137.
    """
    array, _ = to_numpy(weight, "weight")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"weight has shape {array.shape}; it must be a matrix (channels, inputs)")
    if pairs and len(array) % 2:
        raise ValueError(f"weight has {len(array)} rows; pairs=True takes an even number of them")
    squares = np.ascontiguousarray(array.astype(np.float64) ** 2)
    if not np.isfinite(squares).all():
        raise ValueError("weight holds NaN, infinities or values whose squares leave float64; replace them first")
    norms = np.empty(len(array))
    plain_sums(squares, norms)
    if not pairs:
        return np.argsort(-norms, kind="stable")
    order = np.argsort(-(norms[0::2] + norms[1::2]), kind="stable")
    return np.stack([2 * order, 2 * order + 1], axis=1).reshape(-1)


def ksort_inverse(order: Any) -> np.ndarray:
    """The order that undoes another: `x[order][ksort_inverse(order)] == x`. Raises ValueError where `order` is no permutation."""
    array = to_numpy(order, "order")[0]
    if array.ndim != 1 or array.dtype.kind not in "iu" or not np.array_equal(np.sort(array), np.arange(array.size)):
        raise ValueError("order is no permutation of 0 ... n - 1; pass what ksort_order returned")
    inverse = np.empty(array.size, np.int64)
    inverse[array] = np.arange(array.size)
    return inverse


def ksort(w_k: Any, w_q: Any, pairs: bool = False) -> tuple[Any, Any, np.ndarray]:
    """W_k and W_q of one head with their rows in K-sort order, and the order. ValueError where their rows differ in number."""
    keys, queries = to_numpy(w_k, "w_k")[0], to_numpy(w_q, "w_q")[0]
    order = ksort_order(w_k, pairs)
    if queries.ndim != 2 or len(queries) != len(keys):
        raise ValueError(f"w_q has shape {queries.shape}; it needs the {len(keys)} rows of w_k (one head of each)")
    return restore_like(w_k, keys[order]), restore_like(w_q, queries[order]), order
