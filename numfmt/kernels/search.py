"""Search of the clipping factor of a group: the scale of least squared error for one grid."""

from __future__ import annotations

import numpy as np

from .jit import float_bits32, kernel
from .lanes import wide_vectors
from .sums import LANES, fold


@kernel
def nearest_ranks(x, scale, thresholds, upper, starts, ranks):
    """Rank on the grid of each x / scale (one float32 division): how many thresholds lie below; a tie counts if `upper`.

    starts: for each upper half of a float32 word the rank of the least value that begins so (65536 entries), which saves most of
    the comparisons with a long grid; empty for a short one, where comparing with every threshold is faster.
    """
    wide_vectors()
    if starts.size:
        last = thresholds.size
        for i in range(x.size):
            q = x[i] / scale
            rank = starts[(float_bits32(np.float32(q)) >> 16) & 0xFFFF]
            while rank < last and (q > thresholds[rank] or (upper and q == thresholds[rank])):
                rank += 1
            ranks[i] = rank
        return
    ranks[:] = 0
    for t in range(thresholds.size):
        point = thresholds[t]
        if upper:
            for i in range(x.size):
                ranks[i] += np.int32(x[i] / scale >= point)
        else:
            for i in range(x.size):
                ranks[i] += np.int32(x[i] / scale > point)


@kernel
def squared_error(x, values, lanes):
    """Sum of (value - x)**2 in float64, sixteen interleaved partial sums. x: float32; values: float64, exact."""
    wide_vectors()
    lanes[:] = 0.0
    whole = x.size // LANES * LANES
    for start in range(0, whole, LANES):
        for i in range(LANES):
            error = values[start + i] - np.float64(x[start + i])
            lanes[i] += error * error
    for i in range(x.size - whole):
        error = values[whole + i] - np.float64(x[whole + i])
        lanes[i] += error * error
    return fold(lanes)


@kernel
def clip_search(x, base, factors, grid, thresholds, upper, starts, limit, scales, errors):
    """The factor of least error of each group; the first of equal ones.

    x: (groups, size) float32; base: (groups,) float32; factors: (n,) float32. The scale of a factor is (factor * base) / limit
    in float32, 1 where that is 0. grid: float64, ascending; thresholds: float32 midpoints; scales, errors: one a group.
    """
    ranks = np.empty(x.shape[1], np.int32)
    values = np.empty(x.shape[1])
    lanes = np.empty(LANES)
    for g in range(x.shape[0]):
        best = np.inf
        for f in range(factors.size):
            scale = np.float32(np.float32(factors[f] * base[g]) / limit)
            if scale == 0.0:
                scale = np.float32(1.0)
            nearest_ranks(x[g], scale, thresholds, upper, starts, ranks)
            wide = np.float64(scale)
            for i in range(ranks.size):
                values[i] = grid[ranks[i]] * wide
            error = squared_error(x[g], values, lanes)
            if error < best:
                best = error
                scales[g] = scale
        errors[g] = best
