"""Average and maximum pooling of integers, as each stack divides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import check_in
from ..arith.requantize import shifted
from .fixed_window import Window, pair
from .integer_tensor import integers

RULES = {
    "hawqv3": "trunc(sum / window + 0.01), padding counts as zeros",
    "floor": "floor(sum / window), padding counts as zeros: HAWQ-V3's hardware",
    "tflite": "sum / taps in the image, ties away from zero",
    "tosa": "(sum - taps * zero point) times a 31-bit reciprocal of the taps in the image, ties up, + zero point",
    "pytorch": "float32: rint((sum - taps * zero point) * fl(fl(scale / out scale) / window) + zero point): NCHW tensors on x86; "
    "with channels last its vector loop adds the zero point behind the rounding",
}


class _Pool:
    """Windows over images (n, C, H, W); size None: the whole image."""

    def __init__(self, size: Any, stride: Any, padding: Any) -> None:
        self.size = None if size is None else pair(size, "size", 1)
        self.stride, self.padding = stride, padding
        if self.size is not None:
            self._window(*self.size)
        elif padding not in (0, "valid"):
            raise ValueError(f"padding={padding!r} is not allowed for a pool over the whole image; leave it out")

    def _window(self, height: int, width: int) -> Window:
        size = self.size or (height, width)
        return Window(size, size if self.stride is None else pair(self.stride, "stride", 1), (1, 1), self.padding)

    def _images(self, x: Any) -> tuple[np.ndarray, Any, np.dtype[Any], Window]:
        array, restore = integers(x)
        if array.ndim != 4 or not array.size:
            raise ValueError(f"x has shape {array.shape}; it must be (batch, channels, height, width), not empty")
        return array, restore, to_numpy(x)[0].dtype, self._window(*array.shape[2:])


class IntegerAvgPool2d(_Pool):
    """Mean over windows, NCHW; the scale stays (but for "pytorch"). size: one integer, (rows, columns), or None: the whole image.

    rule: "hawqv3", "floor", "tflite", "tosa" or "pytorch" (`integer_pool.RULES` says what each computes). HAWQ's 0.01 repairs
    its float mean: right (the floor) for sums of 0 and more and windows below 100 cells, wrong for negative sums (-49 / 49 gives
    0), and too large for larger windows. zero_point: of input and result ("hawqv3" and "floor" have none). ratio: scale of the
    input over scale of the result, "pytorch" alone. low, high: clamp; by default the range of the input's dtype.
    """

    def __init__(
        self,
        size: Any = None,
        *,
        stride: Any = None,
        padding: Any = 0,
        rule: str = "hawqv3",
        zero_point: int = 0,
        out_zero_point: int | None = None,
        ratio: float = 1.0,
        low: int | None = None,
        high: int | None = None,
    ) -> None:
        check_in("rule", rule, RULES)
        if zero_point and rule in ("hawqv3", "floor"):
            raise ValueError(
                f"zero_point={zero_point} is not allowed under {rule}, whose tensors have none; use tflite, tosa or pytorch"
            )
        if rule != "pytorch" and (ratio != 1.0 or out_zero_point not in (None, zero_point)):
            raise ValueError(f"ratio and out_zero_point belong to rule pytorch; under {rule} the result has the input's scale")
        super().__init__(size, stride, padding)
        self.rule, self.zero_point, self.ratio, self.low, self.high = rule, int(zero_point), ratio, low, high
        self.out_zero_point = self.zero_point if out_zero_point is None else int(out_zero_point)

    def __call__(self, x: Any) -> Any:
        """x: integers (n, C, H, W) -> (n, C, H', W'), the dtype and kind of array that came in."""
        array, restore, dtype, window = self._images(x)
        total = sum(tap for tap in _taps(array, window, 0))
        inside = sum(tap for tap in _taps(np.ones((1, 1, *array.shape[2:]), np.int64), window, 0))
        if self.rule in ("tflite", "tosa") and (inside == 0).any():  # type: ignore[union-attr]
            raise ValueError(f"padding {self.padding} puts a whole window of {window.size} outside of the image; use less padding")
        made = self._mean(np.asarray(total), np.asarray(inside), window.size[0] * window.size[1])
        info = np.iinfo(dtype)
        low, high = info.min if self.low is None else self.low, info.max if self.high is None else self.high
        return restore(np.clip(made, low, high).astype(dtype))

    def _mean(self, total: np.ndarray, inside: np.ndarray, cells: int) -> np.ndarray:
        if self.rule == "floor":
            return total // cells
        if self.rule == "hawqv3":
            top = 100 * total + cells
            return np.sign(top) * (np.abs(top) // (100 * cells))
        if self.rule == "tflite":
            return np.sign(total) * ((np.abs(total) + inside // 2) // inside)
        centred = total - inside * self.zero_point
        if self.rule == "tosa":
            return tosa_mean(centred, inside) + self.zero_point
        multiplier = np.float32(self.ratio) / np.float32(cells)
        made = centred.astype(np.float32) * multiplier + np.float32(self.out_zero_point)
        return np.rint(made).astype(np.int64)

    def __repr__(self) -> str:
        return f"IntegerAvgPool2d({self.size or 'whole image'}, {self.rule})"


class IntegerMaxPool2d(_Pool):
    """Largest integer of windows, NCHW; cells outside of the image do not take part. The dtype stays."""

    def __init__(self, size: Any = 2, *, stride: Any = None, padding: Any = 0) -> None:
        super().__init__(size, stride, padding)

    def __call__(self, x: Any) -> Any:
        """x: integers (n, C, H, W) -> (n, C, H', W')."""
        array, restore, dtype, window = self._images(x)
        least = np.iinfo(np.int64).min
        made = None
        for tap in _taps(array, window, least):
            made = tap.copy() if made is None else np.maximum(made, tap)
        assert made is not None
        if (made == least).any():
            raise ValueError(f"padding {self.padding} puts a whole window of {window.size} outside of the image; use less padding")
        return restore(made.astype(dtype))

    def __repr__(self) -> str:
        return f"IntegerMaxPool2d({self.size or 'whole image'})"


def tosa_mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """total / count by TOSA's reciprocal: k = bit length of count - 1; total * floor(((2**30 + 1) << k) / count) >> (30 + k),
    ties up. int64."""
    total, count = np.broadcast_arrays(total, count)
    k = np.frexp((count - 1).astype(np.float64))[1].astype(np.int64)
    multiplier = (((np.int64(1) << 30) + 1) << k) // count
    return shifted(total * multiplier, 30 + k, "up")


def _taps(x: np.ndarray, window: Window, fill: int) -> Iterator[np.ndarray]:
    """The cell at each place of the window, (n, C, H', W'), one place at a time."""
    (top, bottom), (left, right) = window.pads(*x.shape[2:])
    rows, columns = window.out_size(*x.shape[2:])
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    for i in range(window.size[0]):
        for j in range(window.size[1]):
            down, across = i + (rows - 1) * window.stride[0] + 1, j + (columns - 1) * window.stride[1] + 1
            yield padded[:, :, i : down : window.stride[0], j : across : window.stride[1]]
