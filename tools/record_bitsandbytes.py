"""Records words of bitsandbytes as test vectors: `python tools/record_bitsandbytes.py tests/vectors/bitsandbytes.npz`.

Needs bitsandbytes 0.50.2 and torch on the CPU. Inputs are stored beside the words, or follow a formula
(`tests.reference.bitsandbytes.formula`). A second argument names a file for the block-wise state (absmax, double quantization,
packed bytes of whole tensors, torch's sums under each of its vector widths): tests/vectors/bitsandbytes_blocks.npz.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import bitsandbytes.functional as bnb
import numpy as np
import torch

import numfmt as nf
from tests.reference.bitsandbytes import formula

SIZES = [*range(1, 80), 127, 128, 129, 255, 256, 257, 511, 1000, 4095, 4096, 4097, 16384, 16400, 65536, 65573, 100003, 262144]
# (elements, scale, seed) of the tensors: an odd count, a short last block, values below 1e-38, more than 256 blocks
TENSORS = {
    "odd": (9001, 1.0, 1),
    "short": (70017, 0.02, 3),
    "tiny": (4500, 3e-38, 5),
    "subnormal": (4500, 1e-40, 7),
    "large": (20000, 1e30, 9),
}


def fp4_inputs() -> np.ndarray:
    """Midpoints and values of the table with their float32 neighbours, and random values, in blocks that hold a 1."""
    grid = nf.parse("bnb_fp4").grid
    points = np.concatenate([grid, (grid[1:] + grid[:-1]) / 2]).astype(np.float32)
    near = np.concatenate([points, np.nextafter(points, np.float32(2)), np.nextafter(points, np.float32(-2))])
    rng = np.random.default_rng(1)
    x = np.concatenate([np.unique(np.clip(near, -1, 1)), rng.uniform(-1, 1, 4000).astype(np.float32)])
    x = x[: x.size // 63 * 63].reshape(-1, 63)
    return np.concatenate([np.ones((x.shape[0], 1), np.float32), x], 1).reshape(-1)


def digest(array: np.ndarray) -> np.ndarray:
    """SHA-256 of an array's bytes."""
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest(), np.uint8)


def tensor(name: str) -> np.ndarray:
    """One of TENSORS with zeros in its second block of 32 and -0 behind."""
    x = formula(*TENSORS[name])
    x[32:64] = 0
    x[64:67] = -0.0
    return x


def blocks(path: str) -> None:
    """State and digests of packed bytes for every tensor, type and block size; torch's sums."""
    torch.set_num_threads(1)
    arrays: dict[str, np.ndarray] = {}
    for name in TENSORS:
        x = torch.from_numpy(tensor(name))
        for kind in ("nf4", "fp4"):
            for block in (32, 64, 128, 256, 512, 1024, 2048, 4096):
                packed, state = bnb.quantize_4bit(x, quant_type=kind, blocksize=block, compress_statistics=True)
                _, plain = bnb.quantize_4bit(x, quant_type=kind, blocksize=block)
                key = f"{name}_{kind}_{block}"
                arrays[f"{key}_packed"] = digest(packed.numpy())
                arrays[f"{key}_absmax"] = digest(plain.absmax.numpy())
                arrays[f"{key}_codes"] = digest(state.absmax.numpy())
                arrays[f"{key}_offset"] = state.offset.numpy().reshape(1)
                arrays[f"{key}_second"] = state.state2.absmax.numpy()
                arrays[f"{key}_values"] = digest(bnb.dequantize_4bit(packed, state, quant_type=kind).numpy() + np.float32(0))
        for signed in (True, False):
            for block in (64, 256, 4096):
                codes, state = bnb.quantize_blockwise(x, code=bnb.create_dynamic_map(signed=signed), blocksize=block)
                key = f"{name}_{'dynamic8' if signed else 'udynamic8'}_{block}"
                arrays[f"{key}_packed"], arrays[f"{key}_absmax"] = digest(codes.numpy()), digest(state.absmax.numpy())
    arrays["sum_sizes"] = np.array(SIZES)
    for capability in ("avx512", "avx2", "default"):
        code = (
            "import sys, numpy as np, torch\nsys.path.insert(0, '.')\n"
            "from tools.record_bitsandbytes import SIZES, formula\ntorch.set_num_threads(1)\n"
            "words = [torch.from_numpy(formula(n, 1.0, 11)).sum().numpy().view(np.uint32) for n in SIZES]\n"
            "print(torch.backends.cpu.get_cpu_capability(), *words)"
        )
        env = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
        found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout.split()
        print(capability, "ran as", found[0])
        arrays[f"sum_{capability}"] = np.array(found[1:], np.uint32)
    np.savez_compressed(path, **arrays)


def main(path: str, second: str | None = None) -> None:
    if second is not None:
        blocks(second)
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
