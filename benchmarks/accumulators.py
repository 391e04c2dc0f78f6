"""Accumulators beside the plain float32 loop, BLAS and peers: `python benchmarks/accumulators.py [--short]`.

P is the float32 i-k-j loop in Numba on one thread. Operands are arrays or code words; every conversion counts. Runs of both sides
in turn, best of each. Set OPENBLAS_NUM_THREADS=1. Peers where installed: a torch loop over k, apytypes, QPyTorch.
"""

from __future__ import annotations

import importlib.util
import tracemalloc
import warnings
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numba
import numpy as np
from _timing import SHORT, Row, ratio, scaling, seconds, show, threads

import numfmt as nf
from numfmt.kernels import half_chain, steps

SHAPES = ((64, 256, 128),) if SHORT else ((512, 512, 512), (64, 4096, 4096))
REPEATS = 2 if SHORT else 5
SLOW = ("kahan", "sr8", "+rz", "+rna")


def operands(m: int, k: int, n: int) -> dict[str, tuple[Any, Any]]:
    """Normal numbers in each type of operand."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
    made: dict[str, tuple[Any, Any]] = {"float32": (x, y)}
    made["float16"] = x.astype(np.float16), y.astype(np.float16)
    made["bfloat16"] = x.astype(ml_dtypes.bfloat16), y.astype(ml_dtypes.bfloat16)
    made["int8"] = tuple(np.rint(np.clip(v * 40, -128, 127)).astype(np.int8) for v in (x, y))
    made["int16"] = tuple(np.rint(np.clip(v * 8000, -32767, 32767)).astype(np.int16) for v in (x, y))
    for name in ("e2m1", "e4m3fn"):
        made[name] = nf.from_codes(nf.encode(x, name), name), nf.from_codes(nf.encode(y.T, name), name).T
    return made


# operands, path, goal in units of P
STEPS = (
    ("float16", "fp16", 0.45),
    ("bfloat16", "bf16", 0.7),  # the range of normal numbers is proved
    ("float16", "float<5,7>", 0.45),
    ("e4m3fn", "fp16", 0.45),
    ("float32", "tf32", 0.45),
    ("float32", "bf16", 0.45),
    ("float16", "fp16+fma", 0.7),
    ("bfloat16", "bf16+fma", 0.7),
    ("float32", "fp32", None),
    ("float32", "fp32+fma", 0.7),
    ("bfloat16", "bf16+rz", None),
    ("bfloat16", "bf16+rna", None),
    ("int8", "int12+saturate", 1.1),
    ("int8", "int16+saturate", 1.1),
    ("int8", "int20+saturate", 1.1),
    ("int8", "int16", 2.0),
    ("int16", "int16", 2.0),
    ("float16", "exact", 0.15),
    ("bfloat16", "exact:fp32", 0.15),
    ("float32", "exact:fp32", 0.15),
    ("float16", "fp16+pairwise", 0.4),
    ("bfloat16", "bf16+pairwise", 0.4),
    ("bfloat16", "bf16+kahan", None),
    ("bfloat16", "bf16+sr8", None),
)
SCALED = (("mxfp4", "mxfp4", "exact>fp32"), ("mxfp4", "mxfp8_e4m3", "exact>fp32"), ("nvfp4", "nvfp4", "exact>fp32"))
SCALED += (("int8/g32", "int4/g32", "int32>fp32"), ("int8/g128", "int4/g128", "int32>fp32"))
EXACT = (("int8", "int32", np.float32), ("e2m1", "exact", np.float32), ("e4m3fn", "exact", np.float64))


def speeds() -> Iterator[Row]:
    """Every accumulator against P, or against BLAS where it is exact."""
    for shape in SHAPES:
        made = operands(*shape)
        x, y = made["float32"]
        out = np.zeros((shape[0], shape[2]), np.float32)
        size = "x".join(map(str, shape))
        for kind, path, goal in STEPS:
            if not SHORT and any(w in path for w in SLOW) and shape != SHAPES[0]:
                continue
            a, b = made[kind]
            options = {"seed": 1} if "+sr" in path else {}
            reached = ratio(
                lambda a=a, b=b, path=path, options=options: nf.matmul(a, b, path, **options),
                lambda x=x, y=y, out=out: steps.native_matmul(x, y, out),
                1 if any(w in path for w in SLOW) else REPEATS,
            )
            yield Row(f"{path} of {kind} {size} ({nf.explain(a, b, path)[0].kernel})", "P", reached, goal)
        if half_chain.available():
            yield from _without_half(made, out, size)
        for kind, path, dtype in EXACT:
            a, b = made[kind]
            u, v = x.astype(dtype), y.astype(dtype)
            reached = ratio(lambda a=a, b=b, path=path: nf.matmul(a, b, path), lambda u=u, v=v: np.matmul(u, v), REPEATS)
            yield Row(f"{path} of {kind} {size}", "sgemm" if dtype == np.float32 else "dgemm", reached, 0.9)
        for left, right, path in SCALED:
            a, b = nf.quantize(x, left), nf.quantize(y, right, axis=0)
            reached = ratio(lambda a=a, b=b, path=path: nf.matmul(a, b, path), lambda x=x, y=y: np.matmul(x, y), REPEATS)
            yield Row(f"{path} of {left} and {right} {size}", "sgemm", reached, 0.9)


def _without_half(made: dict[str, tuple[Any, Any]], out: np.ndarray, size: str) -> Iterator[Row]:
    """float16 as machines without float16 arithmetic compute it."""
    held, half_chain.available = half_chain.available, lambda: False
    try:
        x, y = made["float32"]
        for path, goal in (("fp16", 0.45), ("fp16+fma", 0.7), ("fp16+pairwise", 0.4)):
            a, b = made["float16"]
            reached = ratio(
                lambda a=a, b=b, path=path: nf.matmul(a, b, path), lambda x=x, y=y: steps.native_matmul(x, y, out), REPEATS
            )
            yield Row(f"{path} of float16 {size}, without float16 instructions", "P", reached, goal)
    finally:
        half_chain.available = held


def peers() -> Iterator[Row]:
    """float16 sums rounded at each step: torch's own loop over k, apytypes, QPyTorch."""
    m, k, n = (64, 128, 64) if SHORT else (256, 256, 256)
    made = operands(m, k, n)
    a, b = made["float16"]
    ours = seconds(lambda: nf.matmul(a, b, "fp16"), REPEATS)
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        u, v = torch.from_numpy(a), torch.from_numpy(b)

        def torch_loop() -> None:
            total = torch.zeros((m, n), dtype=torch.float16)
            for i in range(k):
                total = total + u[:, i, None] * v[None, i]

        yield Row(f"fp16 {m}x{k}x{n}", "x torch loop over k", seconds(torch_loop, 2) / ours, 5.0)
    if importlib.util.find_spec("apytypes"):
        import apytypes

        s, t = (apytypes.APyFloatArray.from_float(w[:64, :64].astype(np.float64), 5, 10) for w in (a, b))
        theirs = seconds(lambda: s @ t, 2) / 64**3
        yield Row("fp16 64x64x64, apytypes' matrix product", "x apytypes", theirs / (ours / (m * k * n)), 100.0)
    if importlib.util.find_spec("qtorch"):
        yield from _qpytorch(made["float32"], m, k, n, ours)


