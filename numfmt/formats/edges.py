"""What comes in and goes out of the functions on whole arrays: checks of codes and of `out`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import is_torch, to_numpy


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`out` as an array to write to, a new one if None. ValueError unless it has the shape and dtype and is C-contiguous."""
    if out is None:
        return np.empty(shape, dtype)
    array = out.detach().numpy() if is_torch(out) and out.device.type == "cpu" and not out.requires_grad else out
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        have = (
            f"{array.dtype} of shape {array.shape}, strides {array.strides}"
            if isinstance(array, np.ndarray)
            else type(out).__name__
        )
        raise ValueError(f"out must be a C-contiguous NumPy array (or CPU tensor) of shape {shape} and dtype {dtype}; it is {have}")
    if not array.flags.writeable:
        raise ValueError("out is read-only; pass an array that may be written")
    return array


def apart(array: np.ndarray, out: np.ndarray) -> np.ndarray:
    """`array`, copied where writing `out` element by element would change what is yet to be read; in place is no such case."""
    if not np.may_share_memory(array, out):
        return array
    in_place = array.ctypes.data == out.ctypes.data and array.shape == out.shape and array.itemsize == out.itemsize
    return array if in_place and array.flags.c_contiguous else array.copy()


def as_codes(codes: Any, bits: int, what: str) -> np.ndarray:
    """`codes` as unsigned integers, refused unless 0 <= code < 2**bits; no look at the values where their dtype rules that out."""
    array, _ = to_numpy(codes, "codes")
    if not array.size and array.dtype.kind == "f":  # an empty list is no list of floats
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iu":
        raise ValueError(f"codes has dtype {array.dtype}; codes are unsigned integers (use nf.encode to make them from values)")
    unsigned = array.dtype.kind == "u"
    if array.size and not (unsigned and 8 * array.dtype.itemsize <= bits):
        low, high = 0 if unsigned else int(array.min()), int(array.max())
        if low < 0 or high >= 1 << bits:
            raise ValueError(f"codes run from {int(array.min())} to {high}; codes of {what} run from 0 to {(1 << bits) - 1}")
    return array if unsigned else array.view(np.dtype(f"u{array.dtype.itemsize}"))
