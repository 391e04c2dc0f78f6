"""Pooling in ap_fixed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from .._checks import check_in
from ..arith import fixed_rule
from ..blocks import QuantizedTensor
from ..formats import Fixed, Format
from ..kernels import fixed_steps as kernels
from .fixed_infer import infer_pool_accumulator
from .fixed_layer import FixedLayer, optional_type
from .fixed_tensor import empty, store, tensor, words_of
from .fixed_window import Window, as_nhwc, bands, pair

_CELLS = 1 << 20  # of a band held in int64


class _Pool(FixedLayer):
    """Windows over images; result_t "auto" is the type of the input."""

    def __init__(
        self,
        size: Any = 2,
        *,
        stride: Any = None,
        padding: Any = "valid",
        accum_t: str | Format | None = "auto",
        result_t: str | Format | None = "auto",
        data_layout: str = "nhwc",
    ) -> None:
        check_in("data_layout", data_layout, ("nhwc", "nchw"))
        self.size = None if size is None else pair(size, "size", 1)
        self.stride, self.padding, self.data_layout = stride, padding, data_layout
        self.accum, self.result = optional_type(accum_t, "accum_t"), optional_type(result_t, "result_t")
        if self.size:
            self._window(*self.size)

    def _window(self, height: int, width: int) -> Window:
        size = self.size or (height, width)  # None: the whole image, to one pixel
        return Window(size, size if self.stride is None else pair(self.stride, "stride", 1), (1, 1), self.padding)

    def __call__(self, x: Any) -> QuantizedTensor:
        """x: (n, H, W, C) -> (n, H', W', C), or with "nchw" (n, C, H, W) -> (n, C, H', W')."""
        words, fmt = words_of(x)
        images = as_nhwc(words, self.data_layout, None)
        window = self._window(*images.shape[1:3])
        rows, columns = window.out_size(*images.shape[1:3])
        types = self.types(fmt, window)
        made = empty((len(images), rows, columns, images.shape[3]), types["result_t"])
        cost = images.shape[2] * images.shape[3] * window.stride[0]
        for some, first, last in bands(len(images), rows, cost, _CELLS):
            total = self._pooled(images[some], fmt, window, first, last, columns, types["accum_t"])
            store(total, types["accum_t"].frac_bits, types["result_t"], made[some, first:last])
        return tensor(made if self.data_layout == "nhwc" else np.ascontiguousarray(made.transpose(0, 3, 1, 2)), types["result_t"])

    def types(self, x: Fixed, window: Window | None = None) -> dict[str, Fixed]:
        """input_t, accum_t, result_t."""
        if self.accum is None and self.size is None and window is None:
            raise ValueError("accum_t='auto' of a pool over the whole image depends on its size; state accum_t")
        size = window.size if window else self.size
        return {"input_t": x, "accum_t": self.accum or self._auto(x, size), "result_t": self.result or x}  # type: ignore[arg-type]

    def result_format(self, given: Format | None) -> Fixed | None:
        """result_t, or the type of the input."""
        if given is not None and not isinstance(given, Fixed):
            raise ValueError(f"input format {given} is not allowed; {type(self).__name__} takes fixed-point tensors")
        return self.result or given

    def explain(self, given: Format | None = None) -> str:
        """The types, as far as they are known without an image."""
        if self.accum is None and self.size is None and isinstance(given, Fixed):
            return f"input_t={given}, accum_t=auto, result_t={self.result or given}"
        return super().explain(given)

    @abstractmethod
    def _auto(self, x: Fixed, size: tuple[int, int]) -> Fixed:
        """The accumulator's type where none is stated."""

    @abstractmethod
    def _pooled(
        self, images: np.ndarray, fmt: Fixed, window: Window, first: int, last: int, columns: int, acc: Fixed
    ) -> np.ndarray:
        """Raw accumulators (n, last - first, columns, C) of some rows of the result."""

    def _shape(self) -> str:
        size = "all" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        stride = "" if self.stride is None else f", stride={self.stride}"
        return f"{size}{stride}, padding={self.padding!r}"

    def _facts(self) -> str:
        return f"accum_t={self.accum or 'auto'}, {super()._facts()}"


class FixedAvgPool2d(_Pool):
    """y = result_t(accum_t(sum of the window) / cells): each sum assigned to accum_t, row by row; the quotient truncated towards
    zero with accum_t's fraction bits.

    size: cells (an integer, (rows, columns), or None for the whole image). stride: None is the size. padding: as `FixedConv2d`.
    count_padding: divide by all cells of the window, else by those within the image (hls4ml's default).
    accum_t "auto": `infer_pool_accumulator`. result_t "auto": the type of the input. data_layout: "nhwc" or "nchw".
    Source: hls4ml 1.3.0, nnet_pooling.h `avg` and `pooling2d_cl`, for both layouts (pooling2d_cf differs where windows overlap).
    """

    def __init__(self, size: Any = 2, *, count_padding: bool = False, **options: Any) -> None:
        super().__init__(size, **options)
        self.count_padding = count_padding

    def _auto(self, x: Fixed, size: tuple[int, int]) -> Fixed:
        return infer_pool_accumulator(x, size[0] * size[1])

    def _pooled(
        self, images: np.ndarray, fmt: Fixed, window: Window, first: int, last: int, columns: int, acc: Fixed
    ) -> np.ndarray:
        finest = max(acc.frac_bits, fmt.frac_bits)
        ups = finest - acc.frac_bits, finest - fmt.frac_bits
        if max(acc.bits + ups[0], fmt.bits + ups[1]) + 2 > fixed_rule.WIDEST:
            raise ValueError(f"an average of {fmt} in accum_t={acc} needs more than {fixed_rule.WIDEST} bits; use nearer types")
        _, height, width, channels = images.shape
        (top, _), (left, _) = window.pads(height, width)
        low = max(first * window.stride[0] - top, 0)
        high = max(low, min((last - 1) * window.stride[0] - top + window.size[0], height))
        raw = fixed_rule.raw_integers(images[:, low:high], fmt)
        out = np.empty((len(images), last - first, columns, channels), np.int64)
        facts = fixed_rule.rule(acc, ups[0])
        for n in range(len(images)):
            kernels.average_pool(
                np.ascontiguousarray(raw[n]), out[n], low, first, window.stride, window.size, (top, left),
                (int(self.count_padding), height, width), ups[0], ups[1], facts,
            )  # fmt: skip
        return out


class FixedMaxPool2d(_Pool):
    """y = result_t(accum_t(largest of the window)). Arguments as `FixedAvgPool2d`; accum_t "auto" is the type of the input.

    A cell outside the image counts as the word with only its top bit set, as in the header: the most negative number of a signed
    type, but half the range of an unsigned one (so a padded pool of unsigned numbers never gives less than that).
    Source: hls4ml 1.3.0, nnet_pooling.h `max`, `pad_val` and `pooling2d_cl`.
    """

    def _auto(self, x: Fixed, size: tuple[int, int]) -> Fixed:
        return x

    def _pooled(
        self, images: np.ndarray, fmt: Fixed, window: Window, first: int, last: int, columns: int, acc: Fixed
    ) -> np.ndarray:
        words = window.band(images, first, last, columns, fill=1 << fmt.bits >> 1)
        band = fixed_rule.raw_integers(words, fmt)
        view = window.view(band, last - first, columns)
        best = view[:, :, :, 0, 0].copy()
        for ky, kx in np.ndindex(*window.size):
            np.maximum(best, view[:, :, :, ky, kx], out=best)
        return fixed_rule.assigned(best, fmt.frac_bits, acc)
