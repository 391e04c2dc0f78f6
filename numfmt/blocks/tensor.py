"""QuantizedTensor: what a scheme stores of a tensor, and what it stands for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..formats import Codebook, Format, decode, pack, parse, unpack
from .family import Part
from .grid import Grid
from .scheme import Scheme, scheme


def matrix_of(array: np.ndarray, axis: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """`array` as rows along `axis`: shape (rows, K), and the shape with that axis last."""
    moved = np.moveaxis(array, axis, -1)
    return np.ascontiguousarray(moved).reshape(-1, moved.shape[-1]), moved.shape


def scales_shape(made: Scheme, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Shape of the scales of a tensor: its own with the reduction axis replaced by the scales along it.

    (1, ..., 1) where the tensor shares one; (scale rows, scales a row) for 2-D and flat blocks.
    """
    moved = [n for i, n in enumerate(shape) if i != axis]
    grid = made.grid(int(np.prod(moved, dtype=np.int64)), shape[axis])
    if made.granularity.kind in ("tensor", "none"):
        return (1,) * len(shape)
    if grid.height != 1:
        return grid.shape
    out = list(shape)
    out[axis] = grid.shape[1]
    return tuple(out)


@dataclass(frozen=True)
class Packed:
    """A stored array in dense storage: words of `numfmt.pack(..., bits)`."""

    words: np.ndarray
    part: Part

    def unpacked(self) -> np.ndarray:
        """The array itself."""
        return unpack(self.words, self.part.bits, self.part.count).astype(self.part.dtype, copy=False).reshape(self.part.shape)


