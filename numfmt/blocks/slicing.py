"""Slices of a quantized tensor along the axes that no group runs along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .tensor import QuantizedTensor


def sliced(tensor: QuantizedTensor, index: Any) -> QuantizedTensor:
    """See `QuantizedTensor.__getitem__`."""
    from .tensor import QuantizedTensor

    full = _expanded(tensor.shape, index)
    if full[tensor.axis] != slice(None):
        raise ValueError(
            f"index {index!r} cuts axis {tensor.axis}, along which {tensor.scheme} groups; slice the other axes or dequantize"
        )
    kept = [entry for axis, entry in enumerate(full) if axis != tensor.axis]
    leading = tuple(n for axis, n in enumerate(tensor.shape) if axis != tensor.axis)
    rows = np.arange(int(np.prod(leading, dtype=np.int64))).reshape(leading)[tuple(kept)]
    dropped = sum(isinstance(entry, int) for axis, entry in enumerate(full) if axis < tensor.axis)
    axis = tensor.axis - dropped
    shape = (*rows.shape[:axis], tensor.shape[tensor.axis], *rows.shape[axis:])
    if not rows.size:
        raise ValueError(f"index {index!r} takes nothing of a tensor of shape {tensor.shape}; a quantized tensor has elements")
    ids = rows.reshape(-1)
    whole = np.array_equal(ids, np.arange(tensor.grid.rows))
    stored = {}
    for name, part in tensor.parts.items():
        array = tensor.part(name)
        if whole or part.height == 0:
            stored[name] = array
        elif part.height == 1:
            stored[name] = array[ids]
        elif part.height < 0:
            raise ValueError(f"{tensor.scheme} stores {name} for all rows in one run; dequantize before slicing")
        else:
            stored[name] = array[_blocks(ids, part.height, tensor, index)]
    made = QuantizedTensor(tensor.scheme, shape, axis, stored)
    return made.pack() if tensor.packed else made


def _blocks(ids: np.ndarray, height: int, tensor: QuantizedTensor, index: Any) -> np.ndarray:
    """The row blocks that `ids` consists of."""
    last = ids[-1] == tensor.grid.rows - 1
    short = -len(ids) % height if last else 0  # the padding of the last block goes with it
    padded = np.concatenate([ids, ids[-1] + 1 + np.arange(short)]) if short else ids
    if len(padded) % height == 0:
        cut = padded.reshape(-1, height)
        if (cut[:, 0] % height == 0).all() and (np.diff(cut, axis=1) == 1).all():
            found: np.ndarray = cut[:, 0] // height
            return found
    raise ValueError(f"index {index!r} cuts through blocks of {height} rows of {tensor.scheme}; take whole blocks")


def _expanded(shape: tuple[int, ...], index: Any) -> list[int | slice]:
    """One entry an axis. Raises ValueError for arrays and new axes, IndexError beyond the shape."""
    given = list(index) if isinstance(index, tuple) else [index]
    if sum(entry is Ellipsis for entry in given) > 1:
        raise IndexError(f"index {index!r} has more than one ellipsis")
    for at, entry in enumerate(given):
        if entry is Ellipsis:
            given[at : at + 1] = [slice(None)] * (len(shape) - len(given) + 1)
            break
    if len(given) > len(shape):
        raise IndexError(f"index {index!r} has {len(given)} entries; the tensor has {len(shape)} axes")
    given += [slice(None)] * (len(shape) - len(given))
    made: list[int | slice] = []
    for axis, entry in enumerate(given):
        if isinstance(entry, (bool, np.bool_)) or not isinstance(entry, (int, np.integer, slice)):
            raise ValueError(f"index {entry!r} is not an integer or a slice; a quantized tensor takes only these and an ellipsis")
        if isinstance(entry, slice):
            made.append(slice(None) if entry.indices(shape[axis]) == (0, shape[axis], 1) else entry)
            continue
        if not -shape[axis] <= entry < shape[axis]:
            raise IndexError(f"index {int(entry)} is out of range of axis {axis} with {shape[axis]} entries")
        made.append(int(entry) % shape[axis])
    return made
