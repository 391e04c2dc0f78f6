"""Float formats over arrays: which loop serves, on as many threads as are set."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .._threads import in_pieces
from ..kernels import encode as scalar
from ..kernels import float_even, float_lanes, float_powers, float_seeded, float_signed
from .base import Overflow, Rounding
from .float_facts import DOUBLE, SINGLE, Facts, FloatLike, facts

if TYPE_CHECKING:
    from .floats import Float
    from .modes import Modes

_ALONE = 1 << 18  # elements for which a second thread costs more than it brings: a cast takes 0.05 ms


def cast_array(fmt: FloatLike, x: np.ndarray, out: np.ndarray, modes: Modes) -> int | None:
    """`Format.cast_array`; None (and nothing done) for formats about as wide as float64, for which there are no SIMD loops."""
    return _run(fmt, x, out, modes, codes=False)


def even_facts(fmt: FloatLike, modes: Modes) -> tuple[np.ndarray, np.ndarray] | None:
    """The facts with which `float_even.cast_even` serves a cast from float32 and has no NaN to count; None where it does not."""
    chosen = _choose(fmt, modes.rounding, modes.overflow, 0, True, False) if modes.random is None else None
    if chosen is None or chosen[0] is not float_even.cast_even:
        return None
    words, reals, check = chosen[1]
    return None if check or words.dtype != np.int32 else (words, reals)


def encode_lanes(fmt: FloatLike, x: np.ndarray, out: np.ndarray, modes: Modes) -> int | None:
    """`Format.encode_array`, with None as in `cast_array`."""
    return _run(fmt, x, out, modes, codes=True)


def encode_array(fmt: Float, x: np.ndarray, out: np.ndarray, modes: Modes) -> int:
    """`Format.encode_array` of every float format."""
    refused = _run(fmt, x, out, modes, codes=True)
    if refused is not None:
        return refused
    if modes.random is not None:
        return _one_by_one(fmt, x, out, modes)
    sign_bit = np.uint64(1 << (fmt.bits - 1)).astype(np.int64) if fmt.signed else np.int64(0)
    arguments = (
        fmt.man_bits, fmt.bias, fmt.emin, fmt.max_magnitude_code, sign_bit, fmt.zero,
        fmt.has_minus_zero or not fmt.zero, fmt.nan_code, fmt.inf_code, modes.rounding.number, modes.overflow.number,
    )  # fmt: skip
    return in_pieces(x.size, lambda i, j: scalar.encode_float(x[i:j], out[i:j], *arguments))


def _run(fmt: FloatLike, x: np.ndarray, out: np.ndarray, modes: Modes, codes: bool) -> int | None:
    random = modes.random
    width = 0 if random is None else random.width
    chosen = _choose(fmt, modes.rounding, modes.overflow, width, x.dtype == np.float32, codes)
    if chosen is None:
        return None
    loop, arguments = chosen
    if random is None:
        if x.size < _ALONE:
            return loop(x, out, *arguments)
        return in_pieces(x.size, lambda i, j: loop(x[i:j], out[i:j], *arguments))

    if random.bits is not None:
        given = random.bits
        return in_pieces(x.size, lambda i, j: loop(x[i:j], out[i:j], given[i:j], 0, *arguments))
    seeded, shift = _SEEDED[loop], 8 * random.word.itemsize - width

    def piece(i: int, j: int) -> int:
        first, seed = np.int64(random.first + i), np.uint64(random.seed)
        return seeded(x[i:j], out[i:j], *random.scratch(j - i), first, seed, shift, *arguments)

    return in_pieces(x.size, piece)


@lru_cache(maxsize=4096)
def _choose(
    fmt: FloatLike, rounding: Rounding, overflow: Overflow, width: int, single: bool, codes: bool
) -> tuple[Callable[..., int], tuple[Any, ...]] | None:
    """The loop and its facts: the narrowest carrier that is exact, then the shortest loop that serves; None if there is none.

    width: random bits, 0 for the deterministic roundings; single: x is float32; codes: the result is codes, not values.
    """
    if single and not width and _is_e8m0(fmt):
        known = facts(fmt, rounding, overflow, width, SINGLE)
        return _POWERS[codes], (known.words, known.check, rounding is Rounding.TIES_EVEN)
    carrier, same = DOUBLE, False
    if single and width <= SINGLE.random_bits:
        if SINGLE.holds(fmt):
            carrier = SINGLE
        elif SINGLE.same_range(fmt) and _short(facts(fmt, rounding, overflow, width, SINGLE), codes):
            carrier, same = SINGLE, True
    if carrier is DOUBLE and not DOUBLE.holds(fmt):
        return None
    known = facts(fmt, rounding, overflow, width, carrier)
    plain = (known.words, known.reals, known.check)
    if rounding is Rounding.TIES_EVEN and known.clipped:
        return _EVEN[codes], plain
    if not _short(known, codes):
        return (_RANDOM if width else _ANY)[codes], plain
    if width:
        return _SIGNED_RANDOM[codes], (*plain, same, known.drawn)
    if rounding is Rounding.TIES_EVEN:
        return (_EVEN_SAME if same else _EVEN)[codes], plain
    return _SIGNED[codes], (*plain, same)


def _is_e8m0(fmt: FloatLike) -> bool:
    return (
        (fmt.bits, fmt.man_bits, fmt.emin, fmt.max_magnitude_code) == (8, 0, -127, 254)
        and fmt.has_nan
        and not (fmt.signed or fmt.zero)
    )


def _short(known: Facts, codes: bool) -> bool:
    return known.signed_codes if codes else known.signed


# loops to values, to codes
_EVEN = (float_even.cast_even, float_even.encode_even)
_EVEN_SAME = (float_even.cast_even_same, float_even.encode_even_same)
_SIGNED = (float_signed.cast_signed, float_signed.encode_signed)
_POWERS = (float_powers.cast_powers, float_powers.encode_powers)
_ANY = (float_lanes.cast_any, float_lanes.encode_any)
_SIGNED_RANDOM = (float_signed.cast_signed_random, float_signed.encode_signed_random)
_RANDOM = (float_lanes.cast_random, float_lanes.encode_random)
_SEEDED = {
    float_signed.cast_signed_random: float_seeded.cast_signed_seeded,
    float_signed.encode_signed_random: float_seeded.encode_signed_seeded,
    float_lanes.cast_random: float_seeded.cast_seeded,
    float_lanes.encode_random: float_seeded.encode_seeded,
}


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
