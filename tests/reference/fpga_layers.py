"""Plain models of layers on FPGAs, written from the published rules: no arrays, no shared code."""

from fractions import Fraction
from itertools import product
from math import ceil, floor, log2


def finn_accumulator(cols, weight, activation, signed):
    alpha = log2(cols) + weight + activation - 1 - int(signed)
    return ceil(alpha + log2(1 + 2**-alpha) + 1)


def finn_mvau(mh, mw, pe, simd, w, a, signed, declared, dsp, distributed, threshold_bits):
    mult = 0 if dsp else simd * (2 * ceil((w + a) / 6) - 1) * (w + a)
    tree = (w + a) * (2 * simd - 1)
    acc = min(declared, finn_accumulator(mw, w, a, signed))
    thr = cmp = 0
    if threshold_bits:
        thr = (2**threshold_bits - 1) * acc * ceil(mh / pe / 64)
        cmp = (2**threshold_bits - 1) * acc
    wmem = mw * mh // (pe * simd)
    c2 = pe * simd * w * ceil(wmem / 64) if distributed else 0
    return floor(Fraction(300) + Fraction(11, 10) * pe * (mult + tree + acc + thr + cmp) + c2)


def finn_bram18(w, d):
    if w == 1:
        return ceil(d / 16384)
    if w == 2:
        return ceil(d / 8192)
    if w <= 4:
        return ceil(d / 4096) * ceil(w / 4)
    if w <= 9:
        return ceil(d / 2048) * ceil(w / 9)
    if w <= 18 or d > 512:
        return ceil(d / 1024) * ceil(w / 18)
    return ceil(d / 512) * ceil(w / 36)


def hls4ml_valid(n_in, n_out):
    """Every reuse factor of 1 to n_in * n_out that meets the three conditions."""
    out = []
    for rf in range(1, n_in * n_out + 1):
        m = min(n_in, rf)
        limit = ceil(n_in * n_out / m)
        if (limit % n_out == 0 or rf >= n_in) and (rf % n_in == 0 or rf < n_in) and n_in * n_out % rf == 0:
            out.append(rf)
    return out


def set_bits(value):
    """From the highest to the lowest one bit of a magnitude."""
    text = bin(abs(value))[2:].rstrip("0")
    return len(text) if abs(value) else 0


def fewest_digits(value, memo={0: 0, 1: 1}):  # noqa: B006
    """The least count of signed powers of two that sum to |value|."""
    value = abs(value)
    if value not in memo:
        memo[value] = fewest_digits(value // 2) if value % 2 == 0 else 1 + min(fewest_digits(value - 1), fewest_digits(value + 1))
    return memo[value]


def best_design(ways, room, most_cycles=None):
    """Over all combinations of ways (cycles, resources): the lowest cycles and their least sum of shares, or None.

    With most_cycles: the least sum of shares among those that are fast enough.
    """
    found = None
    for combination in product(*ways):
        used = [sum(r) for r in zip(*(way[1] for way in combination), strict=True)]
        if any(u > there for u, there in zip(used, room, strict=True)):
            continue
        cycles = max(way[0] for way in combination)
        if most_cycles is not None and cycles > most_cycles:
            continue
        share = sum(u / there for u, there in zip(used, room, strict=True) if there)
        key = (0 if most_cycles is not None else cycles, share)
        if found is None or key < found:
            found = key
    return found


def simulated_window_buffer(width, kernel, stride, dilation, channels_over_simd):
    """Words between the oldest and newest element that one window needs."""
    kh, kw = kernel
    first, last = 0, ((kh - 1) * dilation[0] * width + (kw - 1) * dilation[1]) * channels_over_simd + channels_over_simd - 1
    return last - first + 1
