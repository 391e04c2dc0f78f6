"""NaN and zero as the policies of `policy.POLICIES` want them, beside the numbers that a format encodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import Format, Rounding
from .fixed import Fixed
from .floats import Float
from .modes import resolve


@dataclass(frozen=True)
class Policed:
    """A policy at work on one array: `numbers` is what the format may encode, `finish` writes the codes of NaN and of zero."""

    policy: str
    fmt: Format
    rounding: Rounding
    x: np.ndarray
    missing: np.ndarray

    @staticmethod
    def of(policy: str, fmt: Format, rounding: Rounding, x: np.ndarray) -> Policed:
        """x: float32 or float64, 1-D."""
        return Policed(policy, fmt, rounding, x, np.isnan(x))

    def numbers(self) -> np.ndarray:
        """x with a number in place of each NaN."""
        return np.where(self.missing, self.x.dtype.type(1), self.x)

    def finish(self, codes: np.ndarray) -> None:
        """Write what the policy says to codes."""
        places = np.flatnonzero(self.missing)
        if places.size:
            codes[places] = self._nan_codes(self.x[places]).astype(codes.dtype)
        if self.policy == "positive_zero" and isinstance(self.fmt, Float) and self.fmt.has_minus_zero:
            codes[codes == 1 << (self.fmt.bits - 1)] = 0

    def _nan_codes(self, nans: np.ndarray) -> np.ndarray:
        fmt = self.fmt
        if self.policy == "to_zero":
            return np.full(nans.shape, self._code(0.0))
        if self.policy == "to_max" or (self.policy == "ptx_satfinite" and not fmt.has_nan):
            return np.full(nans.shape, self._code(fmt.max))
        if isinstance(fmt, Fixed) and self.policy in ("h100_cvt", "ptx_satfinite", "ml_dtypes"):
            return np.zeros(nans.shape, np.uint64)
        if not isinstance(fmt, Float) or not (fmt.has_nan or self.policy == "ml_dtypes"):
            raise ValueError(
                f"x holds {nans.size} NaN, for which nan={self.policy!r} has no code in {fmt}; use nan='to_zero' or 'to_max', or "
                "replace them first"
            )
        return _float_nans(self.policy, fmt, self.rounding, nans)

    def _code(self, value: float) -> np.uint64:
        code = np.empty(1, self.fmt.code_dtype)
        self.fmt.encode_array(np.array([value]), code, resolve(self.fmt))
        return np.uint64(code[0])


def _float_nans(policy: str, fmt: Float, rounding: Rounding, nans: np.ndarray) -> np.ndarray:
    """Codes of NaN inputs in a float format, uint64."""
    width, man_bits = (64, 52) if nans.dtype == np.float64 else (32, 23)
    words = nans.view(np.uint64 if width == 64 else np.uint32).astype(np.uint64)
    negative = (words >> np.uint64(width - 1)) == 1
    sign = np.uint64(1 << (fmt.bits - 1)) if fmt.signed and fmt.specials != "fnuz" else np.uint64(0)
    ones = np.uint64((1 << (fmt.exp_bits + fmt.man_bits)) - 1)
    if fmt.specials == "fnuz":
        return np.full(nans.shape, np.uint64(fmt.nan_code))
    if policy == "ml_dtypes":
        if not fmt.has_nan:
            return np.where(negative, np.uint64(0), sign)
        return np.uint64(fmt.nan_code) | np.where(negative, sign, np.uint64(0))
    payload = _payload(words, man_bits, fmt)
    if policy in ("h100_cvt", "ptx_satfinite"):
        if (fmt.exp_bits, fmt.man_bits) == (8, 10) and rounding is Rounding.TIES_AWAY:
            return np.uint64(fmt.inf_code) | payload | np.where(negative, sign, np.uint64(0))
        return np.full(nans.shape, ones if width == 32 else np.uint64(fmt.nan_code))
    if policy == "torch" and (fmt.exp_bits, fmt.man_bits) != (5, 10):
        return np.full(nans.shape, ones) | (
            sign if (fmt.exp_bits, fmt.man_bits) == (8, 7) else np.where(negative, sign, np.uint64(0))
        )
    if policy == "positive_zero":
        return np.full(nans.shape, np.uint64(fmt.nan_code))
    kept = payload if fmt.has_inf else np.uint64(0)
    return np.asarray(np.uint64(fmt.nan_code) | kept | np.where(negative, sign, np.uint64(0)))


def _payload(words: np.ndarray, man_bits: int, fmt: Float) -> np.ndarray:
    """The leading mantissa bits of NaN words, as many as the format has."""
    tail = words & np.uint64((1 << man_bits) - 1)
    drop = man_bits - fmt.man_bits
    return tail >> np.uint64(drop) if drop >= 0 else tail << np.uint64(-drop)
