"""A workload's layers as an FPGA sees them: matrices, pixels and windows, with the operands of a plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel.fpga.layers.facts import whole
from hwmodel.fpga.layers.operands import Operand, operand
from hwmodel.workloads.frame import COLUMNS, GEOMETRY, KINDS, SHAPE
from numfmt import LayerPlan, Plan


@dataclass(frozen=True)
class Window:
    """Geometry of a convolution: channels of the input and, as (height, width), of everything else; size with padding."""

    channels: int
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    out: tuple[int, int]

    @property
    def slides(self) -> bool:
        """Whether a buffer of rows is needed."""
        return self.kernel != (1, 1)


@dataclass(frozen=True)
class Layer:
    """A layer: `groups` matrices of `rows` outputs by `cols` inputs, each for `vectors` pixels (tokens) of one inference.

    `count`: identical layers after one another. `declared`: bits that the plan's accumulator has at most. `output_bits`:
    of the activations that it hands on, 0 at the end. `dynamic`: its matrix is no constant (attention).
    """

    name: str
    rows: int
    cols: int
    vectors: int
    groups: int
    count: int
    weight: Operand
    activation: Operand
    declared: int
    output_bits: int
    dynamic: bool
    depthwise: bool
    window: Window | None

    @property
    def macs(self) -> int:
        """Of one inference and one of the identical layers."""
        return self.rows * self.cols * self.vectors * self.groups

    @property
    def shape(self) -> Layer:
        """The layer without its name and count: equal for layers that cost the same."""
        from dataclasses import replace

        return replace(self, name="", count=1)


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in order; `images`: inferences that one pass over the workload makes."""

    layers: tuple[Layer, ...]
    images: int
    plan: str
    columns: dict[str, Any]


def network(work: pd.DataFrame, plan: Any) -> Network:
    """The layers of a workload (hw.workload) under a plan.

    Raises ValueError for what is no workload and, with the layer's name, for formats that no unit takes.
    """
    if not isinstance(work, pd.DataFrame):
        raise ValueError(f"work is {type(work).__name__}; give the DataFrame that hw.workload returns")
    if missing := [c for c in COLUMNS if c not in work.columns]:
        raise ValueError(f"workload lacks the columns {', '.join(missing)}; build it with hw.workload")
    if not len(work):
        raise ValueError("workload has no rows; there is nothing to score")
    parsed = Plan.parse(plan)
    images = int(work.attrs.get("batch", 1) or 1)
    bare = work.copy(deep=False)
    bare.attrs = {}
    rows = bare.to_dict("records")
    for name in SHAPE[2:]:
        for row in rows:
            if not isinstance(row[name], int | float | np.integer) or not row[name] >= 1 or row[name] % 1 or row[name] == math.inf:
                raise ValueError(f"workload column {name!r} holds {row[name]!r}; give whole numbers of at least 1")
    if any(row["m"] % images for row in rows if not str(row["kind"]).startswith("attention")):
        images = 1
    made = [_layer(row, parsed.for_layer(str(row["layer"])), images, i == len(rows) - 1) for i, row in enumerate(rows)]
    return Network(tuple(made), images, str(parsed), {c: bare[c].to_numpy(copy=True) for c in COLUMNS})


def _layer(row: dict[Any, Any], plan: LayerPlan, images: int, last: bool) -> Layer:
    name, kind = str(row["layer"]), row["kind"]
    if kind == "vector":
        raise ValueError(
            f"layer {name} is of kind 'vector', which has no unit on an FPGA here; leave such rows out of the workload"
        )
    if kind not in KINDS:
        raise unknown("layer kind", kind, KINDS)
    dynamic = str(kind).startswith("attention")
    try:
        weight = operand(plan.kv if dynamic else plan.weight, "activations" if dynamic else "weights")
        activation = operand(plan.activation, "activations")
    except ValueError as error:
        raise ValueError(f"layer {name}: {error}") from error
    window = None
    if kind == "conv2d" and not pd.isna(row.get("k_h", math.nan)) and row["k_h"] > 0:
        g = {c: int(row[c]) for c in GEOMETRY}
        pairs = ((g["in_h"], g["in_w"]), (g["k_h"], g["k_w"]), (g["stride_h"], g["stride_w"]))
        window = Window(g["in_ch"], *pairs, (g["dilation_h"], g["dilation_w"]), (g["out_h"], g["out_w"]))
    rows, cols, groups, vectors = int(row["n"]), int(row["k"]), int(row["batch"]), int(row["m"])
    shared = math.gcd(groups, images) if dynamic else 1
    depthwise = window is not None and groups > 1 and groups == window.channels and rows == 1
    if depthwise:
        rows, groups = groups, 1
    return Layer(
        name,
        rows,
        cols,
        vectors if dynamic else vectors // images,
        groups // shared if dynamic else groups,
        int(row["count"]),
        weight,
        activation,
        _declared(plan),
        0 if last else activation.bits,
        dynamic,
        depthwise,
        window,
    )


def _declared(plan: LayerPlan) -> int:
    """Bits of the accumulator that the plan's datapath names, the usual ones otherwise."""
    inner = getattr(plan.path, "inner", None) if plan.path is not None else None
    width = getattr(inner, "width", None) or getattr(getattr(inner, "format", None), "bits", None)
    return int(width) if width else whole("finn.declared_accumulator_bits")
