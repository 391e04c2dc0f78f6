"""Elements of up to 8 bits by their codes: values, what a range of codes spans, and the form that decodes them in lanes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..formats import Fixed, Float, Format, decode
from ..kernels import codes as kernels
from .proof import quantum


@dataclass(frozen=True, eq=False)
class CodeTable:
    """values: (256,) float32, codes beyond the format's repeat. sign: the sign's bit where magnitudes of the other bits ascend and
    the two signs mirror each other, else 0; units: the finest quantum of the values from each magnitude's code up; words: what
    `codes.decode_rows` needs, or None where its form does not give every value."""

    values: np.ndarray
    sign: int
    units: np.ndarray
    words: np.ndarray | None
    whole: float = 0.0  # largest magnitude of integers

    def bound(self, given: np.ndarray) -> tuple[float, float]:
        """Largest magnitude of the values of these codes (of integers: of any), and a power of two that divides them all."""
        if self.whole:
            return self.whole, 1.0
        if self.sign:
            most, least = (int(v) for v in kernels.code_range(_by_rows(given), np.uint8(self.sign - 1)))
            if most == 0:
                return 0.0, 1.0
            largest = float(self.values[most])
            return (largest, float(self.units[least])) if np.isfinite(largest) else (np.inf, 1.0)
        seen = np.zeros(256, bool)
        kernels.mark(_by_rows(given), seen)
        part = self.values[seen].astype(np.float64)
        largest = float(np.abs(part).max(initial=0.0))
        return (largest, quantum(part)) if np.isfinite(largest) else (np.inf, 1.0)

    def decode(self, given: np.ndarray, out: np.ndarray) -> None:
        """out = the values of codes, in the dtype of `out`. Two axes, any memory order."""
        if self.words is not None and given.strides[1] == 1 and out.strides[1] == out.itemsize:
            kernels.decode_rows(given, out, self.words)
        else:
            kernels.look_up(given, self.values, out)


def _by_rows(given: np.ndarray) -> np.ndarray:
    """The codes in some order, rows contiguous."""
    upright = next((x for x in (given, given.T) if x.strides[1] == 1), None)
    return np.ascontiguousarray(given) if upright is None else upright


@lru_cache(maxsize=64)
def code_table(fmt: Format) -> CodeTable | None:
    """The table of a format of up to 8 bits whose values float32 holds; None for others."""
    if not isinstance(fmt, (Float, Fixed)) or fmt.bits > 8 or (isinstance(fmt, Fixed) and fmt.frac_bits):
        return None
    count = 1 << fmt.bits
    wide = np.asarray(decode(np.arange(count, dtype=np.uint8), fmt), np.float64)
    values = np.resize(wide, 256).astype(np.float32)
    if not np.array_equal(values[:count], wide, equal_nan=True):
        return None
    half = count // 2
    size = wide[:half]
    finite = int(np.isfinite(size).sum())
    ordered = half > 1 and bool(np.isfinite(size[:finite]).all() and (np.diff(size[:finite]) > 0).all() and size[0] == 0)
    mirrored = ordered and np.array_equal(wide[half:], -size, equal_nan=True)
    units = np.array([quantum(size[k:finite]) if k < finite else 1.0 for k in range(half)]) if mirrored else np.ones(1)
    whole = float(np.abs(wide).max()) if isinstance(fmt, Fixed) else 0.0
    return CodeTable(values, half if mirrored else 0, units, _words(fmt, values), whole)


def _words(fmt: Float | Fixed, values: np.ndarray) -> np.ndarray | None:
    """The facts of `decode_rows` where it gives every value, infinities and NaN too; else None."""
    given = values[: 1 << fmt.bits]
    if isinstance(fmt, Fixed):
        words = np.array([0, fmt.bits, int(fmt.signed), 0, 0, 0, 0], np.int32)
    else:
        least = np.float32(2.0 ** max(fmt.emin - fmt.man_bits, -140))
        if not fmt.signed or least < 2.0**-126:
            return None
        sizes = given[: given.size // 2]
        numbers, endless = int((~np.isnan(sizes)).sum()), int(np.isinf(sizes).argmax()) or -1
        offset = (127 + fmt.emin - 1) << 23
        words = np.array([1, fmt.bits, fmt.man_bits, offset, least.view(np.int32), numbers - 1, endless], np.int32)
    made = np.empty((1, 256), np.float32)
    kernels.decode_rows(np.arange(256, dtype=np.uint8)[None], made, words)
    decoded = made[0, : given.size]
    signs = np.array_equal(np.signbit(decoded) & ~np.isnan(given), np.signbit(given) & ~np.isnan(given))
    return words if signs and np.array_equal(decoded, given, equal_nan=True) else None
