"""Casts beside their peers and the machine's streaming limit: `python benchmarks/formats.py [--short]`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import gfloat
import ml_dtypes
import numba
import numpy as np
from _timing import CACHE, MEMORY, SHORT, Row, data, ratio, scale_loop, scaling, seconds, show, threads
from gfloat.formats import format_info_ocp_e4m3

import numfmt as nf

MINIFLOATS = [
    "e2m1", "e4m3fn", "e5m2", "float8_e4m3fnuz", "e3m2", "e2m3", "float16", "bfloat16", "float<6,9>", "e8m0", "p3109<8,4,se>",
    "p3109<8,3,uf>",
]  # fmt: skip
MODES = [str(m) for m in nf.Rounding if m != "ties_even"]


def casts(x: np.ndarray, unit: str, goal: float) -> Iterator[Row]:
    out = np.empty_like(x)
    limit = partial(scale_loop, x, np.empty_like(x))
    for name in MINIFLOATS:
        call = partial(nf.cast, x, name, overflow="saturate", out=out)
        yield Row(f"cast to {name}, ties_even, saturate", unit, ratio(call, limit), goal)


def overflows(x: np.ndarray) -> Iterator[Row]:
    out = np.empty_like(x)
    limit = partial(scale_loop, x, np.empty_like(x))
    special = x.copy()
    special[::7], special[::11], special[::13] = 0.0, np.inf, np.nan
    special[::14] *= -1
    for name in ("e4m3fn", "e5m2", "bfloat16"):
        for overflow in ("propagate", "nonsat"):
            call = partial(nf.cast, special, name, overflow=overflow, out=out)
            yield Row(f"cast to {name}, ties_even, {overflow}; zeros, Inf, NaN within", "L", ratio(call, limit), 0.8)


def codes(x: np.ndarray) -> Iterator[Row]:
    limit = partial(scale_loop, x, np.empty_like(x))
    byte = np.empty(x.size, np.uint8)
    for name in ("e2m1", "e4m3fn", "e5m2", "e8m0", "p3109<8,4,se>"):
        yield Row(f"encode to {name}", "L", ratio(partial(nf.encode, x, name, out=byte), limit), 1.0)
    yield Row("encode to float16", "L", ratio(partial(nf.encode, x, "float16", out=np.empty(x.size, np.uint16)), limit), 1.0)


def peers(x: np.ndarray, where: str, repeats: int) -> Iterator[Row]:
    """The peers' casts, all of them on the same elements."""
    import torch

    encode = partial(nf.encode, x, "e4m3fn", out=np.empty(x.size, np.uint8))
    tensor, target = torch.from_numpy(x), torch.empty(x.size, dtype=torch.float8_e4m3fn)
    yield Row(f"encode to e4m3fn, {where}", "x torch", ratio(encode, lambda: target.copy_(tensor), 3 * repeats), 2.5)
    yield Row(
        f"encode to e4m3fn, {where}", "x ml_dtypes", ratio(encode, lambda: x.astype(ml_dtypes.float8_e4m3fn), repeats), 20
    )  # fmt: skip
    cast = partial(nf.cast, x, "e4m3fn", out=np.empty_like(x))
    there_and_back = lambda: x.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)  # noqa: E731
    yield Row(f"cast to e4m3fn, {where}", "x ml_dtypes", ratio(cast, there_and_back, repeats), 20)
    few = x[: 1 << 17]
    peer = seconds(lambda: gfloat.round_ndarray(format_info_ocp_e4m3, few), 5) / few.size
    yield Row(f"cast to e4m3fn, {where}", "x gfloat", peer / (seconds(cast, 5 * repeats) / x.size), 100)


def decodes(x: np.ndarray) -> Iterator[Row]:
    out = np.empty_like(x)
    limit = partial(scale_loop, x, np.empty_like(x))
    for name in ("e4m3fn", "e2m1", "float16"):
        words = nf.encode(x, name)
        yield Row(f"decode {name}", "L", ratio(partial(nf.decode, words, name, out=out), limit), 0.9)
    packed = nf.pack(nf.encode(x, "e2m1"), 4)
    for order in ("low_first", "high_first", "ggml"):
        call = partial(nf.decode_packed, packed, "e2m1", x.size, order, out=out)
        yield Row(f"decode packed e2m1, {order}", "L", ratio(call, limit), 1.2)
    yield from bitsandbytes(x)


def bitsandbytes(x: np.ndarray) -> Iterator[Row]:
    try:
        import torch
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    except ImportError:
        print("bitsandbytes is not installed: its row is left out")
        return
    size = x.size // 64 * 64
    words, state = quantize_4bit(torch.from_numpy(x[:size]), blocksize=64, quant_type="nf4")
    packed, out = words.numpy().reshape(-1), np.empty(size, np.float32)
    ours = partial(nf.decode_packed, packed, "nf4", size, "high_first", out=out)
    # theirs multiplies by a scale of every 64 too, which is one multiplication an element
    yield Row("decode packed nf4, high_first", "x bitsandbytes", ratio(ours, lambda: dequantize_4bit(words, state), 5), 10)


