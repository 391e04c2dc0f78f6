"""Integer accumulators that saturate at each step, in 16-bit or 32-bit lanes: k upward, SIMD over output columns."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import held_rows, kernel
from .lanes import add, larger, like, mul, row_of, wide_vectors

_COLUMNS = 1024
_DEPTH = 64


@intrinsic
def smaller(typing_context, x, y):
    """The smaller of two signed integers of one type."""
    if not isinstance(x, types.Integer) or x != y:
        return None

    def codegen(context, builder, signature, args):
        return builder.select(builder.icmp_signed("<", *args), *args)

    return x(x, y), codegen


@intrinsic
def held_sum(typing_context, x, y):
    """x + y of one signed type, held at the ends of that type."""
    if not isinstance(x, types.Integer) or x != y:
        return None

    def codegen(context, builder, signature, args):
        kind = args[0].type
        add = builder.module.declare_intrinsic("llvm.sadd.sat", [kind], ir.FunctionType(kind, [kind, kind]))
        return builder.call(add, args)

    return x(x, y), codegen


@kernel
def _four(row, a0, a1, a2, a3, b0, b1, b2, b3, low, high):
    wide_vectors()
    for j in range(row.size):
        s = row[j]
        s = smaller(larger(held_sum(s, mul(a0, b0[j])), low), high)
        s = smaller(larger(held_sum(s, mul(a1, b1[j])), low), high)
        s = smaller(larger(held_sum(s, mul(a2, b2[j])), low), high)
        s = smaller(larger(held_sum(s, mul(a3, b3[j])), low), high)
        row[j] = s


@kernel
def _four_full(row, a0, a1, a2, a3, b0, b1, b2, b3):
    wide_vectors()
    for j in range(row.size):
        s = held_sum(row[j], mul(a0, b0[j]))
        s = held_sum(s, mul(a1, b1[j]))
        s = held_sum(s, mul(a2, b2[j]))
        row[j] = held_sum(s, mul(a3, b3[j]))


@kernel
def _four_wide(row, a0, a1, a2, a3, b0, b1, b2, b3, low, high):
    wide_vectors()
    for j in range(row.size):
        s = row[j]
        s = smaller(larger(add(s, mul(like(a0, s), like(b0[j], s))), low), high)
        s = smaller(larger(add(s, mul(like(a1, s), like(b1[j], s))), low), high)
        s = smaller(larger(add(s, mul(like(a2, s), like(b2[j], s))), low), high)
        s = smaller(larger(add(s, mul(like(a3, s), like(b3[j], s))), low), high)
        row[j] = s


@kernel
def saturating_short(a, b, out, low, high):
    """out = clamp(out + a[i, k] * b[k, j], low, high) at each k. int16, which holds every product.

    a: (M, K), b: (K, N), out: (M, N), contiguous; K a multiple of 4.
    """
    full = low == -32768 and high == 32767
    for j0 in range(0, out.shape[1], _COLUMNS):
        j1 = min(j0 + _COLUMNS, out.shape[1])
        for k0 in range(0, a.shape[1], _DEPTH):
            k1 = min(k0 + _DEPTH, a.shape[1])
            for i in range(a.shape[0]):
                row = out[i, j0:j1]
                for k in range(k0, k1, 4):
                    a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                    b0, b1, b2, b3 = b[k, j0:j1], b[k + 1, j0:j1], b[k + 2, j0:j1], b[k + 3, j0:j1]
                    if full:
                        _four_full(row, a0, a1, a2, a3, b0, b1, b2, b3)
                    else:
                        _four(row, a0, a1, a2, a3, b0, b1, b2, b3, low, high)


@kernel
def saturating_wide(a, b, out, low, high):
    """`saturating_short` in the type of `out`, which holds any product plus `low` or `high`; a and b in it or a shorter one."""
    for j0 in range(0, out.shape[1], _COLUMNS):
        j1 = min(j0 + _COLUMNS, out.shape[1])
        for k0 in range(0, a.shape[1], _DEPTH):
            k1 = min(k0 + _DEPTH, a.shape[1])
            for i in range(a.shape[0]):
                row = out[i, j0:j1]
                for k in range(k0, k1, 4):
                    a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                    b0, b1, b2, b3 = b[k, j0:j1], b[k + 1, j0:j1], b[k + 2, j0:j1], b[k + 3, j0:j1]
                    _four_wide(row, a0, a1, a2, a3, b0, b1, b2, b3, low, high)


@kernel
def widen_rows(x, out):
    """out = x, of another type that holds its values. Two axes, the last contiguous."""
    held_rows(x)
    held_rows(out)
    for i in range(x.shape[0]):
        _widen_row(row_of(x, i), row_of(out, i))


@kernel
def _widen_row(x, out):
    wide_vectors()
    for j in range(x.size):
        out[j] = x[j]


@kernel
def add_wrapped(part, total, width, first):
    """total = the low `width` bits, in two's complement, of total + part (of part alone where it is the `first`).

    part: integers in float32 or float64 within 2**53.
    """
    held_rows(part)
    held_rows(total)
    for i in range(part.shape[0]):
        if first:
            _set_wrapped(row_of(part, i), row_of(total, i), 64 - width)
        else:
            _add_wrapped(row_of(part, i), row_of(total, i), 64 - width)


@kernel
def _add_wrapped(part, total, lost):
    wide_vectors()
    for j in range(part.size):
        total[j] = ((total[j] + int(part[j])) << lost) >> lost


@kernel
def _set_wrapped(part, total, lost):
    wide_vectors()
    for j in range(part.size):
        total[j] = (int(part[j]) << lost) >> lost


@kernel
def add_float64(part, total, first):
    """total += part in float64; total = part + 0 where it is the `first`."""
    held_rows(part)
    held_rows(total)
    for i in range(part.shape[0]):
        if first:
            _set_float64(row_of(part, i), row_of(total, i))
        else:
            _add_float64(row_of(part, i), row_of(total, i))


@kernel
def _set_float64(part, total):
    wide_vectors()
    for j in range(part.size):
        total[j] = np.float64(part[j]) + 0.0


@kernel
def _add_float64(part, total):
    wide_vectors()
    for j in range(part.size):
        total[j] += part[j]
