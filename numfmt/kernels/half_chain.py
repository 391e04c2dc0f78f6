"""float16 accumulators on a machine that computes in float16 itself (AVX-512 FP16): IEEE 754 in every operand, no proof needed.

A machine without such instructions would compute in float32, where the fused form rounds twice: `available` says no there.
"""

from __future__ import annotations

from functools import lru_cache

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from .jit import kernel
from .lanes import wide_vectors

_COLUMNS = 2048
_DEPTH = 64


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether this machine has float16 arithmetic in its vector registers."""
    features = binding.get_host_cpu_features()
    return bool(features.get("avx512fp16") and features.get("avx512vl"))


@intrinsic
def _step(typing_context, x, y, z):
    """round(z + round(x * y)) of float16 words."""

    def codegen(context, builder, signature, args):
        x, y, z = (builder.bitcast(v, ir.HalfType()) for v in args)
        return builder.bitcast(builder.fadd(z, builder.fmul(x, y)), ir.IntType(16))

    return types.int16(types.int16, types.int16, types.int16), codegen


@intrinsic
def _fused_step(typing_context, x, y, z):
    """round(z + x * y) of float16 words."""

    def codegen(context, builder, signature, args):
        x, y, z = (builder.bitcast(v, ir.HalfType()) for v in args)
        return builder.bitcast(builder.fma(x, y, z), ir.IntType(16))

    return types.int16(types.int16, types.int16, types.int16), codegen


@intrinsic
def _narrow(typing_context, x):
    """The word of a float32 rounded to float16."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(builder.fptrunc(args[0], ir.HalfType()), ir.IntType(16))

    return types.int16(types.float32), codegen


@intrinsic
def _widen(typing_context, word):
    """The float32 that a float16 word stands for."""

    def codegen(context, builder, signature, args):
        return builder.fpext(builder.bitcast(args[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.int16), codegen


@kernel
def narrow_row(x, out):
    """out = words of float32 values in float16; returns how many it does not hold (NaN counts as one)."""
    wide_vectors()
    lost = 0
    for j in range(x.size):
        word = _narrow(x[j])
        out[j] = word
        lost += _widen(word) != x[j]
    return lost


@kernel
def narrow(x, out):
    """`narrow_row` of each row."""
    lost = 0
    for i in range(x.shape[0]):
        lost += narrow_row(x[i], out[i])
    return lost


@kernel
def _rounded(row, a0, a1, a2, a3, b0, b1, b2, b3):
    wide_vectors()
    for j in range(row.size):
        row[j] = _step(a3, b3[j], _step(a2, b2[j], _step(a1, b1[j], _step(a0, b0[j], row[j]))))


@kernel
def _fused(row, a0, a1, a2, a3, b0, b1, b2, b3):
    wide_vectors()
    for j in range(row.size):
        row[j] = _fused_step(a3, b3[j], _fused_step(a2, b2[j], _fused_step(a1, b1[j], _fused_step(a0, b0[j], row[j]))))


@kernel
def half_chain(a, b, out, fused):
    """out[i, j] = round(out[i, j] + round(a[i, k] * b[k, j])) at each k, to nearest even; `fused`: the product exact.

    a: (M, K), b: (K, N), out: (M, N), contiguous words of float16 as int16; K a multiple of 4.
    """
    for j0 in range(0, out.shape[1], _COLUMNS):
        j1 = min(j0 + _COLUMNS, out.shape[1])
        for k0 in range(0, a.shape[1], _DEPTH):
            k1 = min(k0 + _DEPTH, a.shape[1])
            for i in range(a.shape[0]):
                row = out[i, j0:j1]
                for k in range(k0, k1, 4):
                    a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                    b0, b1, b2, b3 = b[k, j0:j1], b[k + 1, j0:j1], b[k + 2, j0:j1], b[k + 3, j0:j1]
                    if fused:
                        _fused(row, a0, a1, a2, a3, b0, b1, b2, b3)
                    else:
                        _rounded(row, a0, a1, a2, a3, b0, b1, b2, b3)
