"""2-D convolutions in ap_fixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import check_in
from ..arith.fixed_rule import assigned, raw_integers
from ..arith.fixed_steps import FixedAccumulator
from ..blocks import QuantizedTensor
from ..formats import Fixed, Format
from .fixed_dense import WeightedLayer
from .fixed_tensor import empty, raw_of, store, tensor, words_of
from .fixed_window import Window, as_nhwc, bands, pair

_PATCHES = 1 << 20  # cells of windows gathered at a time


class FixedConv2d(WeightedLayer):
    """y = result_t(conv2d(x, weight) + bias): for each pixel acc = accum_t(bias), then acc = accum_t(acc + accum_t(x * weight)),
    kernel rows outermost, then kernel columns, then input channels.

    weight: a fixed-point tensor (kh, kw, in, out) as Keras and hls4ml keep it, or (out, in, kh, kw) with layout "oihw".
    depthwise: one filter a channel; weight (kh, kw, channels), or (channels, 1, kh, kw) with "oihw". bias: (out,) or None.
    stride, dilation: an integer or (rows, columns). padding: "valid", "same" (Keras), cells, or ((top, bottom), (left, right)).
    data_layout: "nhwc" (hls4ml's) or "nchw", of input and output. accum_t, result_t, full: as in `FixedDense`.
    Source: hls4ml 1.3.0, nnet_conv2d_latency.h, nnet_sepconv2d_latency.h (depthwise), converters/utils.py (padding).
    """

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        *,
        stride: Any = 1,
        padding: Any = "valid",
        dilation: Any = 1,
        depthwise: bool = False,
        accum_t: str | Format | None = "auto",
        result_t: str | Format | None = "auto",
        full: bool = False,
        layout: str = "hwio",
        data_layout: str = "nhwc",
    ) -> None:
        check_in("layout", layout, ("hwio", "oihw"))
        check_in("data_layout", data_layout, ("nhwc", "nchw"))
        raw, weight_t = raw_of(weight, "weight")
        kernel = _keras_order(raw, layout, depthwise)
        self.window = Window((kernel.shape[0], kernel.shape[1]), pair(stride, "stride", 1), pair(dilation, "dilation", 1), padding)
        self.channels, self.depthwise, self.data_layout = kernel.shape[2], depthwise, data_layout
        terms = kernel.shape[0] * kernel.shape[1] * (1 if depthwise else kernel.shape[2])
        super().__init__(np.ascontiguousarray(kernel.reshape(terms, -1)), weight_t, bias, accum_t, result_t, full)

    def __call__(self, x: Any) -> QuantizedTensor:
        """x: (n, H, W, in) -> (n, H', W', out), or with "nchw" (n, in, H, W) -> (n, out, H', W')."""
        words, fmt = words_of(x)
        images = as_nhwc(words, self.data_layout, self.channels)
        rows, columns = self.window.out_size(*images.shape[1:3])
        acc, plan, start, result = self._prepared(fmt)
        outputs = self._weight.shape[1]
        made = empty((len(images), rows, columns, outputs), result)
        cells = columns * self.window.size[0] * self.window.size[1] * self.channels
        for some, first, last in bands(len(images), rows, cells, _PATCHES):
            band = self.window.band(images[some], first, last, columns)
            view = self.window.view(_narrow(band, fmt), last - first, columns)
            if self.depthwise:
                total = self._each_channel(view, fmt, acc, start)
            else:
                patches = view.reshape(-1, self._weight.shape[0])
                begin = np.broadcast_to(start, (len(patches), outputs))
                total = acc.accumulate(patches, self._weight, begin, (fmt, self.weight_t), plan)
            store(total.reshape(-1, last - first, columns, outputs), acc.format.frac_bits, result, made[some, first:last])
        return tensor(made if self.data_layout == "nhwc" else np.ascontiguousarray(made.transpose(0, 3, 1, 2)), result)

    def _each_channel(self, view: np.ndarray, fmt: Fixed, acc: FixedAccumulator, start: np.ndarray) -> np.ndarray:
        """A depthwise sum: step by step over the window, all pixels and channels at once."""
        frac, to = fmt.frac_bits + self.weight_t.frac_bits, acc.format
        kind = np.int64 if fmt.bits + self.weight_t.bits + max(0, to.frac_bits - frac) <= 62 else object
        total = np.broadcast_to(start, (*view.shape[:3], view.shape[5])).copy()
        finest = max(frac, to.frac_bits)
        for step, (ky, kx) in enumerate(np.ndindex(*self.window.size)):
            product = view[:, :, :, ky, kx].astype(kind) * self._weight[step].astype(kind)
            if acc.full:
                whole = (total.astype(kind) << (finest - to.frac_bits)) + (product << (finest - frac))
                total = assigned(whole, finest, to)
            else:
                total += assigned(product, frac, to)
                total = assigned(total, to.frac_bits, to)
        return total

    def _shape(self) -> str:
        w = self.window
        where = f"{w.size[0]}x{w.size[1]}, {self.channels} -> {self._weight.shape[1]}, stride={w.stride}, padding={w.padding!r}"
        more = (f", dilation={w.dilation}" if w.dilation != (1, 1) else "") + (", depthwise" if self.depthwise else "")
        return where + more


def _keras_order(raw: np.ndarray, layout: str, depthwise: bool) -> np.ndarray:
    """Weights as (kh, kw, in, out), or (kh, kw, channels) of a depthwise kernel."""
    if depthwise and layout == "hwio" and raw.ndim == 4 and raw.shape[3] == 1:
        raw = raw[..., 0]
    if raw.ndim != (3 if depthwise and layout == "hwio" else 4):
        want = {"hwio": "(kh, kw, channels)" if depthwise else "(kh, kw, in, out)", "oihw": "(out, in, kh, kw)"}[layout]
        raise ValueError(f"weight has shape {raw.shape}; it must be {want} for layout={layout!r}, depthwise={depthwise}")
    if layout == "hwio":
        return raw
    if not depthwise:
        return raw.transpose(2, 3, 1, 0)
    if raw.shape[1] != 1:
        raise ValueError(f"weight has shape {raw.shape}; a depthwise kernel of layout 'oihw' must be (channels, 1, kh, kw)")
    return raw[:, 0].transpose(1, 2, 0)


def _narrow(band: np.ndarray, fmt: Fixed) -> np.ndarray:
    """Raw integers of the words of a band, in 32 bits where they fit."""
    raw = raw_integers(band, fmt)
    return raw.astype(np.int32) if fmt.bits <= 31 else raw
