"""Quantized tensors as safetensors files: the stored arrays, with scheme, shape and axis in the metadata."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .family import Part
from .scheme import Scheme, scheme
from .tensor import Packed, QuantizedTensor


def save(tensor: QuantizedTensor, path: str | os.PathLike[str]) -> None:
    """Write the file whole or not at all; a packed tensor is stored packed."""
    from safetensors.numpy import save as to_bytes

    arrays = {name: np.ascontiguousarray(held.words if isinstance(held, Packed) else held) for name, held in tensor.stored.items()}
    packed = [name for name, held in tensor.stored.items() if isinstance(held, Packed)]
    meta = {"scheme": str(tensor.scheme), "shape": json.dumps(tensor.shape), "axis": str(tensor.axis), "packed": json.dumps(packed)}
    write_whole(Path(path), to_bytes(arrays, meta))


def write_whole(target: Path, content: bytes) -> None:
    """The file appears with all its content or not at all."""
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as handle:
        try:
            handle.write(content)
            handle.close()
            _publish(handle.name, target)
        except BaseException:
            os.unlink(handle.name)
            raise


def _publish(name: str, target: Path) -> None:
    """Give a finished temporary file its name, and the permissions of an ordinary new file."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(name, 0o666 & ~mask)
    os.replace(name, target)


class ShardWriter:
    """A safetensors file written array by array, at its full size from the start; it takes its name when all is written.

    layout: name -> (dtype, shape). Used as a context: an exception inside leaves no file.
    """

    def __init__(self, target: Path, layout: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]], metadata: dict[str, str]) -> None:
        header: dict[str, Any] = {"__metadata__": metadata}
        end = 0
        for name, (dtype, shape) in layout.items():
            size = math.prod(shape) * dtype.itemsize
            header[name] = {"dtype": _TYPE_NAMES[dtype.name], "shape": list(shape), "data_offsets": [end, end + size]}
            end += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self._start = 8 + len(text)
        self._places = {name: self._start + header[name]["data_offsets"][0] for name in layout}
        self._layout = dict(layout)
        self._target = target
        self._handle = tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False)  # noqa: SIM115
        self._handle.write(len(text).to_bytes(8, "little") + text)
        self._handle.truncate(self._start + end)

    def put(self, name: str, array: np.ndarray) -> None:
        """A whole array."""
        self._write(self._places[name], array)

    def put_at(self, name: str, first: int, array: np.ndarray) -> None:
        """Entries of the first axis from `first` on."""
        dtype, shape = self._layout[name]
        each = math.prod(shape[1:]) * dtype.itemsize
        self._write(self._places[name] + first * each, array)

    def _write(self, place: int, array: np.ndarray) -> None:
        self._handle.seek(place)
        self._handle.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._handle.close()
        if kind is None:
            _publish(self._handle.name, self._target)
        else:
            os.unlink(self._handle.name)


_KINDS = (("float", "F"), ("int", "I"), ("uint", "U"))
_TYPE_NAMES = {f"{kind}{bits}": f"{letter}{bits}" for kind, letter in _KINDS for bits in (8, 16, 32, 64)}
_TYPE_NAMES |= {"bool": "BOOL", "bfloat16": "BF16", "complex64": "C64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}
_TYPE_NAMES |= {"float8_e8m0fnu": "F8_E8M0", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ"}


def dtype_of(name: str, tensor: str) -> np.dtype[Any]:
    """The dtype that safetensors writes as `name`. Raises ValueError for those that NumPy and ml_dtypes do not hold."""
    import ml_dtypes

    for held, written in _TYPE_NAMES.items():
        if written == name:
            return np.dtype(getattr(ml_dtypes, held, held))
    raise ValueError(f"{tensor} has dtype {name}, which cannot be read; take it out of the file or convert it first")


def stored_array(path: Path, name: str) -> np.ndarray:
    """A tensor of a safetensors file that was checked on opening, of any dtype (its NumPy reader knows no float8)."""
    with open(path, "rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        facts = json.loads(handle.read(size))[name]
    begin, end = facts["data_offsets"]
    words = np.fromfile(path, np.uint8, end - begin, offset=8 + size + begin)
    return words.view(dtype_of(facts["dtype"], name)).reshape(facts["shape"])


def load(path: str | os.PathLike[str]) -> QuantizedTensor:
    """Read a tensor that `QuantizedTensor.save` wrote. Raises ValueError for truncated, foreign or inconsistent files."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with safe_open(path, framework="numpy") as handle:
            meta = handle.metadata() or {}
            arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from None
    if not {"scheme", "shape", "axis"} <= meta.keys() or "codes" not in arrays:
        raise ValueError(f"{path} holds no quantized tensor of this package (its metadata lacks scheme, shape or axis)")
    try:
        return _tensor(meta, arrays)
    except ValueError as error:
        raise ValueError(f"{path} was changed or is damaged: {error}; write it again with QuantizedTensor.save") from None


def _tensor(meta: dict[str, str], arrays: dict[str, np.ndarray]) -> QuantizedTensor:
    made, shape, axis = _read_meta(meta)
    depth = shape[axis]
    grid = made.grid(math.prod(shape) // depth, depth)
    parts = made.way.parts(made, grid)
    if set(arrays) != set(parts):
        raise ValueError(f"it holds {', '.join(sorted(arrays))}; its scheme {made} needs {', '.join(sorted(parts))}")
    packed = json.loads(meta.get("packed", "[]"))
    if not isinstance(packed, list) or not set(packed) <= set(parts):
        raise ValueError(f"packed {packed!r} is not a list of {', '.join(parts)}")
    stored: dict[str, np.ndarray | Packed] = {}
    plain = {}
    for name, part in parts.items():
        array = arrays[name]
        if name in packed:
            size = -(-part.count * part.bits // 8)
            if array.dtype != np.uint8 or array.shape != (size,):
                raise ValueError(f"{name} has shape {array.shape} and dtype {array.dtype}; packed it is ({size},), uint8")
            stored[name] = Packed(array, part)
            array = Packed(array, part).unpacked()
        else:
            stored[name] = array
        _check(name, array, part, made)
        plain[name] = array
    made.way.check(made, grid, plain)
    return QuantizedTensor(made, shape, axis, stored)


def _read_meta(meta: dict[str, str]) -> tuple[Scheme, tuple[int, ...], int]:
    """Scheme, shape and axis of a file's metadata. Raises ValueError where they make no tensor."""
    shape, axis = json.loads(meta["shape"]), int(meta["axis"])
    if not isinstance(shape, list) or not shape or not all(type(n) is int and n > 0 for n in shape):
        raise ValueError(f"shape {meta['shape']!r} is not a list of positive integers")
    if not 0 <= axis < len(shape):
        raise ValueError(f"axis {axis} is not an axis of shape {shape}")
    return scheme(meta["scheme"]), tuple(shape), axis


def _check(name: str, array: np.ndarray, part: Part, made: Scheme) -> None:
    if array.shape != part.shape or array.dtype != part.dtype:
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; its scheme {made} needs {part.shape}, {part.dtype}"
        )
    if part.top is not None and array.size and not (int(array.min()) >= 0 and int(array.max()) <= part.top):
        raise ValueError(f"{name} runs from {array.min()} to {array.max()}; its scheme {made} allows 0 to {part.top}")
