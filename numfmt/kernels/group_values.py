"""Codes of groups to values: a table per group, a zero point, a scale; one float32 product, which is the exact one rounded."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import wide_vectors


@kernel
def table_values(codes, choice, tables, scales, out):
    """out = tables[choice[g], code] * scales[g]. codes, out: (groups, size); tables: (candidates, entries) float32."""
    wide_vectors()
    for g in range(codes.shape[0]):
        scale = scales[g]
        table = tables[choice[g]]
        for i in range(codes.shape[1]):
            out[g, i] = table[codes[g, i]] * scale


@kernel
def integer_values(codes, bits, zeros, scales, out):
    """out = (code - zeros[g]) * scales[g]; codes of `bits` bits in two's complement, or from 0 where `bits` is 0."""
    wide_vectors()
    half = np.int32(1 << (bits - 1)) if bits > 0 else np.int32(0)
    for g in range(codes.shape[0]):
        scale = scales[g]
        less = np.int32(zeros[g] + half)
        for i in range(codes.shape[1]):
            whole = np.int32((np.int32(codes[g, i]) ^ half) - less)
            out[g, i] = np.float32(whole) * scale
