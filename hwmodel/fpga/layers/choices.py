"""The ways in which a layer can be built, with the resources and cycles of each: columns, not objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel.fpga.chips import Device
from hwmodel.fpga.layers.folded import Estimate
from hwmodel.fpga.layers.network import Layer
from hwmodel.fpga.layers.units_of import RESOURCES
from hwmodel.sources import Fact

Ints = NDArray[np.int64]
# parts of a layer, in the order of the report
PARTS = ("compute", "window", "output", "buffers")


@dataclass(frozen=True, eq=False)
class Choices:
    """Ways to build one layer (first axis of every array).

    `labels`: columns that name a way (pe, simd, ...). `parts`: part -> (n, 5) resources in the order of `RESOURCES`.
    `cycles`: until the layer takes the next inference; `latency`: until its result is out.
    """

    labels: Mapping[str, np.ndarray]
    parts: Mapping[str, Ints]
    cycles: Ints
    latency: Ints

    @cached_property
    def resources(self) -> Ints:
        """(n, 5)."""
        return np.sum(list(self.parts.values()), axis=0)

    def __len__(self) -> int:
        return len(self.cycles)

    def take(self, index: Any) -> Choices:
        """The ways at `index`."""
        i = np.atleast_1d(np.asarray(index))
        labels = {name: values[i] for name, values in self.labels.items()}
        return Choices(labels, {p: r[i] for p, r in self.parts.items()}, self.cycles[i], self.latency[i])

    def row(self, i: int) -> dict[str, Any]:
        """The label of one way."""
        return {name: values[i].item() for name, values in self.labels.items()}


def columns(estimate: Estimate) -> Ints:
    """(n, 5) resources of an estimate."""
    return np.stack([np.atleast_1d(getattr(estimate, r)) for r in RESOURCES], axis=1)


def joined(many: Sequence[Choices]) -> Choices:
    """All ways of several, which have the same labels and parts."""
    first = many[0]
    return Choices(
        {name: np.concatenate([c.labels[name] for c in many]) for name in first.labels},
        {p: np.concatenate([c.parts[p] for c in many]) for p in first.parts},
        np.concatenate([c.cycles for c in many]),
        np.concatenate([c.latency for c in many]),
    )


@dataclass(frozen=True)
class Architecture:
    """How layers become hardware. `ways(layer, device, options)`: every choice; `one(layer, device, options, fold)`: the given one.

    `facts(layers, device, options)`: the constants used. `clock_mhz`: the name of the default clock's constant.
    """

    name: str
    ways: Callable[[Layer, Device, Mapping[str, Any]], Choices]
    one: Callable[[Layer, Device, Mapping[str, Any], Any], Choices]
    facts: Callable[[Sequence[Layer], Device, Mapping[str, Any]], tuple[Fact, ...]]
    options: Mapping[str, Any]
    clock: str
