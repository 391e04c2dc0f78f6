"""Scalar arithmetic: the exact result of an operation, rounded once into a format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .._arrays import Restore, exact_operand, to_numpy
from .._checks import check_in
from .._threads import in_pieces
from ..kernels import float_ops, soft_ops
from ..kernels import odd as kernels
from ..kernels import soft as ops
from .base import Format, Overflow, Rounding
from .cast import decode, encode
from .edges import apart, check_out
from .exact_ops import exact_results
from .float_facts import SINGLE
from .float_loops import even_facts
from .floats import Float
from .modes import WRAPS, Modes, resolve
from .nan_rules import check_rule, is_nan_code, is_signalling, nan_results
from .parse import parse

INVALID, DIVIDE_BY_ZERO, OVERFLOW, UNDERFLOW, INEXACT = 16, 8, 4, 2, 1
OPERATIONS = {
    "add": (ops.ADD, 2), "subtract": (ops.SUBTRACT, 2), "multiply": (ops.MULTIPLY, 2), "divide": (ops.DIVIDE, 2),
    "remainder": (ops.REMAINDER, 2), "sqrt": (ops.SQRT, 1), "fma": (ops.FMA, 3),
}  # fmt: skip
_NATIVE = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "sqrt": np.sqrt}
_BLOCK = 1 << 16
_ODD_BITS, _SOFT_BITS = 52, 60  # what a float64 rounded to odd, and the integers of kernels.soft, keep of an exact result
_VECTOR = {"add": 0, "subtract": 0, "multiply": 1, "divide": 2, "sqrt": 3}  # numbered as in kernels.odd.leaves_range
_SINGLE = ("add", "subtract", "multiply")
Kind = Literal["values", "codes"]


@dataclass(frozen=True)
class Options:
    """What an operation takes beside its operands and its format."""

    modes: Modes
    nan: str | None
    ftz: bool
    daz: bool
    tininess: str
    operands: Kind
    returns: Kind


def operate(name: str, arrays: Sequence[Any], fmt: Format | str, out: np.ndarray | None, **options: Any) -> Any:
    """One operation of `OPERATIONS`, element by element with broadcasting; see `add` for the options."""
    fmt = parse(fmt)
    inputs, shape, restore = operands_of(arrays, options.get("operands", "values"), fmt)
    given = _options(fmt, shape, **options)
    dtype = fmt.code_dtype if given.returns == "codes" else fmt.value_dtype
    result = np.empty(shape, dtype) if out is None else check_out(out, shape, dtype)
    inputs = [apart(a, result) for a in inputs]
    compute(name, inputs, fmt, given, result)
    return restore(result) if out is None else out


def _options(
    fmt: Format,
    shape: tuple[int, ...],
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    nan: str | None = None,
    ftz: bool = False,
    daz: bool = False,
    tininess: str = "after",
    random_bits: Any = None,
    random_width: int | None = None,
    seed: int | None = None,
    operands: Kind = "values",
    returns: Kind = "values",
) -> Options:
    check_in("returns", returns, ("values", "codes"))
    check_in("tininess", tininess, ("after", "before"))
    if nan is not None:
        check_rule(nan)
    for what, used in (("nan", nan is not None), ("ftz", ftz), ("daz", daz)):
        if used and not isinstance(fmt, Float):
            raise ValueError(f"{what} belongs to floating-point formats; {fmt} is a {type(fmt).__name__}: leave it out")
    modes = resolve(fmt, rounding, overflow, None, random_bits, random_width, seed, shape)
    return Options(modes, nan, ftz, daz, tininess, operands, returns)


def operands_of(arrays: Sequence[Any], kind: str, fmt: Format) -> tuple[list[np.ndarray], tuple[int, ...], Restore]:
    """The operands as arrays of one shape: values as they came, or codes of `fmt` checked against its width."""
    check_in("operands", kind, ("values", "codes"))
    pairs = [to_numpy(a, what) for a, what in zip(arrays, "xyz", strict=False)]
    restore = next((r for a, (_, r) in zip(arrays, pairs, strict=True) if not isinstance(a, (int, float))), pairs[0][1])
    try:
        shape = np.broadcast_shapes(*(a.shape for a, _ in pairs))
    except ValueError:
        raise ValueError(f"operands of shapes {', '.join(str(a.shape) for a, _ in pairs)} do not broadcast to one shape") from None
    if kind == "codes":
        for array, _ in pairs:
            decode(array.reshape(-1)[:0], fmt)  # refuses arrays that are not integers
            if array.size and not 0 <= int(array.min()) <= int(array.max()) < 1 << fmt.bits:
                raise ValueError(f"operands hold codes outside 0..{(1 << fmt.bits) - 1}, the codes of {fmt}")
    arrays = [a if kind == "codes" else exact_operand(a) for a, _ in pairs]
    return [np.broadcast_to(a, shape) for a in arrays], shape, restore


def compute(name: str, inputs: list[np.ndarray], fmt: Format, given: Options, result: np.ndarray) -> None:
    """Write the results to `result` (values or codes as `given.returns` says)."""
    by_code = given.operands == "codes"
    values = [decode(a, fmt) for a in inputs] if by_code else inputs
    if _native(name, values, fmt, given) and result.dtype == fmt.value_dtype:
        with np.errstate(all="ignore"):
            _NATIVE[name](*values, out=result)
        return
    if _directed_serves(name, values, fmt, given):
        _directed(name, values, fmt, given, result)
        return
    special = given.nan is not None or given.ftz or given.daz
    objects = any(v.dtype.kind == "O" for v in values)
    if objects and special:
        raise ValueError("operands of int or Fraction objects take no nan, ftz or daz; pass them as float64 if they fit")
    # leading bits of the exact result that decide: the format's, one for the tie, those that a stochastic rounding looks at
    decisive = (
        (fmt.man_bits + 1 if isinstance(fmt, Float) else fmt.bits) + (given.modes.random.width if given.modes.random else 0) + 1
    )
    odd = fmt.odd_safe and decisive <= _ODD_BITS and given.modes.overflow not in WRAPS  # what wraps tells every bit
    if isinstance(fmt, Float) and not objects and decisive <= _SOFT_BITS and (special or not odd):
        _deliver(with_flags(name, inputs, fmt, given)[0], fmt, given, result)
    elif special:
        raise ValueError(f"nan, ftz and daz are not served for stochastic rounding of {decisive} bits; use a smaller random_width")
    elif objects or not odd:
        _deliver(exact_results(name, values, fmt, given.modes), fmt, given, result)
    else:
        _rounded_twice_safely(name, values, fmt, given, result)


def _native(name: str, values: list[np.ndarray], fmt: Format, given: Options) -> bool:
    """Whether the machine's own operation is this one: IEEE binary32 or binary64, ties to even, overflow to infinity."""
    return (
        isinstance(fmt, Float)
        and name in _NATIVE
        and (fmt.exp_bits, fmt.man_bits, fmt.specials, fmt.signed) in ((8, 23, "ieee", True), (11, 52, "ieee", True))
        and fmt.bias == (1 << (fmt.exp_bits - 1)) - 1
        and given.modes.rounding is Rounding.TIES_EVEN
        and given.modes.overflow is Overflow.NONSAT
        and given.nan is None
        and not (given.ftz or given.daz)
        and given.operands == given.returns == "values"
        and all(v.dtype == fmt.value_dtype for v in values)
    )


