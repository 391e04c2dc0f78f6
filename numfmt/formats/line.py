"""The real line cut into intervals, each with the code that its values get: how every irregular format is encoded."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

import numpy as np

from .._threads import in_pieces
from ..kernels.table import Buckets, count_nans, cuts_of, keys

LARGEST = float(np.finfo(np.float64).max)
SMALLEST = 5e-324
_BLOCK = 1 << 15


def floor_float(value: Fraction) -> tuple[float, bool]:
    """The largest finite float64 that is not above `value` >= 0, and whether the two are equal."""
    try:
        near = value.numerator / value.denominator  # integers divide with one rounding
    except OverflowError:
        return LARGEST, False
    if Fraction(near) > value:
        near = float(np.nextafter(near, 0.0))
    return near, Fraction(near) == value


def floor_floats(values: list[Fraction]) -> tuple[np.ndarray, np.ndarray]:
    """`floor_float` of each: float64 and bool."""
    pairs = [floor_float(v) for v in values]
    return np.array([p[0] for p in pairs], np.float64), np.array([p[1] for p in pairs], bool)


def below(x: np.ndarray) -> np.ndarray:
    """The next float64 below each."""
    return np.nextafter(x, -np.inf)


def mirrored(limits: np.ndarray) -> np.ndarray:
    """Decision points below zero from those above it: the limit of an interval |x| <= limit, seen from the next one outward."""
    with np.errstate(over="ignore"):
        return -np.nextafter(limits, np.inf)[::-1]


class Line:
    """Interval k holds the float64 above points[k-1] up to points[k]; its code is codes[k].

    points: float64, ascending; -0.0 parts the two zeros, +0.0 keeps both below. nan_code: -1 refuses NaN.
    """

    def __init__(self, points: np.ndarray, codes: np.ndarray, nan_code: int) -> None:
        self.points, self.codes, self.nan_code = points, codes, nan_code

    @cached_property
    def _narrow_keys(self) -> np.ndarray:
        with np.errstate(over="ignore"):
            near = self.points.astype(np.float32)
        return keys(np.where(near > self.points, np.nextafter(near, np.float32(-np.inf)), near))

    @cached_property
    def _narrow(self) -> tuple[Buckets, np.ndarray]:
        cuts, order = cuts_of(self._narrow_keys)
        return Buckets(cuts, True), order

    @cached_property
    def _wide(self) -> tuple[Buckets, np.ndarray]:
        cuts, order = cuts_of(keys(self.points))
        return Buckets(cuts, False), order

    @cached_property
    def _outputs(self) -> dict[tuple[bool, np.dtype], np.ndarray]:
        return {}

    def write(self, x: np.ndarray, out: np.ndarray, values: np.ndarray | None = None) -> int:
        """Write the code of each x (float32 or float64, 1-D) to out, or its value if the table of `values` is given.

        Returns how many were NaN where no code stands for NaN.
        """
        narrow = x.dtype == np.float32
        buckets, order = self._narrow if narrow else self._wide
        key = (narrow, out.dtype)
        if key not in self._outputs:
            codes = np.append(self.codes, max(self.nan_code, 0))[order]
            self._outputs[key] = codes.astype(out.dtype) if values is None else values[codes]
        outputs = self._outputs[key]

        def piece(start: int, stop: int) -> int:
            nans = 0
            for at in range(start, stop, _BLOCK):  # NaNs are counted while the block is in cache
                part = x[at : min(at + _BLOCK, stop)]
                if self.nan_code < 0:
                    nans += int(count_nans(part) if narrow else np.count_nonzero(np.isnan(part)))
                buckets.look_up(part, outputs, out[at : min(at + _BLOCK, stop)])
            return nans

        return in_pieces(x.size, piece)

    def code_of(self, x: float) -> int:
        """Code of one float that is not NaN."""
        at = int(np.searchsorted(keys(self.points), keys(np.array([x]))[0]))
        return int(self.codes[at])
