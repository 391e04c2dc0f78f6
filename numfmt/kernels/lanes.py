"""Integer and bit operations that keep the width of their operands.

Numba computes int32 expressions in int64, which halves the SIMD lanes and has no cheap shifts; these stay at the width given.
All shift counts must lie in 0 .. width - 1.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array


def _binary(name):
    """Two integers of one type to one of the same type."""

    @intrinsic
    def operation(typing_context, x, y):
        if not isinstance(x, types.Integer) or x != y:
            return None

        def codegen(context, builder, signature, args):
            return getattr(builder, name)(args[0], args[1])

        return x(x, y), codegen

    return operation


add = _binary("add")
sub = _binary("sub")
mul = _binary("mul")
both = _binary("and_")
either = _binary("or_")
differ = _binary("xor")
left = _binary("shl")
right = _binary("lshr")  # zeros come in from the left
right_signed = _binary("ashr")

_WORD = {types.float32: types.int32, types.float64: types.int64}
_FLOAT = {types.int32: types.float32, types.int64: types.float64}


@intrinsic
def bits(typing_context, x):
    """The bits of a float32 as int32, of a float64 as int64."""
    if x not in _WORD:
        return None
    word = _WORD[x]

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(word))

    return word(x), codegen


@intrinsic
def from_bits(typing_context, word):
    """The float32 whose bits an int32 holds, the float64 of an int64."""
    if word not in _FLOAT:
        return None
    real = _FLOAT[word]

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(real))

    return real(word), codegen


@intrinsic
def like(typing_context, x, pattern):
    """x (an integer, a truth value or a float) in the type of `pattern`: cut or sign-extended, zero-extended if unsigned."""
    return pattern(x, pattern), lambda context, builder, signature, args: context.cast(builder, args[0], x, pattern)


@intrinsic
def copy_sign(typing_context, size, sign):
    """The float with the magnitude of `size` and the sign of `sign`, of one type."""
    if size not in _WORD or size != sign:
        return None

    def codegen(context, builder, signature, args):
        real = args[0].type
        function = builder.module.declare_intrinsic("llvm.copysign", [real], ir.FunctionType(real, [real, real]))
        return builder.call(function, args)

    return size(size, sign), codegen


@intrinsic
def whole(typing_context, x):
    """floor(x) of 0 <= x < 2**32: a float32 gives an int32 that holds it without sign, a float64 an int64."""
    if x not in _WORD:
        return None
    word = _WORD[x]

    def codegen(context, builder, signature, args):
        if x == types.float32:
            return builder.fptoui(args[0], ir.IntType(32))
        real = ir.DoubleType()  # few machines convert vectors of these; adding 2**52 does the same
        floor = builder.module.declare_intrinsic("llvm.floor", [real], ir.FunctionType(real, [real]))
        total = builder.fadd(builder.call(floor, args), ir.Constant(real, 2.0**52))
        return builder.and_(builder.bitcast(total, ir.IntType(64)), ir.Constant(ir.IntType(64), (1 << 52) - 1))

    return word(x), codegen


@intrinsic
def above(typing_context, x, y):
    """x > y for two integers of one type, both taken without sign."""
    if not isinstance(x, types.Integer) or x != y:
        return None
    return types.boolean(x, y), lambda context, builder, signature, args: builder.icmp_unsigned(">", *args)


@intrinsic
def leading_zeros(typing_context, word):
    """How many zero bits an int64 other than zero begins with."""

    def codegen(context, builder, signature, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


@intrinsic
def wide_vectors(typing_context):
    """Ask for 512-bit vectors in the function that calls this, where the machine has them: LLVM's own choice is 256."""

    def codegen(context, builder, signature, args):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(), codegen


@intrinsic
def fetch_ahead(typing_context, array, row):
    """Ask the cache for the start of a row of a contiguous matrix, which may lie beyond its end. Returns 0."""
    if not isinstance(array, types.Array) or array.layout != "C" or array.ndim != 2:
        return None

    def codegen(context, builder, signature, args):
        made = context.make_array(array)(context, builder, args[0])
        stride = builder.extract_value(made.strides, 0)
        start = builder.ptrtoint(made.data, ir.IntType(64))
        byte = ir.IntType(8).as_pointer()
        at = builder.inttoptr(builder.add(start, builder.mul(args[1], stride)), byte)
        word = ir.IntType(32)
        ask = builder.module.declare_intrinsic("llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, word, word, word]))
        builder.call(ask, [at, ir.Constant(word, 0), ir.Constant(word, 3), ir.Constant(word, 1)])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(array, types.int64), codegen


@intrinsic
def row_of(typing_context, x, i):
    """Row i of a matrix whose rows are contiguous, known as such: Numba takes the rows of a part of a matrix for strided, which
    keeps loops over them out of SIMD code. The caller keeps the matrix alive, and has asked `held_rows`."""
    if not isinstance(x, types.Array) or x.ndim != 2:
        return None
    row = types.Array(x.dtype, 1, "C", readonly=not x.mutable)

    def codegen(context, builder, signature, args):
        matrix = context.make_array(x)(context, builder, args[0])
        made = context.make_array(row)(context, builder)
        size = builder.extract_value(matrix.shape, 1)
        word = ir.IntType(64)
        start = builder.add(builder.ptrtoint(matrix.data, word), builder.mul(args[1], builder.extract_value(matrix.strides, 0)))
        data = builder.inttoptr(start, matrix.data.type)
        populate_array(made, data, [size], [matrix.itemsize], matrix.itemsize, None)
        return made._getvalue()

    return row(x, types.int64), codegen


@intrinsic
def larger(typing_context, x, y):
    """The larger of two signed integers of one type."""
    if not isinstance(x, types.Integer) or x != y:
        return None

    def codegen(context, builder, signature, args):
        return builder.select(builder.icmp_signed(">", *args), *args)

    return x(x, y), codegen


@intrinsic
def cut(typing_context, x):
    """A float32 below 2**31 in magnitude as int32, towards zero."""
    if x != types.float32:
        return None
    return types.int32(x), lambda context, builder, signature, args: builder.fptosi(args[0], ir.IntType(32))
