"""Records words of bitsandbytes as test vectors: `python tools/record_bitsandbytes.py tests/vectors/bitsandbytes.npz`.

Needs bitsandbytes 0.50.2 and torch on the CPU. Inputs are stored beside the words.
"""

from __future__ import annotations

import sys

import bitsandbytes.functional as bnb
import numpy as np
import torch

import numfmt as nf


def fp4_inputs() -> np.ndarray:
    """Midpoints and values of the table with their float32 neighbours, and random values, in blocks that hold a 1."""
    grid = nf.parse("bnb_fp4").grid
    points = np.concatenate([grid, (grid[1:] + grid[:-1]) / 2]).astype(np.float32)
    near = np.concatenate([points, np.nextafter(points, np.float32(2)), np.nextafter(points, np.float32(-2))])
    rng = np.random.default_rng(1)
    x = np.concatenate([np.unique(np.clip(near, -1, 1)), rng.uniform(-1, 1, 4000).astype(np.float32)])
    x = x[: x.size // 63 * 63].reshape(-1, 63)
    return np.concatenate([np.ones((x.shape[0], 1), np.float32), x], 1).reshape(-1)


def main(path: str) -> None:
    arrays: dict[str, np.ndarray] = {"fp4_x": fp4_inputs()}
    packed, state = bnb.quantize_4bit(torch.from_numpy(arrays["fp4_x"]), quant_type="fp4", blocksize=64)
    assert (state.absmax == 1).all()
    words = packed.numpy().reshape(-1)
    arrays["fp4_words"] = np.stack([words >> 4, words & 15], 1).reshape(-1)
    for name, signed in (("dynamic8", True), ("udynamic8", False)):
        table = bnb.create_dynamic_map(signed=signed)
        x = np.random.default_rng(2).uniform(-1 if signed else 0, 1, 1 << 14).astype(np.float32)
        x[::4096] = 1.0
        found, _ = bnb.quantize_blockwise(torch.from_numpy(x), code=table, blocksize=4096)
        arrays |= {f"{name}_map": table.numpy(), f"{name}_x": x, f"{name}_words": found.numpy().reshape(-1)}
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
