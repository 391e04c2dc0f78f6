"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..blocks import QuantizedTensor
from ..formats import Format, parse

Step = Any  # a callable; with `result_format` and `explain` it takes part in the check of formats and in the table


class Flatten:
    """(n, ...) -> (n, everything else), row by row. Takes arrays and unscaled quantized tensors."""

    def __call__(self, x: Any) -> Any:
        """x with its axes beyond the first as one. Raises ValueError for a scaled tensor."""
        if not isinstance(x, QuantizedTensor):
            array, restore = to_numpy(x)
            return restore(array.reshape(len(array), -1))
        if x.scheme.scaled:
            raise ValueError(f"x is {x.scheme}, whose scales belong to its axes; flatten unscaled tensors or dequantize first")
        words = np.asarray(x.codes).reshape(x.shape[0], -1)
        return QuantizedTensor(x.scheme, words.shape, 1, {"codes": np.ascontiguousarray(words)})

    def result_format(self, given: Format | None) -> Format | None:
        """What comes in."""
        return given

    def explain(self, given: Format | None = None) -> str:
        """The format that passes."""
        return "" if given is None else f"{given} unchanged"

    def __repr__(self) -> str:
        return "Flatten()"


class Sequential:
    """Calls each layer with the result of the one before.

    layers: callables, or (name, callable). Names default to the class and a number. input_format: of what comes in, where it is
    known. A layer with `result_format(given)` says what it gives for a format, and refuses those that it cannot take.

    Raises ValueError for an empty list, a name that occurs twice, and formats that do not meet, naming the layer.
    """

    def __init__(self, layers: Sequence[Step | tuple[str, Step]], *, input_format: str | Format | None = None) -> None:
        self.layers: dict[str, Step] = {}
        for item in layers:
            layer = item[1] if isinstance(item, tuple) else item
            base = type(layer).__name__.lower()
            name = item[0] if isinstance(item, tuple) else self._free(base)
            if not callable(layer):
                raise ValueError(f"layer {name!r} is {layer!r}, which cannot be called; give layers or (name, layer)")
            if name in self.layers:
                raise ValueError(f"two layers are named {name!r}; give each its own name")
            self.layers[name] = layer
        if not self.layers:
            raise ValueError("layers is empty; give at least one layer")
        self.input_format = None if input_format is None else parse(input_format)
        self.formats = self._walked()

    def _free(self, base: str) -> str:
        count = sum(name == base or name.rpartition("_")[0] == base for name in self.layers)
        return base if not count else f"{base}_{count}"

    def _walked(self) -> dict[str, tuple[Format | None, Format | None]]:
        """Name -> (format in, format out), None where it is not known."""
        found, given = {}, self.input_format
        for name, layer in self.layers.items():
            try:
                made = layer.result_format(given) if hasattr(layer, "result_format") else None
            except ValueError as error:
                raise ValueError(f"layer {name!r} cannot follow: {error}") from None
            found[name] = (given, made)
            given = made
        return found

    def __call__(self, x: Any) -> Any:
        """The last layer's result. Raises ValueError naming the layer that refused."""
        for name, made in self._run(x):  # noqa: B007
            pass
        return made

    def trace(self, x: Any) -> dict[str, Any]:
        """Name -> result of every layer."""
        return dict(self._run(x))

    def _run(self, x: Any) -> Iterator[tuple[str, Any]]:
        for name, layer in self.layers.items():
            try:
                x = layer(x)
            except ValueError as error:
                raise ValueError(f"layer {name!r}: {error}") from error
            yield name, x

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, name: str | int) -> Step:
        """The layer of a name, or of a place."""
        return list(self.layers.values())[name] if isinstance(name, int) else self.layers[name]

    def explain(self) -> str:
        """A line a layer: its types as far as they are known, and what computes it."""
        lines = []
        for name, layer in self.layers.items():
            said = layer.explain(self.formats[name][0]) if hasattr(layer, "explain") else repr(layer)
            lines.append(f"{name}: {said}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        rows = [("name", "layer", "in", "out")]
        for name, layer in self.layers.items():
            given, made = ("?" if f is None else str(f) for f in self.formats[name])
            rows.append((name, layer.brief() if hasattr(layer, "brief") else repr(layer), given, made))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
