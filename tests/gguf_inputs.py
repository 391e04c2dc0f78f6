"""Blocks that try the rules of ggml's quantizers: ties, signed zeros, subnormals, values at powers of two, the ends of float32."""

from __future__ import annotations

import numpy as np


def adversarial(length: int, count: int = 512, seed: int = 0) -> np.ndarray:
    """float32 (more than count, length): each row one block, or two of half the length."""
    rng = np.random.default_rng(seed)
    float32 = np.float32
    ties = rng.integers(-40, 41, (count, length)) / rng.choice([1, 2, 4, 8, 15, 31, 127], (count, 1))
    powers = (
        np.nextafter(float32(1), float32(0))
        * rng.choice([1, 0.5, 0.25, -1, 0.1], (255, length))
        * 2.0 ** np.arange(-126, 129)[:, None]
    )
    near = (1 - rng.integers(0, 60, (255, length)) * 2.0**-24) * 2.0 ** np.arange(-126, 129)[:, None]  # where log2f rounds up
    scaled = rng.standard_normal((count, length)) * 2.0 ** rng.integers(-149, 128, (count, 1))
    zeros = np.where(rng.random((24, length)) < 0.5, -0.0, 0.0)
    floor = np.where(rng.random((24, length)) < 0.5, -0.0, rng.random((24, length)))
    tiny = rng.integers(-3, 4, (24, length)) * 2.0**-149
    equal = rng.choice([1, -1], (24, length)) * rng.random((24, 1))
    ends = rng.choice([3.4e38, -3.4e38, 3e38, 1e30], (24, length))
    spike = np.where(np.arange(length) == rng.integers(0, length, (64, 1)), 1.0, 1e-6) * rng.standard_normal((64, length))
    same = np.tile(rng.standard_normal((24, 1)), (1, length))
    # Beside elements that make the scale 1: the middles between codes and their float32 neighbours.
    middles = (rng.integers(0, 126, (96, length)) + 0.5).astype(np.float32)
    middles[::2, ::3] %= 15
    middles[:, 1::32] = 0.5
    middles = np.nextafter(middles, rng.choice([-np.inf, np.inf, 0.5], (96, length)).astype(np.float32))
    middles[:, 1::32] = np.nextafter(float32(0.5), float32(0))
    middles[:32, ::32], middles[32:64] = 127, np.minimum(middles[32:64], 15) - 8
    middles[32:64, ::32], middles[64:] = -8, np.minimum(middles[64:], 15)
    middles[64:, ::32], middles[64:, 2::32] = 15, 0
    kinds = [
        middles,
        ties,
        powers,
        near,
        scaled,
        zeros,
        -zeros,
        floor,
        -floor,
        tiny,
        equal,
        ends,
        spike,
        same,
        np.zeros((2, length)),
    ]
    with np.errstate(all="ignore"):
        x = np.concatenate(kinds).astype(np.float32)
    top = np.finfo(np.float32).max
    return np.clip(x, -top, top)


def ordinary(length: int, count: int, seed: int = 1) -> np.ndarray:
    """float32 (count, length) of normal numbers, rows of different size."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, length)) * 2.0 ** rng.integers(-8, 4, (count, 1))).astype(np.float32)
