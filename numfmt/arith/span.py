"""What float32 values span, for proofs that a kernel is exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..kernels import spans


@dataclass(frozen=True)
class Extent:
    """What all values together span: largest magnitude (infinite with specials), least nonzero one (infinite without), significant
    bits, unit of the last place used (infinite without), whether one is zero."""

    most: float = 0.0
    least: float = np.inf
    width: int = 1
    unit: float = np.inf
    zeros: bool = False

    def __or__(self, other: Extent) -> Extent:
        most, least, unit = max(self.most, other.most), min(self.least, other.least), min(self.unit, other.unit)
        return Extent(most, least, max(self.width, other.width), unit, self.zeros or other.zeros)


def extent(x: np.ndarray) -> Extent:
    """The extent of float32 values, (rows, n), rows contiguous."""
    if not x.size:
        return Extent()
    most, small, used, zeros = (int(v) for v in spans.span_all(x))
    largest = float(np.int32(most).view(np.float32)) if most < 0x7F800000 else np.inf
    if small == 0x7FFFFFFF:
        return Extent(largest, zeros=bool(zeros))
    fraction = used | 1 << 23
    subnormal = small < (1 << 23) - 1
    tail = 0 if subnormal else (fraction & -fraction).bit_length() - 1
    least = float(np.int32(small + 1).view(np.float32)) if small < 0x7F7FFFFF else np.inf
    unit = 2.0 ** (max((small + 1) >> 23, 1) - 150 + tail)
    return Extent(largest, least, 24 - tail, unit, bool(zeros))


class Span:
    """What each row of a tile spans: largest magnitude, unit of the last place used; of all: least nonzero magnitude, width."""

    def __init__(self, x: np.ndarray) -> None:
        most, least, used = (np.empty(len(x), np.int32) for _ in range(3))
        spans.span_rows(x, most, least, used)
        with np.errstate(invalid="ignore"):
            self.most = np.where(most < 0x7F800000, most.view(np.float32).astype(np.float64), np.inf)
        small = least.min(initial=0x7FFFFFFF)
        self.least = float(np.int32(small + 1).view(np.float32)) if small < 0x7F7FFFFF else np.inf
        fraction = int(np.bitwise_or.reduce(used)) | 1 << 23
        tail = (fraction & -fraction).bit_length() - 1
        subnormal = small < (1 << 23) - 1
        self.width = 24 if subnormal else 24 - tail
        exponent = np.maximum((least.astype(np.int64) + 1) >> 23, 1)
        zeros = least == 0x7FFFFFFF
        self.unit = np.where(zeros, np.inf, np.ldexp(1.0, (exponent - 150 + (0 if subnormal else tail)).astype(np.int32)))
