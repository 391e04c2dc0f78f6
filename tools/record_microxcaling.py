"""Records values of microxcaling: `PYTHONPATH=CHECKOUT python tools/record_microxcaling.py tests/vectors/microxcaling.npz`.

CHECKOUT: microsoft/microxcaling at 7bc4195; torch 2.13.0 on the CPU. Rounding is to nearest even (its default: ties away). Largest
magnitudes just below a power of two are left out: its floating-point logarithm takes them for the power.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from mx.mx_ops import _quantize_mx

ELEMENTS = {
    "mxfp4": "fp4_e2m1",
    "mxfp6_e2m3": "fp6_e2m3",
    "mxfp6_e3m2": "fp6_e3m2",
    "mxfp8_e4m3": "fp8_e4m3",
    "mxfp8_e5m2": "fp8_e5m2",
    "mxint8": "int8",
}


def main(path: str) -> None:
    rng = np.random.default_rng(9)
    x = (rng.integers(-4096, 4097, (48, 32)) * 2.0 ** (rng.integers(-60, 60, (48, 1)) - rng.integers(0, 8, (48, 32)))).astype(
        np.float32
    )
    special = x[:6].copy()
    special[0, 3], special[1, 4], special[3, 5], special[3, 6] = np.inf, np.nan, -np.inf, np.nan
    arrays = {"x": x, "special_x": special}
    for name, element in ELEMENTS.items():
        for kind, tensor in (("", x), ("special_", special)):
            found = _quantize_mx(
                torch.from_numpy(tensor), 8, element, shared_exp_method="max", axes=[-1], block_size=32, round="even"
            )
            arrays[f"{kind}{name}"] = found.numpy()
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
