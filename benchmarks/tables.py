"""Irregular formats beside their peers and the machine's streaming limit: `python benchmarks/tables.py [--short]`.

L is the plain float32 scale loop (read, multiply, write) in Numba into a given array, in the same process. Ours write into a given
array too. One thread: set NUMBA_NUM_THREADS=1.
"""

from __future__ import annotations

import time

import bitsandbytes.functional as bnb
import numpy as np
import torch
from _timing import SHORT, seconds
from numba import njit

import numfmt as nf

FORMATS = [
    "nf4", "bnb_fp4", "pot4", "p3109<4,2,sf>", "dynamic8", "hif8", "p3109<8,3,se>", "posit8", "takum8", "lns<8,3>", "posit16",
    "takum16", "p3109<16,8,se>", "posit32",
]  # fmt: skip


@njit(error_model="numpy")
def scale(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = x[i] * np.float32(1.5)


def main() -> None:
    torch.set_num_threads(1)
    n = 10**5 if SHORT else 10**7
    x = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    out = np.empty_like(x)
    limit = n / seconds(lambda: scale(x, out))
    print(f"{'limit L: float32 scale loop':44} {limit / 1e6:9.1f} M elements/s")

    def row(name: str, rate: float) -> None:
        print(f"{name:44} {rate / 1e6:9.3f} M elements/s  {rate / limit:8.5f} L", flush=True)

    for name in FORMATS:
        f = nf.parse(name)
        codes, values = np.empty(n, f.code_dtype), np.empty(n, f.value_dtype)
        start = time.perf_counter()
        nf.encode(x[:1], f)
        first = time.perf_counter() - start
        row(f"{name}: encode (first call {first * 1e3:.0f} ms)", n / seconds(lambda f=f, codes=codes: nf.encode(x, f, out=codes)))
        row(f"{name}: cast", n / seconds(lambda f=f, values=values: nf.cast(x, f, out=values)))

    blocks = torch.from_numpy(x)
    row("bitsandbytes: quantize_4bit nf4", n / seconds(lambda: bnb.quantize_4bit(blocks, quant_type="nf4", blocksize=64)))
    row("bitsandbytes: quantize_blockwise dynamic", n / seconds(lambda: bnb.quantize_blockwise(blocks, blocksize=4096)))
    try:
        import softposit  # no wheel: built from source where there is a compiler
    except ImportError:
        print("softposit is not installed: its rows are left out")
        return
    few = x[:2000].tolist()
    row("softposit: posit8 es=0", len(few) / seconds(lambda: [softposit.posit8(v) for v in few]))
    row("softposit: posit16 es=1", len(few) / seconds(lambda: [softposit.posit16(v) for v in few]))


if __name__ == "__main__":
    main()
