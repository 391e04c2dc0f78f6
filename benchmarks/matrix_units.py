"""Matrix units beside the plain float32 loop and peers: `python benchmarks/matrix_units.py [--short]`.

P is the float32 i-k-j loop in Numba (`fp32`), one thread. Words go in, words come out: decoding counts. Peers, where installed:
mmaemu (FP8), MMA-Sim and Hawkeye (checkouts on PYTHONPATH). CPU seconds of the calling thread, so that other load on the machine
counts less; runs of both sides in turn.
"""

from __future__ import annotations

import importlib.util
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from _timing import SHORT, Row, show, threads

import numfmt as nf
from numfmt.kernels import steps

SHAPES = ((128, 256, 128),) if SHORT else ((512, 512, 512), (64, 4096, 4096))
PATHS = (
    ("h100.wgmma_m64n8k16_f16_f16_f32", "float16"),
    ("h100.wgmma_m64n8k16_f16_f16_f16", "float16"),
    ("h100.wgmma_m64n8k16_bf16_bf16_f32", "bfloat16"),
    ("h100.wgmma_m64n8k8_tf32_tf32_f32", "float32"),
    ("h100.wgmma_m64n8k32_e4m3_e4m3_f32", "e4m3fn"),
    ("h100.mma_m16n8k32_e4m3_e4m3_f32", "e4m3fn"),
    ("cublas.h100.fp8_slow<splitk=1>", "e4m3fn"),
    ("a100.mma_m16n8k16_f16_f16_f32", "float16"),
    ("ada.mma_m16n8k32_e4m3_e4m3_f32", "e4m3fn"),
)


def ratio(call: Callable[[], object], limit: Callable[[], object], repeats: int = 5) -> float:
    """Speed of `call` over that of `limit`: best CPU times of this process, in turn."""
    call(), limit()
    best = [float("inf"), float("inf")]
    for _ in range(2 if SHORT else repeats):
        for i, what in enumerate((call, limit)):
            start = time.process_time()
            what()
            best[i] = min(best[i], time.process_time() - start)
    return best[1] / best[0]


def operands(m: int, k: int, n: int, fmt: str) -> tuple[nf.QuantizedTensor, nf.QuantizedTensor]:
    """Normal numbers as words."""
    rng = np.random.default_rng(0)
    a, b = (nf.encode(rng.standard_normal(s).astype(np.float32), fmt) for s in ((m, k), (k, n)))
    return nf.from_codes(a, fmt), nf.from_codes(b, fmt, axis=0)


def speeds() -> Iterator[Row]:
    """Every path against P."""
    for m, k, n in SHAPES:
        rng = np.random.default_rng(0)
        x, y, out = (
            rng.standard_normal((m, k)).astype(np.float32),
            rng.standard_normal((k, n)).astype(np.float32),
            np.zeros((m, n), np.float32),
        )
        for path, fmt in PATHS:
            a, b = operands(m, k, n, fmt)
            reached = ratio(
                lambda a=a, b=b, path=path: nf.matmul(a, b, path, returns="codes"),
                lambda x=x, y=y, out=out: steps.native_matmul(x, y, out),
            )
            yield Row(f"{path} {m}x{k}x{n}", "P", reached, 0.3 if "wgmma" in path else None)


def against_mmaemu() -> Iterator[Row]:
    """FP8 against mmaemu on the CPU, if it and torch are here."""
    if SHORT or not (importlib.util.find_spec("mmaemu") and importlib.util.find_spec("torch")):
        return
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mmaemu.model.chain import chain_gemm

        torch.set_num_threads(1)
        for (m, k, n), goal in (((128, 4096, 128), 8.0), ((512, 512, 512), 25.0)):
            a, b = operands(m, k, n, "e4m3fn")
            x, y = (torch.from_numpy(np.ascontiguousarray(v)) for v in (a.codes, b.codes.T))
            reached = ratio(
                lambda a=a, b=b: nf.matmul(a, b, "h100.wgmma_m64n8k32_e4m3_e4m3_f32", returns="codes"),
                lambda x=x, y=y: chain_gemm(x, y, fmt_a="e4m3", fmt_b="e4m3", preset="hopper"),
                2,
            )
            yield Row(f"FP8 wgmma {m}x{k}x{n}", "x mmaemu", reached, goal)


