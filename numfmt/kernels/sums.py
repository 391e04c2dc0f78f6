"""Sums of groups in one stated order, the same on every machine: sixteen interleaved float64 partial sums, then halved pairwise."""

from __future__ import annotations

import numpy as np

from .jit import kernel

LANES = 16


@kernel
def fold(lanes):
    """The sum of sixteen partial sums: lane i takes lane i + 8, then i + 4, i + 2, i + 1."""
    width = LANES // 2
    while width:
        for i in range(width):
            lanes[i] += lanes[i + width]
        width //= 2
    return lanes[0]


@kernel
def magnitude_sums(x, center, out):
    """Sum of |x - center| of each group in float64. x: (groups, size) float64; center, out: (groups,)."""
    lanes = np.empty(LANES)
    for g in range(x.shape[0]):
        lanes[:] = 0.0
        whole = x.shape[1] // LANES * LANES
        for start in range(0, whole, LANES):
            for i in range(LANES):
                lanes[i] += abs(x[g, start + i] - center[g])
        for i in range(x.shape[1] - whole):
            lanes[i] += abs(x[g, whole + i] - center[g])
        out[g] = fold(lanes)


@kernel
def plain_sums(x, out):
    """Sum of each group in float64."""
    lanes = np.empty(LANES)
    for g in range(x.shape[0]):
        lanes[:] = 0.0
        whole = x.shape[1] // LANES * LANES
        for start in range(0, whole, LANES):
            for i in range(LANES):
                lanes[i] += x[g, start + i]
        for i in range(x.shape[1] - whole):
            lanes[i] += x[g, whole + i]
        out[g] = fold(lanes)