# whether positive and negative results go away from zero
_GROWS = {
    Rounding.UP: (True, False),
    Rounding.DOWN: (False, True),
    Rounding.AWAY: (True, True),
    Rounding.TOWARD_ZERO: (False, False),
}


def _directed_serves(name: str, values: list[np.ndarray], fmt: Format, given: Options) -> bool:
    """Whether binary64 under a directed rounding is wanted: a step from the machine's own result, where its error is exact."""
    return (
        isinstance(fmt, Float)
        and (fmt.exp_bits, fmt.man_bits, fmt.bias, fmt.specials, fmt.signed, fmt.zero) == (11, 52, 1023, "ieee", True, True)
        and name in _VECTOR
        and given.modes.rounding in _GROWS
        and given.nan is None
        and not (given.ftz or given.daz)
        and given.operands == given.returns == "values"
        and all(v.dtype == np.float64 or _fits_float32(v) for v in values)
    )


def _directed(name: str, values: list[np.ndarray], fmt: Format, given: Options, result: np.ndarray) -> None:
    """Block by block; where an operand or a result is near the ends of the range, the block is done in integers."""
    assert isinstance(fmt, Float)
    flat = [np.ascontiguousarray(v, dtype=np.float64).reshape(-1) for v in values]
    target = result.reshape(-1)
    kind, sign = _VECTOR[name], -1.0 if name == "subtract" else 1.0
    grows, down = _GROWS[given.modes.rounding], given.modes.rounding is Rounding.DOWN

    def piece(first: int, last: int) -> int:
        for start in range(first, last, _BLOCK):
            stop = min(start + _BLOCK, last)
            part = [a[start:stop] for a in flat]
            kernels.directed_double(kind, part[0], part[-1], target[start:stop], sign, *grows, down)
            if kernels.leaves_range(kind, part[0], part[-1], target[start:stop]):
                _deliver(with_flags(name, part, fmt, given)[0], fmt, given, target[start:stop])
        return 0

    in_pieces(target.size, piece)


