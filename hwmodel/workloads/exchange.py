"""Workloads in the files of other tools: SCALE-Sim topologies (both ways) and ZigZag's YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from hwmodel._checks import positive_int, unknown
from hwmodel.workloads import frame

FORMS = ("auto", "conv", "gemm")
_CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
_GEMM = "Layer, M, N, K,"
_WINDOW = ("IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter", "Strides")


def workload_from_scalesim(path: str | Path, form: str = "auto") -> pd.DataFrame:
    """The layers of a SCALE-Sim topology CSV, one row a layer (columns: see `frame.table`).

    Convolutions: name, input height and width with padding, filter height and width, channels, filters, stride; a column
    `batch` or a sparsity ratio may follow. Products (`form` "gemm", found by a header with M, N, K): name, M, N, K. A name
    that holds DP is a depthwise convolution: one product a channel. A last window that hangs over the edge counts, as in
    SCALE-Sim. Raises ValueError with line and field for anything else, and for ratios other than 1:1.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    where = str(path)
    lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    filled = [(i + 1, [f.strip() for f in line.split(",")]) for i, line in enumerate(lines) if line.strip()]
    if len(filled) < 2:
        raise ValueError(f"{where}: no layers; give a header line and one line a layer, for example {_CONV}")
    header = [h.lower() for h in filled[0][1]]
    gemm = form == "gemm" or (form == "auto" and {"m", "n", "k"} <= set(header))
    rows = [_line(f"{where} line {number}", fields, header, gemm) for number, fields in filled[1:]]
    return frame.table(rows, model=Path(path).stem, phase="prefill", source=where, status="user")


def _line(where: str, fields: list[str], header: list[str], gemm: bool) -> dict[str, Any]:
    names = ("M", "N", "K") if gemm else _WINDOW
    fields = fields[:-1] if fields[-1] == "" else fields
    if len(fields) <= len(names):
        raise ValueError(f"{where}: {len(fields)} fields; give a name and {', '.join(names)}")
    sizes = [_number(where, name, text) for name, text in zip(names, fields[1:], strict=False)]
    batch = 1
    for name, text in zip(header[len(names) + 1 :], fields[len(names) + 1 :], strict=False):
        if "batch" in name:
            batch = _number(where, name, text)
        elif ":" in text:
            if not re.fullmatch(r"(\d+)\s*:\s*\1", text):
                raise ValueError(f"{where}: field {name or 'sparsity'} is {text!r}; only dense layers, 1:1")
        elif text:
            raise ValueError(f"{where}: field {name!r} is {text!r}; after the sizes only batch or a sparsity ratio may follow")
    if gemm:
        return frame.linear(fields[0], 1, sizes[0] * batch, sizes[1], sizes[2])
    height, width, k_h, k_w, channels, filters, stride = sizes
    groups = channels if "DP" in fields[0] else 1
    shape = (channels, filters * groups), (height, width), (k_h, k_w), (stride, stride)
    try:
        return frame.conv2d(fields[0], batch, *shape, groups=groups, partial=True)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _number(where: str, name: str, text: str) -> int:
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise ValueError(f"{where}: field {name} is {text!r}; give a whole number of at least 1")
    return int(text)


