"""Tensors of GGUF files as quantized tensors, and back to the file's bytes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .gguf import FAMILY, from_bytes, kind_of, to_bytes
from .gguf_layout import KINDS
from .scheme import scheme
from .tensor import QuantizedTensor, from_codes

_PLAIN = {"f32": ("float32", "<u4"), "f16": ("float16", "<u2"), "bf16": ("bfloat16", "<u2")}


def from_gguf(tensor: Any, kind: Any = None, shape: tuple[int, ...] | None = None) -> QuantizedTensor:
    """A tensor of a GGUF file, bit for bit.

    tensor: a tensor of `gguf.GGUFReader(path).tensors`, or its bytes (a uint8 array, or bytes). kind: the type of bytes: "Q4_0",
    "gguf_q4_0" or a gguf.GGMLQuantizationType. shape: of the values, reduction axis last; from a uint8 array of shape (..., bytes a
    row) it follows. Types: those that `nf.schemes()` lists as gguf_*, F32, F16 and BF16 (plain codes).

    Raises ValueError for another type, and where bytes and shape do not agree.
    Source: ggml-org/ggml, src/ggml-common.h.
    """
    if hasattr(tensor, "tensor_type") and hasattr(tensor, "data"):
        if kind is not None or shape is not None:
            raise ValueError("kind and shape come with a tensor of a GGUFReader; leave them out")
        kind, shape = tensor.tensor_type, tuple(int(n) for n in reversed(tensor.shape))
        data = np.asarray(tensor.data).reshape(-1).view(np.uint8)
    elif isinstance(tensor, (bytes, bytearray, memoryview)):
        data = np.frombuffer(tensor, np.uint8)
    else:
        data = np.asarray(tensor)
        if data.dtype != np.uint8:
            raise ValueError(f"tensor has dtype {data.dtype}; pass the file's bytes as uint8 (array.view(numpy.uint8)), or bytes")
    name = _kind_name(kind)
    if name in _PLAIN:
        fmt, word = _PLAIN[name]
        elements, size = 1, np.dtype(word).itemsize
    else:
        elements, size = KINDS[name].elements, KINDS[name].size
    if shape is None:
        if data.ndim < 2 or data.shape[-1] % size:
            raise ValueError(f"tensor of shape {data.shape} gives no shape: pass shape=, or rows of whole blocks of {size} bytes")
        shape = (*data.shape[:-1], data.shape[-1] // size * elements)
    shape = tuple(int(n) for n in shape)
    count = int(np.prod(shape, dtype=np.int64))
    if not shape or count < 1 or shape[-1] % elements or data.size != count // elements * size:
        raise ValueError(
            f"{data.size} bytes are no {name.upper()} tensor of shape {shape}: its rows are blocks of {elements} elements "
            f"in {size} bytes"
        )
    if name in _PLAIN:
        return from_codes(np.ascontiguousarray(data).reshape(-1).view(word).reshape(shape), fmt)
    made = scheme(f"gguf_{name}")
    grid = made.grid(count // shape[-1], shape[-1])
    return QuantizedTensor(made, shape, len(shape) - 1, from_bytes(data.reshape(-1, size), KINDS[name], grid))


def to_gguf(tensor: QuantizedTensor) -> np.ndarray:
    """The bytes of a tensor in a GGUF file, uint8 (..., bytes a row), as `gguf.GGUFWriter.add_tensor(..., raw_dtype=)` takes them.

    Raises ValueError for a tensor of another scheme, one grouped along another axis than the last, or one with padding.
    """
    if tensor.scheme.family != FAMILY.name:
        raise ValueError(f"{tensor.scheme} is no type of GGUF; quantize with a scheme such as gguf_q4_0 (nf.schemes() lists them)")
    if tensor.axis != len(tensor.shape) - 1:
        raise ValueError(
            f"GGUF's blocks run along the last axis; this tensor of shape {tensor.shape} has them along axis {tensor.axis}"
        )
    if tensor.grid.stored != (tensor.grid.rows, tensor.grid.columns):
        raise ValueError(
            f"rows of {tensor.shape[-1]} elements are no whole blocks of {tensor.scheme}; pad the values before quantizing"
        )
    kind = KINDS[kind_of(tensor.scheme)]
    data = to_bytes({name: tensor.part(name) for name in tensor.stored}, kind)
    return data.reshape(*tensor.shape[:-1], -1)


def _kind_name(kind: Any) -> str:
    """The type as `KINDS` names it. Raises ValueError for unknown ones."""
    text = getattr(kind, "name", kind)
    name = re.sub("^gguf_", "", text.strip().lower()) if isinstance(text, str) else ""
    if name not in KINDS and name not in _PLAIN:
        allowed = ", ".join(k.upper() for k in (*KINDS, *_PLAIN))
        raise ValueError(
            f"kind {text!r} is no block type that is known here: use {allowed}, or gguf.dequantize for its values alone"
        )
    return name
