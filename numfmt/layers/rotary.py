"""Rotary position embedding (Su et al., RoFormer, arXiv 2104.09864), both channel layouts, float64 rounded once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numfmt.layers.elementary import power, sine_cosine

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

LAYOUTS = ("half", "adjacent")


def _llama3(rates: Float64, scaling: Mapping[str, Any]) -> Float64:
    """Llama 3.1's rule: slow rotations divided by `factor`, fast ones kept, a linear blend between."""
    factor, old_length = float(scaling["factor"]), float(scaling["original_max_position_embeddings"])
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    turns = old_length * rates / (2.0 * math.pi)  # rotations within the original context
    blend = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return (1.0 - blend) * rates / factor + blend * rates


def rotary_rates(head_dim: int, base: float, scaling: Mapping[str, Any] | None = None) -> Float64:
    """Angle per position of each channel pair, radians, (head_dim / 2,): base ** (-2 i / head_dim).

    scaling: a config's `rope_scaling`; types "default", "linear" and "llama3". Raises ValueError for others.
    """
    rates = power(base, [(-2 * i, head_dim) for i in range(head_dim // 2)])
    kind = "default" if scaling is None else scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return rates
    assert scaling is not None
    if kind not in ("linear", "llama3"):
        raise ValueError(f"rope_scaling type {kind!r} is not supported; supported: default, linear, llama3")
    try:
        return rates / float(scaling["factor"]) if kind == "linear" else _llama3(rates, scaling)
    except KeyError as error:
        raise ValueError(f"rope_scaling of type {kind!r} lacks the field {error}") from None


def rotary_table(length: int, rates: Float64) -> tuple[Float64, Float64]:
    """Cosines and sines, (length, head_dim / 2) each."""
    sine, cosine = sine_cosine(np.arange(length, dtype=np.float64)[:, None] * rates)
    return cosine, sine


def rotate(x: Float32, cosine: Float64, sine: Float64, layout: str) -> Float32:
    """Rotate x (..., T, head_dim) by position.

    layout "half": channel i is paired with i + head_dim/2 (Hugging Face); "adjacent": 2i with 2i + 1 (GGUF files).
    """
    if layout not in LAYOUTS:
        raise ValueError(f"rotary layout {layout!r} is not known; use one of {', '.join(LAYOUTS)}")
    half = x.shape[-1] // 2
    wide = x.astype(np.float64)
    first, second = (wide[..., :half], wide[..., half:]) if layout == "half" else (wide[..., 0::2], wide[..., 1::2])
    turned = first * cosine - second * sine, second * cosine + first * sine
    if layout == "half":
        return np.concatenate(turned, axis=-1).astype(np.float32)
    return np.stack(turned, axis=-1).reshape(x.shape).astype(np.float32)
