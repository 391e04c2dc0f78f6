"""L-Mul, table and shift products beside the plain float32 loop: `python benchmarks/products.py [--short]`.

P is the float32 i-k-j loop in Numba (`fp32`), one thread, operands as arrays in both; CPU seconds, runs of both sides in turn.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from _timing import SHORT, Row, show, threads
from matrix_units import ratio

import numfmt as nf
from numfmt.kernels import steps

SHAPES = ((128, 256, 128),) if SHORT else ((512, 512, 512), (64, 4096, 4096))


def speeds() -> Iterator[Row]:
    """Every product against P."""
    rng = np.random.default_rng(0)
    for m, k, n in SHAPES:
        x, y = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
        out = np.zeros((m, n), np.float32)
        half = x.astype(np.float16).astype(np.float32), nf.cast(y, "bfloat16")
        codes = rng.integers(0, 256, (m, k)).astype(np.uint8), rng.integers(0, 256, (k, n)).astype(np.uint8)
        tabled = nf.from_codes(codes[0], "uint8"), nf.from_codes(codes[1], "uint8", axis=0)
        powers = nf.cast(y, "pot4").astype(np.float32)

        def plain(x: np.ndarray = x, y: np.ndarray = y, out: np.ndarray = out) -> None:
            steps.native_matmul(x, y, out)

        def job(a: object, b: object, path: str) -> object:
            return lambda: nf.matmul(a, b, path)

        size = f"{m}x{k}x{n}"
        for name, call, goal in (
            ("lmul", job(x, y, "lmul"), 0.8),
            ("fp32+lmul<bf16>", job(nf.cast(half[0], "bfloat16"), half[1], "fp32+lmul<bf16>"), 0.8),
            ("bf16+lmul", job(nf.cast(half[0], "bfloat16"), half[1], "bf16+lmul"), None),
            ("table<mitchell8u>", job(*tabled, "table<mitchell8u>"), 0.38),
            ("int32+saturate+table<mitchell8u>", job(*tabled, "int32+saturate+table<mitchell8u>"), None),
            ("int32+shift", job(codes[0].astype(np.float32), powers, "int32+shift"), None),
        ):
            yield Row(f"{name}, {size}", "P", ratio(call, plain), goal)


if __name__ == "__main__":
    with threads(1):
        show(speeds())