def to_scalesim(work: pd.DataFrame, path: str | Path | None = None, form: str = "auto", *, repeat: bool = True) -> str:
    """A SCALE-Sim topology CSV of a workload; also written to `path`.

    `form` "conv" writes convolutions with their windows (products as 1x1 ones on m x 1 inputs, one image), "gemm" all as
    products; "auto" takes conv where the workload has convolutions of known shape and one image. Inputs are written with
    their padding, without what no window reaches, so that SCALE-Sim counts the same outputs. Layers and groups that occur
    several times are repeated, or written once without `repeat`. Depthwise layers get SCALE-Sim's mark DP.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    rows = _products(work, "SCALE-Sim")
    known = [bool(r.get("k_h")) for r in rows]
    single = all(r["m"] == r["out_h"] * r["out_w"] for r, k in zip(rows, known, strict=True) if k)
    if form == "conv" and not single:
        raise ValueError(
            "form is 'conv' but the workload has several images, which a topology cannot say; use form='gemm' or batch=1"
        )
    conv = form == "conv" or (form == "auto" and any(known) and single)
    lines = [_CONV if conv else _GEMM]
    for r in rows:
        lines += (
            _conv_lines(r, repeat)
            if conv
            else [f"{_name(r)},{r['m']},{r['n']},{r['k']},"] * (r["count"] * r["batch"] if repeat else 1)
        )
    text = "\n".join(lines) + "\n"
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _products(work: pd.DataFrame, tool: str) -> list[dict[Any, Any]]:
    if (work["kind"] == "vector").any():
        raise ValueError(f"the workload has vector rows, which {tool} does not know; build it without vector_ops")
    return work.to_dict("records")


def _name(row: dict[Any, Any]) -> str:
    return re.sub(r"DP|[,\s]", "_", str(row["layer"]))


def _conv_lines(r: dict[Any, Any], repeat: bool) -> list[str]:
    times = r["count"] * (r["batch"] if repeat else 1) if repeat else 1
    if not r.get("k_h"):
        return [f"{_name(r)},{r['m']},1,1,1,{r['k']},{r['n']},1,"] * times
    if r["stride_h"] != r["stride_w"] or r["dilation_h"] * r["dilation_w"] != 1:
        # a topology has one stride and no dilation: the product itself says the same
        return [f"{_name(r)},{r['m']},1,1,1,{r['k']},{r['n']},1,"] * times
    height, width = ((r[f"out_{d}"] - 1) * r[f"stride_{d}"] + r[f"k_{d}"] for d in "hw")
    groups, each = r["groups"], r["in_ch"] // r["groups"]
    window = f"{height},{width},{r['k_h']},{r['k_w']}"
    if groups > 1 and each == 1:
        return [f"DP_{_name(r)},{window},{groups},{r['n']},{r['stride_h']},"] * (r["count"] if repeat else 1)
    return [f"{_name(r)},{window},{each},{r['n']},{r['stride_h']},"] * times


def to_zigzag(work: pd.DataFrame, path: str | Path | None = None, *, bits: tuple[int, int, int, int] = (8, 8, 16, 8)) -> str:
    """A ZigZag workload in YAML; also written to `path`. `bits`: weights, inputs, partial sums, outputs.

    A layer follows the one before it. Products are `Gemm` (a batch of products is dimension B), convolutions `Conv` on inputs
    that hold their padding, with dimension G for groups. Repeated layers are written once; their `name` says how often.
    """
    w, i, o, final = (positive_int("bits", b) for b in bits)
    lines = []
    for number, row in enumerate(_products(work, "ZigZag")):
        name = row["layer"] if row["count"] == 1 else f"{row['layer']} x{row['count']}"
        previous = number - 1 if number else number
        lines += [f"- id: {number}", f"  name: {name!r}", *_loops(row)]
        lines += [f"  operand_precision: {{W: {w}, I: {i}, O: {o}, O_final: {final}}}"]
        lines += [f"  operand_source: {{W: {number}, I: {previous}}}"]
    text = "\n".join(lines) + "\n"
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _loops(row: dict[Any, Any]) -> Iterator[str]:
    if row.get("k_h"):
        images = row["m"] // (row["out_h"] * row["out_w"])
        dims = {"B": images, "G": row["groups"], "K": row["n"], "C": row["in_ch"] // row["groups"]}
        dims |= {"OY": row["out_h"], "OX": row["out_w"], "FY": row["k_h"], "FX": row["k_w"]}
        kind, equation = "Conv", "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]"
        relations = [f"i{d}={row[f'stride_{s}']}*o{d}+{row[f'dilation_{s}']}*f{d}" for d, s in (("x", "w"), ("y", "h"))]
    else:
        dims = {"B": row["batch"], "C": row["m"], "D": row["k"], "K": row["n"]}
        kind, relations = "Gemm", []
        equation = "O[b][c][k]+=I[b][c][d]*W[d][k]" if row["batch"] == 1 else "O[b][c][k]+=I[b][c][d]*W[b][d][k]"
    yield f"  operator_type: {kind}"
    yield f"  equation: {equation}"
    if relations:
        yield f"  dimension_relations: [{', '.join(relations)}]"
    yield f"  loop_dims: [{', '.join(dims)}]"
    yield f"  loop_sizes: [{', '.join(str(v) for v in dims.values())}]"
