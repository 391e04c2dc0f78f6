"""A 2-D convolution with quantized weights and activations, computed by a datapath as a matrix product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..arith import Datapath, datapath
from ..arith.matmul import product
from ..arith.operands import Operand, operand
from ..blocks import Scheme, quantize, scheme
from ..formats import Format
from .linear import add_bias, check_bias, dequantized_to

_ROWS_AT_ONCE = 1 << 14  # output pixels gathered at a time, so that memory stays bounded


class Conv2d:
    """y = conv2d(x, W) + b, NCHW, as hardware computes it.

    weight: (O, C / groups, kh, kw). Sums run over channel, then kernel row, then kernel column; weight groups run along that
    flattened axis and `channel` is one scale an output channel. Activation granularities: `tensor`, or `token` for one scale an
    image. Other arguments as in `Linear`.

    Raises ValueError for shapes that do not fit and whatever `quantize` and `matmul` refuse.
    """

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        weight_scheme: str | Scheme = "float16",
        activation_scheme: str | Scheme = "float16",
        path: str | Datapath | None = None,
        weight_operand: str | Format | None = None,
    ) -> None:
        array, _ = to_numpy(weight, "weight")
        if array.ndim != 4:
            raise ValueError(f"weight has shape {array.shape}; it must be (out channels, in channels / groups, height, width)")
        for name, value, least in (
            ("stride", stride, 1),
            ("padding", padding, 0),
            ("dilation", dilation, 1),
            ("groups", groups, 1),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name}={value!r} is not allowed; it must be an integer of {least} or more")
        if array.shape[0] % groups:
            raise ValueError(f"groups={groups} does not divide the {array.shape[0]} output channels")
        self.activation_scheme = scheme(activation_scheme)
        if self.activation_scheme.granularity.kind not in ("none", "tensor", "token"):
            raise ValueError(
                f"activation scheme {self.activation_scheme} is not allowed in Conv2d; use tensor, token or a bare format"
            )
        self.shape = array.shape
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        whole = quantize(array.reshape(array.shape[0], -1), weight_scheme)
        size = array.shape[0] // groups
        self.weights = [whole.take_rows(start, start + size) for start in range(0, array.shape[0], size)]
        self._right = [operand(dequantized_to(q, weight_operand).T, "weight", 0) for q in self.weights]
        self.path = datapath(path) if path is not None else datapath("exact>fp32")
        self.bias = check_bias(bias, array.shape[0])

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output for an input of this size. Raises ValueError where the kernel does not fit."""
        sizes = []
        for size, kernel in ((height, self.shape[2]), (width, self.shape[3])):
            span = self.dilation * (kernel - 1) + 1
            if size + 2 * self.padding < span:
                raise ValueError(f"input size {size} with padding {self.padding} is smaller than the kernel's span {span}")
            sizes.append((size + 2 * self.padding - span) // self.stride + 1)
        return sizes[0], sizes[1]

    def __call__(self, x: Any) -> Any:
        """x: (B, C, H, W) -> float32 (B, O, H', W'), the kind of array that came in."""
        array, restore = to_numpy(x)
        channels = self.shape[1] * self.groups
        if array.ndim != 4 or array.shape[1] != channels:
            raise ValueError(f"x has shape {array.shape}; it must be (batch, {channels}, height, width)")
        batch, _, height, width = array.shape
        out_height, out_width = self.out_size(height, width)
        codes = quantize(array.reshape(batch, -1), self.activation_scheme)
        values = codes.row_values().astype(np.float64).reshape(array.shape)
        integers = operand(codes, "x", -1).integers
        scales = (
            np.ones(batch) if codes.row_scales is None else np.broadcast_to(codes.row_scales[:, 0], (batch,)).astype(np.float64)
        )
        patches = self._patches(values, out_height, out_width)
        pixels = out_height * out_width
        result = np.empty((batch * pixels, self.shape[0]), np.float32)
        for start, rows in _blocks(patches, batch * pixels):
            image = np.arange(start, start + len(rows)) // pixels
            row_scales = scales[image][:, None] if codes.row_scales is not None else None
            parts = np.split(rows, self.groups, axis=1)
            y = np.concatenate(
                [product(Operand(p, row_scales, integers, None), w, self.path) for p, w in zip(parts, self._right, strict=True)],
                axis=1,
            )
            result[start : start + len(rows)] = add_bias(y, self.bias)
        return restore(result.reshape(batch, out_height, out_width, -1).transpose(0, 3, 1, 2).copy())

    def _patches(self, values: np.ndarray, out_height: int, out_width: int) -> np.ndarray:
        """A view (B, H', W', C, kh, kw) of the padded input."""
        pad = ((0, 0), (0, 0), (self.padding, self.padding), (self.padding, self.padding))
        padded = np.pad(values, pad)
        step = padded.strides
        return np.lib.stride_tricks.as_strided(
            padded,
            (values.shape[0], out_height, out_width, values.shape[1], self.shape[2], self.shape[3]),
            (
                step[0],
                step[2] * self.stride,
                step[3] * self.stride,
                step[1],
                step[2] * self.dilation,
                step[3] * self.dilation,
            ),
            writeable=False,
        )


def _blocks(patches: np.ndarray, rows: int) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, block of rows (n, C * kh * kw)) of the patches, a bounded number of rows at a time."""
    _batch, height, width = patches.shape[:3]
    for start in range(0, rows, _ROWS_AT_ONCE):
        index = np.arange(start, min(start + _ROWS_AT_ONCE, rows))
        image, rest = np.divmod(index, height * width)
        y, x = np.divmod(rest, width)
        yield start, np.ascontiguousarray(patches[image, y, x].reshape(len(index), -1))
