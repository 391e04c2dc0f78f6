"""Irregular formats beside their peers and the machine's limit: `python benchmarks/tables.py [--short]`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from _timing import MEMORY, Row, data, ratio, scale_loop, seconds, show, threads

import numfmt as nf

GOALS = {
    "nf4": 0.5, "bnb_fp4": 0.5, "pot4": 0.5, "dynamic8": 0.25, "hif8": 0.25, "posit8": 0.25, "takum8": 0.25, "lns<8,3>": 0.25,
    "posit16": 0.25, "takum16": 0.25, "p3109<4,2,sf>": 0.95, "p3109<8,3,se>": 0.95, "p3109<16,8,se>": 0.95, "posit32": None,
}  # fmt: skip


def formats(x: np.ndarray) -> Iterator[Row]:
    limit = partial(scale_loop, x, np.empty_like(x))
    for name, goal in GOALS.items():
        f = nf.parse(name)
        codes, values = np.empty(x.size, f.code_dtype), np.empty(x.size, f.value_dtype)
        yield Row(f"encode to {name}", "L", ratio(partial(nf.encode, x, f, out=codes), limit), goal)
        yield Row(f"cast to {name}", "L", ratio(partial(nf.cast, x, f, out=values), limit), goal)


def peers(x: np.ndarray) -> Iterator[Row]:
    yield from bitsandbytes(x)
    yield from softposit_words(x)


def bitsandbytes(x: np.ndarray) -> Iterator[Row]:
    try:
        import bitsandbytes.functional as bnb
        import torch
    except ImportError:
        print("bitsandbytes is not installed: its rows are left out")
        return
    torch.set_num_threads(1)
    codes, blocks = np.empty(x.size, np.uint8), torch.from_numpy(x)
    # theirs finds and divides by the largest of each block too
    for name, theirs in (
        ("nf4", partial(bnb.quantize_4bit, blocks, quant_type="nf4", blocksize=64)),
        ("dynamic8", partial(bnb.quantize_blockwise, blocks, blocksize=4096)),
    ):
        yield Row(f"encode to {name}", "x bitsandbytes", ratio(partial(nf.encode, x, name, out=codes), theirs, 3))


def softposit_words(x: np.ndarray) -> Iterator[Row]:
    try:
        import softposit  # no wheel: built from source where there is a compiler
    except ImportError:
        print("softposit is not installed: its rows are left out")
        return
    few = x[:2000].tolist()
    for name, posit in (("posit<8,0>", softposit.posit8), ("posit<16,1>", softposit.posit16)):
        f = nf.parse(name)
        ours = seconds(partial(nf.encode, x, f, out=np.empty(x.size, f.code_dtype))) / x.size
        theirs = seconds(lambda posit=posit: [posit(v) for v in few]) / len(few)
        yield Row(f"encode to {name}", "x softposit", theirs / ours, 1000.0)


def main() -> None:
    x = data(MEMORY, 1.0)
    with threads(1):
        show(formats(x))
        show(peers(x))


if __name__ == "__main__":
    main()
