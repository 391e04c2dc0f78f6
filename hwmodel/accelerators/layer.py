"""A layer as loops: what a nest runs through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwmodel._checks import positive_int
from hwmodel.accelerators.nest import LOOPS


@dataclass(frozen=True)
class LayerLoops:
    """Sizes of the loops G, B, K, C, OY, OX, FY, FX, strides and dilations (y, x), and bits of a weight, input, output,
    partial sum.
    """

    bounds: tuple[int, ...]
    conv: tuple[int, int, int, int] = (1, 1, 1, 1)
    bits: tuple[float, float, float, float] = (8.0, 8.0, 8.0, 32.0)

    def __post_init__(self) -> None:
        if len(self.bounds) != 8:
            raise ValueError(f"bounds are {self.bounds!r}; give eight sizes: {', '.join(LOOPS)}")
        for name, size in zip(LOOPS, self.bounds, strict=True):
            positive_int(f"loop {name}", size)
        for name, size in zip(("stride y", "stride x", "dilation y", "dilation x"), self.conv, strict=True):
            positive_int(name, size)
        if not all(0 < b < 1e6 for b in self.bits):
            raise ValueError(f"bits are {self.bits!r}; give four positive widths: weight, input, output, partial sum")

    @property
    def macs(self) -> int:
        return int(np.prod([int(b) for b in self.bounds], dtype=object))

    def size(self, name: str) -> int:
        return self.bounds[LOOPS.index(name)]

    def arrays(self, unrolled: Any) -> tuple[Any, Any]:
        """The layer as the kernels read it (`flow`): sizes, with the elements that the array unrolls for each loop, and bits."""
        return np.array([self.bounds, unrolled, (*self.conv, 0, 0, 0, 0)], dtype=np.int64), np.array(self.bits, dtype=np.float64)


def product(m: int, n: int, k: int, batch: int = 1, bits: tuple[float, float, float, float] = (8, 8, 8, 32)) -> LayerLoops:
    """`batch` products (m x k) by (k x n): tokens are B, outputs K, inputs C."""
    return LayerLoops((batch, m, n, k, 1, 1, 1, 1), bits=bits)


def conv(
    outputs: int,
    inputs: int,
    out: tuple[int, int],
    taps: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    *,
    images: int = 1,
    groups: int = 1,
    dilation: tuple[int, int] = (1, 1),
    bits: tuple[float, float, float, float] = (8, 8, 8, 32),
) -> LayerLoops:
    """A convolution; outputs and inputs are channels of one group, `out` the output's height and width."""
    return LayerLoops((groups, images, outputs, inputs, *out, *taps), (*stride, *dilation), bits)


def from_row(row: Mapping[str, Any], bits: tuple[float, float, float, float]) -> LayerLoops:
    """The loops of a workload's row: its convolution where the row knows its windows, else its product."""
    batch, m, n, k = (int(row[c]) for c in ("batch", "m", "n", "k"))
    if not row.get("k_h"):
        return product(m, n, k, batch, bits)
    out, taps = (int(row["out_h"]), int(row["out_w"])), (int(row["k_h"]), int(row["k_w"]))
    strides = (int(row["stride_h"]), int(row["stride_w"]), int(row["dilation_h"]), int(row["dilation_w"]))
    images, channels = m // (out[0] * out[1]), k // (taps[0] * taps[1])
    return LayerLoops((batch, images, n, channels, *out, *taps), strides, bits)
