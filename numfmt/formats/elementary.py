"""Correctly rounded elementary functions, from any format into any format."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from .._arrays import exact_operand, float_near, to_float64, to_numpy
from .._checks import check_in
from .._threads import in_pieces
from ..kernels import layer_steps, tables
from .base import Format, Overflow, Rounding
from .cast import decode, encode
from .edges import apart, as_codes, check_out
from .exact_ops import check_roots
from .floats import Float
from .functions import FUNCTIONS, Function
from .modes import WRAPS, Modes, resolve
from .parse import parse

_BLOCK = 1 << 16
_TABLE_BITS = 16
_MOST_BITS = 1 << 14
_SINGLE_FACTS = (23, -126, float(np.finfo(np.float32).max), np.inf)


def elementary(
    function: str,
    x: Any,
    fmt: Format | str,
    *,
    source: Format | str | None = None,
    operands: str = "values",
    returns: str = "values",
    out: np.ndarray | None = None,
    **options: Any,
) -> Any:
    """A function of every element, rounded once into the format: `nf.elementary("gelu", x, "float16")`.

    function: exp, exp2, log, log2, sigmoid, tanh, sqrt, rsqrt, reciprocal, erf, gelu, gelu_tanh or silu.
    x: values of any float or integer kind; with `source` they are rounded to that format first, as a unit of hardware with such
    an input port does; with operands="codes" they are codes of `source`. A source of up to 16 bits (that of x's own dtype, where
    it has so few) is served from a table of all its codes. Returns values, or codes with returns="codes", of x's shape.
    options: rounding, overflow, random_bits, random_width, seed as in `nf.encode`.

    The result is the exact value rounded once, in every rounding mode. Limits: log(0) is -inf, reciprocal(-0) is -inf, logarithms
    and roots of negative numbers are NaN, gelu(-inf) and silu(-inf) are -0.

    Raises ValueError where a result is NaN and the format has none. Source: the functions' definitions; IEEE 754-2019 section 9.2.
    """
    check_in("function", function, list(FUNCTIONS))
    check_in("operands", operands, ("values", "codes"))
    check_in("returns", returns, ("values", "codes"))
    fmt = parse(fmt)
    check_roots(fmt)
    if operands == "codes" and source is None:
        raise ValueError("operands='codes' needs source=: the format of the codes")
    array, restore = to_numpy(x)
    modes = resolve(fmt, shape=array.shape, **options)
    dtype = fmt.code_dtype if returns == "codes" else fmt.value_dtype
    result = check_out(out, array.shape, dtype)
    array = apart(array, result)
    port = parse(source) if source is not None else _port(array)
    tabled = modes.random is None and modes.overflow not in WRAPS  # which refuses infinities, and tells every bit of large results
    if tabled and port is not None and port.bits <= _TABLE_BITS:
        table = function_table(function, port, fmt, modes.rounding, modes.overflow, returns)
        _look_up(array, port, table, operands, result.reshape(-1), source is None, function, fmt)
    else:
        if operands == "codes":
            assert port is not None
            array = decode(array, port)
        elif port is not None and source is not None:
            array = decode(encode(array, port), port)
        if returns == "values" and _is_single(fmt, modes) and array.dtype in (np.float32, np.float64):
            _single_values(FUNCTIONS[function], array, fmt, modes, result)
            return restore(result) if out is None else out
        codes = _direct_codes(FUNCTIONS[function], exact_operand(array).reshape(-1), fmt, modes).reshape(array.shape)
        result[...] = codes if returns == "codes" else decode(codes, fmt)
    return restore(result) if out is None else out


def _direct_codes(function: Function, x: np.ndarray, fmt: Format, modes: Modes) -> np.ndarray:
    """Codes of the function of x, 1-D of any dtype: what float64 does not hold is evaluated from its exact value."""
    if x.dtype.kind != "O":
        return function_codes(function, to_float64(x), fmt, modes)
    near = np.array([float_near(v) for v in x.tolist()])
    codes = function_codes(function, near, fmt, modes)
    random = modes.random.take(0, x.size) if modes.random else np.zeros(x.size, np.uint32)
    for i, value in enumerate(x.tolist()):
        if value == value and value != near[i] and not (function.positive_only and value < 0):
            codes[i] = exact_code(function, Fraction(value), fmt, modes, int(random[i]))
    return codes


def _is_single(fmt: Format, modes: Modes) -> bool:
    """Whether the machine's conversion from float64 to float32 is the rounding that is asked for."""
    return (
        isinstance(fmt, Float)
        and (fmt.exp_bits, fmt.man_bits, fmt.bias, fmt.specials, fmt.signed, fmt.zero) == (8, 23, 127, "ieee", True, True)
        and modes.rounding is Rounding.TIES_EVEN
        and modes.overflow is Overflow.NONSAT
    )


