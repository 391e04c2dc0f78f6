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
def bits_float(typing_context, word):
    """The float64 whose bits an int64 holds."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen
