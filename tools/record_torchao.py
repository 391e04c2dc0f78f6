"""Records words of torchao as test vectors: `python tools/record_torchao.py tests/vectors/torchao.npz`.

Needs torchao 0.18.0 and torch 2.13.0 on the CPU. Inputs are stored beside the words. Rows where torchao's result depends on the
machine (conversions of NaN) are left out by the tests, not here.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.mx_tensor import to_mx
from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize, per_tensor_amax_to_scale

ELEMENTS = {
    "mxfp4": torch.float4_e2m1fn_x2,
    "mxfp6_e2m3": "fp6_e2m3",
    "mxfp6_e3m2": "fp6_e3m2",
    "mxfp8_e4m3": torch.float8_e4m3fn,
    "mxfp8_e5m2": torch.float8_e5m2,
}
RULES = ("floor", "ceil", "rceil", "even")


def mx(x: np.ndarray, name: str, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """(element codes, scale codes) of x, float32 (blocks, 32)."""
    scales, data = to_mx(torch.from_numpy(x), ELEMENTS[name], 32, ScaleCalculationMode(rule))
    return unpacked(data, name == "mxfp4"), scales.view(torch.uint8).numpy().reshape(-1)


def nvfp4(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.float32]:
    """(element codes, block scale codes, tensor scale) of x, float32 (rows, K), two levels."""
    tensor = torch.from_numpy(x)
    scale = per_tensor_amax_to_scale(tensor.abs().max())
    scales, data = nvfp4_quantize(tensor, 16, scale)
    return unpacked(data, True), scales.view(torch.uint8).numpy(), np.float32(scale.item())


def unpacked(data: torch.Tensor, pairs: bool) -> np.ndarray:
    """One byte a code; of pairs the even element is the low nibble."""
    words = data.view(torch.uint8).numpy()
    return np.stack([words & 15, words >> 4], -1).reshape(words.shape[0], -1) if pairs else words


def maxima() -> np.ndarray:
    """The magnitudes that decide a scale: powers of two, float32 neighbours, and what rounds up to one in 1, 2 and 3 bits."""
    powers = np.ldexp(np.float32(1), [*range(-149, -108, 3), *range(-108, 100, 8), *range(100, 128, 3)]).astype(np.float32)
    near = [powers, np.nextafter(powers, np.float32(0)), np.nextafter(powers, np.float32(np.inf))]
    halves = [powers[::5] * np.float32(f) for f in (1.25, 1.4999999, 1.5, 1.75, 1.875, 1.9375, 1.9999999)]
    above = [np.nextafter(powers[1::4] * f, np.float32(np.inf)) for f in np.float32([1.5, 1.75, 1.875])]
    found = np.concatenate([*near, *halves, *above])
    return found[np.isfinite(found)]


def mx_blocks() -> np.ndarray:
    """Blocks of 32: each decisive maximum with random companions of both signs, zeros, tie points."""
    rng = np.random.default_rng(5)
    tops = maxima()
    below = np.ldexp(1.0, np.frexp(tops)[1] - 1)[:, None]
    x = (below * rng.integers(-32, 33, (tops.size, 32)) / 32 * 2.0 ** rng.integers(-12, 1, (tops.size, 32))).astype(np.float32)
    full = (below * rng.uniform(-1, 1, (tops.size, 32))).astype(np.float32)
    x[::4] = full[::4]
    x[np.arange(tops.size), rng.integers(0, 32, tops.size)] = tops * rng.choice(np.float32([1, -1]), tops.size)
    grid = np.unique(np.abs(np.concatenate([np.arange(33) / 64, np.arange(33) / 32, np.arange(33) / 16, np.arange(33) / 8])))
    ties = np.concatenate([grid * 2.0**k for k in (0, 1, 2, 4, 8, -6, -14)]).astype(np.float32)
    ties = np.concatenate([ties, np.nextafter(ties, np.float32(9e9)), -np.nextafter(ties, np.float32(-9e9))])
    rows = []
    for top in (np.float32(6), np.float32(7.5), np.float32(28), np.float32(448), np.float32(57344)):
        kept = ties[np.abs(ties) <= top]
        kept = kept[: kept.size // 31 * 31].reshape(-1, 31)
        rows.append(np.concatenate([np.full((kept.shape[0], 1), top), kept], 1)[:: 3 if top > 8 else 1])
    zeros = np.zeros((3, 32), np.float32)
    zeros[1] = -0.0
    zeros[2, ::2] = -0.0
    return np.concatenate([x, *rows, zeros]).astype(np.float32)


def mx_specials() -> np.ndarray:
    """Blocks with NaN and infinities of both signs among ordinary, large and small values."""
    rng = np.random.default_rng(6)
    x = (rng.standard_normal((24, 32)) * 2.0 ** rng.integers(-100, 100, (24, 1))).astype(np.float32)
    x[:8, 3], x[8:16, 4], x[16:20, 5], x[4:8, 9] = np.inf, np.nan, -np.inf, np.nan
    x[20:, 6] = -np.nan
    return x


def nvfp4_tensors() -> list[np.ndarray]:
    """Tensors of ordinary data, rows of very different size, ties, tiny and huge ones, zeros among them."""
    rng = np.random.default_rng(7)
    normal = rng.standard_normal((32, 64)).astype(np.float32)
    wide = (rng.standard_normal((48, 64)) * 2.0 ** -np.arange(48)[:, None]).astype(np.float32)
    wide[5, 16:32], wide[7] = 0, -0.0
    points = np.float32([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6])
    near = np.concatenate([points, np.nextafter(points, np.float32(9)), -np.nextafter(points, np.float32(-9)), -points])
    ties = np.concatenate([np.resize(near, (12, 15)), np.full((12, 1), 6, np.float32)], 1) * np.float32(448)
    ties[1:] *= 2.0 ** -np.arange(11, dtype=np.float32)[:, None]
    small = (rng.standard_normal((8, 64)) * 2.0**-130).astype(np.float32)
    huge = (rng.uniform(-1, 1, (8, 64)) * float(np.finfo(np.float32).max)).astype(np.float32)
    edges = [scale_edges(np.float32(g)) for g in (3.1415927, 1.7e-3, 2.9e7)] + [element_edges(np.float32(2.7182817))]
    return [normal, wide, ties.astype(np.float32), small, huge, (normal * np.float32(1e-30)).astype(np.float32), *edges]


def element_edges(top: np.float32) -> np.ndarray:
    """Blocks whose elements lie within 2 units in the last place of a midpoint of E2M1, in a tensor of largest magnitude `top`."""
    scales = (8 + np.arange(42) % 8) * 2.0 ** (np.arange(42) // 8)
    points = np.resize(np.float64([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5]), 14) * np.repeat([1, -1], 7)
    x = np.zeros((scales.size, 5, 16))
    x[:, :, :14] = (points * scales[:, None] * (float(top) / 2688))[:, None]
    x[:, :, 14] = 6 * scales[:, None] * (float(top) / 2688)
    made = x.astype(np.float32)
    for at in range(5):
        for _ in range(abs(at - 2)):
            made[:, at, :14] = np.nextafter(made[:, at, :14], np.float32(np.inf if at > 2 else -np.inf))
    made[-1, :, 15] = top
    return made.reshape(-1, 80)


def scale_edges(top: np.float32) -> np.ndarray:
    """Blocks whose scales lie within 3 units in the last place of a midpoint of E4M3, in a tensor of largest magnitude `top`."""
    grid = np.concatenate([np.arange(8) * 2.0**-9, (8 + np.arange(119) % 8) * 2.0 ** (np.arange(119) // 8 - 9)])
    middles = (grid[1:] + grid[:-1]) / 2
    near = [(middles * (float(top) / 448)).astype(np.float32)]
    for _ in range(3):
        near = [np.nextafter(near[0], np.float32(0)), *near, np.nextafter(near[-1], np.float32(np.inf))]
    x = np.zeros((len(near) * middles.size + 6, 16), np.float32)
    x[:-6, 0] = np.minimum(np.concatenate(near), top)
    x[:-6, 1], x[-6:, 2] = x[:-6, 0] * np.float32(0.41), top
    return x.reshape(-1, 128)


def main(path: str) -> None:
    arrays: dict[str, np.ndarray] = {"mx_x": mx_blocks(), "special_x": mx_specials()}
    for kind in ("mx", "special"):
        for name in ELEMENTS:
            for rule in RULES:
                codes, scales = mx(arrays[f"{kind}_x"], name, rule)
                arrays |= {f"{kind}_{name}_{rule}_codes": codes, f"{kind}_{name}_{rule}_scales": scales}
    for number, x in enumerate(nvfp4_tensors()):
        codes, scales, scale = nvfp4(x)
        arrays |= {f"nvfp4_{number}_x": x, f"nvfp4_{number}_codes": codes, f"nvfp4_{number}_scales": scales}
        arrays[f"nvfp4_{number}_scale"] = np.float32([scale])
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
