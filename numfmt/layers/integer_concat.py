"""Concatenation of integer tensors with scales of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .integer_requantize import Requantize
from .integer_tensor import channel_axis, integers


class Concatenate:
    """Each tensor through its own `Requantize` to one output scale, then joined (HAWQ-V3's multi-branch quantization).

    in_scales: one a tensor, numbers or (input scale, weight scale) pairs; the rest as in `Requantize`. zero_points: one a tensor,
    subtracted before the rescale; 0 for all by default. axis: None is that of the channels (1 of images, else the last).
    """

    def __init__(
        self,
        in_scales: Sequence[Any],
        out_scale: float,
        bits: int = 8,
        *,
        axis: int | None = None,
        zero_points: Any = None,
        zero_point: int = 0,
        **options: Any,
    ) -> None:
        if not len(in_scales):
            raise ValueError("in_scales is empty; give one scale for each tensor")
        self.zero_points = [0] * len(in_scales) if zero_points is None else [int(z) for z in zero_points]
        if len(self.zero_points) != len(in_scales):
            raise ValueError(f"{len(self.zero_points)} zero_points for {len(in_scales)} tensors; give one for each")
        self.axis = axis
        pairs = [s if isinstance(s, tuple) else (s, 1.0) for s in in_scales]
        self.stages = [Requantize(out_scale, bits, in_scale=s, weight_scale=w, zero_point=zero_point, **options) for s, w in pairs]

    def __call__(self, tensors: Sequence[Any]) -> Any:
        """tensors: integers that agree in all axes but `axis`. Returns the kind of array of the first."""
        if len(tensors) != len(self.stages):
            raise ValueError(f"{len(tensors)} tensors for {len(self.stages)} scales; give one tensor for each")
        arrays = [integers(t, f"tensors[{i}]") for i, t in enumerate(tensors)]
        parts = [
            stage.run(a - zero, channel_axis(a.ndim))
            for (a, _), stage, zero in zip(arrays, self.stages, self.zero_points, strict=True)
        ]
        axis = channel_axis(parts[0].ndim) if self.axis is None else self.axis
        try:
            made = np.concatenate(parts, axis=axis)
        except ValueError:
            raise ValueError(
                f"shapes {[p.shape for p in parts]} do not join along axis {axis}; they must agree in the others"
            ) from None
        return arrays[0][1](made)
