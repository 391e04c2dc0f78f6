"""Columns of many points as one piece of bytes with a checksum, and single rows as JSON with one."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

_WHOLE = tuple(np.dtype(c) for c in ("u1", "<i2", "<i4", "<i8"))


class Damaged(ValueError):
    """Bytes that do not have their checksum."""


def pack(columns: Mapping[str, np.ndarray], first: int = 0) -> tuple[bytes, int]:
    """Columns of the points `first`, `first` + 1, ... as bytes, and their checksum. Columns of one value take its room; whole
    numbers the narrowest type; texts a table and codes. Values come back bit for bit, whole numbers as int64."""
    head, parts = [], []
    for name, column in columns.items():
        entry, data = _packed(np.asarray(column))
        head.append({"name": name, **entry, "bytes": len(data)})
        parts.append(data)
    count = len(next(iter(columns.values()))) if columns else 0
    text = json.dumps({"count": count, "columns": head}, separators=(",", ":")).encode()
    whole = b"".join([len(text).to_bytes(4, "little"), text, *parts])
    return whole, block_crc(first, count, whole)


def block_crc(first: int, count: int, data: bytes) -> int:
    """CRC-32 of a block and of its place, so that two blocks cannot change places."""
    return zlib.crc32(data, zlib.crc32(f"{first} {count} ".encode()))


def unpack(data: bytes, crc: int, first: int, count: int) -> dict[str, np.ndarray]:
    """What `pack` was given. Raises Damaged where the bytes or their place have changed."""
    if block_crc(first, count, data) != crc:
        raise Damaged("the checksum of a block of points does not fit its bytes")
    size = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + size])
    found, at = {}, 4 + size
    for entry in head["columns"]:
        found[entry["name"]] = _unpacked(entry, data[at : at + entry["bytes"]], count)
        at += entry["bytes"]
    return found


def _packed(column: np.ndarray) -> tuple[dict[str, Any], bytes]:
    kind = column.dtype.kind
    if kind == "b":
        return {"kind": "bool"}, np.packbits(column).tobytes()
    if kind in "iu":
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        dtype = next(d for d in _WHOLE if np.iinfo(d).min <= low and high <= np.iinfo(d).max)
        return _same({"kind": "int", "dtype": dtype.str}, column.astype(dtype))
    if kind == "f":
        return _same({"kind": "float", "dtype": "<f8"}, column.astype("<f8"))
    table: dict[tuple[type, Any], int] = {}
    codes = np.array([table.setdefault((type(v), v), len(table)) for v in column.tolist()], dtype="<i4")
    return _same({"kind": "table", "dtype": "<i4", "table": [v for _, v in table]}, codes)


def _same(entry: dict[str, Any], column: np.ndarray) -> tuple[dict[str, Any], bytes]:
    bits = column.view(f"<u{column.itemsize}")  # NaN equals itself
    if len(bits) > 1 and (bits == bits[0]).all():
        return {**entry, "same": True}, column[:1].tobytes()
    return entry, column.tobytes()


def _unpacked(entry: Mapping[str, Any], data: bytes, count: int) -> np.ndarray:
    if entry["kind"] == "bool":
        return np.unpackbits(np.frombuffer(data, np.uint8), count=count).astype(np.bool_)
    raw = np.frombuffer(data, entry["dtype"])
    if entry.get("same"):
        raw = np.repeat(raw, count)
    if entry["kind"] == "table":
        table = np.empty(len(entry["table"]), dtype=object)
        table[:] = entry["table"]
        return table[raw]
    return raw.astype(np.int64 if entry["kind"] == "int" else np.float64)


def plain_result(result: Any) -> dict[str, Any]:
    """What an evaluator returned, with Python's own values. ValueError where it is no mapping of names to single values."""
    if not isinstance(result, Mapping):
        raise ValueError(f"the evaluator returned {type(result).__name__}; return a mapping of names to numbers or texts")
    found = {}
    for name, value in result.items():
        if not isinstance(name, str):
            raise ValueError(f"the evaluator returned the name {name!r}; names are texts")
        if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
            value = value.item()
        if value is not None and not isinstance(value, str | int | float | bool):
            raise ValueError(f"the evaluator returned {type(value).__name__} for {name!r}; a value is a number or a text")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"the evaluator returned {value} for {name!r}; whole numbers have at most 64 bits")
        found[name] = value
    return found


def row_text(values: Mapping[str, Any]) -> str:
    """A row as JSON; NaN and infinities as Python writes them, so that every float comes back."""
    return json.dumps(values, separators=(",", ":"))


def canonical(value: Any) -> str:
    """The one text of a value: names in order, -0.0 and numbers written so that 1 and 1.0 differ."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=True, default=_refuse)


def _refuse(value: Any) -> Any:
    raise ValueError(f"{value!r} is neither text nor number")


def row_crc(position: int, key: bytes, done: int, point: str, result: str, seconds: float) -> int:
    """CRC-32 of a row."""
    return zlib.crc32(f"{position} {key.hex()} {done} {point} {result} {seconds!r}".encode())
