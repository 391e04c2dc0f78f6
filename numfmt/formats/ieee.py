"""The rest of the IEEE 754 operation set, for any format: neighbours, scaling, classes, minima, predicates, integers.

Source of every rule here: IEEE 754-2019 sections 5.3 to 5.10 and 9.6.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import as_floats, exact_operand, to_numpy
from .._checks import check_in
from .arithmetic import operate
from .base import Format, Overflow, Rounding, as_rounding
from .cast import cast, decode, encode
from .fixed import Fixed
from .floats import Float
from .nan_rules import is_nan_code, is_signalling
from .p3109 import P3109
from .parse import parse

CLASSES = (
    "signaling_nan", "quiet_nan", "negative_infinity", "negative_normal", "negative_subnormal", "negative_zero",
    "positive_zero", "positive_subnormal", "positive_normal", "positive_infinity",
)  # fmt: skip


def next_up(x: Any, fmt: Format | str) -> Any:
    """The least value of the format above x; the largest finite value goes to infinity, or stays where there is none.

    x: array of values. NaN stays NaN, the smallest negative value becomes -0, and both zeros become the smallest positive value.
    Formats that round to nearest only, such as posits, need 16 bits or fewer.
    """
    return _neighbour(x, parse(fmt), np.inf, Rounding.UP)


def next_down(x: Any, fmt: Format | str) -> Any:
    """The greatest value of the format below x; see `next_up`."""
    return _neighbour(x, parse(fmt), -np.inf, Rounding.DOWN)


def _neighbour(x: Any, fmt: Format, toward: float, rounding: Rounding) -> Any:
    array, restore = to_numpy(x)
    values = as_floats(array)
    if isinstance(fmt, Float) and fmt.man_bits > 49:
        if fmt.bits != 64:
            raise ValueError(f"the neighbours of {fmt} need more than float64; use a format of at most 49 mantissa bits or float64")
        with np.errstate(over="ignore"):
            return restore(np.nextafter(values, toward))
    if rounding not in fmt.roundings:
        return restore(_neighbour_in_table(values, fmt, toward))
    overflow = Overflow.NONSAT if fmt.has_inf else Overflow.SATURATE
    stepped = np.nextafter(values, toward)
    zero = (np.abs(stepped) <= 5e-324) & (values == 0)  # from a zero of either sign to the first value beyond it
    result = cast(np.where(zero, np.copysign(fmt.min_positive, toward) * 0.5, stepped), fmt, rounding, overflow)
    return restore(result)


def _neighbour_in_table(values: np.ndarray, fmt: Format, toward: float) -> np.ndarray:
    """Neighbours in formats that round to nearest only (posits, codebooks): by the list of their values, up to 16 bits."""
    table = np.asarray(fmt.values(), dtype=np.float64)
    grid = np.unique(table[~np.isnan(table)])
    place = np.searchsorted(grid, values, "right") if toward > 0 else np.searchsorted(grid, values, "left") - 1
    found = grid[np.clip(place, 0, grid.size - 1)]
    return np.where(np.isnan(values), np.nan, found).astype(fmt.value_dtype)


def scaleb(x: Any, n: Any, fmt: Format | str, **options: Any) -> Any:
    """x * 2**n rounded once; n: integers that broadcast with x. Options as in `nf.add`."""
    array, restore = to_numpy(x)
    exponents = np.asarray(n)
    if exponents.dtype.kind not in "iu":
        raise ValueError(f"n has dtype {exponents.dtype}; scaleb takes integer exponents")
    with np.errstate(invalid="ignore"):
        fraction, place = np.frexp(as_floats(array))
    total = np.clip(place + exponents.astype(np.int64), -4000, 4000)
    near = np.where(total < 0, -500, 500)
    power = np.ldexp(1.0, np.clip(total - near, -1074, 1023).astype(np.int32))
    return restore(operate("multiply", (np.ldexp(fraction, near.astype(np.int32)), power), fmt, None, **options))


def logb(x: Any) -> Any:
    """floor(log2|x|) as float64, exactly; -inf for zero, inf for infinities, NaN for NaN."""
    array, restore = to_numpy(x)
    values = np.abs(as_floats(array))
    with np.errstate(invalid="ignore"):
        place = np.frexp(values)[1] - 1.0
    return restore(np.where(values == 0, -np.inf, np.where(np.isfinite(values), place, values)))


def classify(codes: Any, fmt: Format | str) -> np.ndarray:
    """The class of each code, one of `CLASSES`, as an array of strings."""
    fmt = parse(fmt)
    array, _ = to_numpy(codes, "codes")
    values = np.asarray(decode(array, fmt), dtype=np.float64)
    negative = np.signbit(values)
    least = fmt.min_normal if isinstance(fmt, Float) else 2.0**fmt.emin if isinstance(fmt, P3109) else 0.0
    size = np.select([np.isinf(values), values == 0, np.abs(values) < least], [3, 0, 1], default=2)
    index = np.where(negative, 5 - size, 6 + size)
    nan = is_nan_code(array, fmt) if isinstance(fmt, Float) else np.isnan(values)
    quiet = 1 - (is_signalling(array, fmt) if isinstance(fmt, Float) else np.zeros(array.shape, int))
    return np.array(CLASSES)[np.where(nan, quiet, index)]


def round_to_integral(x: Any, fmt: Format | str, rounding: Rounding | str | None = None) -> Any:
    """Each value rounded to an integer (ties to even unless `rounding` says otherwise), as a value of the format.

    The sign of zero is kept. Raises ValueError for stochastic modes.
    """
    fmt = parse(fmt)
    array, restore = to_numpy(x)
    return restore(cast(_integral(as_floats(array), as_rounding(rounding, Rounding.TIES_EVEN)), fmt))


def _integral(values: np.ndarray, mode: Rounding) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        low = np.floor(np.abs(values))
        tail = np.abs(values) - low  # exact
        odd, negative = np.mod(low, 2) == 1, np.signbit(values)
    directed = {
        Rounding.TOWARD_ZERO: False, Rounding.AWAY: True, Rounding.UP: ~negative, Rounding.DOWN: negative, Rounding.TO_ODD: ~odd,
    }  # fmt: skip
    ties = {
        Rounding.TIES_EVEN: odd, Rounding.TIES_AWAY: True, Rounding.TIES_ZERO: False, Rounding.TIES_UP: ~negative,
        Rounding.TIES_DOWN: negative,
    }  # fmt: skip
    if mode in directed:
        up = (tail > 0) & directed[mode]
    elif mode in ties:
        up = (tail > 0.5) | ((tail == 0.5) & ties[mode])
    else:
        raise ValueError(f"rounding={str(mode)!r} does not apply to round_to_integral; use one of {', '.join([*directed, *ties])}")
    rounded = np.where(np.isfinite(values), low + up, np.abs(values))
    return np.copysign(rounded, values)


def to_integer(
    x: Any, fmt: Fixed | str, rounding: Rounding | str = "toward_zero", overflow: str | None = None, nan: int | None = None
) -> Any:
    """Each value as an integer of an integer format ("int8", "uint32"): int64 (uint64 for uint64).

    overflow: a mode of the format (default: saturate); nan: the integer that NaN becomes, refused if None.
    """
    target = parse(fmt)
    if not isinstance(target, Fixed) or target.frac_bits:
        raise ValueError(f"to_integer needs an integer format such as 'int8', not {target}")
    fmt = target
    array, restore = to_numpy(x)
    missing = np.asarray(array != array, bool)
    if nan is not None and not fmt.min_int <= nan <= fmt.max_int:
        raise ValueError(f"nan={nan} is no value of {fmt}; choose one from {fmt.min_int} to {fmt.max_int}")
    source = np.where(missing, array.dtype.type(0), array) if nan is not None else array
    codes = encode(source, fmt, rounding, overflow)
    integers = codes.astype(np.uint64)
    if fmt.signed:
        integers = integers.view(np.int64)
        integers = np.where(integers > fmt.max_int, integers - (1 << fmt.width), integers) if fmt.width < 64 else integers
    else:
        integers = integers if fmt.width == 64 else integers.astype(np.int64)
    return restore(np.where(missing, nan, integers) if nan is not None else integers)


def minimum(x: Any, y: Any, fmt: Format | str, *, number: bool = False, magnitude: bool = False) -> Any:
    """The smaller operand, as a value of the format; -0 counts as below +0.

    NaN in, NaN out, unless `number` (minimumNumber: the other operand). `magnitude` compares absolute values first.
    """
    return _extremum(x, y, parse(fmt), -1, number, magnitude)


def maximum(x: Any, y: Any, fmt: Format | str, *, number: bool = False, magnitude: bool = False) -> Any:
    """The larger operand; see `minimum`."""
    return _extremum(x, y, parse(fmt), 1, number, magnitude)


def _extremum(x: Any, y: Any, fmt: Format, direction: int, number: bool, magnitude: bool) -> Any:
    (a, restore), (b, _) = to_numpy(x, "x"), to_numpy(y, "y")
    a, b = np.broadcast_arrays(as_floats(a, "x"), as_floats(b, "y"))
    less = (a < b) | ((a == b) & np.signbit(a) & ~np.signbit(b))
    if magnitude:
        less = np.where(np.abs(a) != np.abs(b), np.abs(a) < np.abs(b), less)
    first = less if direction < 0 else ~less
    here, there = (np.isnan(a), np.isnan(b)) if not number else (np.isnan(b), np.isnan(a))
    first = np.where(there, False, first | here)
    return restore(cast(np.where(first, a, b), fmt))


def total_order(x: Any, y: Any, fmt: Format | str) -> np.ndarray:
    """Whether code x comes before or with code y in IEEE's total order: -NaN < -inf < ... < -0 < +0 < ... < inf < NaN.

    x, y: codes of a signed float format. Source: IEEE 754-2019 section 5.10.
    """
    fmt = parse(fmt)
    if not isinstance(fmt, Float) or not fmt.signed or fmt.specials == "fnuz":
        raise ValueError(f"total_order needs a signed float format with codes in sign and magnitude, not {fmt}")
    return _ordered(x, fmt) <= _ordered(y, fmt)


def _ordered(codes: Any, fmt: Float) -> np.ndarray:
    words = to_numpy(codes, "codes")[0].astype(np.uint64)
    decode(words.reshape(-1)[:0], fmt)
    half = np.uint64(1 << (fmt.bits - 1))
    return np.where(words >= half, ~words, words | half) & np.uint64((1 << fmt.bits) - 1)


def compares(predicate: str, x: Any, y: Any) -> np.ndarray:
    """IEEE predicates on values: equal, not_equal, less, less_equal, greater, greater_equal, unordered; false for NaN operands
    except not_equal and unordered."""
    functions = {
        "equal": np.equal, "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal,
        "greater": np.greater, "greater_equal": np.greater_equal,
    }  # fmt: skip
    check_in("predicate", predicate, [*functions, "unordered"])
    a, b = to_numpy(x, "x")[0], to_numpy(y, "y")[0]
    if predicate == "unordered":
        return np.asarray((a != a) | (b != b), bool)
    if "f" in a.dtype.kind + b.dtype.kind:  # no integer may be rounded to meet a float
        a, b = exact_operand(a), exact_operand(b)
    return np.asarray(functions[predicate](a, b), bool)