@dataclass(frozen=True, eq=False, repr=False)
class QuantizedTensor:
    """The result of `quantize`. A value is (code's value - zero point) * scale, exactly, unless the scheme says otherwise.

    shape, axis: of the tensor; groups run along `axis`. stored: the arrays that the scheme stores, by name, as rows with the
    reduction axis last (codes (rows, K), scales (scale rows, scales a row) as words of the scale format, ...), dense if `packed`.
    `codes`, `scales`, `zero_points`, `choice` show them in the tensor's own axis order.
    """

    scheme: Scheme
    shape: tuple[int, ...]
    axis: int
    stored: Mapping[str, np.ndarray | Packed]

    @cached_property
    def grid(self) -> Grid:
        """How the rows are cut into groups."""
        return self.scheme.grid(int(np.prod(self._leading, dtype=np.int64)), self.shape[self.axis])

    @property
    def _leading(self) -> tuple[int, ...]:
        return tuple(n for i, n in enumerate(self.shape) if i != self.axis)

    @cached_property
    def parts(self) -> dict[str, Part]:
        """What the scheme stores of this tensor: shapes, widths, ranges."""
        return self.scheme.way.parts(self.scheme, self.grid)

    def part(self, name: str) -> np.ndarray:
        """A stored array, unpacked, in the layout of the stored rows. Raises KeyError for a name that the scheme does not store."""
        if name not in self.stored:
            raise KeyError(f"{self.scheme} stores no {name!r}; it stores {', '.join(self.stored)}")
        held = self.stored[name]
        return held.unpacked() if isinstance(held, Packed) else held

    def _unpacked(self) -> dict[str, np.ndarray]:
        return {name: self.part(name) for name in self.stored}

    # -- in rows ---------------------------------------------------------------------------------------------------------------

    @property
    def row_codes(self) -> np.ndarray:
        """Codes, (rows, K), padding cut off (in the stored layout where codes do not stand for one element each)."""
        codes = self.part("codes")
        return self.grid.cut(codes) if codes.shape == self.grid.stored else codes

    @property
    def row_scales(self) -> np.ndarray | None:
        """Effective scale of each group, (scale rows, scales a row); None where values have no scale."""
        return self.scheme.way.scales(self.scheme, self.grid, self._unpacked())

    @property
    def row_zero_points(self) -> np.ndarray | None:
        """Zero points, (scale rows, scales a row)."""
        return self.part("zero_points") if "zero_points" in self.stored else None

    @property
    def row_choice(self) -> np.ndarray | None:
        """Choices, (scale rows, scales a row)."""
        return self.part("choice") if "choice" in self.stored else None

    def row_values(self) -> np.ndarray:
        """Values of the codes before the scale (zero point subtracted), (rows, K), float32 or float64, exact."""
        return self.grid.cut(self.scheme.way.code_values(self.scheme, self.grid, self._unpacked()))

    def runs(self) -> tuple[np.ndarray, int] | None:
        """Effective scales as (rows, runs) float64 and the length of a run of K that shares one.

        None for unscaled values, and where flat blocks cross rows.
        """
        scales = self.row_scales
        return None if scales is None else self.grid.by_row(scales.astype(np.float64))

    def _spread(self, rows: np.ndarray) -> np.ndarray:
        """One value an element, (rows, K), from one value a group."""
        return self.grid.cut(self.grid.spread(rows))

    # -- in the tensor's own shape -----------------------------------------------------------------------------------------------

    def _in_place(self, rows: np.ndarray, last: int) -> np.ndarray:
        return np.moveaxis(rows.reshape(*self._leading, last), -1, self.axis)

    def _overhead(self, rows: np.ndarray | None) -> np.ndarray | None:
        if rows is None:
            return None
        if rows.shape == (1, 1):
            return rows.reshape((1,) * len(self.shape))
        return rows if self.grid.height != 1 else self._in_place(rows, rows.shape[1])

    @property
    def codes(self) -> np.ndarray:
        """Codes in the tensor's shape, smallest unsigned dtype (in the stored order where elements share no row: `pbllm`)."""
        codes = self.row_codes
        if codes.ndim != 2 or codes.shape[0] != self.grid.rows:
            return codes
        return self._in_place(codes, codes.shape[1])

    @property
    def scales(self) -> np.ndarray | None:
        """Effective scale of each group: a value is (code's value - zero point) * scale. None where values have no scale."""
        return self._overhead(self.row_scales)

    @property
    def zero_points(self) -> np.ndarray | None:
        """Integer zero points of an asymmetric scheme."""
        return self._overhead(self.row_zero_points)

    @property
    def choice(self) -> np.ndarray | None:
        """Which candidate each group took, for schemes with several."""
        return self._overhead(self.row_choice)

    def dequantize(self) -> np.ndarray:
        """Values in the tensor's shape, float32: the exact product of code value and scale, rounded once, unless the scheme's
        source states another arithmetic (`nf.schemes()`)."""
        rows = self.grid.cut(self.scheme.way.dequantize(self.scheme, self.grid, self._unpacked()))
        return self._in_place(rows, self.shape[self.axis])

    # -- shape -------------------------------------------------------------------------------------------------------------------

    @property
    def T(self) -> QuantizedTensor:
        """The transposed matrix. Raises ValueError for other than two axes."""
        if len(self.shape) != 2:
            raise ValueError(f"T needs a matrix; this tensor has shape {self.shape}")
        return QuantizedTensor(self.scheme, self.shape[::-1], 1 - self.axis, self.stored)

    def take_rows(self, start: int, stop: int) -> QuantizedTensor:
        """Rows start to stop of a matrix quantized along its last axis. Raises ValueError for other tensors."""
        if len(self.shape) != 2 or self.axis != 1:
            raise ValueError(f"take_rows needs a matrix quantized along its last axis, not shape {self.shape}, axis {self.axis}")
        return self[start:stop]

    def __getitem__(self, index: Any) -> QuantizedTensor:
        """A slice along axes other than the grouped one: integers, slices with any step, an ellipsis.

        Raises ValueError for an index along the grouped axis, for parts of 2-D blocks, and where all rows share what is stored in
        one run (flat blocks). IndexError beyond the shape.
        """
        from .slicing import sliced

        return sliced(self, index)

    # -- storage -----------------------------------------------------------------------------------------------------------------

    @property
    def packed(self) -> bool:
        """Whether what is stored is held dense."""
        return any(isinstance(held, Packed) for held in self.stored.values())

    def pack(self) -> QuantizedTensor:
        """The same tensor with its arrays in dense storage: as many bits an entry as the scheme counts. Reading unpacks."""
        dense: dict[str, np.ndarray | Packed] = {}
        for name, part in self.parts.items():
            held = self.stored[name]
            if isinstance(held, np.ndarray) and part.bits < 8 * part.dtype.itemsize:
                held = Packed(pack(held.view(f"u{part.dtype.itemsize}"), part.bits), part)
            dense[name] = held
        return QuantizedTensor(self.scheme, self.shape, self.axis, dense)

    def unpack(self) -> QuantizedTensor:
        """The same tensor with one array entry a code."""
        return QuantizedTensor(self.scheme, self.shape, self.axis, self._unpacked())

    @property
    def bits_per_element(self) -> float:
        """Stored bits an element, scales, zero points, choices and padding counted."""
        return sum(part.count * part.bits for part in self.parts.values()) / int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of dense storage, each array rounded up."""
        return sum(-(-part.count * part.bits // 8) for part in self.parts.values())

    @property
    def held_nbytes(self) -> int:
        """Bytes of the arrays held in memory now."""
        return sum((held.words if isinstance(held, Packed) else held).nbytes for held in self.stored.values())

    def __eq__(self, other: object) -> bool:
        """Same scheme, shape, axis and stored words, packed or not."""
        if not isinstance(other, QuantizedTensor):
            return NotImplemented
        if (self.scheme, self.shape, self.axis) != (other.scheme, other.shape, other.axis):
            return False
        mine, others = self._unpacked(), other._unpacked()
        return mine.keys() == others.keys() and all(_same_words(mine[name], others[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        size: float = self.nbytes
        unit = next((u for u in ("B", "KiB", "MiB") if size < 1024 or not (size := size / 1024)), "GiB")
        stored = ", ".join(f"{name} {'x'.join(map(str, part.shape))}:{part.bits}" for name, part in self.parts.items())
        return (
            f"QuantizedTensor({self.scheme}, shape={self.shape}, axis={self.axis}, {self.bits_per_element:.4g} bits an element, "
            f"{size:.4g} {unit}{', packed' if self.packed else ''}; stored {stored} bits)"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file with the scheme in its metadata; whole or not at all. `nf.load` reads it."""
        from .files import save

        save(self, path)

    def to_gguf(self) -> np.ndarray:
        """The bytes of this tensor in a GGUF file, uint8 (..., bytes a row), for schemes gguf_*. `nf.from_gguf` reads them.

        Raises ValueError for other schemes, and where the blocks do not run along the last axis.
        """
        from .gguf_tensors import to_gguf

        return to_gguf(self)