def _single_values(function: Function, x: np.ndarray, fmt: Format, modes: Modes, out: np.ndarray) -> None:
    """float32 results to nearest even: where both ends of the bound on the error convert to one number, that is the result."""
    flat, target = np.ascontiguousarray(x).reshape(-1), out.reshape(-1)
    step = 2.0**-function.margin

    def settle(start: int, wide: np.ndarray, unsettled: np.ndarray) -> None:
        for i in np.flatnonzero(unsettled).tolist():
            code = exact_code(function, Fraction(float(wide[i])), fmt, modes)
            target[start + i] = decode(np.array([code], fmt.code_dtype), fmt)[0]

    def piece(first: int, last: int) -> int:
        for start in range(first, last, _BLOCK >> 2):
            part = slice(start, min(start + (_BLOCK >> 2), last))
            wide = flat[part].astype(np.float64)
            if function.name == "exp" and flat.dtype == np.float32:
                unsettled = np.empty((1, wide.size), bool)
                row, zero = flat[part].reshape(1, -1), np.zeros((1, 1), np.float32)
                layer_steps.exponentials(row, zero, target[part].reshape(1, -1), unsettled, step, _SINGLE_FACTS)
                settle(start, wide, unsettled[0])
                continue
            y = near_values(function, wide)
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                low, high = (y * (1 - step)).astype(np.float32), (y * (1 + step)).astype(np.float32)
            target[part] = low
            settle(start, wide, low.view(np.uint32) != high.view(np.uint32))
        return 0

    in_pieces(target.size, piece)


def _port(array: np.ndarray) -> Format | None:
    """The format of an array's own dtype, where it has at most 16 bits."""
    if array.dtype.itemsize > 2 or array.dtype.kind == "b":
        return None
    return parse(array.dtype)


def _look_up(
    array: np.ndarray, port: Format, table: np.ndarray, operands: str, flat: np.ndarray, own: bool, function: str, fmt: Format
) -> None:
    refused = _refused(function, port, fmt)
    source = np.ascontiguousarray(array).reshape(-1)
    if operands == "codes":
        source = as_codes(source, port.bits, str(port))
    elif own:
        source = source.view(port.code_dtype)
    encoded = operands == "values" and not own

    def piece(first: int, last: int) -> int:
        bad = 0
        for start in range(first, last, _BLOCK):
            stop = min(start + _BLOCK, last)
            codes = encode(source[start:stop], port) if encoded else source[start:stop]
            if refused is not None:
                bad += int(refused[codes].sum())
            tables.look_up(codes, table, flat[start:stop])
        return bad

    if bad := in_pieces(source.size, piece):
        raise _no_code(function, bad, fmt)


def _no_code(function: str, count: int, fmt: Format) -> ValueError:
    return ValueError(
        f"{function} gives {count} result(s) that {fmt} cannot hold (NaN in a format without NaN); mask those arguments first, "
        "or use a format with NaN"
    )


@lru_cache(maxsize=64)
def _refused(function: str, port: Format, fmt: Format) -> np.ndarray | None:
    """Which codes of the source have no result; None where all have one."""
    if fmt.has_nan:
        return None
    values = decode(np.arange(1 << port.bits, dtype=port.code_dtype), port).astype(np.float64)
    missing = np.isnan(_limits(FUNCTIONS[function], values)) & _special(FUNCTIONS[function], values)
    return missing if missing.any() else None


@lru_cache(maxsize=64)
def function_table(function: str, source: Format, fmt: Format, rounding: str, overflow: str, returns: str) -> np.ndarray:
    """The result for every code of a source of at most 16 bits, read-only; codes without a result hold that of zero."""
    values = decode(np.arange(1 << source.bits, dtype=source.code_dtype), source).astype(np.float64)
    missing = _refused(function, source, fmt)
    if missing is not None:
        values = np.where(missing, 1.0, values)
    modes = resolve(fmt, rounding, overflow)
    codes = function_codes(FUNCTIONS[function], values, fmt, modes)
    table = codes if returns == "codes" else decode(codes, fmt)
    table.setflags(write=False)
    return table


