"""Plain models of the quantization rules, one group at a time; no code shared with numfmt.

Rules in float32 or float16 are written in NumPy scalars and arrays of that type, whose operations round once. MX is written in
Fraction. Sources: BitMoD, HPCA 2025, arXiv 2411.11745, Table IV and algorithm 1 with its repository's quant_weight.py; AWQ's
quantizer (asymmetric integers); QLoRA and bitsandbytes (NF4); OCP Microscaling v1.0 section 6.3.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .formats import floor_log2


def signed(*magnitudes, extra=()):
    """Both signs of the magnitudes, and extra values, ascending."""
    return sorted({float(s * m) for m in magnitudes for s in (1, -1)} | {float(e) for e in extra})


FP3 = (0, 1, 2, 4)
FP4 = (0, 1, 2, 3, 4, 6, 8, 12)
GRIDS = {
    "fp3": signed(*FP3),
    "fp4_code": signed(*FP4),
    "int3_code": signed(*range(4)),
    "int4_code": signed(*range(8)),
    "flint4": signed(0, 1, 2, 3, 4, 6, 8, 16),
    "flint5": signed(*range(9), 10, 12, 14, 16, 24, 32, 64),
    "fp5_e2m2_code": signed(*range(9), 10, 12, 14, 16, 20, 24, 28),
    "fp5_e3m1_code": signed(0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192),
    "fp6_e2m3_code": signed(*range(17), *range(18, 33, 2), *range(36, 61, 4)),
    "fp6_e3m2_code": signed(
        *range(9), *range(10, 17, 2), 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448
    ),
    "fp3_er_pos": signed(*FP3, extra=(3,)),
    "fp3_er_neg": signed(*FP3, extra=(-3,)),
    "fp3_ea_pos": signed(*FP3, extra=(6,)),
    "fp3_ea_neg": signed(*FP3, extra=(-6,)),
    "fp4_er_pos": signed(*FP4, extra=(10,)),
    "fp4_er_neg": signed(*FP4, extra=(-10,)),
    "fp4_ea_pos": signed(*FP4, extra=(16,)),
    "fp4_ea_neg": signed(*FP4, extra=(-16,)),
}
BITMOD = {bits: [f"fp{bits}_{kind}" for kind in ("er_pos", "er_neg", "ea_pos", "ea_neg")] for bits in (3, 4)}
# fp32 words of the shipped constants (bitsandbytes functional.py)
NF4_WORDS = (
    "bf800000 bf3239b1 bf066b30 beca32a0 be91a24d be3d353f bdba7871 00000000 "
    "3da2faff 3e24cae3 3e7c04dd 3ead033a 3ee1a4b8 3f1007ab 3f3913b3 3f800000"
)
NF4 = np.array([int(w, 16) for w in NF4_WORDS.split()], np.uint32).view(np.float32)


def clamp_half(scale):
    return np.minimum(np.maximum(scale, np.float16(1e-5)), np.float16(1e4))


def int_symmetric(w, bits, dtype, full=False):
    """(codes, scale) of max|w| / (2**(bits-1) - 1); the most negative code only if `full`."""
    w = w.astype(dtype)
    top = 2 ** (bits - 1) - 1
    scale = np.abs(w).max() / dtype(top)
    if dtype is np.float16:
        scale = clamp_half(scale)
    elif scale == 0:
        scale = dtype(1)
    codes = np.clip(np.rint(w / scale), -top - (1 if full else 0), top)
    return codes.astype(int), scale


def int_asymmetric(w, bits, dtype):
    """(unsigned codes, scale, zero point)."""
    w = w.astype(dtype)
    top = 2**bits - 1
    if dtype is np.float16:
        scale = clamp_half((w.max() - w.min()) / dtype(top))
    else:
        scale = np.maximum(w.max() - w.min(), np.float32(1e-5)) / dtype(top)
    with np.errstate(over="ignore"):
        zero = np.clip(np.rint(-w.min() / scale), 0, top)
        codes = np.clip(np.rint(w / scale) + zero, 0, top)
    return codes.astype(int), scale, int(zero)


def nearest_lower(x, grid):
    """Index of the nearest grid value; a midpoint belongs to the lower one. Exact."""
    twice = 2 * float(x)  # the sum of two neighbours is exact: no midpoint needs rounding
    best = 0
    while best + 1 < len(grid) and twice > grid[best] + grid[best + 1]:
        best += 1
    return best


def grid_group(w, grid, dtype=np.float16, scale=None):
    """(grid values taken, scale): scale = max|w| / max|grid|, nearest value of w / scale, ties to the lower."""
    w = w.astype(dtype)
    if scale is None:
        scale = np.abs(w).max() / dtype(max(map(abs, grid)))
        scale = clamp_half(scale) if dtype is np.float16 else (scale if scale else dtype(1))
    return np.array([grid[nearest_lower(v, grid)] for v in w / scale]), scale


def half_error(values, scale, w):
    """Mean squared error, every operation in float16 (NumPy sums float16 in float32)."""
    w = w.astype(np.float16)
    with np.errstate(over="ignore"):
        return np.mean(np.square(values.astype(np.float16) * scale - w))


def plain_error(values, scale, w):
    """Sum of squared errors in float64, in order."""
    total = 0.0
    for v, x in zip(values.tolist(), w.tolist(), strict=True):
        difference = v * float(scale) - x
        total += difference * difference
    return total


def choose(w, grids, sel):
    """(index, values, scale): candidates in order, a strictly smaller error wins; under fp16 the error to beat starts at 1e3."""
    w = w.astype(np.float16)
    best = None
    least = 1e3 if sel == "fp16" else np.inf
    for index, grid in enumerate(grids):
        values, scale = grid_group(w, grid)
        error = half_error(values, scale, w) if sel == "fp16" else plain_error(values, scale, w)
        if error < least:
            least, best = error, (index, values, scale)
    return best if best is not None else (0, np.zeros(w.size), grid_group(w, grids[0])[1])


def nf4_group(w):
    """(codes, absmax) of bitsandbytes: x times the float32 reciprocal of absmax, decision points in float32, ties lower."""
    w = w.astype(np.float32)
    absmax = np.abs(w).max()
    if absmax == 0:
        return np.full(w.size, 7), absmax
    scaled = w * (np.float32(1) / max(absmax, np.float32(1e-38)))
    middles = (NF4[1:] + NF4[:-1]) * np.float32(0.5)
    return np.array([int((x > middles).sum()) for x in scaled]), absmax


def mx_group(w, magnitudes, man_bits, emin):
    """(element values as Fractions, exponent of the scale) by the floor rule: 2**(floor(log2 max|w|) - floor(log2 max element)).

    magnitudes: ascending, of the element format; man_bits, emin: its fraction bits and smallest normal exponent. Elements are
    rounded to nearest even in units of the format's last place, then clamped.
    """
    exact = [Fraction(float(v)) for v in w.astype(np.float32)]
    top = max(map(abs, exact))
    exponent = -127
    if top:
        exponent = min(max(floor_log2(top) - floor_log2(Fraction(magnitudes[-1])), -127), 127)
    out = []
    for v in exact:
        x = abs(v) / Fraction(2) ** exponent
        unit = Fraction(2) ** ((max(floor_log2(x), emin) if x else emin) - man_bits)
        rounded = min(round(x / unit) * unit, Fraction(magnitudes[-1]))  # Python rounds halves to even
        out.append(-rounded if v < 0 else rounded)
    return out, exponent
