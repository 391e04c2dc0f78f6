"""Float formats over arrays: which loop serves, on as many threads as are set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .._threads import in_pieces
from ..kernels import encode as scalar
from ..kernels import float_even, float_lanes
from .base import Rounding
from .float_facts import DOUBLE, SINGLE, Carrier, facts

if TYPE_CHECKING:
    from .floats import Float
    from .modes import Modes

_STOCHASTIC = (Rounding.STOCHASTIC_A, Rounding.STOCHASTIC_B, Rounding.STOCHASTIC_C)
_DRAWN = 1 << 15  # elements whose random bits are drawn at a time


def has_lanes(fmt: Float) -> bool:
    """Whether the SIMD loops serve the format (all but those about as wide as float64)."""
    return DOUBLE.holds(fmt)


def cast_array(fmt: Float, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
    """`Format.cast_array` for a format with SIMD loops."""
    if even := _even_carrier(fmt, x, modes):
        known = facts(fmt, modes.rounding, modes.overflow, 0, even)
        loop = float_even.cast_even if even.holds(fmt) else float_even.cast_even_same
        return in_pieces(x.size, lambda i, j: loop(x[i:j], out[i:j], known.words, known.reals, known.check))
    return _any(float_lanes.cast_any, float_lanes.cast_random, fmt, x, out, modes)


def encode_array(fmt: Float, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
    """`Format.encode_array` of every float format."""
    even = _even_carrier(fmt, x, modes)
    if even and (known := facts(fmt, modes.rounding, modes.overflow, 0, even)).even_codes:
        loop = float_even.encode_even if even.holds(fmt) else float_even.encode_even_same
        return in_pieces(x.size, lambda i, j: loop(x[i:j], out[i:j], known.words, known.reals, known.check))
    if has_lanes(fmt):
        return _any(float_lanes.encode_any, float_lanes.encode_random, fmt, x, out, modes)
    if modes.rounding in _STOCHASTIC:
        return _one_by_one(fmt, x, out, modes)
    sign_bit = np.uint64(1 << (fmt.bits - 1)).astype(np.int64) if fmt.signed else np.int64(0)
    arguments = (
        fmt.man_bits, fmt.bias, fmt.emin, fmt.max_magnitude_code, sign_bit, fmt.zero,
        fmt.has_minus_zero, fmt.nan_code, fmt.inf_code, modes.rounding.number, modes.overflow.number,
    )  # fmt: skip
    return in_pieces(x.size, lambda i, j: scalar.encode_float(x[i:j], out[i:j], *arguments))


def _even_carrier(fmt: Float, x: np.ndarray, modes: Modes) -> Carrier | None:
    """The carrier of the loop to nearest even that serves, None if none does."""
    if modes.rounding is not Rounding.TIES_EVEN or not (fmt.signed and fmt.zero and fmt.man_bits >= 1):
        return None
    if x.dtype == np.float32 and (SINGLE.holds(fmt) or SINGLE.same_range(fmt)):
        return SINGLE
    return DOUBLE if DOUBLE.holds(fmt) else None


def _any(plain: Callable[..., int], drawn: Callable[..., int], fmt: Float, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
    """The loops that take every rounding: `plain`, and `drawn` for the stochastic ones."""
    random = modes.random
    width = random.width if random else 0
    single = x.dtype == np.float32 and SINGLE.holds(fmt) and width <= SINGLE.random_bits
    known = facts(fmt, modes.rounding, modes.overflow, width, SINGLE if single else DOUBLE)
    if random is None:
        return in_pieces(x.size, lambda i, j: plain(x[i:j], out[i:j], known.words, known.reals, known.check))

    def piece(i: int, j: int) -> int:
        refused = 0
        for start in range(i, j, _DRAWN):  # the random bits stay in the cache
            stop = min(start + _DRAWN, j)
            bits = random.take(start, stop)
            refused += drawn(x[start:stop], out[start:stop], bits, known.words, known.reals, known.check)
        return refused

    return in_pieces(x.size, piece)


def _one_by_one(fmt: Float, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
    """Stochastic rounding to formats about as wide as float64: exact integers, one element at a time."""
    from fractions import Fraction

    assert modes.random is not None
    refused = 0
    words = modes.random.take(0, x.size)
    for i, value in enumerate(x.tolist()):
        if value != value and not fmt.has_nan:
            refused += 1
            continue
        exact = Fraction(value) if value and abs(value) < float("inf") else value
        out[i] = fmt.encode_exact(exact, modes, int(words[i]))
    return refused
