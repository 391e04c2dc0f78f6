"""How good a network is on held-out data: perplexity of a language model, accuracy of a classifier."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numfmt.layers.elementary import exp, log
from numfmt.layers.network import Apply, Float32, MapCache, Network


def _spread(total: int, count: int) -> NDArray[np.int64]:
    if not 1 <= count <= total:
        raise ValueError(f"count is {count}; the data has {total} rows, take 1 to {total}")
    return np.arange(count, dtype=np.int64) * total // count


@dataclass(frozen=True, eq=False)
class TokenWindows:
    """Text as windows: tokens (n, T), and the bytes of text that each window's tokens after the first stand for."""

    tokens: NDArray[np.int64]
    predicted_bytes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    def spread(self, count: int) -> TokenWindows:
        """`count` windows evenly spaced over the text. Raises ValueError when there are fewer."""
        rows = _spread(len(self), count)
        return replace(self, tokens=self.tokens[rows], predicted_bytes=self.predicted_bytes[rows])


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """images (n, C, H, W) as stored (uint8 or float), labels (n,)."""

    images: NDArray[Any]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def spread(self, count: int) -> LabelledImages:
        """`count` images evenly spaced over the set. Raises ValueError when there are fewer."""
        rows = _spread(len(self), count)
        return replace(self, images=self.images[rows], labels=self.labels[rows])


def cross_entropy(logits: Float32, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """-log softmax(logits)[target] in nats, float64; logits (n, V), targets (n,). NaN where a row has NaN or +inf."""
    out = np.empty(len(logits))
    rows = max(1, (1 << 20) // logits.shape[1])  # bounds the float64 temporaries
    for start in range(0, len(logits), rows):
        wide = logits[start : start + rows].astype(np.float64)
        with np.errstate(invalid="ignore"):
            wide -= wide.max(axis=1, keepdims=True)
        total = exp(wide).sum(axis=1)
        chosen = wide[np.arange(len(wide)), targets[start : start + rows]]
        out[start : start + rows] = log(total) - chosen
    return out


def perplexity(
    network: Network,
    windows: TokenWindows,
    apply: Apply,
    kv: MapCache | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    **run_options: Any,
) -> dict[str, float]:
    """Next-token loss over windows, each run alone (so a per-tensor activation scale sees one window).

    progress(count) is called after each window; run_options go to `network.run` (for example attend=).
    Returns nats_per_token, perplexity, bits_per_byte, tokens (predictions), non_finite (predictions whose logits
    overflowed: when there are any, the three measures are NaN).
    """
    losses = []
    for i, window in enumerate(windows.tokens):
        logits = network.run(window[None, :], apply, kv, **run_options)
        losses.append(cross_entropy(logits[0, :-1], window[1:]))
        if progress is not None:
            progress(i + 1)
    nats = np.concatenate(losses)
    bad = int(np.count_nonzero(~np.isfinite(nats)))
    mean = math.nan if bad else math.fsum(nats.tolist()) / len(nats)
    bits = mean * len(nats) / math.log(2.0) / int(windows.predicted_bytes.sum())
    return {
        "nats_per_token": mean,
        "perplexity": math.exp(mean) if mean < 700 else mean if bad else math.inf,
        "bits_per_byte": bits,
        "tokens": float(len(nats)),
        "non_finite": float(bad),
    }


def accuracy(
    network: Network,
    data: LabelledImages,
    apply: Apply,
    kv: MapCache | None = None,
    *,
    batch: int = 64,
    progress: Callable[[int], None] | None = None,
    **run_options: Any,
) -> dict[str, float]:
    """Share of images whose largest score is the label's, run `batch` images at a time.

    progress(count) is called after each batch. Returns accuracy, correct, images, non_finite (images with a NaN or
    infinite score, counted as wrong).
    """
    correct = bad = 0
    for start in range(0, len(data), batch):
        scores = network.run(data.images[start : start + batch], apply, kv, **run_options)
        finite = np.isfinite(scores).all(axis=1)
        hit = scores.argmax(axis=1) == data.labels[start : start + batch]
        correct += int(np.count_nonzero(hit & finite))
        bad += int(np.count_nonzero(~finite))
        if progress is not None:
            progress(min(start + batch, len(data)))
    return {
        "accuracy": correct / len(data),
        "correct": float(correct),
        "images": float(len(data)),
        "non_finite": float(bad),
    }
