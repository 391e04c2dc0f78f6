"""Layer normalisation of torch on an x86 CPU, in its order: Welford's update in vectors of eight float32, merged in a cascade.

Which products and sums are fused, and how they are grouped, was found by comparing combinations with torch 2.13.
Source: pytorch/pytorch, aten/src/ATen/native/cpu/moments_utils.h and layer_norm_kernel.cpp.
"""

from __future__ import annotations

import numpy as np

from .jit import fused, kernel

_LANES, _CHUNK = 8, 16
_ZERO, _ONE = np.float32(0), np.float32(1)


@kernel
def _merge_vectors(count, mean, square, counts, means, squares, level):
    """Moments of `count` values a lane into those of a level of the cascade."""
    whole = counts[level] + count
    share = _ZERO if whole == 0 else np.float32(count) / np.float32(whole)
    for k in range(_LANES):
        delta = mean[k] - means[level, k]
        means[level, k] += share * delta
        squares[level, k] = fused(delta * share, delta * np.float32(counts[level]), squares[level, k] + square[k])
    counts[level] = whole


@kernel
def _chunk(x, start, step, vectors, mean, square):
    """Welford's update over vectors that begin at start, start + step, ..."""
    mean[:] = _ZERO
    square[:] = _ZERO
    for j in range(vectors):
        inverse = _ONE / np.float32(j + 1)
        for k in range(_LANES):
            value = x[start + j * step + k]
            delta = value - mean[k]
            mean[k] = fused(delta, inverse, mean[k])
            square[k] = fused(delta, value - mean[k], square[k])


@kernel
def moments(x, halves, fused_tail):
    """Mean and variance of x, float32 (n,), as torch takes them; halves: of 16-bit values, which come two vectors at a time.

    fused_tail: whether the update with the values behind the last whole vector is fused (float16), or not (bfloat16, float32).
    """
    parts = 2 if halves else 1
    width = _LANES * parts
    vectors = x.size // width
    chunks = (vectors + _CHUNK - 1) // _CHUNK
    depth = 0
    while (np.int64(1) << depth) < chunks:
        depth += 1
    depth = max(depth, 1)
    counts = np.zeros(depth, np.int64)
    means, squares = np.zeros((depth, _LANES), np.float32), np.zeros((depth, _LANES), np.float32)
    mean, square = np.zeros(_LANES, np.float32), np.zeros(_LANES, np.float32)
    for i in range(chunks):
        taken = min(_CHUNK, vectors - i * _CHUNK)
        for part in range(parts):
            _chunk(x, i * _CHUNK * width + part * _LANES, width, taken, mean, square)
            _merge_vectors(taken, mean, square, counts, means, squares, 0)
        mask, level = i + 1, 1
        while level < depth and mask & 1 == 0:
            _merge_vectors(counts[level - 1], means[level - 1], squares[level - 1], counts, means, squares, level)
            counts[level - 1] = 0
            means[level - 1, :] = _ZERO
            squares[level - 1, :] = _ZERO
            mask >>= 1
            level += 1
    for level in range(1, depth):
        _merge_vectors(counts[level], means[level], squares[level], counts, means, squares, 0)
    count, m1, m2 = np.int64(0), _ZERO, _ZERO
    for i in range(vectors * width, x.size):
        delta = x[i] - m1
        count += 1
        m1 += delta / np.float32(count)
        if fused_tail:
            m2 = fused(delta, x[i] - m1, m2)
        else:
            m2 += delta * (x[i] - m1)
    added = vectors * parts
    for k in range(_LANES):
        whole = count + added
        share = _ZERO if whole == 0 else np.float32(added) / np.float32(whole)
        delta = means[0, k] - m1
        m1 = fused(share, delta, m1)
        m2 += fused(delta * delta * share, np.float32(count), squares[0, k])
        count = whole
    return m1, m2 / np.float32(x.size)


@kernel
def layer_norm(x, weight, weighted, bias, biased, eps, halves, fused_tail, out):
    """Rows of x as F.layer_norm computes them, in float32. x, out: (rows, n) float32; weight, bias: (n,) float32; eps: float32."""
    for i in range(x.shape[0]):
        row, to = x[i], out[i]
        mean, variance = moments(row, halves, fused_tail)
        root = _ONE / np.sqrt(variance + eps)
        shift = -root * mean
        for j in range(row.size):
            b = bias[j] if biased else _ZERO
            if not (halves or weighted):
                to[j] = fused(row[j] - mean, root, b)
                continue
            y = fused(row[j], root, shift) if halves else (row[j] - mean) * root
            to[j] = fused(y, weight[j] if weighted else _ONE, b)
