"""Casts beside their peers and the machine's streaming limit: `python benchmarks/formats.py [--short]`.

L is the plain float32 scale loop (read, multiply, write) in Numba into a given array, in the same process.
"""

from __future__ import annotations

import gfloat
import ml_dtypes
import numpy as np
from _timing import SHORT, seconds
from gfloat.formats import format_info_ocp_e4m3
from numba import njit

import numfmt as nf


@njit(error_model="numpy")
def scale(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = x[i] * np.float32(1.5)


def main() -> None:
    n = 1 << (18 if SHORT else 23)
    x = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    out = np.empty_like(x)
    limit = n / seconds(lambda: scale(x, out))
    small = x[: 1 << 14]
    codes = nf.encode(x, "e4m3fn")
    rows = [
        ("limit L: float32 scale loop", limit),
        ("ours: encode to e4m3fn", n / seconds(lambda: nf.encode(x, "e4m3fn"))),
        ("ours: cast to e4m3fn", n / seconds(lambda: nf.cast(x, "e4m3fn"))),
        ("ml_dtypes: astype(float8_e4m3fn)", n / seconds(lambda: x.astype(ml_dtypes.float8_e4m3fn))),
        ("gfloat: round_ndarray e4m3", small.size / seconds(lambda: gfloat.round_ndarray(format_info_ocp_e4m3, small))),
        ("ours: decode e4m3fn", n / seconds(lambda: nf.decode(codes, "e4m3fn"))),
        ("ours: quantize int4/g128", n / seconds(lambda: nf.quantize(x.reshape(-1, 1024), "int4/g128"))),
        ("ours: quantize bitmod4/g128", n / seconds(lambda: nf.quantize(x.reshape(-1, 1024), "bitmod4/g128"))),
    ]
    for name, rate in rows:
        print(f"{name:36} {rate / 1e6:9.1f} M elements/s  {rate / limit:7.3f} L")


if __name__ == "__main__":
    main()