def _rounded_twice_safely(name: str, values: list[np.ndarray], fmt: Format, given: Options, result: np.ndarray) -> None:
    """Round to odd, then to the format, block by block so that the middle stays in the cache."""
    number, _ = OPERATIONS[name]
    down = given.modes.rounding is Rounding.DOWN
    narrow = all(_fits_float32(v) for v in values)
    vector = name in _VECTOR or (name == "fma" and narrow)
    single = narrow and name in _SINGLE and given.modes.random is None and _single_serves(fmt)
    fused = even_facts(fmt, given.modes) if single and given.returns == "values" and isinstance(fmt, Float) else None
    flat = [np.ascontiguousarray(v).reshape(-1) for v in values]
    target = result.reshape(-1)
    write = fmt.encode_array if given.returns == "codes" else fmt.cast_array

    def piece(first: int, last: int) -> int:
        if fused and all(a.dtype == np.float32 for a in flat):
            _fused(name, [a[first:last] for a in flat], target[first:last], *fused)
            return 0
        refused = 0
        middle = np.empty(min(_BLOCK, last - first), np.float32 if single else np.float64)
        for start in range(first, last, _BLOCK):
            stop = min(start + _BLOCK, last)
            part = [a[start:stop].astype(np.float32 if narrow else np.float64, copy=False) for a in flat]
            odd = middle[: stop - start]
            if single:
                _odd_single(name, part, odd, down)
            elif vector:
                _odd_double(name, part, odd, down)
            if not vector or (not narrow and kernels.leaves_range(_VECTOR[name], part[0], part[-1], odd)):
                x, y, z = (a.astype(np.float64, copy=False) for a in (*part, *[part[0]] * (3 - len(part))))
                soft_ops.odd_results(number, x, y, z, odd, down)
            refused += write(odd, target[start:stop], given.modes.part(start))
        return refused

    if refused := in_pieces(target.size, piece):
        raise _no_code(name, refused, fmt)


def _fused(name: str, part: list[np.ndarray], out: np.ndarray, words: np.ndarray, reals: np.ndarray) -> None:
    if name == "multiply":
        float_ops.multiply_even(part[0], part[1], out, words, reals)
    else:
        float_ops.add_even(part[0], part[1], out, np.float32(1 if name == "add" else -1), words, reals)


def _single_serves(fmt: Format) -> bool:
    """Whether a float32 rounded to odd rounds on as the exact value: the format's decision points are short and well in range."""
    return isinstance(fmt, Float) and SINGLE.holds(fmt) and fmt.quantum >= 2.0**-90 and fmt.max < 2.0**120


def _no_code(name: str, count: int, fmt: Format) -> ValueError:
    return ValueError(
        f"{name} gives {count} result(s) that {fmt} cannot hold (NaN in a format without NaN); mask those operands first, or use "
        "a format with NaN"
    )


