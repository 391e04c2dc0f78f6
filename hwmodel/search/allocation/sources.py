"""What candidates are made of: weight layers with their shapes and, where there is a network, their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hwmodel.models import LoadedModel, load_network
from hwmodel.models.load import model_names
from numfmt.layers.network import LayerBag, LayerSpec, Network


@dataclass(frozen=True, eq=False)
class Source:
    """Rows of the weight layers (one a layer), and the network that they belong to, if any."""

    work: pd.DataFrame
    network: Network | None
    model: LoadedModel | None

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.work["layer"]]

    def weight(self, layer: str) -> np.ndarray:
        """The weights of a layer, (outputs, inputs of a product)."""
        if self.network is None:
            raise ValueError(
                "a workload has no weights to measure; give a network (hw.load_network, a torch module), or the losses themselves:"
                " sensitivity={layer: {scheme: loss}} or an array (layers x schemes)"
            )
        spec = self.network.layer(layer)
        return np.asarray(spec.weight).reshape(spec.weight.shape[0], -1)


def source_of(work: Any, workload: pd.DataFrame | None, phase: str | None, context: int | None) -> Source:
    """The weight layers of what `allocation_table` takes."""
    from hwmodel.evaluation import workload_of

    if isinstance(work, str | Path) and (str(work) in model_names() or Path(work).exists()):
        work = load_network(work)
    elif isinstance(work, str):
        work = _named(work, phase, context)
    if isinstance(work, pd.DataFrame):
        if workload is not None:
            raise ValueError("work is a workload itself; leave workload out")
        return Source(_weighted(work), None, None)
    model = work if isinstance(work, LoadedModel) else None
    network = model.network if model is not None else _network(work)
    if workload is None:
        convolutions = [name for name, spec in network.layers.items() if spec.kind == "conv2d"]
        if convolutions and not hasattr(network, "image_shape"):
            raise ValueError(
                f"the input size of convolution {convolutions[0]!r} is not known;"
                " give workload=hw.workload_from_torch(module, input)"
            )
        workload = workload_of(network, phase, context)
    rows = _weighted(workload)
    known = rows[rows["layer"].isin(list(network.layers))].reset_index(drop=True)
    if lacking := [name for name in network.layers if name not in set(known["layer"])]:
        raise ValueError(f"workload has no row for layer {lacking[0]!r} of the network ({len(lacking)} are missing)")
    known.attrs = dict(workload.attrs)
    return Source(known, network, model)


def _weighted(work: pd.DataFrame) -> pd.DataFrame:
    for name in ("layer", "weights"):
        if name not in work.columns:
            raise ValueError(f"workload lacks the column {name!r}; build it with hw.workload")
    rows = work[work["weights"] > 0].reset_index(drop=True)
    if not len(rows):
        raise ValueError("workload has no weight layers; there is nothing to allocate")
    if rows["layer"].duplicated().any():
        twice = rows["layer"][rows["layer"].duplicated()].iloc[0]
        raise ValueError(f"workload names layer {twice!r} twice; give each layer its own name")
    rows.attrs = dict(work.attrs)
    return rows


def _named(name: str, phase: str | None, context: int | None) -> pd.DataFrame:
    from hwmodel.workloads import vision_nets, workload

    if name.strip().lower() in vision_nets():
        return workload(name)
    options: dict[str, Any] = {} if context is None else {"context": context}
    return workload(name, phase or "decode", **options)


def _network(work: Any) -> Network:
    if isinstance(work, Network):
        return work
    if hasattr(work, "named_modules"):
        layers: dict[str, LayerSpec] = {}
        for name, module in work.named_modules():
            kind = {"Linear": "linear", "Conv2d": "conv2d"}.get(type(module).__name__)
            if kind is not None:
                weight = module.weight.detach().cpu().numpy().astype(np.float32)
                layers[name] = LayerSpec(name, kind, weight)
        if layers:
            return LayerBag(type(work).__name__, layers)
    what = type(work).__name__
    raise ValueError(
        f"work is {what}; give a network (hw.load_network), a torch module with Linear or Conv2d layers, or a workload"
    )


def by_pattern(what: str, values: Mapping[str, float], layers: list[str]) -> dict[str, float]:
    """Numbers of layers from a mapping of layers or patterns; the last match wins, and every layer needs one."""
    from fnmatch import fnmatchcase

    from hwmodel._checks import finite

    out: dict[str, float] = {}
    for pattern, value in values.items():
        hits = [name for name in layers if name == pattern or fnmatchcase(name, str(pattern))]
        if not hits:
            raise ValueError(f"{what} names {pattern!r}, which matches no layer; layers: {', '.join(layers[:8])}")
        out |= dict.fromkeys(hits, finite(f"{what}[{pattern!r}]", value, minimum=0))
    if lacking := [name for name in layers if name not in out]:
        raise ValueError(
            f"{what} has nothing for layer {lacking[0]!r} ({len(lacking)} layers lack it); name each layer or a pattern"
        )
    return out
