"""Plain models of bitsandbytes' block-wise codes and of torch's float32 sum, one element at a time; no code shared with numfmt.

Sources: bitsandbytes 0.50.2 (backends/default/ops.py, csrc/cpu_ops.cpp, functional.py); pytorch SumKernel.cpp.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np

from .schemes import NF4

F = np.float32
FP4 = np.array([0, 0.0625, 8, 12, 4, 6, 2, 3, 0, -0.0625, -8, -12, -4, -6, -2, -3], F) / F(12)
AF4 = np.array(
    [-1, -.69441008, -.51243739, -.3736951, -.25607552, -.14982478, -.04934812, 0,
     .04273164, .12934483, .21961274, .31675666, .42563882, .55496234, .72424863, 1], F
)  # fmt: skip
TABLES = {"nf4": NF4, "bnb_fp4": FP4}


def formula(count: int, scale: float, seed: int = 1) -> np.ndarray:
    """Inputs that need no storage: the cube of a multiplicative sequence in (-1, 1), the same on every machine."""
    word = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761 * seed)) % np.uint64(1 << 32)
    u = word.astype(np.float64) / 2.0**31 - 1
    return (u * u * u * scale).astype(F)


def four_bits(x: np.ndarray, table: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """(packed bytes, absmax): codes in pairs, the first in the high nibble."""
    flat = x.reshape(-1)
    order = sorted(range(16), key=lambda i: (float(table[i]), i))
    middles = [(table[a] + table[b]) / F(2) for a, b in pairwise(order)]
    absmax, codes = [], []
    for start in range(0, flat.size, block):
        part = flat[start : start + block]
        top = np.abs(part).max()
        if part.size < block:
            top = max(top, F(1e-38))
            scaled = [v / top for v in part]
        else:
            inverse = F(1) / max(top, F(1e-38))
            scaled = [v * inverse for v in part]
        absmax.append(top)
        codes += [order[sum(bool(v > m) for m in middles)] for v in scaled]
    if len(codes) % 2:
        codes.append(order[sum(bool(m < 0) for m in middles)])
    return np.array([16 * a + b for a, b in zip(codes[::2], codes[1::2], strict=True)], np.uint8), np.array(absmax, F)


def eight_bits(x: np.ndarray, table: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """(codes, absmax) by the compiled library's 65536 bins; its multiply and add are fused, so one exact step here."""
    middles = F(0.5) * (table[:-1] + table[1:])
    flat = x.reshape(-1)
    absmax, codes = [], []
    for start in range(0, flat.size, block):
        part = flat[start : start + block]
        top = np.abs(part).max()
        absmax.append(top)
        with np.errstate(over="ignore", divide="ignore"):
            inverse = F(1) / top
        for v in part:
            if top == 0:
                codes.append(0)
                continue
            with np.errstate(invalid="ignore", over="ignore"):
                u = v * inverse
            if np.isnan(u):
                place = 0
            else:
                half = (F(min(max(u, F(-1)), F(1))) + F(1)) * F(0.5)
                place = int(nearest32(Fraction(float(half)) * 65535 + Fraction(1, 2)))
            bin_value = F(-1) + F(2 * place) / F(65535)
            codes.append(int((middles < bin_value).sum()))
    return np.array(codes, np.uint8), np.array(absmax, F)


def nearest32(value: Fraction) -> F:
    """The float32 nearest to a fraction in [0.5, 65536), ties to even."""
    exponent = 0
    while value >= Fraction(2) ** (exponent + 1):
        exponent += 1
    if value < 1:
        exponent = -1
    unit = Fraction(2) ** (exponent - 23)
    return F(float(round(value / unit) * unit))


def torch_sum(x: np.ndarray, lanes: int) -> F:
    """torch's float32 sum of a contiguous array on one thread with vectors of `lanes` values."""
    if x.size < lanes:
        lanes = 1
    vectors = x[: x.size // lanes * lanes].reshape(-1, lanes)
    rows = len(vectors) // 4
    four = vectors[: rows * 4].reshape(rows, 4, lanes)
    depth = (rows - 1).bit_length() if rows > 1 else 0
    power = max(4, depth // 4)
    levels = [np.zeros((4, lanes), F) for _ in range(4)]
    for i in range(rows):
        levels[0] = levels[0] + four[i]
        done = i + 1
        for level in range(1, 4):
            if done % (1 << (level * power)):
                break
            levels[level] = levels[level] + levels[level - 1]
            levels[level - 1] = np.zeros((4, lanes), F)
    sums = levels[0]
    for level in levels[1:]:
        sums = sums + level
    first = sums[0]
    for v in vectors[rows * 4 :]:
        first = first + v
    for row in sums[1:]:
        first = first + row
    total = F(0)
    for v in x[len(vectors) * lanes :]:
        total = total + v
    for v in first:
        total = total + v
    return total


def nested(absmax: np.ndarray, table: np.ndarray, lanes: int = 8) -> tuple[np.ndarray, F, np.ndarray]:
    """(codes, offset, absmax of 256 each) of double quantization; table: the signed dynamic map."""
    offset = torch_sum(absmax, lanes) / F(absmax.size)
    codes, second = eight_bits(absmax - offset, table, 256)
    return codes, offset, second
