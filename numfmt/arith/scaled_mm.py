"""torch._scaled_mm as an H100 computes it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .._arrays import is_torch, to_float64, to_numpy
from .._checks import check_in
from . import cublas


def scaled_mm(
    a: Any,
    b: Any,
    scale_a: Any,
    scale_b: Any,
    bias: Any = None,
    scale_result: Any = None,
    out_dtype: Any = None,
    use_fast_accum: bool = False,
    *,
    gpu: str = "h100",
    splitk: int | None = None,
) -> Any:
    """The bits of `torch._scaled_mm(a, b, scale_a, scale_b, ...)` on an H100.

    a: (M, K), b: (K, N): FP8 words (`nf.from_codes(words, "e4m3fn")`, ml_dtypes or torch float8 arrays). scale_a, scale_b: one
    float32 each, multiplied first, in float32. out_dtype: "float32" or "bfloat16" (names or dtypes). use_fast_accum: one chain of
    instructions, else chains of 128 k added in float32. splitk: parts of k; None takes the recorded decision for the shape.
    Returns a float32 or ml_dtypes bfloat16 array, or a tensor where a or b is one.

    Raises ValueError where no recording stands for the call: other shapes without splitk, other GPUs, output types, row-wise
    scales, a bias. Source: words recorded on an NVIDIA H100 80GB HBM3 with torch 2.11.0; that a split's parts are added in k order
    is recorded for 16-bit products and, for FP8 on an H100 PCIe, published by mmaemu 0.1.0.
    """
    check_in("gpu", gpu, ("h100",))
    if bias is not None or scale_result is not None:
        what = "bias" if bias is not None else "scale_result"
        raise ValueError(f"{what} is given; no recording tells how an H100 rounds with it: leave it out and apply it to the result")
    name = str(out_dtype).removeprefix("torch.") if is_dtype_name(out_dtype) else str(np.dtype(out_dtype))
    check_in("out_dtype", name, ("float32", "bfloat16"))
    formats = cublas.words_of_format(a, "a"), cublas.words_of_format(b, "b")
    if formats == ("e5m2", "e5m2"):
        raise ValueError("a and b are both e5m2, which torch._scaled_mm refuses; use e4m3fn for one of them")
    scales = [_scale(scale_a, "scale_a"), _scale(scale_b, "scale_b")]
    order = cublas.CublasOrder("fp8_fast" if use_fast_accum else "fp8_slow", splitk)
    words, _ = order.words(a, b)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        result = words.view(np.float32) * (scales[0] * scales[1]) + np.float32(0)
    result.view(np.uint32)[np.isnan(result)] = 0x7FFFFFFF
    if name == "bfloat16":
        import ml_dtypes

        with np.errstate(over="ignore", invalid="ignore"):
            short = result.astype(ml_dtypes.bfloat16)
        short.view(np.uint16)[np.isnan(result)] = 0x7FFF
        result = short
    like = next((x for x in (a, b) if is_torch(x)), None)
    if like is None:
        return result
    torch = sys.modules["torch"]
    if name == "bfloat16":
        return torch.from_numpy(result.view(np.int16)).view(torch.bfloat16).to(like.device)
    return torch.from_numpy(result).to(like.device)


def is_dtype_name(dtype: Any) -> bool:
    """Whether a dtype is given by name or as torch's."""
    return dtype is None or isinstance(dtype, str) or str(dtype).startswith("torch.")


def _scale(x: Any, what: str) -> np.float32:
    array = to_float64(to_numpy(x, what)[0], what)
    if array.size != 1:
        raise ValueError(f"{what} has shape {array.shape}; only one scale a tensor is recorded: multiply rows yourself")
    value = array.reshape(())
    if np.float32(value) != value and not np.isnan(value):
        raise ValueError(f"{what}={float(value)!r} is no float32 value; pass np.float32({float(value)!r})")
    return np.float32(value)
