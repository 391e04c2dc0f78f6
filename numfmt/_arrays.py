"""Arrays in, arrays out: the same kind of array that came in goes out.

torch is never imported here: a tensor brings its own module. On the CPU `Tensor.numpy()` and `torch.from_numpy` share memory.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from math import inf
from numbers import Rational
from typing import Any

import numpy as np

from .kernels.widen import widen_bfloat, widen_half

Restore = Callable[[np.ndarray], Any]


def is_torch(x: object) -> bool:
    """True for a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def to_numpy(x: Any, what: str = "x") -> tuple[np.ndarray, Restore]:
    """`x` as a NumPy array, and the function that turns a result back into the kind that `x` was.

    Raises ValueError for arrays that do not hold real numbers.
    """
    if is_torch(x):
        tensor = _dense(x, what)
        if tensor.dtype == sys.modules["torch"].bfloat16 or "float8" in str(tensor.dtype):
            tensor = tensor.float()  # exact: every bfloat16 and float8 value is a float32 value
        return tensor.cpu().numpy(), lambda result: restore_like(x, result)
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise ValueError(f"{what} is a masked array with masked elements, which have no value; pass {what}.filled(value)")
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{what} is no array of numbers ({error}); pass rows of equal length") from None
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = _from_longdouble(array)
    if array.dtype.kind == "O":
        return _plain_objects(array, what), lambda result: result
    if array.dtype.kind not in "fiub" and not array.dtype.name.startswith(("bfloat", "float", "int", "uint")):
        raise ValueError(f"{what} has dtype {array.dtype}, which does not hold real numbers; pass floats or integers")
    return array, lambda result: result


def _dense(x: Any, what: str) -> Any:
    """The tensor x without its graph, refused unless it holds real numbers that lie in memory."""
    torch = sys.modules["torch"]
    if x.layout != torch.strided or x.is_quantized or x.is_complex() or x.is_meta or "x2" in str(x.dtype):
        kind = f"{x.dtype}, layout {x.layout}, device {x.device}"
        raise ValueError(f"{what} is a tensor of {kind}; pass a dense tensor of real numbers (to_dense(), dequantize(), .real)")
    return x.detach().resolve_neg()


def _from_longdouble(array: np.ndarray) -> np.ndarray:
    """float64 where it holds every value, else an object array of the exact fractions."""
    with np.errstate(over="ignore"):
        near = array.astype(np.float64)
    if np.array_equal(near.astype(array.dtype), array, equal_nan=True):
        return near
    flat = array.reshape(-1)
    exact = [Fraction(*v.as_integer_ratio()) if v != 0 and np.isfinite(v) else float(v) for v in flat]
    made = np.empty(flat.size, object)
    made[:] = exact
    return made.reshape(array.shape)


def _plain_objects(array: np.ndarray, what: str) -> np.ndarray:
    """Objects as int, float and Fraction; NumPy scalars and other rational numbers (gmpy2's) become these."""
    flat = array.reshape(-1).tolist()
    if all(isinstance(v, (int, float, Fraction)) for v in flat):
        return array
    made = np.empty(array.size, object)
    for i, value in enumerate(flat):
        if isinstance(value, np.generic):
            value = to_numpy(value, what)[0].item()
        elif isinstance(value, Rational):
            value = Fraction(int(value.numerator), int(value.denominator))
        if not isinstance(value, (int, float, Fraction)):
            raise ValueError(f"{what} holds {value!r} of type {type(value).__name__}; object arrays hold int, float or Fraction")
        made[i] = value
    return made.reshape(array.shape)


def narrow_view(x: Any, what: str = "x") -> tuple[np.ndarray, Restore]:
    """`to_numpy`, but a bfloat16 or float8 tensor comes as the ml_dtypes array that shares its memory."""
    if not is_torch(x) or x.device.type != "cpu":
        return to_numpy(x, what)
    torch = sys.modules["torch"]
    tensor = _dense(x, what)
    name = str(tensor.dtype).removeprefix("torch.")
    if name != "bfloat16" and not name.startswith("float8"):
        return to_numpy(x, what)
    import ml_dtypes

    words = tensor.view(torch.int16 if name == "bfloat16" else torch.uint8).numpy()
    return words.view(getattr(ml_dtypes, name)), lambda result: restore_like(x, result)


