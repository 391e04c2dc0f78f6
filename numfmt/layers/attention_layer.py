"""Attention as hardware computes it: products by datapaths, softmax in a format, keys and values from a quantized cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import check_int_range
from ..arith import Datapath, datapath, matmul
from ..blocks import QuantizedTensor, Scheme, scheme
from .kv_cache import CacheSide, KVCache, cache_side, in_scheme
from .rotary import Rotary
from .softmax import Softmax
from .stepwise import Steps

_SCORES_AT_ONCE = 1 << 21


def _operand(x: np.ndarray, made: Scheme, axis: int) -> QuantizedTensor | np.ndarray:
    """x as the multipliers take it; float32 as it is."""
    return x.astype(np.float32, copy=False) if str(made) == "float32" else in_scheme(x, made, axis)


class Attention:
    """softmax(scale * q k^T) v of the new tokens over all tokens of a cache.

    heads, kv_heads, head_dim: head i uses key/value head i // (heads / kv_heads); kv_heads None means heads.
    scores, values: datapaths of q k^T (sums over head_dim) and of probabilities by values (sums over tokens).
    softmax: its `fmt` is that of the scores: they are rounded to it, times the scale (one rounding), plus a mask of numbers (one
    rounding); its result is the probabilities. scale: None for 1 / sqrt(head_dim), rounded to that format; 1 is no step.
    causal: token t sees tokens 0..t only. rope: turns q and k by position before everything else. keys, values_kept: how the cache
    keeps them (`CacheSide`, or a scheme for one along head_dim). query_scheme, probability_scheme: schemes of the left operands,
    quantized row by row as they come.

    The bits of step by step decoding are those of one prefill where both cache sides keep each token by itself for good
    (`CacheSide.by_token`), the query and probability schemes are plain casts or `token` along head_dim, the softmax's sum is any
    but "torch", and both datapaths add from the first k on in an order that does not depend on K (not split-K, not rounding down).
    They differ for groups along tokens and for residual tokens: the prefill sees the cache as its last token leaves it, a decoding
    step as its own token does.

    Raises ValueError for heads that kv_heads does not divide and whatever its parts refuse.
    """

    def __init__(
        self,
        heads: int,
        head_dim: int,
        *,
        kv_heads: int | None = None,
        scores: str | Datapath = "fp32",
        values: str | Datapath = "fp32",
        softmax: Softmax | None = None,
        scale: float | None = None,
        causal: bool = True,
        rope: Rotary | None = None,
        keys: CacheSide | Scheme | str = "float32",
        values_kept: CacheSide | Scheme | str = "float32",
        query_scheme: Scheme | str = "float32",
        probability_scheme: Scheme | str | None = None,
    ) -> None:
        kv_heads = heads if kv_heads is None else kv_heads
        for name, value in (("heads", heads), ("kv_heads", kv_heads), ("head_dim", head_dim)):
            check_int_range(name, value, 1, 1 << 20)
        if heads % kv_heads:
            raise ValueError(f"kv_heads={kv_heads} does not divide heads={heads}; each key/value head serves equally many heads")
        if rope is not None and rope.head_dim != head_dim:
            raise ValueError(f"rope turns {rope.head_dim} channels, head_dim={head_dim}; they must agree")
        if scale is not None and not (isinstance(scale, int | float) and 0 < scale < math.inf):
            raise ValueError(f"scale={scale!r} is not allowed; it must be a positive number, or None for 1 / sqrt(head_dim)")
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.scores, self.values = datapath(scores), datapath(values)
        self.softmax = Softmax() if softmax is None else softmax
        self.scale = 1.0 / math.sqrt(head_dim) if scale is None else float(scale)
        self.causal, self.rope = bool(causal), rope
        self.keys, self.values_kept = cache_side(keys), cache_side(values_kept)
        if self.values_kept.operand is None and scheme(self.values_kept.scheme).scaled:
            raise ValueError(
                f"values_kept={self.values_kept.scheme} has scales along head_dim; the sums run over tokens: name an operand"
            )
        self.query_scheme = scheme(query_scheme)
        self.probability_scheme = scheme(self.softmax.fmt if probability_scheme is None else probability_scheme)
        self._steps = Steps(self.softmax.fmt)
        self.cache()  # refuses sides that do not fit head_dim

    def cache(self, batch: int = 1) -> KVCache:
        """An empty cache for so many sequences."""
        return KVCache(batch, self.kv_heads, self.head_dim, keys=self.keys, values=self.values_kept)

    def __call__(self, q: Any, k: Any, v: Any, cache: KVCache | None = None, *, mask: Any = None) -> Any:
        """q: (..., heads, T, head_dim), k and v: (..., kv_heads, T, head_dim) of the T new tokens -> (..., heads, T, head_dim).

        cache: the tokens before them, to which these are appended; None: there are none. mask: booleans (True: is seen) or numbers
        added to the scaled scores (-inf: is not seen), broadcast to (..., heads, T, tokens). A token that is not seen has the
        probability +0 whatever its score; its value still meets the product, so that an infinite one makes NaN.
        Returns what the datapath gives (float32; float64 for `exact`). The cache stays as it was where this raises.

        Raises ValueError for shapes that do not fit, NaN or +inf in the mask, and what the schemes refuse.
        """
        query, restore = to_numpy(q, "q")
        new_keys, new_values = to_numpy(k, "k")[0], to_numpy(v, "v")[0]
        lead = self._checked(query, new_keys, new_values)
        batch = math.prod(lead)
        query = query.reshape(batch, *query.shape[-3:])
        new_keys, new_values = (a.reshape(batch, *a.shape[-3:]) for a in (new_keys, new_values))
        cache = self.cache(batch) if cache is None else cache
        if not isinstance(cache, KVCache):
            raise ValueError(f"cache is a {type(cache).__name__}; it must be made by layer.cache(batch)")
        if (cache.batch, cache.kv_heads, cache.head_dim) != (batch, self.kv_heads, self.head_dim) or (
            cache._keys.side != self.keys or cache._values.side != self.values_kept
        ):
            raise ValueError(
                f"cache is {cache}; it must be of {batch} sequences and this layer's heads and schemes: use layer.cache(batch)"
            )
        start, length = len(cache), query.shape[2]
        seen, added = self._mask(mask, (*lead, self.heads, length, start + length), batch)
        if self.rope is not None:
            query, new_keys = self.rope(query, start), self.rope(new_keys, start)
        before = cache.state()
        try:
            cache.append(new_keys, new_values)
            out = self._attend(query, cache, start, seen, added)
        except ValueError:
            cache.restore(before)
            raise
        return restore(out.reshape(*lead, *out.shape[1:]))

    def _checked(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[int, ...]:
        """The batch axes."""
        if q.ndim < 3 or q.shape[-3] != self.heads or q.shape[-1] != self.head_dim or 0 in q.shape:
            raise ValueError(f"q has shape {q.shape}; it must be (..., {self.heads}, T, {self.head_dim}), no axis empty")
        expected = (*q.shape[:-3], self.kv_heads, *q.shape[-2:])
        for name, array in (("k", k), ("v", v)):
            if array.shape != expected:
                raise ValueError(f"{name} has shape {array.shape}; with q {q.shape} it must be {expected}")
        return q.shape[:-3]

    def _mask(self, mask: Any, shape: tuple[int, ...], batch: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """What is seen (booleans) and what is added, (batch, heads, T, tokens), or None."""
        if mask is None:
            return None, None
        array = to_numpy(mask, "mask")[0]
        if array.dtype.kind not in "bf" and not array.dtype.name.startswith(("bfloat", "float")):
            raise ValueError(f"mask has dtype {array.dtype}; it must hold booleans (True: is seen) or numbers to be added")
        try:
            whole = np.broadcast_to(array, shape).reshape(batch, *shape[-3:])
        except ValueError:
            raise ValueError(f"mask has shape {array.shape}; it must broadcast to {shape}") from None
        if array.dtype == bool:
            return whole, None
        wide = whole.astype(np.float64)
        if np.isnan(wide).any() or (wide == np.inf).any():
            raise ValueError("mask holds NaN or +inf; it takes finite numbers, and -inf for what is not seen")
        seen = wide > -np.inf
        return seen, self._steps.cast(np.where(seen, wide, 0.0))

    def _attend(self, q: np.ndarray, cache: KVCache, start: int, seen: np.ndarray | None, added: np.ndarray | None) -> np.ndarray:
        group, length, tokens = self.heads // self.kv_heads, q.shape[2], len(cache)
        step = max(1, _SCORES_AT_ONCE // (group * tokens))
        parts = []
        for b in range(cache.batch):
            for h in range(self.kv_heads):
                keys, values = self._right(cache, b, h)
                heads = slice(h * group, (h + 1) * group)
                rows = []
                for first in range(0, length, step):
                    at = slice(first, min(first + step, length))
                    block = np.ascontiguousarray(q[b, heads, at])
                    seeing = None if seen is None else seen[b, heads, at]
                    if self.causal:
                        past = np.arange(tokens) <= start + np.arange(at.start, at.stop)[:, None]
                        seeing = past if seeing is None else past & seeing
                    rows.append(self._block(block, keys, values, seeing, None if added is None else added[b, heads, at]))
                parts.append(np.concatenate(rows, axis=1))
        return np.concatenate(parts).reshape(q.shape)

    def _right(self, cache: KVCache, b: int, h: int) -> tuple[Any, Any]:
        """Keys (head_dim, tokens) and values (tokens, head_dim) of one head, as the multipliers see them."""
        keys: Any
        if self.keys.operand is None:
            keys = cache._keys.quantized()[b, h]
        else:
            keys = _operand(cache._keys.values()[b, h], scheme(self.keys.operand), 1)
        seen = cache._seen(cache._values)[b, h]
        kept = self.values_kept
        return keys.T, _operand(seen, scheme(kept.operand if kept.operand is not None else kept.scheme), 0)

    def _block(self, q: np.ndarray, keys: Any, values: Any, seen: np.ndarray | None, added: np.ndarray | None) -> np.ndarray:
        """Queries (group, T, head_dim) against one key/value head."""
        group, length, _ = q.shape
        scores = matmul(_operand(q.reshape(-1, self.head_dim), self.query_scheme, 1), keys, self.scores)
        scores = self._steps.cast(scores).reshape(group, length, -1)
        if self.scale != 1.0:
            scores = self._steps.multiply(scores, self._steps.constant(self.scale))
        if added is not None:
            scores = self._steps.add(scores, added)
        p = self.softmax(scores, seen).reshape(group * length, -1)
        out = np.asarray(matmul(_operand(p, self.probability_scheme, 1), values, self.values))
        return out.reshape(group, length, self.head_dim)

    def __repr__(self) -> str:
        what = f"scores={self.scores}, values={self.values}, keys={self.keys.scheme}, values_kept={self.values_kept.scheme}"
        return f"Attention({self.heads} heads of {self.head_dim}, {self.kv_heads} for keys and values, {what}, {self.softmax})"
