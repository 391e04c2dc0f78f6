"""The rules of tests/reference/formats.py over whole arrays, so that every point of 16-bit formats can be compared.

All arithmetic is on float64 and exact: x and its neighbours `below` and `above` in the format are multiples of the last bit of x or
coarser, so their differences are float64 values, and so are the quotients by a gap, which is a power of two.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .formats import NAN, floor_log2

NO_CODE, ANY_NAN = -2, -1


class ArrayModel:
    """A float format as sorted magnitudes with their codes."""

    def __init__(self, table, man_bits, signed):
        half = len(table) // 2 if signed else len(table)
        finite = sorted((v, c) for c, v in table.items() if isinstance(v, Fraction) and v >= 0 and c < half)
        values = [v for v, _ in finite]
        unit = max(Fraction(2) ** (floor_log2(values[-1]) - man_bits), values[1] - values[0] if values[0] == 0 else 0)
        self.beyond = float(values[-1] + unit)  # the next value, if the format went on
        self.magnitudes = np.array([float(v) for v in values])
        assert all(Fraction(m) == v for m, v in zip(self.magnitudes.tolist(), values, strict=True))
        self.codes = np.array([c for _, c in finite])
        self.sign = half if signed else 0
        self.signed = signed
        self.nan = any(v == NAN for v in table.values())
        self.inf_code = next((c for c, v in table.items() if v == float("inf")), None)
        self.minus_zero = any(v == "-0" for v in table.values())
        self.zero = values[0] == 0

    def _away(self, mode, left, gap, odd, negative, random, width):
        share = left / gap  # where this underflows, only its being above zero matters
        if mode.startswith("stochastic"):
            whole = 2.0**width
            if mode == "stochastic_a":
                return np.floor(share * whole) + random >= whole
            if mode == "stochastic_b":
                return np.floor(share * 2 * whole) + 2 * random + 1 >= 2 * whole
            return np.rint(share * whole) + random >= whole
        inexact = left > 0
        ties = {"even": odd, "away": True, "zero": False, "up": ~negative, "down": negative}
        if mode.startswith("ties_"):
            return (share > 0.5) | ((share == 0.5) & ties[mode.removeprefix("ties_")])
        directed = {"toward_zero": False, "away": True, "up": ~negative, "down": negative, "to_odd": ~odd}
        return inexact & directed[mode]

    def encode(self, x, mode, overflow, random=0.0, width=1):
        """Codes (int64) of x (float64); ANY_NAN for NaN, NO_CODE where there is none."""
        negative = np.signbit(x)
        size = np.abs(x)
        points = np.append(self.magnitudes, self.beyond)
        place = np.clip(np.searchsorted(points, size, "right") - 1, 0, len(points) - 2)
        below, above = points[place], points[place + 1]
        odd = (self.codes[np.minimum(place, len(self.codes) - 1)] & 1) == 1
        with np.errstate(all="ignore"):  # beyond the range anything may come out, and is not used
            away = self._away(mode, size - below, above - below, odd, negative, random, width)
        index = place + (away & (size > below))  # below the least value of a format without zero: that value
        over = (index >= len(self.codes)) | (size >= self.beyond)
        code = self.codes[np.minimum(index, len(self.codes) - 1)]
        top, sign = self.codes[-1], np.where(negative, self.sign, 0)
        signed = np.where((code == 0) & self.zero & (not self.minus_zero), 0, code | sign)
        finite = np.isfinite(x)
        inward = finite & ((mode == "toward_zero") | ((mode == "down") & ~negative) | ((mode == "up") & negative))
        stays = (overflow == "saturate") | ((overflow == "propagate") & finite) | inward
        lost = ANY_NAN if overflow == "nonsat" and self.nan else None
        outer = top | sign if lost is None else np.full(x.shape, lost)
        if self.inf_code is not None:
            outer = self.inf_code | sign
        signed = np.where(over, np.where(stays, top | sign, outer), signed)
        if not self.signed:
            below_range = negative & ((index > 0) | over | (not self.zero))
            signed = np.where(negative, 0, signed)
            if lost is not None:
                signed = np.where(below_range & ~inward, lost, signed)
        no_value = ANY_NAN if self.nan else NO_CODE
        at_zero = np.where(negative & self.minus_zero, self.sign, 0) if self.zero else (ANY_NAN if self.nan else 0)
        signed = np.where(x == 0, at_zero, signed)
        return np.where(np.isnan(x), no_value, signed)
