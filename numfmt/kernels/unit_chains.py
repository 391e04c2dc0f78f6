"""Matrix instructions on 8-bit integers and on float64."""

from __future__ import annotations

import numba
import numpy as np

from .jit import bits_float, float_bits, fused, kernel, parallel_kernel

_QUIET = np.int64(1 << 51)


@parallel_kernel
def integer_matmul(a, b, a_signed, b_signed, saturate, step, out):
    """out (M, N) int32 += a (M, K) @ b (N, K)^T of bytes, modulo 2**32, or clamped to int32 after every `step` terms."""
    for i in numba.prange(a.shape[0]):
        left = np.empty(a.shape[1], np.int32)
        for k in range(left.size):
            left[k] = np.int32(np.int8(a[i, k])) if a_signed else np.int32(a[i, k])
        for j in range(b.shape[0]):
            total = np.int64(out[i, j])
            for first in range(0, left.size, step):
                part = np.int32(0)  # of at most 2**16 terms: 32 bits hold it
                for k in range(first, min(first + step, left.size)):
                    part += left[k] * (np.int32(np.int8(b[j, k])) if b_signed else np.int32(b[j, k]))
                total += part
                if saturate:
                    total = min(max(total, np.int64(-(2**31))), np.int64(2**31 - 1))
            out[i, j] = np.int32(total & 0xFFFFFFFF)


@kernel
def _nan(word):
    return (word & np.int64(0x7FFFFFFFFFFFFFFF)) > np.int64(0x7FF0000000000000)


@kernel
def double_step(x, y, word):
    """The word of x * y + word: NaN from y first, then the accumulator, then x, made quiet; an invalid operation is -NaN."""
    if _nan(y):
        return y | _QUIET
    if _nan(word):
        return word | _QUIET
    if _nan(x):
        return x | _QUIET
    total = fused(bits_float(x), bits_float(y), bits_float(word))
    return np.int64(-0x8000000000000) if np.isnan(total) else float_bits(total)


@parallel_kernel
def double_matmul(a, b, out):
    """out (M, N): a chain of fused multiply-adds in k order from its words. a (M, K), b (N, K), out: float64 words as int64."""
    for i in numba.prange(a.shape[0]):
        for j in range(b.shape[0]):
            word = out[i, j]
            for k in range(a.shape[1]):
                word = double_step(a[i, k], b[j, k], word)
            out[i, j] = word
