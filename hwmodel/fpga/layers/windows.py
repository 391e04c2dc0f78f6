"""Sliding windows: buffers that turn a stream of pixels into the windows of a convolution, as FINN's RTL generator builds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hwmodel.fpga.layers.facts import whole
from hwmodel.fpga.layers.folded import Estimate
from hwmodel.fpga.layers.memory import Ints, ints, shapes, up


def buffer_words(
    channels: ArrayLike,
    width: ArrayLike,
    kernel: tuple[ArrayLike, ArrayLike],
    stride: tuple[ArrayLike, ArrayLike],
    dilation: tuple[ArrayLike, ArrayLike],
    simd: ArrayLike,
) -> Ints:
    """Words of `simd` channels in the cyclic buffer: the rows a window spans, and what a stride lets in early."""
    part = ints(channels) // ints(simd)
    kh, kw = ints(kernel[0]), ints(kernel[1])
    least = ((kh - 1) * ints(dilation[0]) * ints(width) + (kw - 1) * ints(dilation[1]) + 1) * part
    early = np.maximum(0, (ints(stride[1]) - 1 - kh * kw) * part)
    return least + early + np.maximum(0, ((ints(stride[0]) - 1) * ints(width) - kh * kw) * part)


def window(
    channels: ArrayLike,
    size: tuple[ArrayLike, ArrayLike],
    kernel: tuple[ArrayLike, ArrayLike],
    out: tuple[ArrayLike, ArrayLike],
    simd: ArrayLike,
    bits: ArrayLike,
    *,
    stride: tuple[ArrayLike, ArrayLike] = (1, 1),
    dilation: tuple[ArrayLike, ArrayLike] = (1, 1),
    parallel: ArrayLike = False,
    depthwise: bool = False,
    memory: str = "block",
) -> Estimate:
    """A generator of windows for one image, `simd` channels of `bits` a cycle; simd divides channels.

    size, out: height and width of the padded input and of the output. parallel: the whole window at once, from line buffers
    beside registers, instead of its pixels in turn from one cyclic buffer. `ff` is inferred: two words, and a parallel window's.
    """
    (height, width), (kh, kw), (oh, ow) = ((ints(v[0]), ints(v[1])) for v in (size, kernel, out))
    part, across = ints(channels) // ints(simd), ints(simd) * ints(bits)
    whole_window = np.asarray(parallel, dtype=bool)
    line = width - ((kw - 1) * ints(dilation[1]) + 1) + width * (ints(dilation[0]) - 1)
    words = np.where(whole_window, np.maximum(line * part, 1), buffer_words(channels, width, kernel, stride, dilation, simd))
    count = np.where(whole_window, kh - 1, 1)
    least = ((kh - 1) * ints(dilation[0]) * width + (kw - 1) * ints(dilation[1]) + 1) * part
    row = np.maximum(ow * kh * kw * part, ints(stride[1]) * width * part)
    in_turn = least + oh * row
    if depthwise:
        in_turn = in_turn + oh * ow * (ints(stride[1]) - 1) * (part - 1) + (ints(stride[0]) - 1) * width * part
    cycles = np.where(whole_window, height * width * part + 2, in_turn)
    zero = np.zeros(np.broadcast(words, across, cycles).shape, dtype=np.int64)
    lut, bram, ultra = zero + whole("finn.window_lut_base"), zero, zero
    if memory == "distributed":
        lut = lut + across * up(words, whole("finn.window_lutram_words")) * count
    elif memory == "ultra":
        ultra = zero + up(across, whole("uram.width")) * up(words, whole("uram.words")) * count
    else:
        bram = zero + _bram18(across, words) * count
    registers = across * np.where(whole_window, kh * kw * part, 2)
    return Estimate(lut, registers + zero, zero, bram, ultra, cycles + zero)


def _bram18(across: Ints, words: Ints) -> Ints:
    """Blocks of a cascade: the mode follows the depth, and the last, shorter level may use a wider one."""
    deep = whole("finn.window_bram_words")
    full, rest = up(words, deep) * up(across, _mode(words)), up(across, _mode(words % deep))
    saved = np.where(words > deep, up(across, _mode(words)) - rest, 0)
    return full - saved


def _mode(words: Ints) -> Ints:
    """Width of the widest mode with that many words, 1 beyond all."""
    out = np.ones_like(words)
    for bits, deep in shapes():
        out = np.where(words <= deep, bits, out)
    return out