def _fits_float32(array: np.ndarray) -> bool:
    return array.dtype in (np.float32, np.float16) or array.dtype.name == "bfloat16" or array.dtype.name.startswith("float8")


def _odd_single(name: str, part: list[np.ndarray], odd: np.ndarray, down: bool) -> None:
    if name == "multiply":
        kernels.multiply_single(part[0], part[1], odd)
    else:
        kernels.add_single(part[0], part[1], odd, np.float32(1 if name == "add" else -1), down)


def _odd_double(name: str, part: list[np.ndarray], odd: np.ndarray, down: bool) -> None:
    match name:
        case "add" | "subtract":
            kernels.add_double(part[0], part[1], odd, 1.0 if name == "add" else -1.0, down)
        case "multiply":
            kernels.multiply_double(part[0], part[1], odd)
        case "divide":
            kernels.divide_double(part[0], part[1], odd)
        case "sqrt":
            kernels.sqrt_double(part[0], odd)
        case "fma":
            kernels.fma_double(part[0], part[1], part[2], odd, down)


def _deliver(codes: np.ndarray, fmt: Format, given: Options, result: np.ndarray) -> None:
    if given.returns == "codes":
        result[...] = codes.reshape(result.shape)
    else:
        decode(codes.reshape(result.shape), fmt, out=result)


def with_flags(name: str, inputs: list[np.ndarray], fmt: Float, given: Options) -> tuple[np.ndarray, np.ndarray]:
    """Codes and IEEE flags (uint8: invalid 16, divide by zero 8, overflow 4, underflow 2, inexact 1) of a float format."""
    number, _ = OPERATIONS[name]
    if given.modes.random and fmt.man_bits + given.modes.random.width + 2 > _SOFT_BITS:
        raise ValueError(
            f"flags are not served for stochastic rounding to {fmt} with that many random bits; use a smaller random_width"
        )
    by_code = given.operands == "codes"
    operands = [decode(a, fmt) if by_code else a for a in inputs]
    if any(a.dtype.kind == "O" for a in operands):
        raise ValueError("flags need operands that float64 holds, not int or Fraction objects; convert them to float64 first")
    values = [np.ascontiguousarray(a, dtype=np.float64).reshape(-1) for a in operands]
    if given.daz:
        values = [np.where(np.abs(v) < fmt.min_normal, np.copysign(0.0, v), v) for v in values]
    size = values[0].size
    codes, flags = np.empty(size, fmt.code_dtype), np.empty(size, np.uint8)
    x, y, z = (*values, *[values[0]] * (3 - len(values)))
    random = given.modes.random.take(0, size) if given.modes.random else np.empty(0, np.uint32)
    sign_bit = np.uint64(1 << (fmt.bits - 1)).astype(np.int64) if fmt.signed else np.int64(0)
    refused = soft_ops.code_results(
        number, x, y, z, codes, flags, fmt.man_bits, fmt.bias, fmt.emin, fmt.max_magnitude_code, sign_bit, fmt.zero,
        fmt.has_minus_zero, fmt.nan_code, fmt.inf_code, given.modes.rounding.number, given.modes.overflow.number, random,
        given.modes.random.width if given.modes.random else 0, given.tininess == "after", given.ftz,
    )  # fmt: skip
    if refused:
        raise _no_code(name, refused, fmt)
    if by_code:
        words = [np.ascontiguousarray(a).reshape(-1) for a in inputs]
        for codes_in in words:
            flags |= np.where(is_signalling(codes_in, fmt), INVALID, 0).astype(np.uint8)
    else:
        words = [encode(v, fmt) for v in values] if given.nan is not None else []
    if given.nan is not None and fmt.has_nan:
        made = is_nan_code(codes, fmt)
        if made.any():
            codes[made] = nan_results([w[made] for w in words], fmt, given.nan).astype(codes.dtype)
    return codes, flags


