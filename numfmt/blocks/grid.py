"""Which elements share a scale: tensor, channel, token, groups along a row, 2-D blocks, blocks of the flattened tensor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

_LARGEST = 2**31 - 1  # elements along one axis of a group
Kind = Literal["none", "tensor", "channel", "token", "group", "block", "flat"]


@dataclass(frozen=True)
class Granularity:
    """Which elements share a scale.

    size: group length along the reduction axis (`g128`), columns of a block (`b16x16`), elements of a flat block (`flat64`); 0 for
    the other kinds. height: rows of a block, 1 elsewhere.
    """

    kind: Kind
    size: int = 0
    height: int = 1

    def __str__(self) -> str:
        if self.kind == "group":
            return f"g{self.size}"
        if self.kind == "block":
            return f"b{self.height}x{self.size}"
        return f"flat{self.size}" if self.kind == "flat" else self.kind

    def groups(self, rows: int, columns: int) -> tuple[int, int, int]:
        """(scale rows, scales a row, elements a scale spans in a row) for a matrix whose rows are reduced.

        Raises ValueError where the groups do not divide the matrix.
        """
        grid = Grid(self, rows, columns)
        return (*grid.shape, self.size if self.kind in ("group", "block", "flat") else columns)


@dataclass(frozen=True)
class Grid:
    """A matrix of `rows` x `columns` cut into groups. Raises ValueError where they do not fit, unless `pad`.

    With `pad`, rows (and for 2-D blocks columns) are extended by zeros to whole groups: the padding is stored and counted.
    """

    granularity: Granularity
    rows: int
    columns: int
    pad: bool = False

    def __post_init__(self) -> None:
        kind, size, height = self.granularity.kind, self.granularity.size, self.granularity.height
        if self.pad or kind not in ("group", "block"):
            return
        if self.columns % size:
            fits = [g for g in (256, 128, 64, 32, 16, 8) if self.columns % g == 0]
            allowed = f"use {' or '.join(f'g{g}' for g in fits)}" if fits else "use channel"
            raise ValueError(
                f"group size {size} does not divide the row length {self.columns}: {allowed}, or add the option +pad "
                "(rows end in zeros that are stored and counted)"
            )
        if self.rows % height:
            raise ValueError(
                f"blocks {self.granularity} do not divide {self.rows} rows: use a height that does, or add the option +pad "
                "(the last rows are zeros that are stored and counted)"
            )

    @cached_property
    def stored(self) -> tuple[int, int]:
        """Rows and columns of the stored codes, padding included."""
        if self.granularity.kind not in ("group", "block"):
            return self.rows, self.columns
        height, size = self.granularity.height, self.granularity.size
        return -(-self.rows // height) * height, -(-self.columns // size) * size

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the scales."""
        kind = self.granularity.kind
        if kind in ("none", "tensor"):
            return 1, 1
        if kind in ("channel", "token"):
            return self.rows, 1
        if kind == "flat":
            return 1, -(-self.rows * self.columns // self.granularity.size)
        rows, columns = self.stored
        return rows // self.granularity.height, columns // self.granularity.size

    @property
    def count(self) -> int:
        """How many groups."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def size(self) -> int:
        """Elements of one group, padding included."""
        kind = self.granularity.kind
        if kind in ("none", "tensor"):
            return self.rows * self.columns
        return self.columns if kind in ("channel", "token") else self.granularity.size * self.granularity.height

    @property
    def height(self) -> int:
        """Rows of the matrix that one row of scales serves; 0 where all rows share what is stored."""
        kind = self.granularity.kind
        return 0 if kind in ("none", "tensor", "flat") else self.granularity.height

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """(rows, columns), padded or not, as (count, size): row-major groups; without a copy where the memory allows it."""
        kind = self.granularity.kind
        if kind == "flat":
            flat = rows.reshape(-1)
            missing = self.count * self.size - flat.size
            return np.pad(flat, (0, missing)).reshape(self.shape[1], -1) if missing else flat.reshape(self.shape[1], -1)
        rows = self.padded(rows)
        if kind == "block":
            height, size = self.granularity.height, self.granularity.size
            cut = rows.reshape(self.shape[0], height, self.shape[1], size)
            return np.ascontiguousarray(cut.swapaxes(1, 2)).reshape(self.count, self.size)
        return rows.reshape(self.count, self.size)

    def scatter(self, groups: np.ndarray) -> np.ndarray:
        """The inverse of `gather`: (count, size) as the stored matrix."""
        kind = self.granularity.kind
        if kind == "flat":
            return groups.reshape(-1)[: self.rows * self.columns].reshape(self.rows, self.columns)
        if kind == "block":
            height, size = self.granularity.height, self.granularity.size
            return np.ascontiguousarray(groups.reshape(*self.shape, height, size).swapaxes(1, 2)).reshape(self.stored)
        return groups.reshape(self.stored)

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """`rows` extended by zeros to the stored size."""
        if rows.shape == self.stored:
            return rows
        return np.pad(rows, ((0, self.stored[0] - rows.shape[0]), (0, self.stored[1] - rows.shape[1])))

    def cut(self, rows: np.ndarray) -> np.ndarray:
        """The stored matrix without its padding."""
        return rows[: self.rows, : self.columns]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """One value a stored element, from one value a group (`shape`) or one a row (rows, 1)."""
        kind = self.granularity.kind
        if values.shape == (self.stored[0], 1):
            return np.broadcast_to(values, self.stored)
        if kind in ("none", "tensor", "channel", "token"):
            return np.broadcast_to(values, self.stored)
        if kind == "flat":
            return self.scatter(np.repeat(values.reshape(-1, 1), self.size, axis=1))
        wide = np.repeat(values, self.granularity.size, axis=1)
        return np.repeat(wide, self.granularity.height, axis=0) if self.granularity.height > 1 else wide

    def by_row(self, values: np.ndarray) -> tuple[np.ndarray, int] | None:
        """Scales as (rows, runs) with the length of a run of columns that shares one; None where no such runs exist."""
        kind = self.granularity.kind
        if values.shape == (self.stored[0], 1):
            return values[: self.rows], self.columns
        if kind in ("none", "tensor", "channel", "token"):
            return np.broadcast_to(values, (self.rows, 1)), self.columns
        size = self.granularity.size
        if kind == "flat":
            return (values.reshape(self.rows, -1), size) if self.columns % size == 0 else None
        return np.repeat(values, self.granularity.height, axis=0)[: self.rows], size


def parse_granularity(text: str, grain: str) -> Granularity:
    """`tensor`, `channel`, `token`, `g128`, `b16x16`, `flat64`. Raises ValueError for anything else."""
    if grain in ("tensor", "channel", "token"):
        return Granularity(grain)  # type: ignore[arg-type]
    if match := re.fullmatch(r"(?:g|flat)([0-9]+)", grain):
        size = int(match[1])
        if not 1 <= size <= _LARGEST:
            raise ValueError(f"scheme {text!r}: group size {size} is not allowed; it must be 1 to {_LARGEST}")
        return Granularity("flat" if grain.startswith("flat") else "group", size)
    if match := re.fullmatch(r"b([0-9]+)x([0-9]+)", grain):
        height, size = int(match[1]), int(match[2])
        if not (1 <= height <= _LARGEST and 1 <= size <= _LARGEST):
            raise ValueError(f"scheme {text!r}: block {grain} is not allowed; height and width must be 1 to {_LARGEST}")
        return Granularity("block", size, height)
    raise ValueError(
        f"scheme {text!r}: granularity {grain!r} is unknown; use tensor, channel, token, gN such as g128 (groups along the "
        "reduction axis), bHxW such as b16x16 (blocks of rows x columns), or flatN (blocks of the flattened tensor)"
    )
