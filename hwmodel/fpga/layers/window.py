"""Sliding windows: buffers that turn a stream of pixels into the windows of a convolution, as FINN's RTL generator builds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hwmodel.fpga.layers.facts import value, whole
from hwmodel.fpga.layers.memory import Ints, ints, shapes, up
from hwmodel.fpga.layers.mvau import Estimate


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
    width: ArrayLike,
    kernel: tuple[ArrayLike, ArrayLike],
    out: tuple[ArrayLike, ArrayLike],
    simd: ArrayLike,
    bits: ArrayLike,
    *,
    stride: tuple[ArrayLike, ArrayLike] = (1, 1),
    dilation: tuple[ArrayLike, ArrayLike] = (1, 1),
    memory: str = "block",
) -> Estimate:
    """A generator of windows for one image with a cyclic buffer, `simd` channels of `bits` a cycle; simd divides channels.

    width: of the padded input; out: height and width of the output. A unit that wants more than the channels a cycle gets them
    from registers beside line buffers, which count the same words here. `ff` is inferred: two words.
    """
    words = buffer_words(channels, width, kernel, stride, dilation, simd)
    across = ints(simd) * ints(bits)
    part = ints(channels) // ints(simd)
    least = ((ints(kernel[0]) - 1) * ints(dilation[0]) * ints(width) + (ints(kernel[1]) - 1) * ints(dilation[1]) + 1) * part
    row = np.maximum(ints(out[1]) * ints(kernel[0]) * ints(kernel[1]) * part, ints(stride[1]) * ints(width) * part)
    lut = np.full(np.broadcast(words, across).shape, int(value("finn.window_lut_base")), dtype=np.int64)
    zero = np.zeros_like(lut)
    bram, ultra = zero, zero
    if memory == "distributed":
        lut = lut + across * up(words, whole("finn.window_lutram_words"))
    elif memory == "ultra":
        ultra = up(across, whole("uram.width")) * up(words, whole("uram.words"))
    else:
        bram = _bram18(across, words)
    return Estimate(lut, 2 * across + zero, zero, bram + zero, ultra + zero, least + ints(out[0]) * row + zero)


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
