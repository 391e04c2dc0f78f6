"""The assignment to a fixed-point type as numbers for the kernels: three addends of its quantization, masks of its overflow."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..formats import Fixed, Overflow, Rounding
from ..formats import fixed_ops as ops
from ..kernels import fixed_steps as kernels

WIDEST = 62  # bits of any intermediate number
_CHUNK = 1 << 16  # elements assigned at a time: their int64 stay in a second-level cache


def addends(rounding: Rounding, shift: int) -> tuple[int, int, int]:
    """(base, negative, odd) of `kernels.rounded` for a quantization. Raises ValueError for those that ap_fixed lacks."""
    one = (1 << shift) - 1
    half = (1 << shift) >> 1
    table = {
        Rounding.DOWN: (0, 0, 0),  # AP_TRN
        Rounding.TOWARD_ZERO: (0, one, 0),  # AP_TRN_ZERO
        Rounding.TIES_UP: (half, 0, 0),  # AP_RND
        Rounding.TIES_ZERO: (half - 1, 1, 0),  # AP_RND_ZERO
        Rounding.TIES_DOWN: (half - 1, 0, 0),  # AP_RND_MIN_INF
        Rounding.TIES_AWAY: (half, -1, 0),  # AP_RND_INF
        Rounding.TIES_EVEN: (half - 1, 0, 1),  # AP_RND_CONV
        Rounding.UP: (one, 0, 0),
    }
    if rounding not in table:
        raise ValueError(f"rounding {rounding} is not allowed at each step; use one of {', '.join(map(str, table))}")
    return (0, 0, 0) if shift == 0 else table[rounding]


@lru_cache(maxsize=1024)
def rule(fmt: Fixed, shift: int, lanes: type = np.int64) -> tuple[Any, ...]:
    """What the kernels need to assign v * 2**-shift units to `fmt`, in integers of type `lanes`. Raises ValueError as `addends`."""
    place = np.dtype(lanes).itemsize * 8 - 1
    fields = [*addends(fmt.rounding, shift), *_overflow(fmt)]
    kind, low, high, keep, below, raised, *rest = fields[3:]
    numbers = (shift, *fields[:3], kind, low, high, keep, below ^ raised, raised, *rest, place, high - low)
    return tuple(lanes(((v + (1 << place)) & ((2 << place) - 1)) - (1 << place)) for v in numbers)


def _overflow(fmt: Fixed) -> tuple[int, ...]:
    """kind, low, high, keep, below, above, probe, equal, width."""
    width, count, low, high = fmt.width, fmt.sat_bits, fmt.min_int, fmt.max_int
    if width == 0:
        return kernels.CLAMP, 0, 0, 0, 0, 0, 0, 0, 0
    if fmt.overflow is Overflow.SATURATE:
        return kernels.CLAMP, low, high, 0, 0, 0, 0, 0, 0
    if fmt.overflow is Overflow.SATURATE_SYMMETRIC:
        return kernels.CLAMP, -high if fmt.signed and width > 1 else low, high, 0, 0, 0, 0, 0, 0
    if fmt.overflow is Overflow.SATURATE_ZERO:
        return kernels.FORCE, low, high, 0, 0, 0, 0, 0, 0
    if fmt.overflow is Overflow.WRAP and not count:
        return kernels.WRAP, low, high, (1 << width) - 1, 0, (1 << (width - 1)) if fmt.signed else 0, 0, 0, 0
    keep = (1 << (width - max(count, 1))) - 1
    forced = ((1 << width) - 1) ^ keep  # the top bits
    if not fmt.signed:
        return kernels.FORCE, low, high, keep, forced, forced, 0, 0, 0
    sign = -(1 << (width - 1))
    positive = (forced + sign) if count > 1 else 0
    if fmt.overflow is Overflow.WRAP:
        return kernels.FORCE, low, high, keep, sign, positive, 0, 0, 0
    kind = kernels.MIRROR if count else kernels.MIRROR_FLOOR
    return kind, low, high, keep, sign, positive, width - max(count, 1), -1 if count > 1 else 0, width


def fits(fmt: Fixed, what: str) -> Fixed:
    """The type, refused where its words are wider than the loops' integers."""
    if fmt.bits > WIDEST:
        raise ValueError(f"{what} {fmt} is not allowed: it has {fmt.bits} bits; use at most {WIDEST}")
    return fmt


def raw_integers(words: np.ndarray, fmt: Fixed) -> np.ndarray:
    """Two's complement of code words, int64."""
    raw = words.astype(np.int64)
    if fmt.signed and 0 < fmt.bits < 64:
        sign = np.int64(1 << (fmt.bits - 1))
        raw = (raw ^ sign) - sign
    return raw


def encode_raw(raw: np.ndarray, fmt: Fixed) -> np.ndarray:
    """Code words of raw integers in range."""
    words: np.ndarray = (raw & ((1 << fmt.bits) - 1)).astype(fmt.code_dtype)
    return words


def assigned(raw: np.ndarray, frac_bits: int, fmt: Fixed) -> np.ndarray:
    """Raw integers of type `fmt` (int64) of the numbers raw * 2**-frac_bits: one quantization, one overflow.

    raw: int64, overwritten where contiguous, or Python integers in an object array.
    """
    shift = frac_bits - fmt.frac_bits
    right, up = max(shift, 0), max(-shift, 0)
    if raw.size == 0:
        return raw.astype(np.int64)
    largest = max(int(raw.max()), -int(raw.min()))
    if raw.dtype == object or right > WIDEST - 2 or (largest << up) + (2 << right) >= 1 << WIDEST:
        bits = max(largest.bit_length() + 1, 65)
        made = ops.cast(raw.astype(object), ops.WideFixed(bits, bits - frac_bits), fmt)
        return made.astype(np.int64)
    flat = np.ascontiguousarray(raw).reshape(-1)
    facts = rule(fmt, right)
    for first in range(0, flat.size, _CHUNK):
        part = flat[first : first + _CHUNK]
        if up:
            part <<= up
        kernels.assign(part, facts)
    return flat.reshape(raw.shape)