def _special(function: Function, x: np.ndarray) -> np.ndarray:
    """Where the value is a limit, or there is none."""
    return ~np.isfinite(x) | (x == 0) | (function.positive_only & (x < 0))


def _limits(function: Function, x: np.ndarray) -> np.ndarray:
    low, minus, plus, high = function.limits
    at_zero = np.where(np.signbit(x), minus, plus)
    return np.where(x == 0, at_zero, np.where(x == np.inf, high, np.where(x == -np.inf, low, np.nan)))


def near_values(function: Function, x: np.ndarray) -> np.ndarray:
    """The function of x (float64, 1-D) within a relative error of 2**-function.margin; limits and NaN where they belong."""
    special = _special(function, x)
    with np.errstate(all="ignore"):
        return np.where(special, _limits(function, x), function.approximate(np.where(special, 1.0, x)))


def function_codes(function: Function, x: np.ndarray, fmt: Format, modes: Modes) -> np.ndarray:
    """Codes of the function of x (float64, 1-D), each rounded once."""
    special, y = _special(function, x), near_values(function, x)
    margin = 2.0**-function.margin
    finite = ~special
    # a format of moderate range has no decision point outside these bounds, where the approximation is no longer relative
    wide = fmt.value_dtype.kind == "O" or fmt.largest_magnitude > 2.0**900 or fmt.min_positive < 2.0**-900
    held = np.where(finite, np.copysign(np.clip(np.abs(y), 2.0**-1000, 2.0**1000), y), y)
    low, high = (np.where(finite, held * (1 + s), held) for s in (-margin, margin))
    if fmt.odd_safe and modes.random is None:  # its decision points have 52 bits or fewer: the side decides
        with np.errstate(invalid="ignore"):
            near, side = function.nearby(x)
        known = finite & ~np.isnan(near)
        # an odd last bit is no decision point: it lies where the value does, while its neighbour may be one
        nudged = np.where(near.view(np.int64) & 1 == 1, near, np.nextafter(near, side))
        low, high = np.where(known, nudged, low), np.where(known, nudged, high)
    low, high = _codes(low, fmt, modes, function), _codes(high, fmt, modes, function)
    unsettled = finite & ((low != high) | ((y == 0) & (x == 1)))  # a logarithm's zero is exact
    if modes.overflow in WRAPS:  # what wraps tells every bit of a large result
        unsettled |= finite & (np.abs(y) > fmt.largest_magnitude)
    if wide:
        unsettled |= finite & ~((np.abs(y) > 2.0**-900) & (np.abs(y) < 2.0**900))
    if (places := np.flatnonzero(unsettled)).size:
        random = modes.random.take(0, x.size) if modes.random else None
        for i in places:
            low[i] = exact_code(function, Fraction(float(x[i])), fmt, modes, int(random[i]) if random is not None else 0)
    return low


def _codes(values: np.ndarray, fmt: Format, modes: Modes, function: Function) -> np.ndarray:
    codes = np.empty(values.shape, fmt.code_dtype)
    if fmt.value_dtype.kind == "O":
        random = modes.random.take(0, values.size) if modes.random else np.zeros(values.size, np.uint32)
        for i, value in enumerate(values.tolist()):
            settled = np.isfinite(value) and value != 0
            codes[i] = fmt.encode_exact(Fraction(value) if settled else value, modes, int(random[i]))
        return codes
    if refused := fmt.encode_array(values, codes, modes):
        raise _no_code(function.name, refused, fmt)
    return codes


def exact_code(function: Function, x: Fraction, fmt: Format, modes: Modes, random: int = 0) -> int:
    """Code of the function of one finite nonzero argument, from as many digits as it takes."""
    exact = function.exactly(x)
    if exact is not None:
        return fmt.encode_exact(exact if exact else 0.0, modes, random)
    bits = 96
    while bits <= _MOST_BITS:
        value = function.digits(x, bits)
        error = abs(value) * Fraction(1, 1 << (bits - 12))
        codes = {fmt.encode_exact(value + side * error, modes, random) for side in (-1, 1)}
        if len(codes) == 1 and (modes.overflow not in WRAPS or error < fmt.quantum):
            return codes.pop()
        bits *= 2
    raise ArithmeticError(f"{function.name}({float(x)!r}) is not decided by {_MOST_BITS} bits; please report this argument")