def flags(operation: str, *operands: Any, tininess: str = "after", **options: Any) -> Any:
    """IEEE 754 status flags of each element: `nf.flags("add", x, y, f)`.

    operation: add, subtract, multiply, divide, remainder, sqrt or fma, followed by its operands and the format; options as in
    `nf.add`. Returns uint8 of the broadcast shape, the sum of invalid 16, divide by zero 8, overflow 4, underflow 2, inexact 1.
    Underflow is raised for inexact tiny results; `tininess` says whether smallness is judged "after" rounding (with unbounded
    exponent: x86, RISC-V) or "before" (Arm). Operands given as codes raise invalid for signalling NaNs.

    Raises ValueError for formats other than floats. Source: IEEE 754-2019 section 7.
    """
    check_in("operation", operation, list(OPERATIONS))
    *arrays, fmt = operands
    fmt = parse(fmt)
    if len(arrays) != OPERATIONS[operation][1]:
        raise ValueError(f"{operation} takes {OPERATIONS[operation][1]} operand(s) before the format, got {len(arrays)}")
    if not isinstance(fmt, Float):
        raise ValueError(f"status flags are defined for IEEE-style floats; {fmt} is a {type(fmt).__name__}")
    inputs, shape, restore = operands_of(arrays, options.get("operands", "values"), fmt)
    given = _options(fmt, shape, tininess=tininess, **options)
    return restore(with_flags(operation, inputs, fmt, given)[1].reshape(shape))


def add(x: Any, y: Any, fmt: Format | str, *, out: np.ndarray | None = None, **options: Any) -> Any:
    """x + y, the exact sum rounded once into the format.

    x, y: arrays of any shapes that broadcast (NumPy, ml_dtypes or torch), values of any float or integer kind: they need not be
    values of `fmt`. Returns values (or codes) of `fmt` of the broadcast shape; `out` takes them if given.

    Options, the same for every operation here: `rounding`, `overflow`, `random_bits`, `random_width`, `seed` as in `nf.encode`;
    `operands="codes"`: the operands are codes of `fmt`; `returns="codes"`; and for floats `nan`: which NaN comes out (`riscv`,
    `x86`, `arm`, `propagate`, `nvidia`; see nan_rules), `ftz`: tiny results become zero (tiny `tininess="after"` rounding, or
    "before"), `daz`: subnormal operands count as zero.

    Raises ValueError where a result is NaN and the format has none. Source: IEEE 754-2019 section 5.4.1.
    """
    return operate("add", (x, y), fmt, out, **options)


def subtract(x: Any, y: Any, fmt: Format | str, *, out: np.ndarray | None = None, **options: Any) -> Any:
    """x - y, rounded once; see `add`."""
    return operate("subtract", (x, y), fmt, out, **options)


def multiply(x: Any, y: Any, fmt: Format | str, *, out: np.ndarray | None = None, **options: Any) -> Any:
    """x * y, rounded once; see `add`."""
    return operate("multiply", (x, y), fmt, out, **options)


def divide(x: Any, y: Any, fmt: Format | str, *, out: np.ndarray | None = None, **options: Any) -> Any:
    """x / y, rounded once; see `add`. A nonzero number by zero is an infinity, 0/0 is NaN."""
    return operate("divide", (x, y), fmt, out, **options)


def remainder(x: Any, y: Any, fmt: Format | str, *, out: np.ndarray | None = None, **options: Any) -> Any:
    """x - y * n, n the integer nearest x / y, ties to even; exact before its rounding. IEEE 754-2019 section 5.3.1; see `add`."""
    return operate("remainder", (x, y), fmt, out, **options)


def sqrt(x: Any, fmt: Format | str, *, out: np.ndarray | None = None, **options: Any) -> Any:
    """Square root, rounded once; see `add`. Negative numbers give NaN, -0 gives -0."""
    return operate("sqrt", (x,), fmt, out, **options)


def fma(x: Any, y: Any, z: Any, fmt: Format | str, *, out: np.ndarray | None = None, **options: Any) -> Any:
    """x * y + z, rounded once; see `add`."""
    return operate("fma", (x, y, z), fmt, out, **options)
