"""A 2-D convolution of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import restore_like
from .._checks import check_int_range
from ..arith import Datapath
from .fixed_window import Window, bands, pair
from .integer_requantize import Requantize
from .integer_sums import IntegerSums, centred
from .integer_tensor import integers, whole

_CELLS = 1 << 20  # of gathered windows at a time


class IntegerConv2d:
    """Cross-correlation of integers, NCHW: as `IntegerLinear` over channel, kernel row, kernel column.

    weight: integers (O, C / groups, kh, kw). Cells outside of the image hold the input's zero point and so add nothing (TFLite,
    PyTorch and HAWQ alike). stride, dilation: one integer or (rows, columns); padding: those, "valid", "same" (Keras, TFLite), or
    ((top, bottom), (left, right)). groups = C: depthwise.
    """

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        input_zero_point: int = 0,
        weight_zero_point: Any = 0,
        path: str | Datapath = "int32",
        requantize: Requantize | None = None,
    ) -> None:
        self.weight = whole(weight, "weight")
        if self.weight.ndim != 4 or not self.weight.size:
            raise ValueError(
                f"weight has shape {self.weight.shape}; it must be (out channels, in channels / groups, height, width)"
            )
        check_int_range("groups", groups, 1, self.weight.shape[0])
        if self.weight.shape[0] % groups:
            raise ValueError(f"groups={groups} does not divide the {self.weight.shape[0]} output channels")
        height, width = self.weight.shape[2:]
        self.window = Window((height, width), pair(stride, "stride", 1), pair(dilation, "dilation", 1), padding)
        self.groups = groups
        rows = self.weight.reshape(self.weight.shape[0], -1)
        self.sums = IntegerSums(rows, bias, groups, input_zero_point, weight_zero_point, path, requantize)

    def __call__(self, x: Any) -> Any:
        """x: integers (n, C, H, W) -> (n, O, H', W'), the kind of array that came in."""
        array, _ = integers(x)
        channels = self.weight.shape[1] * self.groups
        if array.ndim != 4 or array.shape[1] != channels or not array.size:
            raise ValueError(f"x has shape {array.shape}; it must be (batch, {channels}, height, width), not empty")
        values, largest = centred(array, self.sums.input_zero_point)
        images = values.transpose(0, 2, 3, 1)
        rows, columns = self.window.out_size(*array.shape[2:])
        made: np.ndarray | None = None
        for some, first, last in bands(len(array), rows, columns * channels * self.weight[0, 0].size, _CELLS):
            view = self.window.view(self.window.band(images[some], first, last, columns), last - first, columns)
            patches = view.transpose(0, 1, 2, 5, 3, 4).reshape(-1, self.groups, self.weight[0].size)
            part = self.sums.run(patches, largest)
            if made is None:
                made = np.empty((len(array), rows, columns, part.shape[1]), part.dtype)
            made[some, first:last] = part.reshape(-1, last - first, columns, part.shape[1])
        assert made is not None
        return restore_like(x, np.ascontiguousarray(made.transpose(0, 3, 1, 2)))

    def explain(self, given: object = None) -> str:
        """What it computes, in a line."""
        return self.sums.explain()

    def __repr__(self) -> str:
        o, c, kh, kw = self.weight.shape
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        return f"IntegerConv2d({c * self.groups} -> {o}, {kh}x{kw}{groups}, {self.sums.path}, {self.sums.requantize})"
