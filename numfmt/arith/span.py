"""What float32 values span, for proofs that a kernel is exact."""

from __future__ import annotations

import numpy as np

from ..kernels import spans


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
