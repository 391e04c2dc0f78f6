"""One place for Numba's settings: no fastmath (it deletes roundings), NumPy's error model, cached on disk."""

from __future__ import annotations

from numba import njit

kernel = njit(cache=True, error_model="numpy", nogil=True)
inline = njit(cache=True, error_model="numpy", nogil=True, inline="always")
parallel_kernel = njit(cache=True, error_model="numpy", nogil=True, parallel=True)