def _qpytorch(pair: tuple[Any, Any], m: int, k: int, n: int, ours: float) -> Iterator[Row]:
    """QPyTorch quantizes tensors: a loop over k that rounds each product and sum."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch
            from qtorch.quant import float_quantize

            u, v = (torch.from_numpy(w) for w in pair)

            def loop() -> None:
                total = torch.zeros((m, n))
                for i in range(k):
                    product = float_quantize(u[:, i, None] * v[None, i], exp=5, man=10, rounding="nearest")
                    total = float_quantize(total + product, exp=5, man=10, rounding="nearest")

            yield Row(f"fp16 {m}x{k}x{n}", "x QPyTorch loop over k", seconds(loop, 1) / ours, 100.0)
    except Exception as error:  # its extension is compiled at import, which needs a compiler
        print(f"QPyTorch cannot run here: {error}")


def second_thread() -> Iterator[Row]:
    """Two threads against one."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        return
    made = operands(*SHAPES[0])
    for kind, path in (("bfloat16", "bf16"), ("float16", "fp16"), ("int8", "int16+saturate"), ("bfloat16", "bf16+pairwise")):
        a, b = made[kind]
        yield Row(f"{path} of {kind}", "x one thread", scaling(lambda a=a, b=b, path=path: nf.matmul(a, b, path), REPEATS))


def memory() -> None:
    """NumPy's scratch at its peak, beyond operands and result: 64 MB is the limit."""
    print(f"{'memory beyond operands and result':62} {'MB':>9} {'limit':>7}")
    for shape in SHAPES:
        made = operands(*shape)
        x, y = made["float32"]
        made["mxfp4"] = nf.quantize(x, "mxfp4"), nf.quantize(y, "mxfp4", axis=0)
        made["int8/g32"] = nf.quantize(x, "int8/g32"), nf.quantize(y, "int4/g32", axis=0)
        more = (("float32", "lmul", None), ("mxfp4", "exact>fp32", None), ("int8/g32", "int32>fp32", None))
        for kind, path, _ in (*STEPS, *EXACT, *more):
            if any(w in path for w in SLOW):
                continue
            a, b = made[kind]
            nf.matmul(a, b, path)
            tracemalloc.start()
            result = nf.matmul(a, b, path)
            peak = (tracemalloc.get_traced_memory()[1] - result.nbytes) / 2**20
            tracemalloc.stop()
            print(
                f"{path + ' of ' + kind + ' ' + 'x'.join(map(str, shape)):62} {peak:9.1f} {64:7.1f}{'  above' if peak > 64 else ''}"
            )


def main() -> None:
    """Print all rows."""
    with threads(1):
        show(speeds())
        show(peers())
        memory()
    show(second_thread())


if __name__ == "__main__":
    main()
