"""Codebooks by name: bitsandbytes' tables, AF4, IQ4_NL, ternary and binary."""

from __future__ import annotations

from functools import cache

import numpy as np

from .codebook import Codebook
from .entry import Entry

_BNB = "bitsandbytes 0.50.2 functional.py; its CPU decides at float32 midpoints, its CUDA FP4 at literals up to 14 ulp from them"
_AF4 = "AF4, arXiv 2306.06965; as printed there to eight digits, rounded to float32"

# bitsandbytes FP4 in twelfths, by code; the high bit is the sign.
_FP4 = (0.0, 0.0625, 8.0, 12.0, 4.0, 6.0, 2.0, 3.0)

_AF4_TABLE = (
    -1.0, -0.69441008, -0.51243739, -0.3736951, -0.25607552, -0.14982478, -0.04934812, 0.0,
    0.04273164, 0.12934483, 0.21961274, 0.31675666, 0.42563882, 0.55496234, 0.72424863, 1.0,
)  # fmt: skip

_IQ4_NL = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def _float32(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(np.array(values, np.float32).astype(np.float64).tolist())


@cache
def dynamic_map(signed: bool) -> tuple[float, ...]:
    """The 256 sorted values of the dynamic 8-bit map: in decade i = 0..6 the midpoints of 2**i (unsigned 2**(i+1)) equal parts of
    [0.1, 1] times 10**(i-6), of both signs if signed, and 0 and 1. Everything in float32, as the published code computes it.

    Source: Dettmers, arXiv 1511.04561; the SHA-256 of the bytes is a test.
    """
    data = [0.0, 1.0]
    for i in range(7):
        parts = 2 ** (i if signed else i + 1)
        edges = _linspace(parts + 1)
        means = (edges[:-1] + edges[1:]) / np.float32(2)
        scaled = np.float32(10.0 ** (i - 6)) * means
        data += scaled.tolist()
        if signed:
            data += (-scaled).tolist()
    return tuple(sorted(data))


def _linspace(points: int) -> np.ndarray:
    """float32 points from 0.1 to 1 by the rule of torch.linspace: from the nearer end, product and sum rounded once (fused)."""
    start, stop = np.float32(0.1), np.float32(1.0)
    step = float((stop - start) / np.float32(points - 1))
    index = np.arange(points)
    return np.where(index < points // 2, float(start) + step * index, float(stop) - step * (points - 1 - index)).astype(np.float32)


def entries() -> list[Entry]:
    """Catalogue rows."""
    fp4 = tuple((np.array(_FP4, np.float32) / np.float32(12)).astype(np.float64).tolist())
    return [
        Entry("bnb_fp4", Codebook((*fp4, *(-v if v else 0.0 for v in fp4)), 4), _BNB, "verified"),
        Entry("af4", Codebook(_float32(_AF4_TABLE), 4), _AF4, "read"),
        Entry("dynamic8", Codebook(dynamic_map(True), 8), _BNB, "verified"),
        Entry("udynamic8", Codebook(dynamic_map(False), 8), _BNB, "verified"),
        Entry("iq4_nl", Codebook(tuple(map(float, _IQ4_NL)), 4, "upper"), "ggml-org/ggml, kvalues_iq4nl; index ties go up", "read"),
        Entry(
            "ternary",
            Codebook((-1.0, 0.0, 1.0), 2, "zero"),
            "BitNet b1.58, microsoft/BitNet: code is value + 1; the scale is the mean magnitude",
            "read",
        ),
        Entry(
            "binary",
            Codebook((-1.0, 1.0), 1, "upper"),
            "XNOR-Net, arXiv 1603.05279: the sign of 0 is +1; the scale is the mean magnitude",
            "recalled",
        ),
    ]
