"""ggml's super-blocks of 256: Q4_K and Q6_K.

x, out of decoders: float32, flat, whole super-blocks; data, out of encoders: uint8, flat. A super-block's groups are the lanes of
the inner loops, so that sums run over each group in C's order while several groups advance together. Each operation is one float32
operation. Source: ggml-org/ggml, src/ggml-quants.c: make_qkx2_quants, make_qx_quants, quantize_row_q4_K_ref, quantize_row_q6_K_ref,
dequantize_row_q4_K, dequantize_row_q6_K.
"""

from __future__ import annotations

import numpy as np

from .gguf_words import magic_int, read_half, size_bits, write_half
from .jit import kernel
from .lanes import both, either, from_bits, left, like, right, sub, wide_vectors

_EPS = np.float32(1e-15)
_GROUPS = 128  # of Q4_K that advance together: sixteen super-blocks


@kernel
def clamp(v, low, high):
    """An int32 kept within low .. high."""
    v = v if v > low else low
    return v if v < high else high


@kernel
def transpose(x, at, out):
    """out (elements, groups) = the groups that lie one behind the other from x[at] on."""
    for g in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, g] = x[at + g * out.shape[0] + i]


@kernel
def misses(v, weights, inverse, base, scale, low, out):
    """out = weighted squared errors of scale * code + low, the codes nearest to inverse * (v - base), by groups."""
    wide_vectors()
    top = np.int32(15)
    out[:] = np.float32(0.0)
    for i in range(v.shape[0]):
        for g in range(_GROUPS):
            level = np.float32(clamp(magic_int(inverse[g] * (v[i, g] - base[g])), np.int32(0), top))
            miss = scale[g] * level + low[g] - v[i, g]
            out[g] += weights[i, g] * (miss * miss)


@kernel
def fit_q4_k(v, weights, scale, low, kept, base, work):
    """Scale and minimum (at most 0) of groups of 32; their codes are the nearest to kept * (v - base), all 0 where kept is 0.

    Start: minimum and range of the group. Then for step 0 .. 20: codes at (15 - 1 + 0.1 * step) levels over (max - minimum), least
    squares of scale and minimum at these codes (a minimum above 0 becomes 0), kept when the weighted squared error falls; the later
    steps use the minimum kept. v, weights: (32, groups); work: float32 (14, groups).
    """
    wide_vectors()
    zero = np.float32(0.0)
    high, sum_w, sum_x, inverse, least, error = work[0], work[1], work[2], work[3], work[4], work[5]
    sum_l, sum_l2, sum_xl, new_scale, new_low = work[6], work[7], work[8], work[9], work[10]
    determinants, flat, first_low = work[11], work[12], work[13]
    for g in range(_GROUPS):
        low[g], high[g], sum_w[g] = v[0, g], v[0, g], weights[0, g]
        sum_x[g] = weights[0, g] * v[0, g]
    for i in range(1, 32):
        for g in range(_GROUPS):
            a = v[i, g]
            low[g] = a if a < low[g] else low[g]
            high[g] = a if a > high[g] else high[g]
            sum_w[g] += weights[i, g]
            sum_x[g] += weights[i, g] * a
    for g in range(_GROUPS):
        low[g] = zero if low[g] > zero else low[g]
        first_low[g] = low[g]
        base[g] = low[g]
        flat[g] = np.float32(1.0) if high[g] == low[g] else zero
        kept[g] = np.float32(15.0) / (high[g] - low[g])
        scale[g] = np.float32(1.0) / kept[g]
    misses(v, weights, kept, low, scale, low, least)
    top = np.int32(15)
    for step in range(21):
        levels = np.float32(-1.0) + np.float32(0.1) * np.float32(step) + np.float32(15.0)
        for g in range(_GROUPS):
            inverse[g] = levels / (high[g] - low[g])
            sum_l[g], sum_l2[g], sum_xl[g] = zero, zero, zero
        for i in range(32):
            for g in range(_GROUPS):
                level = np.float32(clamp(magic_int(inverse[g] * (v[i, g] - low[g])), np.int32(0), top))
                part = weights[i, g] * level
                sum_l[g] += part
                sum_l2[g] += part * level
                sum_xl[g] += part * v[i, g]
        for g in range(_GROUPS):
            determinant = sum_w[g] * sum_l2[g] - sum_l[g] * sum_l[g]
            a = (sum_w[g] * sum_xl[g] - sum_x[g] * sum_l[g]) / determinant
            b = (sum_l2[g] * sum_x[g] - sum_l[g] * sum_xl[g]) / determinant
            new_scale[g] = sum_xl[g] / sum_l2[g] if b > zero else a
            new_low[g] = zero if b > zero else b
            determinants[g] = determinant
        misses(v, weights, inverse, low, new_scale, new_low, error)
        for g in range(_GROUPS):
            if determinants[g] > zero and error[g] < least[g]:
                kept[g], base[g] = inverse[g], low[g]
                least[g], scale[g], low[g] = error[g], new_scale[g], new_low[g]
    for g in range(_GROUPS):
        if flat[g] != zero:  # all elements equal, or none above 0 and below
            scale[g], low[g], kept[g] = zero, first_low[g], zero


