"""The bit-serial element with widths and rounding of one's own, in 64-bit integers; the published ones are in `bitserial`."""

from __future__ import annotations

import numba
import numpy as np

from .bitserial import LANES
from .jit import kernel, parallel_kernel


@kernel
def halved(x, places, nearest):
    """x / 2**places cut to an integer (floor), or to nearest even."""
    if places <= 0:
        return x
    if places > 62:
        return np.int64(-1) if x < 0 and not nearest else np.int64(0)
    low = x >> places
    if nearest:
        rest = x - (low << places)
        half = np.int64(1) << (places - 1)
        low += rest > half or (rest == half and (low & 1) == 1)
    return low


@parallel_kernel
def run_with_options(significands, exponents, negatives, terms, bsig, guard, kept, nearest, mantissas, powers):
    """`bitserial.bitserial_run` of mode "paper", `guard` bits below a significand, `kept` magnitude bits of the accumulator.

    nearest: the alignment of a lane (of its magnitude), of the sum and of the accumulator, and the accumulator's normalisation
    round to nearest even; else the lane is truncated and the others are floored, the accumulator is zero from `kept` places on.
    mantissas, powers: (M, N) int64.
    """
    for i in numba.prange(significands.shape[0]):
        for j in range(terms.shape[2]):
            mantissa, power = mantissas[i, j], powers[i, j]
            for k in range(0, significands.shape[1], LANES):
                for t in range(terms.shape[0]):
                    top = np.int64(-1)
                    for lane in range(LANES):
                        top = max(top, np.int64(exponents[i, k + lane]) + (np.int64(terms[t, k + lane, j]) & 3))
                    total = np.int64(0)
                    for lane in range(LANES):
                        term = np.int64(terms[t, k + lane, j])
                        if (term >> 2) & 1:
                            behind = top - np.int64(exponents[i, k + lane]) - (term & 3)
                            size = halved(np.int64(significands[i, k + lane]) << guard, behind, nearest)
                            total += -size if np.int64(negatives[i, k + lane]) != term >> 3 else size
                    total <<= np.int64(bsig[t])
                    highest = max(top, power)
                    held = halved(mantissa, highest - power, nearest)
                    held = np.int64(0) if highest - power >= kept and not nearest else held
                    total = halved(total, highest - top, nearest) + held
                    drop = np.int64(0)
                    while np.abs(total) >> (kept + drop):
                        drop += 1
                    mantissa = halved(total, drop, nearest)
                    power = highest + drop
                    if np.abs(mantissa) >> kept:  # rounded up to the next power of two
                        mantissa, power = mantissa >> 1, power + 1
            mantissas[i, j], powers[i, j] = mantissa, power
