"""Integers times a dyadic number b / 2**c, rounded once to nearest even, in any width up to 62 bits, and of either sign."""

from __future__ import annotations

from typing import Any

import numpy as np

_LIMIT = 1 << 62


def dyadic_words(multiplier: Any) -> tuple[np.ndarray, np.ndarray]:
    """(b, c) of real multipliers: m ~ b / 2**c, 2**30 <= |b| <= 2**31, b rounded half away from zero; zeros give (0, 31).

    b = 2**31 is left as it is (HAWQ does not renormalise it); the value is the same. Raises ValueError for numbers that are not
    finite.
    """
    m = np.asarray(multiplier, np.float64)
    if not np.isfinite(m).all():
        raise ValueError("multiplier holds values that are not finite; a rescale takes finite numbers")
    fraction, exponent = np.frexp(np.abs(m))
    b = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    return np.where(m < 0, -b, b), 31 - exponent.astype(np.int64)


def dyadic_round(x: np.ndarray, multiplier: Any) -> np.ndarray:
    """rne(x * b / 2**c) of integers x (int64, |x| <= 2**62), exactly; `multiplier` broadcasts to x. int64.

    Raises ValueError for integers beyond 62 bits, and results beyond them.
    """
    b, c = dyadic_words(multiplier)
    x, b, c = np.broadcast_arrays(np.asarray(x, np.int64), b, c)
    if x.size and (int(x.min()) < -_LIMIT or int(x.max()) > _LIMIT):
        raise ValueError(f"x runs from {x.min()} to {x.max()}; a dyadic rescale takes integers up to 2**62")
    if x.size and int(x.min()) >= -(1 << 31) and int(x.max()) <= 1 << 31 and int(c.min()) >= 1:
        return _narrow(x, b, c)  # the product fits
    negative = (x < 0) ^ (b < 0)
    size, b = np.abs(x), np.abs(b)  # ties to even are symmetric, so the sign may wait
    low = (size & 0x7FFFFFFF) * b  # < 2**62
    high = (size >> 31) * b + (low >> 31)  # <= 2**62 + 2**31
    low &= 0x7FFFFFFF
    # product = high * 2**31 + low. The words that the shift leaves and drops:
    up = np.clip(31 - c, 0, 62)
    down = np.clip(c - 31, 0, 62)
    kept = np.where(c >= 31, high >> down, (high << np.minimum(up, 31)) | (low >> np.clip(c, 0, 31)))
    if ((c < 31) & (high.astype(np.float64) * np.exp2(up.astype(np.float64)) >= _LIMIT)).any() or ((c < 0) & (size > 0)).any():
        raise ValueError("x times the multiplier leaves 62 bits; use a smaller multiplier")
    # half a unit and what lies below it, as (words of `high`, words of `low`)
    rest_high = np.where(c >= 31, high & ((np.int64(1) << down) - 1), 0)
    rest_low = np.where(c >= 31, low, low & ((np.int64(1) << np.clip(c, 0, 31)) - 1))
    half_high = np.where(c > 31, np.int64(1) << np.clip(down - 1, 0, 62), 0)
    half_low = np.where(c > 31, 0, np.int64(1) << np.clip(c - 1, 0, 31))
    more = (rest_high > half_high) | ((rest_high == half_high) & (rest_low > half_low))
    tie = (rest_high == half_high) & (rest_low == half_low)
    made = kept + (more | (tie & (kept & 1 == 1)))
    made = np.where(c > 93, 0, made)
    return np.where(negative, -made, made)


def _narrow(x: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The same for |x| <= 2**31 and c >= 1: products of at most 2**62."""
    v = x * b
    short = np.minimum(c, 62)
    half = np.int64(1) << (short - 1)
    made = (v + half) >> short
    made -= ((v & ((half << 1) - 1)) == half) & (made & 1 == 1)
    return np.where(c > 62, 0, made)  # at most half, which goes to 0