@kernel
def six_bit(values, first, stored):
    """stored = round(value * (63 / largest)) at most 63, of eight values; returns largest / 63. No value above 0 stores zeros."""
    most = np.float32(0.0)
    for g in range(8):
        most = values[first + g] if values[first + g] > most else most
    factor = np.float32(63.0) / most if most > 0 else np.float32(0.0)
    for g in range(8):
        stored[g] = min(both(magic_int(factor * values[first + g]), np.int32(255)), np.int32(63))
    return most / np.float32(63.0)


@kernel
def encode_q4_k(x, out):
    """Q4_K, 144 bytes: d and dmin (float16), eight 6-bit scales and minimums in 12 bytes, 128 bytes of codes.

    Weights are sqrt(mean of squares of the group) + |x|. The scale and minimum of each group become integers of 6 bits, then the
    codes are round((x + dmin * m) / (d * s)) within 0 .. 15; where d * s is 0 the codes of the fit stay.
    """
    wide_vectors()
    v, weights = np.empty((32, _GROUPS), np.float32), np.empty((32, _GROUPS), np.float32)
    scale, low = np.empty(_GROUPS, np.float32), np.empty(_GROUPS, np.float32)
    kept, base = np.empty(_GROUPS, np.float32), np.empty(_GROUPS, np.float32)
    work, size = np.empty((14, _GROUPS), np.float32), np.empty(_GROUPS, np.float32)
    scales, mins, codes = np.empty(8, np.int32), np.empty(8, np.int32), np.empty(256, np.int32)
    groups = x.size // 32
    for first in range(0, groups, _GROUPS):
        held = min(_GROUPS, groups - first)
        if held < _GROUPS:
            v[:] = np.float32(0.0)
        for g in range(held):
            for i in range(32):
                v[i, g] = x[(first + g) * 32 + i]
        size[:] = np.float32(0.0)
        for i in range(32):
            for g in range(_GROUPS):
                size[g] += v[i, g] * v[i, g]
        for g in range(_GROUPS):
            size[g] = np.sqrt(size[g] / np.float32(32.0))
        for i in range(32):
            for g in range(_GROUPS):
                weights[i, g] = size[g] + abs(v[i, g])
        fit_q4_k(v, weights, scale, low, kept, base, work)
        for g in range(_GROUPS):
            low[g] = -low[g]
        for start in range(0, held, 8):
            to = (first + start) // 8 * 144
            d = write_half(out, to, six_bit(scale, start, scales))
            dmin = write_half(out, to + 2, six_bit(low, start, mins))
            for g in range(4):
                out[to + 4 + g] = np.uint8(scales[g] | (scales[g + 4] >> 4) << 6)
                out[to + 8 + g] = np.uint8(mins[g] | (mins[g + 4] >> 4) << 6)
                out[to + 12 + g] = np.uint8(scales[g + 4] & 15 | (mins[g + 4] & 15) << 4)
            for g in range(8):
                at, group = (first + start + g) * 32, start + g
                step, offset = d * np.float32(scales[g]), dmin * np.float32(mins[g])
                if step != 0:
                    for i in range(32):
                        codes[g * 32 + i] = clamp(magic_int((x[np.uint64(at + i)] + offset) / step), np.int32(0), np.int32(15))
                else:
                    for i in range(32):
                        code = clamp(magic_int(kept[group] * (x[np.uint64(at + i)] - base[group])), np.int32(0), np.int32(15))
                        codes[g * 32 + i] = code if kept[group] != 0 else np.int32(0)
            for pair in range(4):
                for i in range(32):
                    q = pair * 64 + i
                    out[np.uint64(to + 16 + pair * 32 + i)] = np.uint8(either(codes[q], left(codes[q + 32], np.int32(4))))


