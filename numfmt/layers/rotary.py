"""Rotary position embedding (Su et al., RoFormer, arXiv 2104.09864), both layouts: float64 rounded once, or step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numfmt._arrays import to_numpy
from numfmt._checks import check_in, check_int_range
from numfmt.formats import Format
from numfmt.layers.elementary import power, sine_cosine
from numfmt.layers.stepwise import Steps

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
    if scaling is not None and not isinstance(scaling, Mapping):
        raise ValueError(
            f"scaling={scaling!r} is not allowed; give a config's rope_scaling, as {{'rope_type': 'linear', 'factor': 2}}"
        )
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
    first, second = _pairs(x.astype(np.float64), layout)
    return _unpaired((first * cosine - second * sine, second * cosine + first * sine), x.shape, layout).astype(np.float32)


def _pairs(x: NDArray[Any], layout: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first and the second channel of every pair."""
    half = x.shape[-1] // 2
    return (x[..., :half], x[..., half:]) if layout == "half" else (x[..., 0::2], x[..., 1::2])


def _unpaired(pairs: tuple[NDArray[Any], NDArray[Any]], shape: tuple[int, ...], layout: str) -> NDArray[Any]:
    return np.concatenate(pairs, axis=-1) if layout == "half" else np.stack(pairs, axis=-1).reshape(shape)


class Rotary:
    """Rotation of channel pairs by position, in float64 rounded once to float32, or with every step rounded to a format.

    head_dim: even. base, scaling, layout: as in `rotary_rates` and `rotate`. fmt: None, or a format: then sines and cosines are
    rounded to it (from values correct to float64), and first * cos - second * sin, second * cos + first * sin take three roundings
    each, as Hugging Face's apply_rotary_pos_emb does in the format of its tensors.

    Raises ValueError for an odd head_dim, a base that is not positive, unknown layouts and scalings.
    """

    def __init__(
        self,
        head_dim: int,
        base: float = 10000.0,
        *,
        scaling: Mapping[str, Any] | None = None,
        layout: str = "half",
        fmt: Format | str | None = None,
    ) -> None:
        check_int_range("head_dim", head_dim, 2, 1 << 20)
        if head_dim % 2:
            raise ValueError(f"head_dim={head_dim} is odd; rotary embedding turns pairs of channels")
        if not 0 < base < math.inf:
            raise ValueError(f"base={base!r} is not allowed; it must be a positive number")
        check_in("layout", layout, LAYOUTS)
        self.head_dim, self.base, self.layout = head_dim, float(base), layout
        self.steps = None if fmt is None else Steps(fmt)
        self._rates = rotary_rates(head_dim, float(base), scaling)

    def table(self, positions: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Cosines and sines at the positions (T,), (T, head_dim / 2) each; values of `fmt`, or float64."""
        sine, cosine = sine_cosine(positions.astype(np.float64)[:, None] * self._rates)
        return (cosine, sine) if self.steps is None else (self.steps.cast(cosine), self.steps.cast(sine))

    def __call__(self, x: Any, start: int = 0, *, table: tuple[Any, Any] | None = None) -> Any:
        """x: (..., T, head_dim), its first row at position `start` -> the same shape and kind of array.

        table: cosines and sines of one's own, (T, head_dim / 2) each, in place of `table(start ... start + T - 1)`.
        Raises ValueError for other shapes and negative positions.
        """
        array, restore = to_numpy(x)
        if array.ndim < 2 or array.shape[-1] != self.head_dim:
            raise ValueError(f"x has shape {array.shape}; it must be (..., T, {self.head_dim})")
        check_int_range("start", start, 0, 1 << 19)
        length = array.shape[-2]
        if table is None:
            cosine, sine = self.table(np.arange(start, start + length))
        else:
            cosine, sine = (to_numpy(t, "table")[0] for t in table)
            if cosine.shape != (length, self.head_dim // 2) or sine.shape != cosine.shape:
                raise ValueError(f"table has shapes {cosine.shape}, {sine.shape}; both must be ({length}, {self.head_dim // 2})")
        if self.steps is None:
            return restore(rotate(array, cosine.astype(np.float64), sine.astype(np.float64), self.layout))
        s = self.steps
        wide, cosine, sine = s.cast(array), s.cast(cosine), s.cast(sine)
        first, second = _pairs(wide, self.layout)
        turned = (
            s.subtract(s.multiply(first, cosine), s.multiply(second, sine)),
            s.add(s.multiply(second, cosine), s.multiply(first, sine)),
        )
        return restore(_unpaired(turned, array.shape, self.layout))

    def __repr__(self) -> str:
        return f"Rotary({self.head_dim}, base={self.base:g}, layout={self.layout}, fmt={self.steps and self.steps.format})"
