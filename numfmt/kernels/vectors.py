"""Nearest centroids of short vectors, and the sums of Lloyd's iteration, in one stated order."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import wide_vectors


@kernel
def nearest_centroids(x, columns, codes):
    """The centroid of least squared distance to each vector, the first of equal ones; returns the summed distances.

    x: (n, v) float32; columns: (v, k) float32, the centroids as columns; codes: (n,) integers. Distances are float32 sums over v in
    order; their total is float64 in order.
    """
    wide_vectors()
    distance = np.empty(columns.shape[1], np.float32)
    total = 0.0
    for n in range(x.shape[0]):
        distance[:] = np.float32(0.0)
        for j in range(x.shape[1]):
            value = x[n, j]
            for k in range(distance.size):
                d = value - columns[j, k]
                distance[k] += d * d
        best = 0
        for k in range(1, distance.size):
            if distance[k] < distance[best]:
                best = k
        codes[n] = best
        total += np.float64(distance[best])
    return total


@kernel
def centroid_sums(x, weights, codes, sums, mass):
    """Weighted sums and masses of the vectors of each centroid, float64, in the order of the vectors. weights: (n, v)."""
    sums[:] = 0.0
    mass[:] = 0.0
    for n in range(x.shape[0]):
        c = codes[n]
        for j in range(x.shape[1]):
            sums[c, j] += np.float64(x[n, j]) * weights[n, j]
            mass[c, j] += weights[n, j]