def against_mma_sim() -> Iterator[Row]:
    """One instruction against MMA-Sim (a checkout on PYTHONPATH): time an output element, words compared."""
    if SHORT or not (importlib.util.find_spec("mmasim") and importlib.util.find_spec("torch")):
        return
    import torch
    from mmasim.simulator import nv_ptx

    for qualifier, path, fmt, kind, k in (
        ("m64n8k16.f32.f16.f16", "h100.wgmma_m64n8k16_f16_f16_f32", "float16", torch.float16, 16),
        ("m64n8k32.f32.e4m3.e4m3", "h100.wgmma_m64n8k32_e4m3_e4m3_f32", "e4m3fn", torch.float8_e4m3fn, 32),
    ):
        unit = nv_ptx.wgmma("Hopper", qualifier)
        small = operands(64, k, 8, fmt)
        words = np.uint16 if fmt == "float16" else np.uint8
        x, y = (torch.from_numpy(np.ascontiguousarray(q.codes.astype(words))).view(kind) for q in small)
        start = torch.zeros((64, 8), dtype=torch.float32)
        theirs = unit(x, y, start)
        np.testing.assert_array_equal(theirs.numpy(), nf.matmul(*small, path))
        large = operands(1024, k, 1024, fmt)  # as many instructions as fill the machine's lanes
        one = seconds_of(lambda unit=unit, x=x, y=y, start=start: unit(x, y, start)) / (64 * 8)
        ours = seconds_of(lambda large=large, path=path: nf.matmul(*large, path, returns="codes")) / 1024**2
        yield Row(f"{path}, an output element", "x MMA-Sim", one / ours, 10000.0)


def against_hawkeye() -> Iterator[Row]:
    """Whole products against Hawkeye's C++ simulator (its folder on PYTHONPATH), one thread each, words compared."""
    if SHORT or not (importlib.util.find_spec("gpu_simulator_py") and importlib.util.find_spec("torch")):
        return
    import gpu_simulator_py
    import torch

    torch.set_num_threads(1)
    unit = gpu_simulator_py.Hopper_simulator()
    for name, fmt, kind in (("f16", "float16", torch.float16), ("bf16", "bfloat16", torch.bfloat16)):
        a, b = operands(128, 512, 128, fmt)
        x, y = (torch.from_numpy(np.ascontiguousarray(q.codes.astype(np.uint16)).view(np.int16)).view(kind) for q in (a, b))
        path = f"h100.wgmma_m64n8k16_{name}_{name}_f32"
        theirs = np.asarray(unit.matmul(x, y).float())
        same = float((theirs == nf.matmul(a, b, path)).mean())
        reached = ratio(lambda a=a, b=b, path=path: nf.matmul(a, b, path, returns="codes"), lambda x=x, y=y: unit.matmul(x, y), 2)
        yield Row(f"{path} 128x512x128 ({same:.4f} of words equal)", "x Hawkeye", reached, 60.0)


def seconds_of(call: Callable[[], object]) -> float:
    """Best CPU time of three calls after one."""
    call()
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


def memory() -> Iterator[Row]:
    """Memory beyond operands and result, in MB, of NumPy arrays and compiled scratch at the larger shape (not more than 64)."""
    m, k, n = SHAPES[-1]
    for path, fmt in PATHS[:5]:
        a, b = operands(m, k, n, fmt)
        nf.matmul(a, b, path, returns="codes")
        tracemalloc.start()
        made = nf.matmul(a, b, path, returns="codes")
        peak = tracemalloc.get_traced_memory()[1] - made.nbytes
        tracemalloc.stop()
        yield Row(f"{path} {m}x{k}x{n}", "MB beside operands and result", peak / 1e6)


def main() -> None:
    """Print all rows."""
    with threads(1):
        show(speeds())
        show(against_mmaemu())
        show(against_mma_sim())
        show(against_hawkeye())
        show(memory())


if __name__ == "__main__":
    main()
