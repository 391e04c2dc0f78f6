"""Matrix products of each datapath beside sgemm and the plain float32 loop: `python benchmarks/matmul.py [--short]`.

P is the float32 i-k-j loop in Numba with all threads; multiply-adds a second, conversions included.
"""

from __future__ import annotations

import numpy as np
from _timing import SHORT, seconds

import numfmt as nf

CASES = (
    ("int8/channel", "int8/token", "int32>fp32"),
    ("int4/g128", "int8/token", "int32>fp32"),
    ("float16", "float16", "fp32"),
    ("float16", "float16", "fp16"),
    ("float16", "float16", "fp16+fma"),
    ("bitmod4/g128", "float16", "exact>fp32"),
    ("bitmod4/g128", "float16", "bitmod.paper>fp32"),
    ("bitmod4/g128", "float16", "bitmod.rtl>fp32"),
    ("int8/channel", "float16", "bitmod.paper>fp32"),
    ("float16", "float16", "exact:fp32"),
)


def main() -> None:
    m, k, n = (64, 256, 128) if SHORT else (256, 1024, 512)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((n, k)).astype(np.float32)
    work = m * k * n
    sgemm = work / seconds(lambda: x @ w.T)
    loop = work / seconds(lambda: nf.matmul(x, w.T, "fp32"))
    print(f"{'sgemm':48} {sgemm / 1e9:8.2f} G/s")
    print(f"{'P: float32 loop (fp32)':48} {loop / 1e9:8.2f} G/s")
    for weight, activation, path in CASES:
        layer = nf.layers.Linear(w, weight_scheme=weight, activation_scheme=activation, path=path)
        rate = work / seconds(lambda layer=layer: layer(x), 2)
        name = f"w={weight}; a={activation}; path={path}"
        print(f"{name:48} {rate / 1e9:8.3f} G/s  {rate / sgemm:7.4f} sgemm  {rate / loop:7.4f} P")


if __name__ == "__main__":
    main()