def restore_like(x: Any, result: np.ndarray) -> Any:
    """`result` as the kind of array that `x` is: a tensor on the device of a tensor (sharing memory on the CPU)."""
    if not is_torch(x):
        return result
    if result.dtype.kind == "O":
        raise ValueError(
            "the result holds exact fractions, which no tensor can hold; pass a NumPy array, or take codes (nf.encode)"
        )
    return sys.modules["torch"].from_numpy(np.ascontiguousarray(result).reshape(result.shape)).to(x.device)


def exact_operand(array: np.ndarray) -> np.ndarray:
    """`array`, as objects where float64 does not hold its integers."""
    return array if array.dtype.kind not in "iu" or exact_integers(array) else array.astype(object)


def float_near(value: float | Fraction) -> float:
    """The float64 nearest an int, float or Fraction; an infinity beyond the range."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def as_floats(array: np.ndarray, what: str = "x") -> np.ndarray:
    """`array` in float64; ValueError where that does not hold one of its integers or fractions."""
    array = exact_operand(array)
    if array.dtype.kind != "O":
        return to_float64(array)
    near = [float_near(v) for v in array.reshape(-1).tolist()]
    for value, close in zip(array.reshape(-1).tolist(), near, strict=True):
        if value == value and value != close:
            raise ValueError(f"{what} holds {value!r}, which float64 does not hold; round it first (nf.cast to a format)")
    return np.array(near, np.float64).reshape(array.shape)


def to_lanes(array: np.ndarray) -> np.ndarray:
    """Every value of `array` (1-D), exactly, in what the kernels take.

    That is float32 where it holds all values of the dtype, else float64. Integers beyond 2**53 are rounded to odd: see
    `to_float64`.
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype == np.float16 or array.dtype.name == "bfloat16":
        out = np.empty(array.shape, np.float32)
        (widen_half if array.dtype == np.float16 else widen_bfloat)(np.ascontiguousarray(array).view(np.uint16), out)
        return out
    named_small = size == 1 and array.dtype.name.startswith(("float", "int", "uint"))  # ml_dtypes
    if (kind in "iuf" and size <= 2) or kind == "b" or named_small:
        with np.errstate(invalid="ignore"):  # a signalling NaN stays NaN
            return array.astype(np.float32)
    return to_float64(array)


def exact_integers(array: np.ndarray) -> bool:
    """Whether float64 holds every integer of `array`."""
    if array.dtype.itemsize < 8 or not array.size:
        return True
    return int(array.min()) >= -(2**53) and int(array.max()) <= 2**53


def to_float64(array: np.ndarray, what: str = "x") -> np.ndarray:
    """Every value of `array` in float64, exactly; integers beyond 2**53 are rounded to odd.

    A value rounded to odd at 53 bits rounds on to any format of at most 51 significant bits as the exact integer would
    (Boldo and Melquiond, 2008), so no result of such a format is changed.
    """
    if array.dtype == np.float64:
        return array
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size:
        magnitude = np.where(array < 0, (~array.astype(np.uint64)) + np.uint64(1), array.astype(np.uint64))
        if int(magnitude.max()) > 1 << 53:
            return np.where(array < 0, -1.0, 1.0) * _odd_float64(magnitude)
    return array.astype(np.float64)


def _odd_float64(magnitude: np.ndarray) -> np.ndarray:
    drop = np.maximum(np.frexp(magnitude.astype(np.longdouble))[1] - 53, 0).astype(np.uint64)
    kept = magnitude >> drop
    sticky = (magnitude != (kept << drop)).astype(np.uint64)
    return np.ldexp((kept | sticky).astype(np.float64), drop.astype(np.int64))
