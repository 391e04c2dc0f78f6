"""encode, decode and cast: values to codes and back, under the format's own modes or given ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from .._arrays import exact_integers, narrow_view, restore_like, to_lanes
from .._threads import in_pieces
from .base import Format, Overflow, Rounding
from .edges import apart, as_codes, check_out
from .fixed import Fixed
from .modes import Modes, resolve
from .parse import parse
from .policed import Policed
from .policy import handled_after


def encode(
    x: Any,
    fmt: Format | str,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    nan: str | None = None,
    random_bits: Any = None,
    random_width: int | None = None,
    seed: int | None = None,
    out: Any = None,
) -> Any:
    """Codes of the values `x` in the format `fmt`, each rounded once from its exact value.

    x: array of floats or integers, any shape (NumPy, ml_dtypes or torch), or an object array of int and Fraction. Returns codes
    of the same shape in the smallest unsigned dtype (`out` if given), of the kind of array that `x` is.

    rounding and overflow None mean the format's own modes: for floats `ties_even`; infinity on overflow where the format has
    one, else saturation. Negative values become the smallest value of an unsigned format (NaN under `nonsat`, where it has one).
    nan: policy for NaN and for the sign of zero (`nf.formats.policy.POLICIES`); None refuses NaN where the format has none.
    A stochastic rounding takes N = random_width bits an element from `random_bits` (integers below 2**N, the shape of x), or
    from `seed`, with N = 16 unless given.

    Raises ValueError for NaN into a format without NaN, for modes the format does not have, and for a wrong `out`.
    Source: P3109 interim report v4.0 sections 4.7.4 and 4.7.5; OCP OFP8 section 5.2.
    """
    fmt = parse(fmt)
    array, restore = narrow_view(x)
    modes = resolve(fmt, rounding, overflow, nan, random_bits, random_width, seed, array.shape)
    codes = check_out(out, array.shape, fmt.code_dtype)
    array = apart(array, codes)
    flat = codes.reshape(-1)
    if _needs_exact(array, fmt):
        _encode_exactly(array, flat, fmt, modes)
    elif handled_after(modes.nan):
        policed = Policed.of(modes.nan, fmt, modes.rounding, to_lanes(np.ascontiguousarray(array).reshape(-1)))
        _refuse(fmt.encode_array(policed.numbers(), flat, modes), fmt)
        policed.finish(flat)
    else:
        _refuse(_in_blocks(fmt.encode_array, array, flat, modes), fmt)
    return restore(codes) if out is None else out


def decode(codes: Any, fmt: Format | str, out: Any = None) -> Any:
    """Values of `codes` in the format `fmt`: float32 where every value of the format is exact in it, else float64, else objects.

    codes: integers of any shape, 0 <= code < 2**bits. Raises ValueError for codes outside that range, for codes that a
    codebook does not define, and for non-integer arrays.
    """
    fmt = parse(fmt)
    array = as_codes(codes, fmt.bits, str(fmt))
    values = check_out(out, array.shape, fmt.value_dtype)
    flat = np.ascontiguousarray(apart(array, values)).reshape(-1)
    if fmt.value_dtype.kind == "O":
        values.reshape(-1)[...] = [fmt.decode_exact(int(code)) for code in flat]
    else:
        fmt.decode_array(flat, values.reshape(-1))
    return restore_like(codes, values) if out is None else out


def cast(
    x: Any,
    fmt: Format | str,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    nan: str | None = None,
    random_bits: Any = None,
    random_width: int | None = None,
    seed: int | None = None,
    out: Any = None,
) -> Any:
    """The values of `x` rounded to the format: decode(encode(x)), with the same arguments and errors as `encode`.

    A NaN among values is a NaN: its sign and payload mean nothing and may differ between machines. Codes are canonical.
    """
    fmt = parse(fmt)
    array, restore = narrow_view(x)
    if _needs_exact(array, fmt) or fmt.value_dtype.kind == "O" or (nan is not None and nan != "default"):
        return restore(decode(encode(array, fmt, rounding, overflow, nan, random_bits, random_width, seed), fmt, out))
    modes = resolve(fmt, rounding, overflow, nan, random_bits, random_width, seed, array.shape)
    values = check_out(out, array.shape, fmt.value_dtype)
    _refuse(_in_blocks(fmt.cast_array, apart(array, values), values.reshape(-1), modes), fmt)
    return restore(values) if out is None else out


_BLOCK = 1 << 16


def _in_blocks(loop: Callable[[np.ndarray, np.ndarray, Modes], int], array: np.ndarray, flat: np.ndarray, modes: Modes) -> int:
    """Sum of loop(values, results, modes) over all of x; what is not float32 or float64 is widened a block at a time."""
    source = np.ascontiguousarray(array).reshape(-1)
    if source.dtype in (np.float32, np.float64):
        return loop(source, flat, modes)

    def piece(start: int, stop: int) -> int:
        refused = 0
        for i in range(start, stop, _BLOCK):
            j = min(i + _BLOCK, stop)
            here = modes if modes.random is None else replace(modes, random=modes.random.beyond(i))
            refused += loop(to_lanes(source[i:j]), flat[i:j], here)
        return refused

    return in_pieces(source.size, piece)


def _needs_exact(array: np.ndarray, fmt: Format) -> bool:
    """Whether float64 would lose something of x that the format can tell."""
    if array.dtype.kind == "O":
        return True
    precise = isinstance(fmt, Fixed) or fmt.value_dtype.kind == "O" or fmt.bits > 51  # what wraps tells every bit
    return precise and array.dtype.kind in "iu" and not exact_integers(array)


def _encode_exactly(array: np.ndarray, flat: np.ndarray, fmt: Format, modes: Modes) -> None:
    if array.dtype.kind in "iu" and isinstance(fmt, Fixed):
        fmt.encode_integers(np.ascontiguousarray(array).reshape(-1), flat, modes)
        return
    words = modes.random.take(0, array.size) if modes.random else np.zeros(array.size, np.uint32)
    for i, value in enumerate(array.reshape(-1).tolist()):
        exact = value if isinstance(value, float) and not np.isfinite(value) else Fraction(value)
        if isinstance(value, float) and value == 0:
            exact = value  # a zero keeps its sign
        flat[i] = fmt.encode_exact(exact, modes, int(words[i]))


def _refuse(count: int, fmt: Format) -> None:
    if not count:
        return
    if isinstance(fmt, Fixed):
        raise ValueError(
            f"x holds {count} value(s) that {fmt} cannot hold (NaN in a format without NaN, or an infinity under a wrapping mode); "
            "replace them first, or pass nan= with a policy"
        )
    raise ValueError(
        f"x holds {count} value(s) that {fmt} cannot hold (NaN in a format without NaN); replace them first, pass nan= with a "
        "policy, or use a format with NaN such as e4m3fn"
    )
