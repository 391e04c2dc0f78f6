"""Convolutions beside the equal matrix product, and the bit-serial element beside P: `python benchmarks/convolution.py [--short]`.

The equal product has the patches given, side by side, and the same datapath; CPU seconds, runs of both sides in turn. P is the
float32 i-k-j loop in Numba (`steps.native_matmul`). Memory: NumPy's arrays beside input and result, in MB.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
from _timing import SHORT, Row, show, threads
from matrix_units import ratio

import numfmt as nf
from numfmt.kernels import steps

PATHS = (
    ("int32>fp32", "int8/channel", "int8/tensor"),
    ("exact>fp32", "float16", "float16"),
    ("fp16", "float16", "float16"),
    ("fp16+fma", "float16", "float16"),
    ("h100.wgmma_m64n8k16_f16_f16_f32>fp32", "float16", "float16"),
)


def convolutions() -> Iterator[Row]:
    """3x3, 64 to 64 channels, two images of 56x56."""
    size = 14 if SHORT else 56
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 64, size, size)).astype(np.float32), rng.standard_normal((64, 64, 3, 3)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    patches = (
        np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3)).transpose(0, 2, 3, 1, 4, 5).reshape(2 * size**2, -1).copy()
    )
    for path, weights, activations in PATHS:
        conv = nf.layers.Conv2d(w, padding=1, weight_scheme=weights, activation_scheme=activations, path=path)
        a, b = nf.quantize(patches, activations), nf.quantize(w.reshape(64, -1), weights).T
        reached = ratio(lambda conv=conv: conv(x), lambda a=a, b=b, path=path: nf.matmul(a, b, path), 3)
        yield Row(f"conv 3x3 {path}", "x the equal matmul's speed", reached, 1 / 1.5)
    large = rng.standard_normal((1, 3, 256, 256) if SHORT else (1, 3, 2048, 2048)).astype(np.float32)
    conv = nf.layers.Conv2d(rng.standard_normal((8, 3, 3, 3)).astype(np.float32), padding=1, path="fp16")
    tracemalloc.start()
    made = conv(large)
    peak = tracemalloc.get_traced_memory()[1] - made.nbytes
    tracemalloc.stop()
    yield Row(f"conv 3x3 of an image {large.shape[1:]}", "MB beside input and result", peak / 1e6)


def bit_serial() -> Iterator[Row]:
    """The element's sums of groups of 128, scaled and added in float32."""
    m, k, n = (64, 256, 128) if SHORT else (512, 512, 512)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((m, k)).astype(np.float16), rng.standard_normal((n, k)).astype(np.float32)
    left, right, out = x.astype(np.float32), np.ascontiguousarray(w.T), np.zeros((m, n), np.float32)
    for scheme in ("bitmod4/g128", "int6/g128", "int8/g128"):
        q = nf.quantize(w, scheme).T
        for mode in ("paper", "rtl"):
            reached = ratio(
                lambda q=q, mode=mode: nf.matmul(x, q, f"bitmod.{mode}>fp32"), lambda: steps.native_matmul(left, right, out), 3
            )
            yield Row(f"bitmod.{mode}, {scheme}, {m}x{k}x{n}", "P", reached, 0.05)


if __name__ == "__main__":
    with threads(1):
        show(convolutions())
        show(bit_serial())
