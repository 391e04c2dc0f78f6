"""QuantizedTensor: codes, scales, zero points and choices, with the scheme that gives them meaning."""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..formats import Codebook, Format, cast, decode, parse
from .scheme import Scheme, scheme


def matrix_of(array: np.ndarray, axis: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """`array` as rows along `axis`: shape (rows, K), and the shape with that axis last."""
    moved = np.moveaxis(array, axis, -1)
    return np.ascontiguousarray(moved).reshape(-1, moved.shape[-1]), moved.shape


def scales_shape(made: Scheme, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Shape of the scales of a tensor: its own, with the reduction axis replaced by the scales along it."""
    if made.granularity.kind in ("tensor", "none"):
        return (1,) * len(shape)
    _, per_row, _ = made.granularity.groups(1, shape[axis])
    out = list(shape)
    out[axis] = per_row
    return tuple(out)


@dataclass(frozen=True, eq=False, repr=False)
class QuantizedTensor:
    """The result of `quantize`. A value is (code's value - zero point) * scale, exactly.

    shape, axis: of the tensor; groups run along `axis`. The stored arrays have the reduction axis last: `row_codes` (rows, K),
    `row_scales`, `row_zero_points`, `row_choice` (scale rows, scales a row). `codes`, `scales`, `zero_points`, `choice` show
    them in the tensor's own axis order.
    """

    scheme: Scheme
    shape: tuple[int, ...]
    axis: int
    row_codes: np.ndarray
    row_scales: np.ndarray | None
    row_zero_points: np.ndarray | None
    row_choice: np.ndarray | None

    def _in_place(self, rows: np.ndarray, last: int) -> np.ndarray:
        moved = [n for i, n in enumerate(self.shape) if i != self.axis]
        return np.moveaxis(rows.reshape(*moved, last), -1, self.axis)

    def _overhead(self, rows: np.ndarray | None) -> np.ndarray | None:
        if rows is None:
            return None
        if self.scheme.granularity.kind == "tensor":
            return rows.reshape((1,) * len(self.shape))
        return self._in_place(rows, rows.shape[1])

    @property
    def codes(self) -> np.ndarray:
        """Codes in the tensor's shape, smallest unsigned dtype."""
        return self._in_place(self.row_codes, self.shape[self.axis])

    @property
    def scales(self) -> np.ndarray | None:
        """float32 scales; None for a plain cast."""
        return self._overhead(self.row_scales)

    @property
    def zero_points(self) -> np.ndarray | None:
        """Integer zero points of an asymmetric scheme."""
        return self._overhead(self.row_zero_points)

    @property
    def choice(self) -> np.ndarray | None:
        """Which candidate each group took, for schemes with several."""
        return self._overhead(self.row_choice)

    @property
    def T(self) -> QuantizedTensor:
        """The transposed matrix. Raises ValueError for other than two axes."""
        if len(self.shape) != 2:
            raise ValueError(f"T needs a matrix; this tensor has shape {self.shape}")
        return QuantizedTensor(
            self.scheme,
            self.shape[::-1],
            1 - self.axis,
            self.row_codes,
            self.row_scales,
            self.row_zero_points,
            self.row_choice,
        )

    def take_rows(self, start: int, stop: int) -> QuantizedTensor:
        """Rows start to stop of a matrix quantized along its last axis. Raises ValueError for other tensors."""
        if len(self.shape) != 2 or self.axis != 1:
            raise ValueError(f"take_rows needs a matrix quantized along its last axis, not shape {self.shape}, axis {self.axis}")

        shared = self.scheme.granularity.kind == "tensor"

        def part(rows: np.ndarray | None) -> np.ndarray | None:
            return rows if rows is None or shared else rows[start:stop]

        codes = self.row_codes[start:stop]
        overhead = (part(self.row_scales), part(self.row_zero_points), part(self.row_choice))
        return QuantizedTensor(self.scheme, (codes.shape[0], self.shape[1]), 1, codes, *overhead)

    def row_values(self) -> np.ndarray:
        """Values of the codes before the scale (zero point subtracted), (rows, K), float32 or float64, exact."""
        if self.row_choice is None:
            values = decode(self.row_codes, self.scheme.candidates[0])
        else:
            tables = [parse(f).values() for f in self.scheme.candidates]
            size = max(t.size for t in tables)
            stacked = np.stack([np.pad(t, (0, size - t.size), constant_values=np.nan) for t in tables])
            choice = np.repeat(self.row_choice, self.row_codes.shape[1] // self.row_choice.shape[1], axis=1)
            if self.scheme.granularity.kind == "tensor":
                choice = np.broadcast_to(self.row_choice, self.row_codes.shape)
            values = stacked[choice, self.row_codes]
            if all(f.value_dtype == np.float32 for f in self.scheme.candidates):
                values = values.astype(np.float32)
        if self.row_zero_points is not None:
            values = values - self._spread(self.row_zero_points).astype(values.dtype)
        return values

    def _spread(self, rows: np.ndarray) -> np.ndarray:
        """One value an element, from one value a scale."""
        if rows.shape[0] == 1 and self.scheme.granularity.kind == "tensor":
            return np.broadcast_to(rows, self.row_codes.shape)
        return np.repeat(rows, self.row_codes.shape[1] // rows.shape[1], axis=1)

    def dequantize(self) -> np.ndarray:
        """Values in the tensor's shape: the exact product of code value and scale, rounded once to float32."""
        values = self.row_values()
        if self.row_scales is not None:
            values = values.astype(np.float64) * self._spread(self.row_scales)
        with np.errstate(over="ignore"):
            return self._in_place(values.astype(np.float32), self.shape[self.axis])

    @property
    def bits_per_element(self) -> float:
        """Stored bits an element, scales, zero points and choices counted."""
        moved = [n for i, n in enumerate(self.shape) if i != self.axis]
        return self.scheme.bits_per_element((*moved, self.shape[self.axis]))

    @property
    def nbytes(self) -> int:
        """Bytes of dense storage, rounded up."""
        return -(-round(self.bits_per_element * self.row_codes.size) // 8)

    def __repr__(self) -> str:
        return f"QuantizedTensor({self.scheme}, shape={self.shape}, axis={self.axis}, {self.bits_per_element:.4g} bits an element)"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file with the scheme in its metadata; whole or not at all."""
        from safetensors.numpy import save

        tensors = {"codes": np.ascontiguousarray(self.row_codes)}
        for name, rows in (
            ("scales", self.row_scales),
            ("zero_points", self.row_zero_points),
            ("choice", self.row_choice),
        ):
            if rows is not None:
                tensors[name] = np.ascontiguousarray(rows)
        content = save(tensors, {"scheme": str(self.scheme), "shape": json.dumps(self.shape), "axis": str(self.axis)})
        target = Path(path)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as handle:
            try:
                handle.write(content)
                handle.close()
                os.replace(handle.name, target)
            except BaseException:
                os.unlink(handle.name)
                raise


def load(path: str | os.PathLike[str]) -> QuantizedTensor:
    """Read a tensor that `QuantizedTensor.save` wrote. Raises ValueError for truncated, foreign or inconsistent files."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with safe_open(path, framework="numpy") as handle:
            meta = handle.metadata() or {}
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from None
    if not {"scheme", "shape", "axis"} <= meta.keys() or "codes" not in tensors:
        raise ValueError(f"{path} holds no quantized tensor of this package (its metadata lacks scheme, shape or axis)")
    try:
        tensor = QuantizedTensor(
            *_read_meta(meta), tensors["codes"], tensors.get("scales"), tensors.get("zero_points"), tensors.get("choice")
        )
        _check_consistent(tensor, set(tensors))
    except ValueError as error:
        raise ValueError(f"{path} was changed or is damaged: {error}; write it again with QuantizedTensor.save") from None
    return tensor


def check_scales(scales: np.ndarray, made: Scheme) -> None:
    """Refuse scales that are not finite and above zero, or that the scale format of the scheme does not hold exactly.

    Zero is the scale of an all-zero group where the scheme multiplies by its reciprocal (nf4, as in bitsandbytes).
    """
    assert made.scale is not None
    positive = scales >= 0 if made.reciprocal else scales > 0
    if not (np.isfinite(scales).all() and positive.all()):
        raise ValueError(f"scales must be finite and above zero for {made}")
    with np.errstate(over="ignore"):
        if not np.array_equal(cast(scales[scales > 0], made.scale), scales[scales > 0]):
            raise ValueError(
                f"scales hold values that {made.scale} does not hold exactly, the scale format of {made}; "
                f"round them with nf.cast(scales, '{made.scale}') first"
            )


def _read_meta(meta: dict[str, str]) -> tuple[Scheme, tuple[int, ...], int]:
    """Scheme, shape and axis of a file's metadata. Raises ValueError where they make no tensor."""
    shape, axis = json.loads(meta["shape"]), int(meta["axis"])
    if not isinstance(shape, list) or not shape or not all(type(n) is int and n > 0 for n in shape):
        raise ValueError(f"shape {meta['shape']!r} is not a list of positive integers")
    if not 0 <= axis < len(shape):
        raise ValueError(f"axis {axis} is not an axis of shape {shape}")
    return scheme(meta["scheme"]), tuple(shape), axis


def _check_consistent(tensor: QuantizedTensor, names: set[str]) -> None:
    made, depth = tensor.scheme, tensor.shape[tensor.axis]
    rows = math.prod(tensor.shape) // depth
    code_dtype = np.result_type(*(f.code_dtype for f in made.candidates))
    want: dict[str, tuple[tuple[int, ...], Any, float]] = {"codes": ((rows, depth), code_dtype, (1 << made.element_bits) - 1)}
    if made.scaled:
        scale_rows, per_row, _ = made.granularity.groups(rows, depth)
        want["scales"] = ((scale_rows, per_row), np.float32, np.inf)
        if made.rule == "range":
            want["zero_points"] = ((scale_rows, per_row), np.int32, (1 << made.zero_point_bits) - 1)
        if len(made.candidates) > 1:
            want["choice"] = ((scale_rows, per_row), np.uint8, len(made.candidates) - 1)
    if names != set(want):
        raise ValueError(f"it holds {', '.join(sorted(names))}; its scheme {made} needs {', '.join(sorted(want))}")
    for name, (shape, dtype, top) in want.items():
        held = getattr(tensor, f"row_{name}")
        if held.shape != shape or held.dtype != dtype:
            raise ValueError(
                f"{name} has shape {held.shape} and dtype {held.dtype}; its scheme {made} needs {shape}, {np.dtype(dtype)}"
            )
        if name != "scales" and not (int(held.min()) >= 0 and int(held.max()) <= top):
            raise ValueError(f"{name} runs from {held.min()} to {held.max()}; its scheme {made} allows 0 to {top}")
    if tensor.row_scales is not None:
        check_scales(tensor.row_scales, made)
    if any(isinstance(f, Codebook) for f in made.candidates) and np.isnan(tensor.row_values()).any():
        raise ValueError(f"codes hold a code beyond the entries of {made}")


def from_codes(words: Any, fmt: Format | str, axis: int = -1) -> QuantizedTensor:
    """Raw code words as an unscaled quantized tensor. Raises ValueError for words outside the format's codes."""
    fmt = parse(fmt)
    array, _ = to_numpy(words, "words")
    decode(array, fmt)  # refuses words outside the format
    if isinstance(fmt, Codebook) and array.size and int(array.max()) >= len(fmt.table):
        raise ValueError(f"words hold a code beyond the {len(fmt.table)} entries of {fmt}")
    rows, _ = matrix_of(array.astype(fmt.code_dtype), axis)
    return QuantizedTensor(scheme(fmt), array.shape, axis % array.ndim, rows, None, None, None)
