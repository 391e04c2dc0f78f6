"""LayerNorm with the bits of torch's CPU kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formats import Format, cast
from ..kernels.torch_moments import layer_norm
from .norm import LayerNorm

_FORMATS = ("float32", "bfloat16", "float16")


class TorchLayerNorm(LayerNorm):
    """F.layer_norm of torch on an x86 CPU: float32 throughout, `kernels.torch_moments` for mean and variance.

    float32 rows: ((x - mean) * r) * weight + bias, the last product and sum fused. 16-bit rows: x * r + (-r * mean) fused, then
    times weight plus bias fused, then rounded to `fmt`. weight, bias: (n,), values of float32, or None.

    Raises ValueError for formats other than float32, bfloat16 and float16. Source: pytorch/pytorch,
    aten/src/ATen/native/cpu/layer_norm_kernel.cpp; compared with torch 2.13.
    """

    def __init__(self, weight: Any = None, bias: Any = None, *, eps: float = 1e-5, fmt: Format | str = "bfloat16") -> None:
        super().__init__(weight, bias, eps=eps, fmt=fmt, internal="float32", division="reciprocal")
        if str(self.fmt) not in _FORMATS:
            raise ValueError(f"fmt={self.fmt} is no format of F.layer_norm; use one of {', '.join(_FORMATS)}")
        self.sum = "welford"

    def _rows(self, x: np.ndarray) -> np.ndarray:
        out, none = np.empty_like(x), np.zeros(1, np.float32)
        weight, bias = (none if p is None else p for p in (self.weight, self.bias))
        halves = str(self.fmt) != "float32"
        tail = str(self.fmt) == "float16"
        layer_norm(x, weight, self.weight is not None, bias, self.bias is not None, np.float32(self.eps), halves, tail, out)
        return np.asarray(cast(out, self.fmt)) if halves else out

    @property
    def program(self) -> str:
        """The steps in order."""
        lines = [
            "# each line rounded to float32",
            f"x = {self.fmt}(x)",
            "m, v = welford(x)",
            "t = v + eps",
            "r = sqrt(t)",
            "r = 1 / r",
        ]
        if str(self.fmt) == "float32":
            lines += (
                ["d = x - m", "y = d * r", "y = fma(y, weight, bias)"]
                if self.weight is not None
                else ["d = x - m", "y = fma(d, r, bias)"]
            )
        else:
            lines += ["b = -r", "b = b * m", "y = fma(x, r, b)", "y = fma(y, weight, bias)"]
        return "\n".join([*lines, f"y = {self.fmt}(y)"])