def roundings(x: np.ndarray) -> Iterator[Row]:
    out = np.empty_like(x)
    limit = partial(scale_loop, x, np.empty_like(x))
    for name in ("e4m3fn", "bfloat16"):
        for mode in MODES:
            options: dict[str, Any] = {"seed": 1, "random_width": 8} if mode.startswith("stochastic") else {}
            call = partial(nf.cast, x, name, rounding=mode, out=out, **options)
            yield Row(f"cast to {name}, {mode}{', seed, N = 8' if options else ''}", "L", ratio(call, limit), 0.6)
    byte = np.empty(x.size, np.uint8)
    for width in (16, 32):
        call = partial(nf.cast, x, "e4m3fn", rounding="stochastic_a", seed=1, random_width=width, out=out)
        yield Row(f"cast to e4m3fn, stochastic_a, seed, N = {width}", "L", ratio(call, limit), 0.6)
    for width in (8, 16, 32):
        call = partial(nf.encode, x, "e4m3fn", rounding="stochastic_c", seed=1, random_width=width, out=byte)
        yield Row(f"encode to e4m3fn, stochastic_c, seed, N = {width}", "L", ratio(call, limit), 0.6)
    drawn = np.random.default_rng(0).integers(0, 256, x.size).astype(np.uint32)
    call = partial(nf.encode, x, "e4m3fn", rounding="stochastic_a", random_bits=drawn, random_width=8, out=byte)
    yield Row("encode to e4m3fn, stochastic_a, random bits given", "L", ratio(call, limit))


def inputs(x: np.ndarray) -> Iterator[Row]:
    limit = partial(scale_loop, x, np.empty_like(x))
    byte = np.empty(x.size, np.uint8)
    for dtype in (np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.int32):
        given = x.astype(dtype)
        yield Row(f"encode {np.dtype(dtype).name} to e4m3fn", "L", ratio(partial(nf.encode, given, "e4m3fn", out=byte), limit))


def two_threads(x: np.ndarray) -> Iterator[Row]:
    byte, out = np.empty(x.size, np.uint8), np.empty_like(x)
    jobs: list[tuple[str, Any, float | None]] = [
        ("cast to e4m3fn, stochastic_a, seed", partial(nf.cast, x, "e4m3fn", rounding="stochastic_a", seed=1, out=out), 1.7),
        ("encode to e4m3fn, up", partial(nf.encode, x, "e4m3fn", rounding="up", out=byte), 1.7),
        ("encode to e4m3fn", partial(nf.encode, x, "e4m3fn", out=byte), None),
        ("cast to e4m3fn", partial(nf.cast, x, "e4m3fn", out=out), None),
    ]
    for name, call, goal in jobs:
        yield Row(f"{name}: two threads", "x one", scaling(call), goal)


def starts() -> Iterator[Row]:
    x = data(1000)
    nf.cast(x, "e4m3fn"), nf.encode(x, "e4m3fn")
    worst = 0.0
    for exp_bits in range(2, 7):
        for man_bits in range(1, 8):
            start = time.perf_counter()
            nf.cast(x, f"float<{exp_bits},{man_bits},bias=3>", overflow="saturate")
            worst = max(worst, time.perf_counter() - start)
    yield Row("first cast to a further format, the slowest of 35", "x faster than 50 ms", 0.05 / worst, 1.0)
    # NumPy, Numba and the formats are loaded at the first use of a name, by the second line
    code = "import time; t = time.perf_counter(); import numfmt; print(time.perf_counter() - t)"
    took = min(float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(3))
    yield Row("import numfmt", "x faster than 0.5 s", 0.5 / took, 1.0)
    code = code.replace("numfmt;", "numfmt; numfmt.cast;")
    took = min(float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(3))
    yield Row("import numfmt; numfmt.cast (NumPy, Numba and all formats)", "x faster than 0.5 s", 0.5 / took)


def main() -> None:
    most = numba.get_num_threads()
    x, small = data(MEMORY), data(CACHE)
    with threads(1):
        for what, array in (("L", x), ("L'", small)):
            rate = array.size / seconds(partial(scale_loop, array, np.empty_like(array)), 50)
            print(f"{what} = {rate / 1e9:.2f} G elements/s ({array.size} elements)")
        show(casts(x, "L", 0.95))
        show(casts(small, "L'", 0.45))
        for part in (overflows, codes, decodes, roundings, inputs):
            show(part(x))
        show(peers(x, "from memory", 3))
        show(peers(small, "in cache", 30))
    if most > 1 and not SHORT:
        show(two_threads(x))
    show(starts())


if __name__ == "__main__":
    main()
