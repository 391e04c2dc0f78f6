"""One place for Numba's settings: no fastmath (it deletes roundings), NumPy's error model, cached on disk."""

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

kernel = njit(cache=True, error_model="numpy", nogil=True)
parallel_kernel = njit(cache=True, error_model="numpy", nogil=True, parallel=True)


@intrinsic
def float_bits(typing_context, x):
    """The bits of a float64 as int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def float_bits32(typing_context, x):
    """The bits of a float32 as int32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def float_word32(typing_context, x):
    """The bits of a float32 as uint32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.uint32(types.float32), codegen


@intrinsic
def bits_float(typing_context, word):
    """The float64 whose bits an int64 holds."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@intrinsic
def fused(typing_context, x, y, z):
    """x * y + z of three float32 or three float64, rounded once (the machine's FMA instruction, or the C library's fma)."""
    if x not in (types.float32, types.float64) or x != y or x != z:
        return None

    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return x(x, y, z), codegen


def _shift32(name):
    """A 32-bit shift by a run-time count of 0 to 31. Numba's own promotes to 64 bits, which halves the SIMD lanes."""

    @intrinsic
    def shift(typing_context, x, count):
        def codegen(context, builder, signature, args):
            return getattr(builder, name)(args[0], args[1])

        return types.int32(types.int32, types.int32), codegen

    return shift


left32 = _shift32("shl")
right32 = _shift32("ashr")  # arithmetic: floor, for negative numbers too
