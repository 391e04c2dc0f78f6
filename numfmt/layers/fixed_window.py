"""Windows over images as hls4ml counts them: padding, stride, dilation, layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import plain_int

Pair = tuple[int, int]


def pair(value: Any, what: str, least: int) -> Pair:
    """(rows, columns) from one integer or two. Raises ValueError below `least`."""
    two = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    two = tuple(plain_int(v) for v in two)
    if len(two) != 2 or any(isinstance(v, bool) or not isinstance(v, int) or v < least for v in two):
        raise ValueError(f"{what}={value!r} is not allowed; give an integer of {least} or more, or (rows, columns)")
    return two[0], two[1]


@dataclass(frozen=True)
class Window:
    """A window of `size` cells, `dilation` apart, that moves by `stride`.

    padding: "valid" (none), "same" (Keras: ceil(length / stride) results, the odd cell at the bottom and right), cells on each
    side, (rows, columns), or ((top, bottom), (left, right)).
    """

    size: Pair
    stride: Pair
    dilation: Pair
    padding: Any

    def __post_init__(self) -> None:
        if isinstance(self.padding, str):
            if self.padding not in ("valid", "same"):
                raise ValueError(
                    f"padding={self.padding!r} is not allowed; use 'valid', 'same', cells, or ((top, bottom), (left, right))"
                )
            if self.padding == "same" and self.dilation != (1, 1):
                raise ValueError(
                    f"padding='same' with dilation={self.dilation} is not defined by hls4ml; give ((top, bottom), (left, right))"
                )
        else:
            self._stated()

    def _stated(self) -> tuple[Pair, Pair]:
        if isinstance(self.padding, (tuple, list)) and any(isinstance(p, (tuple, list)) for p in self.padding):
            if len(self.padding) != 2:
                raise ValueError(f"padding={self.padding!r} is not allowed; give ((top, bottom), (left, right))")
            return pair(self.padding[0], "padding", 0), pair(self.padding[1], "padding", 0)
        rows, columns = pair(self.padding, "padding", 0)
        return (rows, rows), (columns, columns)

    def pads(self, height: int, width: int) -> tuple[Pair, Pair]:
        """((top, bottom), (left, right)) for an image of that size."""
        if self.padding == "valid":
            return (0, 0), (0, 0)
        if self.padding != "same":
            return self._stated()
        found = []
        for length, size, step in zip((height, width), self.size, self.stride, strict=True):
            total = max(size - (length % step or step), 0)
            found.append((total // 2, total - total // 2))
        return found[0], found[1]

    def out_size(self, height: int, width: int) -> Pair:
        """Rows and columns of results. Raises ValueError where the window does not fit."""
        found = []
        for length, size, step, apart, pads in zip(
            (height, width), self.size, self.stride, self.dilation, self.pads(height, width), strict=True
        ):
            span = apart * (size - 1) + 1
            if length + sum(pads) < span:
                raise ValueError(f"input size {length} with padding {pads} is smaller than the window's span {span}")
            found.append((length + sum(pads) - span) // step + 1)
        return found[0], found[1]

    def band(self, image: np.ndarray, first: int, last: int, columns: int, fill: int = 0) -> np.ndarray:
        """The padded input (n, rows, width, C) that result rows first..last of images (n, H, W, C) look at; `fill` outside."""
        n, height, width, channels = image.shape
        (top, _), (left, _) = self.pads(height, width)
        begin = first * self.stride[0] - top
        rows = (last - first - 1) * self.stride[0] + self.dilation[0] * (self.size[0] - 1) + 1
        across = (columns - 1) * self.stride[1] + self.dilation[1] * (self.size[1] - 1) + 1
        padded = np.full((n, rows, across, channels), fill, image.dtype)
        low, high = max(begin, 0), min(begin + rows, height)
        right = min(width, across - left)
        if low < high and right > 0:
            padded[:, low - begin : high - begin, left : left + right] = image[:, low:high, :right]
        return padded

    def view(self, padded: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """A view (n, rows, columns, kh, kw, C) of a padded band: the cells of each window in hls4ml's order."""
        s = padded.strides
        strides = (s[0], s[1] * self.stride[0], s[2] * self.stride[1], s[1] * self.dilation[0], s[2] * self.dilation[1], s[3])
        shape = (padded.shape[0], rows, columns, *self.size, padded.shape[3])
        return np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)


def bands(images: int, rows: int, row_cost: int, most: int) -> list[tuple[slice, int, int]]:
    """(images, first row, last row) of pieces whose cost, row_cost a row of an image, stays at `most` or one row."""
    whole = rows * row_cost
    if whole <= most:
        step = max(1, most // max(1, whole))
        return [(slice(s, min(s + step, images)), 0, rows) for s in range(0, images, step)]
    step = max(1, most // max(1, row_cost))
    return [(slice(i, i + 1), s, min(s + step, rows)) for i in range(images) for s in range(0, rows, step)]


def as_nhwc(words: np.ndarray, layout: str, channels: int | None) -> np.ndarray:
    """A view (n, H, W, C). Raises ValueError for other shapes, or another number of channels."""
    if words.ndim != 4 or (channels is not None and words.shape[3 if layout == "nhwc" else 1] != channels):
        names = "(batch, height, width, channels)" if layout == "nhwc" else "(batch, channels, height, width)"
        many = "" if channels is None else f" with {channels} channels"
        raise ValueError(f"x has shape {words.shape}; it must be {names}{many}")
    return words if layout == "nhwc" else words.transpose(0, 2, 3, 1)
