"""ONNX models as workloads."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd

from hwmodel.workloads import frame

CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")
PRODUCTS = ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul")
REFUSED = ("ConvTranspose", "LSTM", "GRU", "RNN", "Einsum", "Attention", "MultiHeadAttention")


def workload_from_onnx(model: Any, inputs: Mapping[str, tuple[int, ...]] | None = None) -> pd.DataFrame:
    """The matrix products of an ONNX model (a path or a ModelProto), one row an operator (columns: see `frame.table`).

    Conv, Gemm and MatMul and their integer forms. `inputs` gives the shape of an input by name where the model leaves
    dimensions open. A product of two activations is one of attention: of keys where it is the first after a product with
    weights or an odd one, of values after it. Needs the package `onnx` (extra `onnx`).

    Raises ValueError for operators whose products are not modelled, for shapes that stay unknown (operator and dimension
    named) and for files that are no ONNX model.
    """
    onnx = _onnx()
    proto, where = model, "model"
    if isinstance(model, str | Path):
        where = str(model)
        if not Path(model).is_file():
            raise FileNotFoundError(f"ONNX model {where!r} does not exist")
        try:
            proto = onnx.load(where, load_external_data=False)
        except Exception as error:  # protobuf's own errors have no common base that it exports
            raise ValueError(f"{where} is no ONNX model: {error}") from error
    proto = _fixed(onnx, proto, inputs or {}, where)
    shapes = _shapes(proto.graph)
    weights = {t.name for t in proto.graph.initializer} | {o for n in proto.graph.node if n.op_type == "Constant" for o in n.output}
    weights = _derived(proto.graph, weights)
    rows: list[dict[str, Any]] = []
    keys = True
    for i, node in enumerate(proto.graph.node):
        name = node.name or f"{node.op_type}_{i}"
        if node.op_type in REFUSED:
            raise ValueError(
                f"{where}: operator {node.op_type} ({name}) is not modelled; export the model with its products as MatMul or Gemm"
            )
        if node.op_type in CONVOLUTIONS:
            rows.append(_conv(onnx, node, name, shapes, where))
        elif node.op_type in PRODUCTS:
            a, b = _operands(node)
            both = a not in weights and b not in weights
            rows += _product(onnx, node, name, (_of(shapes, a, name, where), _of(shapes, b, name, where)), a in weights, both, keys)
            keys = not keys if both else True
    if not rows:
        raise ValueError(f"{where}: no convolution or matrix product; there is nothing to score")
    return frame.table(rows, model=proto.graph.name or where, phase="prefill", source=where, status="user")


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ImportError("reading ONNX models needs the package onnx: pip install onnx") from error
    return onnx


def _fixed(onnx: Any, proto: Any, inputs: Mapping[str, tuple[int, ...]], where: str) -> Any:
    """The model with the given input shapes and all that follows from them."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    known = {v.name: v for v in copy.graph.input}
    for name, shape in inputs.items():
        if name not in known:
            raise ValueError(f"{where}: inputs names {name!r}; the model's inputs are {', '.join(known)}")
        dims = known[name].type.tensor_type.shape.dim
        if len(dims) != len(shape):
            raise ValueError(f"{where}: input {name!r} has {len(dims)} dimensions; {tuple(shape)} was given")
        for dim, size in zip(dims, shape, strict=True):
            dim.dim_value = int(size)
    if inputs:
        del copy.graph.value_info[:]  # they may hold the old sizes
    return onnx.shape_inference.infer_shapes(copy, data_prop=True)


def _shapes(graph: Any) -> dict[str, list[int | str]]:
    found: dict[str, list[int | str]] = {t.name: list(t.dims) for t in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.name not in found and value.type.tensor_type.HasField("shape"):
            found[value.name] = [d.dim_value if d.dim_value else d.dim_param or "?" for d in value.type.tensor_type.shape.dim]
    for node in graph.node:
        if node.op_type == "Constant":
            for value in (a.t for a in node.attribute if a.name == "value"):
                found[node.output[0]] = list(value.dims)
    return found


def _derived(graph: Any, weights: set[str]) -> set[str]:
    """The names of all that is computed from weights alone (dequantized, transposed, reshaped)."""
    found = set(weights)
    for node in graph.node:
        if node.input and all(name in found for name in node.input if name):
            found |= set(node.output)
    return found


def _operands(node: Any) -> tuple[str, str]:
    return (node.input[0], node.input[3]) if node.op_type.startswith("QLinear") else (node.input[0], node.input[1])


def _of(shapes: dict[str, list[int | str]], name: str, node: str, where: str) -> list[int]:
    shape = shapes.get(name)
    if shape is None or not shape:
        raise ValueError(f"{where}: the shape of {name!r} at operator {node} is unknown; give the model's input shapes in inputs=")
    for size in shape:
        if not isinstance(size, int):
            raise ValueError(
                f"{where}: dimension {size!r} of {name!r} at operator {node} is open; give the input shapes in inputs="
            )
    return [int(size) for size in shape]


def _conv(onnx: Any, node: Any, name: str, shapes: dict[str, list[int | str]], where: str) -> dict[str, Any]:
    a, b = _operands(node)
    image, weight = _of(shapes, a, name, where), _of(shapes, b, name, where)
    if len(image) not in (3, 4):
        raise ValueError(f"{where}: operator {name} is a convolution over {len(image) - 2} dimensions; one and two are modelled")
    given = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
    flat = len(image) == 3  # one dimension: a row of pixels
    size, kernel = image[2:], weight[2:]
    stride, dilation = (list(given.get(k, [1] * len(size))) for k in ("strides", "dilations"))
    pads = given.get("pads", [0] * 2 * len(size))
    total = [pads[d] + pads[d + len(size)] for d in range(len(size))]
    if given.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        total = [max(0, (-(-s // t) - 1) * t + r - s) for s, t, r in zip(size, stride, reach, strict=True)]
    parts = []
    for part, fill in ((size, 1), (kernel, 1), (stride, 1), (total, 0), (dilation, 1)):
        values = [fill, *part] if flat else list(part)
        parts.append((int(values[0]), int(values[1])))
    area, window, steps, border, spread = parts
    groups = int(given.get("group", 1))
    return frame.conv2d(name, image[0], (image[1], weight[0]), area, window, steps, border, spread, groups=groups)


def _product(
    onnx: Any, node: Any, name: str, shapes: tuple[list[int], list[int]], left: bool, both: bool, keys: bool
) -> list[dict[str, Any]]:
    a, b = shapes
    given = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
    a = a[::-1] if given.get("transA") else [1, *a] if len(a) == 1 else a
    b = b[::-1] if given.get("transB") else [*b, 1] if len(b) == 1 else b
    (m, k), n, outer = a[-2:], b[-1], prod(a[:-2])
    if not both:
        if left:  # weights on the left: the product transposed
            return [frame.linear(name, 1, n * prod(b[:-2]), m, k)]
        return [frame.linear(name, max(1, prod(b[:-2])), m * outer // max(1, prod(b[:-2])), n, k)]
    outer = max(outer, prod(b[:-2]))
    rows = frame.attention(f"{name}.", 1, 1, outer, outer, k if keys else n, m, n if keys else k)
    return [rows[0] if keys else rows[1]]
