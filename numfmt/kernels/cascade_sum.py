"""The float32 sum of torch on one CPU thread, in its order: the mean that bitsandbytes' double quantization subtracts.

torch adds vectors of `lanes` values (8 on every x86 machine, whatever vectors it has: this kernel of torch is not built for
AVX-512). Four interleaved rows of vectors are added in a cascade of four levels, each of 2**p rows, p = max(4, ceil(log2(rows))
// 4); then the four rows, the values behind the last whole vector, and the lanes in order. Source: pytorch/pytorch,
aten/src/ATen/native/cpu/SumKernel.cpp (cascade_sum, vectorized_inner_sum).
"""

from __future__ import annotations

import numpy as np

from .jit import kernel

_ZERO = np.float32(0.0)


@kernel
def cascade_sum(x, lanes):
    """Sum of x, float32 (n,), contiguous, in torch's order for vectors of `lanes` values on one thread."""
    width = lanes if x.size >= lanes else 1
    vectors = x.size // width
    rows = vectors // 4
    power = 0
    while (np.int64(1) << power) < rows:
        power += 1
    power = max(4, power // 4)
    step = np.int64(1) << power
    across = 4 * width  # the four rows of vectors lie behind one another
    levels = np.zeros((4, across), np.float32)
    i = 0
    while i + step <= rows:
        for _ in range(step):
            start = i * across
            for k in range(across):
                levels[0, k] += x[start + k]
            i += 1
        for level in range(1, 4):
            for k in range(across):
                levels[level, k] += levels[level - 1, k]
                levels[level - 1, k] = _ZERO
            if i & ((step - 1) << (level * power)):
                break
    while i < rows:
        for k in range(across):
            levels[0, k] += x[i * across + k]
        i += 1
    for level in range(1, 4):
        for k in range(across):
            levels[0, k] += levels[level, k]
    for vector in range(4 * rows, vectors):
        for k in range(width):
            levels[0, k] += x[vector * width + k]
    for row in range(1, 4):
        for k in range(width):
            levels[0, k] += levels[0, row * width + k]
    total = _ZERO
    for k in range(vectors * width, x.size):
        total += x[k]
    for k in range(width):
        total += levels[0, k]
    return total