def _same_words(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def checked_axis(axis: Any, shape: tuple[int, ...], name: str) -> int:
    """An axis of an array, counted from 0. Raises ValueError."""
    if not isinstance(axis, (int, np.integer)) or not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis={axis!r} is not an axis of {name} with shape {shape}; use {-len(shape)} to {len(shape) - 1}")
    return int(axis) % len(shape)


def from_codes(words: Any, fmt: Format | str, axis: int = -1) -> QuantizedTensor:
    """Raw code words as an unscaled quantized tensor. Raises ValueError for words outside the format's codes."""
    fmt = parse(fmt)
    array, _ = to_numpy(words, "words")
    if array.size == 0 or array.ndim == 0:
        raise ValueError(f"words has shape {array.shape}; a quantized tensor needs an axis and at least one word")
    axis = checked_axis(axis, array.shape, "words")
    decode(array, fmt)  # refuses words outside the format
    if isinstance(fmt, Codebook) and array.size and int(array.max()) >= len(fmt.table):
        raise ValueError(f"words hold a code beyond the {len(fmt.table)} entries of {fmt}")
    rows, _ = matrix_of(array.astype(fmt.code_dtype), axis)
    return QuantizedTensor(scheme(fmt), tuple(array.shape), axis, {"codes": rows})
