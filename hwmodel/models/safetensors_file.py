"""Read .safetensors files: an 8-byte header length, a JSON header, then the tensors' bytes.

Own reader, because the NumPy side of the safetensors package knows no bfloat16 in its older releases; it maps the file,
so a tensor's bytes are touched when that tensor is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
_OTHER_SIZES = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_OTHER_SIZES |= {"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1, "C64": 8}
_HEADER_LIMIT = 100_000_000


def bfloat16_to_float32(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    """bfloat16 words are the upper halves of float32 words."""
    return (words.astype(np.uint32) << np.uint32(16)).view(np.float32)


class SafetensorsFile(Mapping[str, NDArray[np.float32]]):
    """The floating-point tensors of one file as float32, by name; F64, F32, F16 and BF16.

    Tensors of integer or 8-bit types are listed in `skipped` and not in the mapping. Opening checks the header against
    the file's size. Raises FileNotFoundError, and ValueError for a malformed or truncated file; reading a tensor that
    holds NaN or infinity raises ValueError with its name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
        header, self._start = self._read_header()
        self.metadata: dict[str, str] = header.pop("__metadata__", {})
        self.skipped: dict[str, str] = {}
        self._entries: dict[str, tuple[str, tuple[int, ...], int]] = {}
        payload = path.stat().st_size - self._start
        for name, entry in header.items():
            self._add(name, entry, payload)

    def _bad(self, why: str) -> ValueError:
        return ValueError(f"{self.path} is not a complete safetensors file: {why}. Copy or download it again")

    def _read_header(self) -> tuple[dict[str, Any], int]:
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(size - 8, _HEADER_LIMIT):
                raise self._bad(f"it has {size} bytes and announces a header of {length if size >= 8 else 'unknown'} bytes")
            raw = file.read(length)
        try:
            header = json.loads(raw)
        except ValueError:
            raise self._bad("its header is not JSON") from None
        if not isinstance(header, dict):
            raise self._bad("its header is not a JSON object")
        return header, 8 + length

    def _add(self, name: str, entry: Any, payload: int) -> None:
        try:
            dtype, shape = str(entry["dtype"]), tuple(int(n) for n in entry["shape"])
            begin, end = (int(n) for n in entry["data_offsets"])
        except (KeyError, TypeError, ValueError):
            raise self._bad(f"the header entry of tensor {name!r} is malformed") from None
        item = np.dtype(_DTYPES[dtype]).itemsize if dtype in _DTYPES else _OTHER_SIZES.get(dtype)
        elements = int(np.prod(shape, dtype=object)) if shape else 1
        if min(shape, default=0) < 0 or begin < 0 or end < begin or (item is not None and end - begin != elements * item):
            raise self._bad(f"tensor {name!r} of type {dtype} and shape {shape} does not fit its {end - begin} bytes")
        if end > payload:
            raise self._bad(f"tensor {name!r} ends at byte {end} of the data, the file holds {max(payload, 0)}")
        if dtype in _DTYPES:
            self._entries[name] = dtype, shape, begin
        else:
            self.skipped[name] = dtype

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, without reading it."""
        return self._entries[name][1]

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        dtype, shape, begin = self._entries[name]
        elements = int(np.prod(shape, dtype=np.int64)) if shape else 1
        if elements == 0:
            return np.zeros(shape, dtype=np.float32)
        raw = np.fromfile(self.path, dtype=np.dtype(_DTYPES[dtype]).newbyteorder("<"), count=elements, offset=self._start + begin)
        if raw.size != elements:
            raise self._bad(f"tensor {name!r} could not be read in full")
        values = bfloat16_to_float32(raw.astype(np.uint16)) if dtype == "BF16" else self._narrow(name, raw)
        if not np.isfinite(values).all():
            bad = int(np.count_nonzero(~np.isfinite(values)))
            raise ValueError(f"tensor {name!r} of {self.path} holds {bad} NaN or infinite values; weights must be finite")
        return values.reshape(shape)

    def _narrow(self, name: str, raw: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            return raw.astype(np.float32)

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # the inherited test would read the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
