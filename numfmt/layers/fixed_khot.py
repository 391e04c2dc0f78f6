"""K-hot weights: fixed-point numbers with few one bits, whose products are a few shifts and additions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import check_int_range
from ..arith.fixed_rule import encode_raw
from ..blocks import QuantizedTensor
from ..formats import Fixed, Format
from .fixed_tensor import layer_type, tensor

_WIDEST = 20  # bits of a type whose numbers are listed


def k_hot(values: Any, fmt: str | Format, hot: int, signed_digits: bool = False) -> QuantizedTensor:
    """Each value as the nearest number of the fixed-point type `fmt` whose magnitude has at most `hot` one bits.

    signed_digits: at most `hot` non-zero digits of -1, 0, 1 (the non-adjacent form): 7 = 8 - 1 has two. Ties go to the number
    nearer zero; values beyond the range become its ends that remain; the type's own rounding and overflow play no part. NaN is
    refused. The result is an ordinary tensor of type `fmt`: products with it need no arithmetic of their own.

    Source: the K-hot option of QFX (arXiv 2401.17544) is known from its abstract; this reading of it is inferred.
    """
    made = layer_type(fmt, "fmt")
    if made.bits > _WIDEST:
        raise ValueError(f"fmt={made} has {made.bits} bits; k_hot lists the numbers of types of at most {_WIDEST}")
    check_int_range("hot", hot, 1, _WIDEST)
    array = to_numpy(values, "values")[0].astype(np.float64)
    if np.isnan(array).any():
        raise ValueError(f"values holds {int(np.isnan(array).sum())} NaN; replace them first")
    grid = _grid(made, hot, signed_digits)
    scaled = np.ldexp(array, made.frac_bits)
    above = np.clip(np.searchsorted(grid, scaled), 1, max(1, len(grid) - 1))
    low, high = grid[above - 1], grid[np.minimum(above, len(grid) - 1)]
    down, up = scaled - low, high - scaled
    lower = (down < up) | ((down == up) & (np.abs(low) <= np.abs(high)))
    return tensor(encode_raw(np.where(lower, low, high), made), made)


def _grid(fmt: Fixed, hot: int, signed_digits: bool) -> np.ndarray:
    """Raw integers of the type with at most `hot` digits, ascending."""
    raw = np.arange(fmt.min_int, fmt.max_int + 1, dtype=np.int64)
    size = np.abs(raw)
    digits = (size ^ 3 * size) >> 1 if signed_digits else size  # bits of n ^ 3n are where the non-adjacent form is not zero
    kept: np.ndarray = raw[np.bitwise_count(digits) <= hot]
    return kept
