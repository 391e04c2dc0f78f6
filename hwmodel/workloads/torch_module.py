"""A torch module as a workload: shapes recorded while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import pandas as pd

from hwmodel.workloads import frame

_WEIGHTED = {"mm": (0, 1), "addmm": (1, 2)}
_BATCHED = {"bmm": (0, 1), "baddbmm": (1, 2)}


def workload_from_torch(module: Any, *inputs: Any, phase: str = "prefill", **named: Any) -> pd.DataFrame:
    """The matrix products that `module(*inputs, **named)` runs, one row each in order (columns: see `frame.table`).

    Forward hooks say which submodule a product belongs to; shapes come from the operators themselves, so that functional
    calls and attention are seen too. Nothing else is kept. On the meta device (`with torch.device("meta")`) neither memory nor
    time is needed. Products of batches of activations are attention: the first of a module is of keys, the next of values.

    Raises ValueError where a convolution has more than two dimensions or is transposed, or where no product runs.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    rows: list[dict[str, Any]] = []
    stack: list[str] = [""]
    seen: dict[str, int] = {}
    attention: dict[str, bool] = {}

    def named_once(suffix: str = "") -> str:
        name = ".".join(part for part in (stack[-1], suffix) if part) or "product"
        seen[name] = seen.get(name, 0) + 1
        return name if seen[name] == 1 else f"{name}#{seen[name]}"

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            op = func.overloadpacket.__name__
            if op in _WEIGHTED:
                a, b = (args[i].shape for i in _WEIGHTED[op])
                rows.append(frame.linear(named_once(), 1, a[0], b[1], a[1]))
            elif op in _BATCHED:
                a, b = (args[i].shape for i in _BATCHED[op])
                keys = attention[stack[-1]] = not attention.get(stack[-1], False)
                made = frame.attention(
                    stack[-1] and stack[-1] + ".", 1, 1, a[0], a[0], a[2] if keys else b[2], a[1], b[2] if keys else a[2]
                )
                row = made[0 if keys else 1]
                rows.append(row | {"layer": named_once(row["kind"])})
            elif op.startswith("_scaled_dot_product"):
                q, k, v = (x.shape for x in args[:3])
                made = frame.attention("", 1, prod(q[:-3]), q[-3], k[-3], q[-1], q[-2], k[-2])
                made[1] |= {"n": v[-1]}
                rows.extend(row | {"layer": named_once(row["kind"])} for row in made)
            elif op in ("convolution", "_convolution"):
                rows.append(_conv(named_once(), args))
            elif op in ("_transformer_encoder_layer_fwd", "_native_multi_head_attention"):
                raise ValueError(
                    f"module {stack[-1]!r} runs a fused kernel; call train() or torch.backends.mha.set_fastpath_enabled(False)"
                )
            return func(*args, **(kwargs or {}))

    with _hooked(module, stack), torch.no_grad(), Recorder():
        module(*inputs, **named)
    if not rows:
        raise ValueError(f"module {type(module).__name__} ran no matrix product; there is nothing to score")
    return frame.table(rows, model=type(module).__name__, phase=phase)


@contextmanager
def _hooked(module: Any, stack: list[str]) -> Iterator[None]:
    """Keeps the names of the running submodules in `stack`."""
    handles = []
    for name, part in module.named_modules():

        def enter(_module: Any, _args: Any, name: str = name) -> None:
            stack.append(name)

        def leave(_module: Any, _args: Any, _out: Any) -> None:
            stack.pop()

        handles += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave, always_call=True)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _conv(name: str, args: Any) -> dict[str, Any]:
    image, weight, stride, padding, dilation, transposed, groups = (args[i] for i in (0, 1, 3, 4, 5, 6, 8))
    size, kernel = list(image.shape[2:]), list(weight.shape[2:])
    if transposed or len(size) > 2:
        kind = "transposed" if transposed else f"over {len(size)} dimensions"
        raise ValueError(f"convolution {name} is {kind}; plain ones over one or two dimensions are modelled")
    parts = []
    for part, fill in ((size, 1), (kernel, 1), (stride, 1), ([2 * p for p in padding], 0), (dilation, 1)):
        values = [fill] * (2 - len(part)) + list(part)
        parts.append((int(values[0]), int(values[1])))
    area, window, steps, border, spread = parts
    channels = int(image.shape[1]), int(weight.shape[0])
    return frame.conv2d(name, int(image.shape[0]), channels, area, window, steps, border, spread, groups=int(groups))
