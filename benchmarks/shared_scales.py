"""MX, NVFP4, block floating point of 4096 x 4096 float32 beside the scale loop L and peers: `python benchmarks/shared_scales.py`.

Peers that are not installed are left out; microxcaling is a checkout of microsoft/microxcaling on PYTHONPATH (its package `mx`).
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numba
import numpy as np
from _timing import SHORT, Row, data, ratio, scale_loop, scaling, seconds, show, threads

import numfmt as nf

SIDE = 1024 if SHORT else 4096
GOALS = {"mxfp4": 0.6, "mxfp8_e4m3": 0.6, "nvfp4": 0.6}
SCHEMES = [
    *GOALS, "mxfp4+rceil", "mxfp6_e2m3", "mxint8", "nvfp4+torchao", "nvfp4+modelopt", "nvfp4/b16x16", "nvfp4+4over6", "mx9",
    "msfp12", "dfp8", "bfp16ebs8",
]  # fmt: skip


def quantizing(x: np.ndarray) -> Iterator[Row]:
    limit = partial(scale_loop, x.reshape(-1), np.empty(x.size, np.float32))
    with threads(1):
        for spec in SCHEMES:
            yield Row(f"quantize to {spec}, one thread", "L", ratio(partial(nf.quantize, x, spec), limit), GOALS.get(spec))
        for spec in ("mxfp4", "mxfp8_e4m3", "nvfp4", "mx9"):
            yield Row(f"dequantize {spec}, one thread", "L", ratio(nf.quantize(x, spec).dequantize, limit))
    if numba.config.NUMBA_NUM_THREADS > 1:
        yield Row("quantize to mxfp4, two threads over one", "x", scaling(partial(nf.quantize, x, "mxfp4")))


def memory(x: np.ndarray) -> Iterator[Row]:
    for spec in (*GOALS, "nvfp4/b16x16", "mxfp4/b16x16"):
        tracemalloc.start()
        nf.quantize(x, spec)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        yield Row(f"peak of quantize to {spec}, results included (goal: at most 1.3)", "x input", peak / x.nbytes)


def peers(x: np.ndarray) -> Iterator[Row]:
    with threads(1):
        ours = {spec: seconds(partial(nf.quantize, x, spec)) for spec in ("mxfp4", "mxfp8_e4m3", "nvfp4+torchao")}
    for what, spec, call, goal in calls(x):
        yield Row(f"{spec}: {what}", f"x slower, {x.shape[0]} rows", seconds(call, 2) / ours[spec], goal)


def calls(x: np.ndarray) -> Iterator[tuple[str, str, Callable[[], Any], float | None]]:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
    tensor = torch.from_numpy(x)
    try:
        from torchao.prototype.mx_formats.mx_tensor import to_mx
        from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize, per_tensor_amax_to_scale
    except ImportError:
        pass
    else:
        yield "torchao, one thread", "mxfp8_e4m3", lambda: to_mx(tensor, torch.float8_e4m3fn, 32), 10.0
        yield "torchao, one thread", "mxfp4", lambda: to_mx(tensor, torch.float4_e2m1fn_x2, 32), None
        yield (
            "torchao, one thread",
            "nvfp4+torchao",
            lambda: nvfp4_quantize(tensor, 16, per_tensor_amax_to_scale(tensor.abs().max())),
            None,
        )
    try:
        from mx.mx_ops import quantize_mx_op
        from mx.specs import finalize_mx_specs
    except ImportError:
        return
    for spec, element in (("mxfp4", "fp4_e2m1"), ("mxfp8_e4m3", "fp8_e4m3")):
        specs = finalize_mx_specs({"w_elem_format": element, "block_size": 32, "scale_bits": 8, "custom_cuda": False})
        yield (
            "microxcaling, one thread",
            spec,
            partial(quantize_mx_op, tensor, specs, elem_format=element, axes=[-1], round="even"),
            100.0,
        )


def main() -> None:
    x = data(SIDE * SIDE).reshape(SIDE, SIDE)
    for part in (quantizing, memory, peers):
        show(part(x))


if __name__ == "__main__":
    main()
