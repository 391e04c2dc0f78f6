"""Ascending weighted points cut into runs with the least sum of squared distances to the runs' means."""

from __future__ import annotations

import numpy as np

from .jit import kernel


@kernel
def _cost(first, last, mass, moment, square):
    """Weighted squared error of points first..last-1 about their mean, from prefix sums."""
    w = mass[last] - mass[first]
    m = moment[last] - moment[first]
    return max(square[last] - square[first] - m * m / w, 0.0)


@kernel
def best_splits(points, weights, count):
    """Ends (exclusive) of the `count` runs, int64. points: ascending float64; weights: positive; 1 <= count <= points.size.

    Dynamic programme over runs; the best start moves right with the end, so each layer is solved by divide and conquer.
    """
    n = points.size
    mass, moment, square = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    centre = points[n >> 1]  # small numbers in the prefix sums
    for i in range(n):
        d = points[i] - centre
        mass[i + 1] = mass[i] + weights[i]
        moment[i + 1] = moment[i] + weights[i] * d
        square[i + 1] = square[i] + weights[i] * d * d
    before = np.empty(n + 1)
    start = np.zeros((count, n + 1), np.int32)
    before[0] = 0.0
    for i in range(1, n + 1):
        before[i] = _cost(0, i, mass, moment, square)
    stack = np.empty((64, 4), np.int64)
    for layer in range(1, count):
        after = np.full(n + 1, np.inf)
        depth = 1
        stack[0] = np.array([layer + 1, n, layer, n - 1])
        while depth:
            depth -= 1
            low, high, left, right = stack[depth]
            if low > high:
                continue
            end = (low + high) >> 1
            best, at = np.inf, left
            for s in range(left, min(right, end - 1) + 1):
                value = before[s] + _cost(s, end, mass, moment, square)
                if value < best:
                    best, at = value, s
            after[end] = best
            start[layer, end] = at
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = low, end - 1, left, at
            depth += 1
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = end + 1, high, at, right
            depth += 1
        before = after
    ends = np.empty(count, np.int64)
    end = n
    for layer in range(count - 1, -1, -1):
        ends[layer] = end
        end = start[layer, end]
    return ends
