"""Exact arithmetic on fixed-point words, with the result types of ap_fixed.

The functions work on *raw* integers: the stored word read as a number in two's complement (value = raw * 2**-frac_bits), as the
C++ simulation, RTL test benches and waveform viewers show it. `raw` and `codes` translate from and to codes (bit patterns).

Every function takes arrays (or single integers) of raws with their formats and returns raws of the type that `result` names:
int64, uint64 where an unsigned type has 64 bits, and Python integers in an object array beyond 64 bits (products of 64-bit operands
have 128). + - * lose nothing; rounding and overflow happen in `cast` only.

Source: ap_fixed_base.h of Xilinx/HLS_arbitrary_Precision_Types (commit 200a9ae), RType and its operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from .._checks import check_in
from .base import Format, Overflow, Rounding
from .cast import decode, encode
from .exact import round_magnitude
from .fixed import _WRAPS, Fixed
from .fixed_rules import into_range
from .modes import Modes, resolve
from .parse import parse

OPERATIONS = ("add", "subtract", "multiply", "divide", "negate", "left", "right", "and", "or", "xor")


@dataclass(frozen=True)
class WideFixed:
    """The type of a result beyond 64 bits: it can be an operand and a source of `cast`, but has no codes of its own."""

    width: int
    int_bits: int
    signed: bool = True

    @property
    def frac_bits(self) -> int:
        """Bits behind the binary point."""
        return self.width - self.int_bits

    @property
    def max_int(self) -> int:
        """Largest raw integer."""
        return (1 << self.width >> int(self.signed)) - 1

    @property
    def min_int(self) -> int:
        """Smallest raw integer."""
        return -(1 << self.width >> 1) if self.signed else 0

    def __str__(self) -> str:
        return f"{'fixed' if self.signed else 'ufixed'}<{self.width},{self.int_bits}>"


AnyFixed = Fixed | WideFixed


def as_fixed(fmt: AnyFixed | str, what: str = "fmt") -> AnyFixed:
    """The fixed-point type that `fmt` names; ValueError for other formats."""
    if isinstance(fmt, WideFixed):
        return fmt
    found = parse(fmt)
    if not isinstance(found, Fixed):
        raise ValueError(f"{what}={found} is not fixed point; pass a format such as 'fixed<16,6>', 'ap_fixed<16,6>' or 'int8'")
    return found


def _type(width: int, int_bits: int, signed: bool) -> AnyFixed:
    if width > 64:
        return WideFixed(width, int_bits, signed)
    return Fixed(width, int_bits, signed, Rounding.DOWN, Overflow.WRAP)


def result(operation: str, a: AnyFixed | str, b: AnyFixed | str | None = None) -> AnyFixed:
    """The type of `a operation b`: a Fixed with AP_TRN and AP_WRAP up to 64 bits, a WideFixed beyond.

    operation: add, subtract, multiply, divide, negate, left, right (shifts by a run-time amount keep the type of a), and, or, xor.
    Plain C integers are int32 and uint32, bool is uint1. Source: RType of ap_fixed_base.h (the bitwise rows read, not run).
    """
    check_in("operation", operation, OPERATIONS)
    a = as_fixed(a, "a")
    if operation in ("left", "right"):
        return a
    if operation == "negate":
        return _type(a.width + 1, a.int_bits + 1, True)
    if b is None:
        raise ValueError(f"b=None is not allowed for operation={operation!r}; pass the format of the second operand")
    b = as_fixed(b, "b")
    signed = a.signed or b.signed
    if operation == "multiply":
        return _type(a.width + b.width, a.int_bits + b.int_bits, signed)
    if operation == "divide":
        grow = int(b.signed)
        return _type(grow + a.width + max(b.frac_bits, 0), grow + a.int_bits + b.frac_bits, signed)
    int_bits = max(a.int_bits + int(b.signed and not a.signed), b.int_bits + int(a.signed and not b.signed))
    if operation in ("add", "subtract"):
        int_bits += 1
        signed = signed or operation == "subtract"
    return _type(int_bits + max(a.frac_bits, b.frac_bits), int_bits, signed)


def _fits_int64(fmt: AnyFixed) -> bool:
    return fmt.width + int(not fmt.signed) <= 64


def _checked(raw: Any, fmt: AnyFixed, what: str) -> np.ndarray:
    array = np.asarray(raw)
    if array.dtype.kind not in "iuO":
        raise ValueError(f"{what} has dtype {array.dtype}; raws are integers (use nf.encode and raw() to make them from values)")
    if array.dtype.kind == "O" and not all(isinstance(v, int) for v in array.reshape(-1).tolist()):
        raise ValueError(f"{what} holds something that is not an integer; raws are integers")
    if array.size:
        low, high = int(array.min()), int(array.max())
        if low < fmt.min_int or high > fmt.max_int:
            raise ValueError(
                f"{what} runs from {low} to {high}; raws of {fmt} run from {fmt.min_int} to {fmt.max_int} (use raw() on codes)"
            )
    return array


def _carried(raw: np.ndarray, *formats: AnyFixed) -> np.ndarray:
    """raw in a type that holds all raws of the formats, at least 1-D: NumPy makes plain Python integers of 0-D objects."""
    return np.atleast_1d(raw).astype(np.int64 if all(map(_fits_int64, formats)) else object)


def _store(raw: np.ndarray, fmt: AnyFixed, *operands: Any) -> np.ndarray:
    """raw in the type of the result; 0-D where all operands were."""
    stored = raw if fmt.width > 64 else raw.astype(np.int64 if _fits_int64(fmt) else np.uint64)
    return stored.reshape(np.broadcast_shapes(*(np.shape(operand) for operand in operands)))


def _two(x: Any, y: Any, a: AnyFixed | str, b: AnyFixed | str, operation: str) -> tuple[np.ndarray, np.ndarray, AnyFixed]:
    """Both operands in one integer type and with one binary point, that of the result (products keep theirs)."""
    a, b = as_fixed(a, "a"), as_fixed(b, "b")
    made = result(operation, a, b)
    left_, right_ = _carried(_checked(x, a, "x"), a, b, made), _carried(_checked(y, b, "y"), a, b, made)
    if operation != "multiply":
        left_, right_ = left_ << (made.frac_bits - a.frac_bits), right_ << (made.frac_bits - b.frac_bits)
    return left_, right_, made


def add(x: Any, y: Any, a: AnyFixed | str, b: AnyFixed | str) -> np.ndarray:
    """x + y, raws of formats a and b, as raws of result("add", a, b). Exact."""
    left_, right_, made = _two(x, y, a, b, "add")
    return _store(left_ + right_, made, x, y)


def subtract(x: Any, y: Any, a: AnyFixed | str, b: AnyFixed | str) -> np.ndarray:
    """x - y as raws of result("subtract", a, b), always signed. Exact."""
    left_, right_, made = _two(x, y, a, b, "subtract")
    return _store(left_ - right_, made, x, y)


def multiply(x: Any, y: Any, a: AnyFixed | str, b: AnyFixed | str) -> np.ndarray:
    """x * y as raws of result("multiply", a, b). Exact."""
    left_, right_, made = _two(x, y, a, b, "multiply")
    return _store(left_ * right_, made, x, y)


def bitwise(operation: str, x: Any, y: Any, a: AnyFixed | str, b: AnyFixed | str) -> np.ndarray:
    """x and / or / xor y on the aligned, sign-extended words, as raws of result(operation, a, b)."""
    check_in("operation", operation, ("and", "or", "xor"))
    left_, right_, made = _two(x, y, a, b, operation)
    word = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}[operation](left_, right_)
    return _store(word, made, x, y)


def negate(x: Any, a: AnyFixed | str) -> np.ndarray:
    """-x as raws of result("negate", a). Exact."""
    a = as_fixed(a, "a")
    made = result("negate", a)
    return _store(-_carried(_checked(x, a, "x"), a, made), made, x)


def divide(x: Any, y: Any, a: AnyFixed | str, b: AnyFixed | str, exact: bool = False) -> np.ndarray:
    """x / y truncated toward zero, as raws of result("divide", a, b): as many fraction bits as the dividend.

    The headers hold the quotient in a register too narrow for the most negative number divided by minus one unit: it wraps back
    to the most negative number. That is reproduced; `exact` gives the true quotient, which the result type holds.
    Raises ValueError for a zero in y (the headers have no guard).
    """
    a, b = as_fixed(a, "a"), as_fixed(b, "b")
    made = result("divide", a, b)
    grow = max(b.frac_bits, 0)
    register = max(a.width + grow + int(b.signed and not a.signed), b.width + int(a.signed and not b.signed))
    wide = WideFixed(register + 1, 0)  # one bit spare for the magnitude of the most negative number
    dividend = _carried(_checked(x, a, "x"), a, b, made, wide) << grow
    divisor = _carried(_checked(y, b, "y"), a, b, made, wide)
    zeros = int(np.count_nonzero(divisor == 0))
    if zeros:
        raise ValueError(f"y holds {zeros} zero(s); a quotient needs a divisor that is not zero")
    quotient = abs(dividend) // abs(divisor)
    quotient = np.where((dividend < 0) != (divisor < 0), -quotient, quotient)
    if not exact:
        quotient = _wrap(quotient, register, made.signed)
    return _store(quotient, made, x, y)


def _wrap(raw: np.ndarray, width: int, signed: bool) -> np.ndarray:
    """raw modulo 2**width, in the range of the type; width below 64 unless raw holds Python integers."""
    low = -(1 << width >> 1) if signed else 0
    return ((raw - low) & ((1 << width) - 1)) + low


def left(x: Any, amount: Any, a: AnyFixed | str) -> np.ndarray:
    """x << amount as the hardware shifts: bits that leave the word are lost, the format's modes play no part.

    A negative amount shifts right. amount: integers, broadcast against x. The result is of format a.
    """
    a = as_fixed(a, "a")
    shifts = np.asarray(amount)
    if shifts.dtype.kind not in "iu":
        raise ValueError(f"amount has dtype {shifts.dtype}; shift amounts are integers")
    shifts = np.clip(shifts.astype(np.int64), -a.width, a.width)
    words = _carried(_checked(x, a, "x"), a, WideFixed(a.width + 2, 0))
    down = words >> np.maximum(-shifts, 0)
    up = np.maximum(shifts, 0)
    if words.dtype.kind == "O":
        moved = _wrap(down << up.astype(object), a.width, a.signed)
    else:  # drop the bits that leave first, so that int64 holds the rest
        kept = down & ((np.int64(1) << (a.width - up)) - 1)
        moved = _wrap(kept << up, a.width, a.signed)
    return _store(moved, a, x, amount)


def right(x: Any, amount: Any, a: AnyFixed | str) -> np.ndarray:
    """x >> amount: the sign fills in, bits that leave are lost (floor). A negative amount shifts left."""
    return left(x, -np.asarray(amount, np.int64), a)


def compare(x: Any, y: Any, a: AnyFixed | str, b: AnyFixed | str) -> np.ndarray:
    """-1, 0 or 1 (int8) as x is below, equal to or above y, exactly; mixed signs and any widths.

    (The headers are wrong beyond 64 aligned bits where one operand is unsigned; this is not reproduced.)
    """
    left_, right_, _ = _two(x, y, a, b, "subtract")
    sign = (left_ > right_).astype(np.int8) - (left_ < right_).astype(np.int8)
    return sign.reshape(np.broadcast_shapes(np.shape(x), np.shape(y)))


def to_float64(x: Any, a: AnyFixed | str) -> np.ndarray:
    """Values of raws in float64, rounded to nearest even from any width."""
    return _to_float(x, as_fixed(a, "a"), "float64", 53, 1022)


def to_float32(x: Any, a: AnyFixed | str) -> np.ndarray:
    """Values of raws in float32, rounded once to nearest even from any width."""
    return _to_float(x, as_fixed(a, "a"), "float32", 24, 126)


def _to_float(x: Any, a: AnyFixed, name: str, precision: int, emin: int) -> np.ndarray:
    array = _checked(x, a, "x")
    if a.width <= 64 and a.frac_bits <= emin and a.int_bits <= emin:  # one rounding, then an exact scale
        integers = array.astype(np.int64 if _fits_int64(a) else np.uint64)
        return np.asarray(integers.astype(name) * np.dtype(name).type(2.0**-a.frac_bits))
    return np.asarray(decode(encode(_fractions(array, a), name), name))


def _fractions(array: np.ndarray, a: AnyFixed) -> np.ndarray:
    unit = Fraction(2) ** -a.frac_bits
    values = np.empty(array.shape, object)
    values.reshape(-1)[...] = [int(v) * unit for v in array.reshape(-1).tolist()]
    return values


def to_int64(x: Any, a: AnyFixed | str) -> np.ndarray:
    """Values of raws as integers, truncated toward zero. Raises ValueError for values that int64 does not hold."""
    a = as_fixed(a, "a")
    array = np.atleast_1d(_checked(x, a, "x")).astype(object)
    magnitude: Any = abs(array)
    whole = magnitude >> a.frac_bits if a.frac_bits > 0 else magnitude << -a.frac_bits
    whole = np.where(array < 0, -whole, whole)
    if whole.size and not -(2**63) <= int(whole.min()) <= int(whole.max()) < 2**63:
        raise ValueError(f"x holds values of {a} beyond int64; cast to a narrower format first")
    return whole.astype(np.int64).reshape(np.shape(x))


def cast(
    x: Any,
    a: AnyFixed | str,
    b: Fixed | str,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    random_bits: Any = None,
    random_width: int | None = None,
    seed: int | None = None,
) -> np.ndarray:
    """Raws of format a as raws of format b: one rounding from the exact value, then b's overflow rule (or the ones given)."""
    a, target = as_fixed(a, "a"), as_fixed(b, "b")
    if not isinstance(target, Fixed):
        raise ValueError(f"b={target} has {target.width} bits; formats have at most 64")
    array = _checked(x, a, "x")
    modes = resolve(target, rounding, overflow, None, random_bits, random_width, seed, array.shape)
    out = np.empty(array.shape, target.code_dtype)
    flat = np.ascontiguousarray(array).reshape(-1)
    if a.width > 64:
        _cast_wide(flat, out.reshape(-1), a.frac_bits, target, modes)
    else:
        words = flat.astype(np.int64 if _fits_int64(a) else np.uint64, copy=False)
        target.encode_integers(words, out.reshape(-1), modes, a.frac_bits)
    return raw(out, target)


