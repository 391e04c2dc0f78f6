"""A 2-D convolution with quantized weights and activations, computed by a datapath as a matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import plain_int
from ..arith import Datapath
from ..arith.matmul import product
from ..arith.operands import Operand, operand
from ..blocks import QuantizedTensor, Scheme, quantize, scheme
from ..formats import Fixed, Format, decode
from ..kernels.patches import gather
from .linear import add_bias, check_bias, dequantized_to, layer_path

_BYTES = 1 << 24  # of inputs side by side and of sums at a time, so that memory stays bounded


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
        if not array.size:
            raise ValueError(f"weight has shape {array.shape}; no axis may be empty")
        stride, padding, dilation, groups = (plain_int(v) for v in (stride, padding, dilation, groups))
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
        self.path = layer_path(path)
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
        shape = self.out_size(height, width)
        result = np.empty((batch, self.shape[0], *shape), np.float32)
        whole = quantize(array.reshape(batch, -1), self.activation_scheme) if self.activation_scheme.scaled and batch else None
        pixels = shape[0] * shape[1]
        rows = max(1, _BYTES // (4 * self.shape[1] * self.groups * self.shape[2] * self.shape[3] + 32 * self.shape[0]))
        images = max(1, min(batch, rows // max(1, pixels)))
        lines = min(shape[0], max(1, rows // shape[1]))
        for first in range(0, batch, images):
            part = slice(first, min(first + images, batch))
            scales = _scales(whole, part)
            for line in range(0, shape[0], lines):
                span = range(line, min(line + lines, shape[0]))
                y = self._lines(array[part], whole, part, scales, span, shape[1])
                result[part, :, span.start : span.stop] = y.reshape(-1, len(span), shape[1], self.shape[0]).transpose(0, 3, 1, 2)
        return restore(result)

    def _lines(
        self,
        images: np.ndarray,
        whole: QuantizedTensor | None,
        part: slice,
        scales: np.ndarray | None,
        span: range,
        width: int,
    ) -> np.ndarray:
        """Some output lines of some images, (images * lines * width, O), with the bias."""
        top = max(0, span.start * self.stride - self.padding)
        reach = (span.stop - 1) * self.stride - self.padding + self.dilation * (self.shape[2] - 1) + 1
        bottom = min(images.shape[2], max(reach, top + 1))
        if whole is None:
            lines = np.ascontiguousarray(images[:, :, top:bottom])
            codes = quantize(lines.reshape(len(images), -1), self.activation_scheme)
            values = codes.row_values().reshape(lines.shape)
        else:
            codes = whole
            values = _values(whole, part, images.shape, slice(top, bottom))
        values = np.ascontiguousarray(values, _narrowest(codes, values))
        pixels = len(images) * len(span) * width
        each = self.shape[1]
        row_scales = None if scales is None else np.repeat(scales, len(span) * width)[:, None]
        made = []
        for group, right in enumerate(self._right):
            patches = np.empty((pixels, each * self.shape[2] * self.shape[3]), values.dtype)
            gather(
                values,
                top - span.start * self.stride,
                (group * each, (group + 1) * each),
                self.shape[2:],
                self.stride,
                self.dilation,
                self.padding,
                len(span),
                width,
                0,
                patches,
            )
            made.append(product(Operand(patches, row_scales, _integers(codes), None), right, self.path))
        y = made[0] if len(made) == 1 else np.concatenate(made, axis=1)
        return add_bias(y, self.bias)


def _narrowest(codes: QuantizedTensor, values: np.ndarray) -> type:
    """The dtype that patches are gathered in: short integers without zero points keep their own, which products take as it is."""
    fmt = codes.scheme.candidates[0]
    if (
        _integers(codes)
        and codes.row_zero_points is None
        and isinstance(fmt, Fixed)
        and fmt.bits <= 8
        and len(codes.scheme.candidates) == 1
    ):
        return np.int8 if fmt.signed else np.uint8
    return np.float64 if values.dtype == np.float64 else np.float32


def _integers(codes: QuantizedTensor) -> bool | None:
    """Whether the activations are integers by their format."""
    return all(isinstance(f, Fixed) and f.frac_bits == 0 for f in codes.scheme.candidates)


def _scales(whole: QuantizedTensor | None, part: slice) -> np.ndarray | None:
    """The scale of each image."""
    if whole is None or whole.row_scales is None:
        return None
    scales = np.broadcast_to(whole.row_scales[:, 0], (whole.shape[0],))
    return scales[part].astype(np.float64)


def _values(whole: QuantizedTensor, part: slice, shape: tuple[int, ...], lines: slice) -> np.ndarray:
    """Code values of some lines of some images."""
    rows = whole.take_rows(part.start, part.stop)
    made = rows.scheme
    if len(made.candidates) == 1 and made.way.plain and rows.row_zero_points is None:  # these lines alone
        return decode(np.ascontiguousarray(rows.row_codes.reshape(shape)[:, :, lines]), made.candidates[0])
    return rows.row_values().reshape(shape)[:, :, lines]
