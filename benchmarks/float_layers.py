"""Norms, softmax and activations beside torch's own layers on one thread: `python benchmarks/float_layers.py [--short]`.

Ratios are of elements a second; torch computes in float32, in its own order of sums and with its own functions, on tensors of the
row's format. P is the plain float32 i-k-j loop in Numba, for attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from _timing import SHORT, Row, ratio, show, threads

import numfmt as nf
from numfmt.kernels.steps import native_matmul

ROWS, N = (64, 4096) if SHORT else (512, 4096)
TOKENS = 128 if SHORT else 512


def rows(x: torch.Tensor) -> Iterator[Row]:
    weight, bias = torch.rand(N), torch.rand(N)
    theirs: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "LayerNorm": lambda y: F.layer_norm(y, (N,), weight.to(y.dtype), bias.to(y.dtype)),
        "RMSNorm": lambda y: F.rms_norm(y, (N,), weight.to(y.dtype)),
        "Softmax": lambda y: F.softmax(y, -1),
        "SiLU": F.silu,
        "GELU": F.gelu,
    }
    for fmt, internal in (("float32", None), ("float16", None), ("bfloat16", None), ("bfloat16", "float32")):
        ours = {
            "LayerNorm": nf.layers.LayerNorm(weight, bias, fmt=fmt, internal=internal),
            "RMSNorm": nf.layers.RMSNorm(weight, fmt=fmt, internal=internal),
            "Softmax": nf.layers.Softmax(fmt, internal=internal),
            "SiLU": nf.layers.SiLU(fmt, internal=internal, method="divide"),
            "GELU": nf.layers.GELU(fmt, internal=internal, method="steps"),
        }
        y = x if fmt == "float32" else x.to(getattr(torch, fmt))
        for name, layer in ours.items():
            inside = f"{internal} inside" if internal else "every step"
            yield Row(
                f"{name} {fmt}, {inside}", f"x torch {fmt}", ratio(lambda f=layer, y=y: f(y), lambda n=name, y=y: theirs[n](y))
            )
    for name, layer in (("huggingface", nf.layers.RMSNorm.huggingface(weight)), ("torch", nf.layers.RMSNorm.torch(weight))):
        y = x.bfloat16()
        yield Row(
            f"RMSNorm.{name} bfloat16", "x torch rms_norm", ratio(lambda f=layer, y=y: f(y), lambda y=y: theirs["RMSNorm"](y))
        )


def attention() -> Iterator[Row]:
    """Prefill of one sequence; the limit is P on both products, softmax left out."""
    heads, kv_heads, dim = 8, 2, 64
    q, k, v = (
        np.random.default_rng(i).standard_normal((h, TOKENS, dim)).astype(np.float32)
        for i, h in enumerate((heads, kv_heads, kv_heads))
    )
    scores, out = np.zeros((TOKENS, TOKENS), np.float32), np.zeros((TOKENS, dim), np.float32)
    keys = np.ascontiguousarray(k[0].T)

    def limit() -> None:
        for h in range(heads):
            native_matmul(q[h], keys, scores)
            native_matmul(scores, v[0], out)

    int8 = nf.layers.CacheSide("int8/token", operand=None)
    for name, layer in {
        "fp32 steps": nf.layers.Attention(heads, dim, kv_heads=kv_heads),
        "exact sums": nf.layers.Attention(heads, dim, kv_heads=kv_heads, scores="exact:fp32", values="exact:fp32"),
        "int8 keys, int4 values": nf.layers.Attention(
            heads,
            dim,
            kv_heads=kv_heads,
            scores="int32>fp32",
            query_scheme="int8/token",
            keys=int8,
            values_kept="int4/g32",
            values="fp32",
        ),
    }.items():
        yield Row(f"attention, {TOKENS} tokens, {heads} heads, {name}", "P", ratio(lambda f=layer: f(q, k, v), limit, 3))
    layer, cache = nf.layers.Attention(heads, dim, kv_heads=kv_heads), None
    cache = layer.cache()
    layer(q, k, v, cache)
    before, one = cache.state(), tuple(a[:, :1] for a in (q, k, v))

    def step() -> None:
        layer(*one, cache)
        cache.restore(before)

    yield Row(f"decoding step after {TOKENS} tokens", "prefill / step", ratio(step, lambda: layer(q, k, v), 3))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with threads(1):
        show(rows(torch.from_numpy(np.random.default_rng(0).standard_normal((ROWS, N)).astype(np.float32))))
        show(attention())
