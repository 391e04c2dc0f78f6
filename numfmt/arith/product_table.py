"""Tables of products: any function of two codes of at most 8 bits, such as an approximate multiplier."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import unknown
from ..formats import Format, parse
from . import approximate

_TABLES: dict[str, ProductTable] = {}


@dataclass(frozen=True, init=False)
class ProductTable:
    """entries[code of a, code of b]: the product of two codes of at most 8 bits, integers of at most 32 bits or float32 values.

    a, b: the operands' formats ("uint8", "int8" in two's complement, "e4m3fn", ...), whose codes index the table. Two tables are
    equal where name, formats and entries are. `name` makes it known to the strings `table<name>` in this process; a file that
    `save` wrote is `table<path.npz>` anywhere.

    Raises ValueError for shapes other than (2**bits of a, 2**bits of b), for entries that are neither 32-bit integers nor finite
    float32 values, and for a name that another table has.
    """

    name: str
    a: Format
    b: Format
    digest: str

    def __init__(self, entries: Any, a: str | Format = "uint8", b: str | Format = "uint8", *, name: str) -> None:
        left, right = parse(a), parse(b)
        for fmt, what in ((left, "a"), (right, "b")):
            if fmt.bits > 8:
                raise ValueError(f"{what}={fmt} has {fmt.bits} bits; a product table takes codes of at most 8 bits")
        array = np.asarray(entries)
        if array.shape != (1 << left.bits, 1 << right.bits):
            raise ValueError(
                f"entries have shape {array.shape}; a table for {left} and {right} has {(1 << left.bits, 1 << right.bits)}"
            )
        if not name or any(c in name for c in "<>+|=, "):
            raise ValueError(f"name={name!r} is not allowed; use letters, digits, points and slashes")
        held = _entries(array)
        digest = hashlib.sha256(held.tobytes() + str((held.dtype, left, right)).encode()).hexdigest()[:16]
        for key, value in (("name", name), ("a", left), ("b", right), ("digest", digest), ("_held", held)):
            object.__setattr__(self, key, value)
        if _TABLES.setdefault(name, self) != self:
            raise ValueError(f"name={name!r} is that of another product table; choose another name")

    @property
    def entries(self) -> np.ndarray:
        """int64 or float32, (codes of a, codes of b), not writable."""
        made: np.ndarray = self._held  # type: ignore[attr-defined]
        return made

    @property
    def integers(self) -> bool:
        """Whether the products are integers, which go into integer accumulators."""
        return self.entries.dtype == np.int64

    @cached_property
    def largest(self) -> float:
        """Largest absolute entry."""
        return float(np.abs(self.entries).max())

    def save(self, path: str | Path) -> None:
        """Write the table to a file (`.npz`), whole or not at all."""
        target = Path(path)
        if target.suffix != ".npz":
            raise ValueError(f"path={str(path)!r} must end in .npz")
        part = target.with_name(f".{target.name}.part")
        with part.open("wb") as file:
            np.savez_compressed(file, entries=self.entries, a=str(self.a), b=str(self.b))
        os.replace(part, target)

    def error(self) -> dict[str, float]:
        """Against the exact products, over all pairs of codes: `mean`, `mean_abs` (mean error distance), `max_abs`, and
        `mean_relative` over the pairs whose product is not zero."""
        x, y = (np.asarray(f.values(), np.float64) for f in (self.a, self.b))
        exact = x[:, None] * y[None, :]
        error = self.entries - exact
        size = np.abs(exact[exact != 0])
        return {
            "mean": float(error.mean()),
            "mean_abs": float(np.abs(error).mean()),
            "max_abs": float(np.abs(error).max()),
            "mean_relative": float((np.abs(error[exact != 0]) / size).mean()),
        }  # fmt: skip


def product_table(name: str) -> ProductTable:
    """The table of that name: one made in this process, a file `....npz`, or a built-in multiplier. Else raises ValueError."""
    if name in _TABLES:
        return _TABLES[name]
    made = approximate.multiplier(name)
    if made is not None:
        return ProductTable(*made, name=name)
    if name.endswith(".npz"):
        try:
            with np.load(name, allow_pickle=False) as file:
                return ProductTable(file["entries"], str(file["a"]), str(file["b"]), name=name)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(
                f"product table {name!r} cannot be read: {error}; write it with nf.ProductTable(...).save(path)"
            ) from None
    known = [*_TABLES, *approximate.EXAMPLES]
    raise unknown("product table", name, known)


def _entries(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind in "iu" or array.dtype == bool:
        if array.size and (int(array.min()) < -(1 << 31) or int(array.max()) >= 1 << 31):
            raise ValueError("entries hold integers beyond 32 bits; a product of two 8-bit codes needs at most 17")
        held = array.astype(np.int64)
    elif array.dtype.kind == "f":
        held = array.astype(np.float32)
        if not (np.isfinite(held).all() and np.array_equal(held, array)):
            raise ValueError("entries hold values that are no finite float32; round them with nf.cast(entries, 'float32') first")
    else:
        raise ValueError(f"entries have dtype {array.dtype}; use integers or floats")
    held.setflags(write=False)
    return held