@kernel
def decode_q4_k(data, out):
    """Values of Q4_K: (d * s) * code - (dmin * m), each operation rounded."""
    wide_vectors()
    four = np.int32(4)
    for block in range(out.size // 256):
        at, to = block * 144, block * 256
        d, dmin = read_half(data, at), read_half(data, at + 2)
        for g in range(8):
            first, second, third = np.int32(data[at + 4 + g % 4]), np.int32(data[at + 8 + g % 4]), np.int32(data[at + 12 + g % 4])
            s = first & 63 if g < 4 else third & 15 | first >> 6 << 4
            m = second & 63 if g < 4 else third >> 4 | second >> 6 << 4
            step, offset = d * np.float32(s), dmin * np.float32(m)
            start, shift = at + 16 + g // 2 * 32, np.int32(four if g % 2 else 0)
            for i in range(32):
                code = both(right(like(data[np.uint64(start + i)], four), shift), np.int32(15))
                out[np.uint64(to + g * 32 + i)] = step * like(code, step) - offset


@kernel
def fit_q6_k(v, scale, codes, work, trial):
    """Scale and codes (0 .. 63, 32 stands for 0) of sixteen groups of 16, weights x * x.

    The element m of largest magnitude goes to -32: codes round(x * (-32 / m)) within -32 .. 31, scale by least squares. Then the
    same at -(32 + 0.1 * step) / m for step -9 .. 9 without 0; a step is kept when (sum w x l)**2 exceeds best * (sum w l l).
    work: float32 (6, 16).
    """
    wide_vectors()
    zero, low, high = np.float32(0.0), np.int32(-32), np.int32(31)
    most, top, inverse, sum_lx, sum_l2, best = work[0], work[1], work[2], work[3], work[4], work[5]
    most[:], top[:] = zero, zero
    for i in range(16):
        for g in range(16):
            size = abs(v[i, g])
            top[g] = v[i, g] if size > most[g] else top[g]
            most[g] = size if size > most[g] else most[g]
    for trial_number in range(19):
        step = trial_number - 10 if trial_number < 10 else trial_number - 9
        levels = np.float32(32.0) + np.float32(0.1) * np.float32(step) if trial_number else np.float32(32.0)
        for g in range(16):
            inverse[g] = -levels / top[g]
            sum_lx[g], sum_l2[g] = zero, zero
        for i in range(16):
            for g in range(16):
                code = clamp(magic_int(inverse[g] * v[i, g]), low, high)
                trial[i, g] = sub(code, low)
                level = np.float32(code)
                w = v[i, g] * v[i, g]
                sum_lx[g] += w * v[i, g] * level
                sum_l2[g] += w * level * level
        for g in range(16):
            if trial_number == 0 or (sum_l2[g] > zero and sum_lx[g] * sum_lx[g] > best[g] * sum_l2[g]):
                scale[g] = sum_lx[g] / sum_l2[g] if sum_l2[g] != zero else zero
                best[g] = scale[g] * sum_lx[g]
                for i in range(16):
                    codes[i, g] = trial[i, g]
    for g in range(16):
        if most[g] < _EPS:
            scale[g] = zero
            for i in range(16):
                codes[i, g] = 0


@kernel
def encode_q6_k(x, out):
    """Q6_K, 210 bytes: 128 bytes of low nibbles, 64 of upper pairs of bits, sixteen int8 scales, d (float16).

    d = 1 / (-128 / s) of the scale s of largest magnitude, scales round(s * (-128 / s_max)) at most 127; then the codes are
    round(x / (d * scale)) within -32 .. 31; where d * scale is 0 the codes of the fit stay. Scales all below 1e-15: 210 zero bytes.
    """
    wide_vectors()
    v, scale, work = np.empty((16, 16), np.float32), np.empty(16, np.float32), np.empty((6, 16), np.float32)
    codes, trial, flat = np.empty((16, 16), np.int32), np.empty((16, 16), np.int32), np.empty(256, np.int32)
    for block in range(x.size // 256):
        to = block * 210
        transpose(x, block * 256, v)
        fit_q6_k(v, scale, codes, work, trial)
        most, top = np.float32(0.0), np.float32(0.0)
        for g in range(16):
            size = from_bits(size_bits(scale[g]))
            if size > most:
                most, top = size, scale[g]
        if most < _EPS:
            out[to : to + 210] = 0
            continue
        inverse = np.float32(-128.0) / top
        d = write_half(out, to + 208, np.float32(1.0) / inverse)
        for g in range(16):
            stored = min(magic_int(inverse * scale[g]), np.int32(127))
            out[to + 192 + g] = np.uint8(stored & 255)
            step = d * np.float32(np.int8(out[to + 192 + g]))
            for i in range(16):
                code = codes[i, g]
                if step != 0:
                    code = sub(clamp(magic_int(v[i, g] / step), np.int32(-32), np.int32(31)), np.int32(-32))
                flat[g * 16 + i] = code
        for part in range(2):
            for i in range(32):
                q = part * 128 + i
                out[np.uint64(to + part * 64 + i)] = np.uint8(flat[q] & 15 | (flat[q + 64] & 15) << 4)
                out[np.uint64(to + part * 64 + 32 + i)] = np.uint8(flat[q + 32] & 15 | (flat[q + 96] & 15) << 4)
                upper = flat[q] >> 4 | flat[q + 32] >> 4 << 2 | flat[q + 64] >> 4 << 4 | flat[q + 96] >> 4 << 6
                out[np.uint64(to + 128 + part * 32 + i)] = np.uint8(upper & 255)


@kernel
def decode_q6_k(data, out):
    """Values of Q6_K: (d * scale) * (code - 32), each operation rounded."""
    wide_vectors()
    for block in range(out.size // 256):
        at, to = block * 210, block * 256
        d = read_half(data, at + 208)
        for group in range(16):
            step = d * np.float32(np.int8(data[at + 192 + group]))
            part, quarter, start = group // 8, group % 8 // 2, group % 2 * 16
            low_at = at + part * 64 + quarter % 2 * 32 + start
            high_at = at + 128 + part * 32 + start
            low_shift, high_shift = np.int32(quarter // 2 * 4), np.int32(quarter * 2)
            for i in range(16):
                low = both(right(like(data[np.uint64(low_at + i)], high_shift), low_shift), np.int32(15))
                high = both(right(like(data[np.uint64(high_at + i)], high_shift), high_shift), np.int32(3))
                code = sub(either(low, left(high, np.int32(4))), np.int32(32))
                out[np.uint64(to + group * 16 + i)] = step * like(code, step)
