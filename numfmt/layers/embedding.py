"""Embedding: rows of a quantized table, and positions added."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import check_in, check_int_range
from ..blocks import QuantizedTensor, Scheme, quantize
from ..formats import Format, cast
from .linear import exact_values
from .rows import layer_format
from .stepwise import Steps


class Embedding:
    """Rows of a table by token: code value times scale, rounded once to `fmt`.

    weight: (vocabulary, features) array, or a QuantizedTensor of it along its last axis. weight_scheme: how an array is quantized.
    positions: None, or (context, features): rounded to `fmt` and added there with one rounding, row `start + t` to token t.

    Raises ValueError for other shapes, and for schemes whose rows do not stand for themselves (2-D and flat blocks).
    """

    def __init__(
        self, weight: Any, *, weight_scheme: str | Scheme = "float16", fmt: Format | str = "float32", positions: Any = None
    ) -> None:
        if not isinstance(weight, QuantizedTensor):
            array = to_numpy(weight, "weight")[0]
            if array.ndim != 2:
                raise ValueError(f"weight has shape {array.shape}; it must be (vocabulary, features)")
            weight = quantize(array, weight_scheme)
        if len(weight.shape) != 2 or weight.axis != 1:
            raise ValueError(
                f"weight has shape {weight.shape}, groups along axis {weight.axis}; it must be (vocabulary, features) along 1"
            )
        if any(part.height not in (0, 1) for part in weight.parts.values()):
            raise ValueError(f"weight_scheme={weight.scheme} stores several rows together; use tensor, channel, token or gN")
        self.weight, self.fmt = weight, layer_format(fmt)
        self._steps = Steps(self.fmt)
        self.positions = None if positions is None else self._checked_positions(positions)

    def _checked_positions(self, positions: Any) -> np.ndarray:
        array = to_numpy(positions, "positions")[0]
        if array.ndim != 2 or array.shape[1] != self.features:
            raise ValueError(f"positions has shape {array.shape}; it must be (context, {self.features})")
        return np.asarray(cast(array, self.fmt))

    @property
    def vocabulary(self) -> int:
        """Rows of the table."""
        return self.weight.shape[0]

    @property
    def features(self) -> int:
        """Columns of the table."""
        return self.weight.shape[1]

    def __call__(self, tokens: Any, start: int = 0, returns: str = "values") -> Any:
        """tokens: integers (..., T), the first at position `start` -> values of `fmt`, (..., T, features), the kind that came in.

        returns="codes": the table's codes in place of values (without positions); their scales are `weight.scales`.
        Raises ValueError for tokens that are no integers, outside the vocabulary, or beyond the positions.
        """
        check_in("returns", returns, ("values", "codes"))
        array, restore = to_numpy(tokens, "tokens")
        if array.dtype.kind not in "iu":
            raise ValueError(f"tokens has dtype {array.dtype}; it must hold integers from 0 to {self.vocabulary - 1}")
        if array.size and not 0 <= int(array.min()) <= int(array.max()) < self.vocabulary:
            raise ValueError(f"tokens run from {array.min()} to {array.max()}; the vocabulary is 0 to {self.vocabulary - 1}")
        ids, places = np.unique(array, return_inverse=True)
        shape = (*array.shape, self.features)
        if returns == "codes":
            if self.positions is not None:
                raise ValueError("returns='codes' gives the table's codes, to which no positions can be added; leave positions out")
            return restore(self.weight.row_codes[array.astype(np.int64)])
        y = np.zeros((0, self.features)) if not ids.size else exact_values(_rows(self.weight, ids.astype(np.int64)))
        y = np.asarray(cast(y, self.fmt))[places.reshape(-1)].reshape(shape)
        if self.positions is not None:
            check_int_range("start", start, 0, 1 << 31)
            length = array.shape[-1] if array.ndim else 1
            if start + length > len(self.positions):
                raise ValueError(f"tokens reach position {start + length - 1}; there are positions 0 to {len(self.positions) - 1}")
            added = self.positions[start : start + length]
            y = self._steps.add(y, added if array.ndim else added[0])
        return restore(y)

    def __repr__(self) -> str:
        return f"Embedding({self.vocabulary} x {self.features}, {self.weight.scheme}, fmt={self.fmt})"


def _rows(table: QuantizedTensor, ids: np.ndarray) -> QuantizedTensor:
    """Some rows of a table whose rows stand for themselves."""
    stored = {}
    for name, part in table.parts.items():
        array = table.part(name)
        stored[name] = array if part.height == 0 else array[ids]
    return QuantizedTensor(table.scheme, (ids.size, table.shape[1]), 1, stored)