def _cast_wide(flat: np.ndarray, out: np.ndarray, frac_bits: int, target: Fixed, modes: Modes) -> None:
    scale = Fraction(2) ** (target.frac_bits - frac_bits)
    words = modes.random.take(0, flat.size) if modes.random else np.zeros(flat.size, np.uint32)
    for i, value in enumerate(flat.tolist()):
        scaled = value * scale
        magnitude = round_magnitude(abs(scaled), modes, 0, value < 0, int(words[i]))
        whole = -magnitude if value < 0 else magnitude
        sat_bits = target.sat_bits if modes.overflow in _WRAPS else 0
        out[i] = into_range(whole, floor(scaled), target.width, target.signed, modes.overflow, sat_bits)


def raw(codes: Any, fmt: Fixed | str) -> np.ndarray:
    """Raw integers (int64, or uint64 for unsigned formats of 64 bits) of codes. ValueError for codes out of range."""
    found = as_fixed(fmt)
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise ValueError(f"codes has dtype {array.dtype}; codes are unsigned integers")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= 1 << found.width):
        raise ValueError(f"codes run from {array.min()} to {array.max()}; codes of {found} run from 0 to {(1 << found.width) - 1}")
    if not _fits_int64(found):
        return array.astype(np.uint64)
    if not found.signed or found.width == 0:
        return array.astype(np.int64)
    shift = 64 - found.width
    return (array.astype(np.uint64) << np.uint64(shift)).view(np.int64) >> shift


def codes(raw: Any, fmt: Fixed | str) -> np.ndarray:
    """Codes (smallest unsigned dtype) of raw integers. ValueError for raws out of range."""
    found = as_fixed(fmt)
    if not isinstance(found, Fixed):
        raise ValueError(f"fmt={found} has {found.width} bits; codes have at most 64")
    words = _checked(raw, found, "raw").astype(np.int64 if _fits_int64(found) else np.uint64).astype(np.uint64)
    return (words & np.uint64((1 << found.width) - 1)).astype(found.code_dtype)


def convert_fixed(
    words: Any,
    from_fmt: Format | str,
    to_fmt: Format | str,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    random_bits: Any = None,
    random_width: int | None = None,
    seed: int | None = None,
) -> np.ndarray:
    """Codes of one fixed-point format as codes of another: one rounding, exact up to 64 bits on both sides."""
    source, target = as_fixed(from_fmt, "from_fmt"), as_fixed(to_fmt, "to_fmt")  # type: ignore[arg-type]
    made = cast(raw(words, source), source, target, rounding, overflow, random_bits, random_width, seed)  # type: ignore[arg-type]
    return codes(made, target)  # type: ignore[arg-type]
