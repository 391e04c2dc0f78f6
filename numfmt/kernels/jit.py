"""One place for Numba's settings: no fastmath (it deletes roundings), NumPy's error model, cached on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.extending import intrinsic

_PLAIN = njit(error_model="numpy", nogil=True)
_PARALLEL = njit(error_model="numpy", nogil=True, parallel=True)


class _Cache:
    """A kernel's cache on disk, opened at the kernel's first use: opening writes a file on trial, which would cost every import."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        opened = FunctionCache(self._function)
        self.__dict__.update({n: getattr(opened, n) for n in ("load_overload", "save_overload", "flush", "cache_path")})
        return getattr(opened, name)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile at first call, or load from the cache on disk."""
    made: Any = _PLAIN(function)
    made._cache = _Cache(function)
    return made


def inlined(function: Callable[..., Any]) -> Any:
    """`kernel` that LLVM puts into each caller, so that a caller's loop over it can become SIMD code however long it is."""
    made: Any = njit(error_model="numpy", nogil=True, forceinline=True)(function)
    made._cache = _Cache(function)
    return made


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """`kernel` with `numba.prange` on several threads."""
    made: Any = _PARALLEL(function)
    made._cache = _Cache(function)
    return made


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


@kernel
def held_rows(x):
    """Raises ValueError where the rows of a matrix are not contiguous, which `lanes.row_of` takes for granted."""
    if x.shape[1] > 1 and x.shape[0] > 0 and x.strides[1] != x.itemsize:
        raise ValueError("a kernel was given a matrix whose rows are not contiguous")
