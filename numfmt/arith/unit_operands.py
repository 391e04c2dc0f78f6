"""Operands of matrix units as words of the format that the unit takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import narrow_view, to_float64, to_numpy
from ..blocks import QuantizedTensor
from ..formats import Float, decode, encode, parse

_CHUNK = 1 << 21  # elements checked at once
_DTYPE = {"float64": np.uint64, "float32": np.uint32, "tf32": np.uint32, "float16": np.uint16, "bfloat16": np.uint16}
_DTYPE |= {"int32": np.uint32}


def word_dtype(name: str) -> type:
    """The unsigned integer type of a format's words."""
    return _DTYPE.get(name, np.uint8)


def natural_format(x: Any) -> str:
    """The format that an operand comes in: that of `from_codes`, a narrow float dtype, else float32."""
    if isinstance(x, QuantizedTensor):
        return str(x.scheme.candidates[0])
    array, _ = narrow_view(x, "operand")
    name = array.dtype.name
    narrow = name in ("float16", "bfloat16") or (array.dtype.itemsize == 1 and name.startswith("float"))
    return str(parse(name)) if narrow else "float32"


def element_format(source: QuantizedTensor | None) -> str:
    """The format of a scaled operand's elements where it is one float format, else float32."""
    if source is None or len(source.scheme.candidates) != 1 or not isinstance(source.scheme.candidates[0], Float):
        return "float32"
    return str(source.scheme.candidates[0])


def words_of(x: Any, what: str, name: str) -> np.ndarray:
    """Words of format `name` in x's own shape. x: `from_codes` of that format, or an array of values that the format holds.

    tf32 takes float32 words (the unit ignores the low 13 bits), or the 19-bit codes of the format tf32.
    Raises ValueError for scaled tensors, other formats, and values that the format does not hold.
    """
    if isinstance(x, QuantizedTensor):
        return _from_codes(x, what, name)
    array, _ = narrow_view(x, what)
    if name in ("int8", "uint8", "int32"):
        return _integers(array, what, name)
    target = "float32" if name == "tf32" else name
    fmt = parse(target)
    if array.dtype.name in (target, _long_name(target)):
        return array.view(word_dtype(name))
    array, _ = to_numpy(x, what)
    words: np.ndarray = np.empty(array.shape, word_dtype(name))
    flat, into = array.reshape(-1), words.reshape(-1)
    for first in range(0, flat.size, _CHUNK):
        part = to_float64(flat[first : first + _CHUNK], what)
        codes = encode(part, fmt)
        if not np.array_equal(np.asarray(decode(codes, fmt), np.float64), part, equal_nan=True):
            raise ValueError(
                f"{what} holds values that {target} does not hold; round them with nf.cast({what}, '{target}') first, "
                f"or give words with nf.from_codes(words, '{target}')"
            )
        into[first : first + _CHUNK] = codes
    return words


def _long_name(name: str) -> str:
    return {"e4m3fn": "float8_e4m3fn", "e5m2": "float8_e5m2"}.get(name, name)


def _from_codes(x: QuantizedTensor, what: str, name: str) -> np.ndarray:
    held = str(x.scheme.candidates[0])
    if x.scheme.scaled or len(x.scheme.candidates) != 1:
        raise ValueError(f"{what} is {x.scheme}; a matrix unit alone takes unscaled words: nf.from_codes, or a path 'unit>fp32'")
    if name == "tf32" and held == "tf32":
        return x.codes.astype(np.uint32) << np.uint32(13)
    if held != str(parse("float32" if name == "tf32" else name)):
        raise ValueError(f"{what} holds {held} words; this datapath takes {name}: use nf.from_codes(words, '{name}')")
    return np.asarray(x.codes)


def _integers(array: np.ndarray, what: str, name: str) -> np.ndarray:
    bits = 32 if name == "int32" else 8
    low, high = (0, 255) if name == "uint8" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if array.dtype.kind not in "iub":
        wide = to_float64(array, what)
        if not (np.isfinite(wide).all() and np.array_equal(np.rint(wide), wide)):
            raise ValueError(f"{what} holds values that are not integers; this datapath takes {name}")
        array = wide
    if array.size and not low <= array.min() <= array.max() <= high:
        raise ValueError(f"{what} holds values beyond {name}, {low} to {high}; clip them, or give words with nf.from_codes")
    return array.astype(np.int64).astype(np.uint64).astype(np.uint32 if bits == 32 else np.uint8)


def values_of(words: np.ndarray, name: str) -> np.ndarray:
    """Values of result words: float32 for float32 and float16, float64, int64 for integers."""
    if name == "int32":
        return words.view(np.int32).astype(np.int64)
    if name == "float16":
        return words.view(np.float16).astype(np.float32)
    return words.view(np.float64 if name == "float64" else np.float32)
