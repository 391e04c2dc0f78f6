"""Integer tensors: arrays of NumPy integers or torch tensors of them, widened inside a layer, stored narrow outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import Restore, to_numpy
from .._checks import check_int_range


def integers(x: Any, what: str = "x") -> tuple[np.ndarray, Restore]:
    """(int64 array, function that turns a result into the kind of array that x is). Raises ValueError for other dtypes."""
    array, restore = to_numpy(x, what)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{what} has dtype {array.dtype}; an integer layer takes integers: quantize first (quantize_activation)")
    if array.dtype == np.uint64 and array.size and int(array.max()) >= 1 << 63:
        raise ValueError(f"{what} reaches {array.max()}, beyond 63 bits; use narrower integers")
    return array.astype(np.int64), restore


def whole(x: Any, what: str) -> np.ndarray:
    """int64 of integers given in any dtype (floats that hold integers too), as stored weights and biases come."""
    array = to_numpy(x, what)[0]
    if array.dtype.kind not in "iu" and not (np.isfinite(array).all() and np.array_equal(np.rint(array), array)):
        raise ValueError(f"{what} holds values that are not integers; quantize first (quantize_weight, quantize_bias)")
    return array.astype(np.int64)


def limits(bits: int, signed: bool) -> tuple[int, int]:
    """(least, largest) integer of `bits` bits. Raises ValueError for widths outside 2 to 32."""
    check_int_range("bits", bits, 2, 32)
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def narrow(array: np.ndarray, low: int, high: int) -> np.ndarray:
    """`array` in the narrowest of int8, int16, int32, int64, or from 0 on uint8, int32, int64, that holds low to high."""
    for dtype in (np.uint8, np.int32) if low >= 0 else (np.int8, np.int16, np.int32):
        info = np.iinfo(dtype)
        if info.min <= low and high <= info.max:
            return array.astype(dtype)
    return array.astype(np.int64)


def scales(x: Any, what: str) -> np.ndarray:
    """float64 of scales. Raises ValueError unless they are finite and not zero."""
    array = to_numpy(x, what)[0].astype(np.float64)
    if array.ndim > 1:
        raise ValueError(f"{what} has shape {array.shape}; it must be one number, or one a channel")
    bad = ~np.isfinite(array) | (array == 0)
    if bad.any():
        raise ValueError(f"{what} holds {array[bad][0]}; it must be finite and not zero")
    return array


def along(x: np.ndarray, ndim: int, axis: int) -> np.ndarray:
    """A number, or one value a channel shaped to lie along `axis` of an array of `ndim` axes."""
    if x.ndim == 0 or x.size == 1:
        return x.reshape(())
    shape = [1] * ndim
    shape[axis] = -1
    return x.reshape(shape)


def channel_axis(ndim: int) -> int:
    """Where channels lie: axis 1 of images (n, C, H, W), else the last."""
    return 1 if ndim == 4 else ndim - 1
