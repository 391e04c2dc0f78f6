"""The error function over arrays, by the C library."""

from __future__ import annotations

import math

import numpy as np

from .jit import kernel


@kernel
def _fill(x, out, complement):
    for i in range(x.size):
        out[i] = math.erfc(x[i]) if complement else math.erf(x[i])


def erf_array(x: np.ndarray) -> np.ndarray:
    """erf of a float64 array (n,)."""
    out = np.empty_like(x)
    _fill(x, out, False)
    return out


def erfc_array(x: np.ndarray) -> np.ndarray:
    """1 - erf of a float64 array (n,), with small relative error where it is near zero."""
    out = np.empty_like(x)
    _fill(x, out, True)
    return out
