"""Plain models of ggml's block quantizers and dequantizers; no code shared with numfmt.

Written after ggml's C (ggml-org/ggml d99724f2, src/ggml-quants.c, ggml-impl.h), each function one `quantize_row_*_ref`. Every array
holds one entry a block; elements are walked one by one, so that each float32 operation is rounded where and in the order in which C
rounds it. Encoders: x float32 (blocks, elements) -> uint8 (blocks, bytes). Decoders the other way round.
"""

from __future__ import annotations

import math

import numpy as np

F = np.float32
IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
FP4 = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)  # twice E2M1
EPS = F(1e-15)


def quiet(function):
    """Overflow and NaN are part of the rules."""

    def call(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    return call


def to_int(v):
    """A float as an x86-64 machine makes it an int32: truncated, beyond the range (and NaN) the least integer."""
    inside = np.abs(v) < F(2.0**31)
    return np.where(inside, np.trunc(np.where(inside, v, 0)), -(2.0**31)).astype(np.int64)


def byte(v):
    return (np.asarray(v) & 255).astype(np.uint8)


def half_bytes(v):
    """float16 to nearest even, beyond its range infinity, as two bytes."""
    with np.errstate(over="ignore"):
        words = np.asarray(v, F).astype(np.float16)
    return words.view(np.uint8).reshape(-1, 2)


def halves(blocks, at):
    return np.ascontiguousarray(blocks[:, at : at + 2]).view(np.float16)[:, 0].astype(F)


def nibbles(codes):
    """Element j in the low half of byte j, element j + n/2 in the high half."""
    n = codes.shape[1] // 2
    return byte(codes[:, :n] | codes[:, n:] << 4)


def from_nibbles(blocks):
    return np.concatenate([blocks & 15, blocks >> 4], 1).astype(np.int64)


def inverse(d):
    return np.where(d != 0, F(1) / d, F(0)).astype(F)


def largest(x):
    """(magnitude, signed value) of the element of largest magnitude, the first of equals."""
    amax, value = np.zeros(len(x), F), np.zeros(len(x), F)
    for j in range(x.shape[1]):
        v = x[:, j]
        more = np.abs(v) > amax
        amax, value = np.where(more, np.abs(v), amax), np.where(more, v, value)
    return amax, value


@quiet
def signed_scale(x, bits):
    """Q4_0, Q5_0."""
    middle = 1 << (bits - 1)
    d = largest(x)[1] / F(-middle)
    codes = to_int((x * inverse(d)[:, None]) + F(middle + 0.5))
    codes = np.minimum(2 * middle - 1, (codes & 255) - 256 * ((codes & 255) > 127)) & 255
    return d, codes


@quiet
def with_minimum(x, bits):
    """Q4_1, Q5_1."""
    low = high = x[:, 0]
    for j in range(1, x.shape[1]):
        low, high = np.where(x[:, j] < low, x[:, j], low), np.where(x[:, j] > high, x[:, j], high)
    d = (high - low) / F((1 << bits) - 1)
    codes = to_int((x - low[:, None]) * inverse(d)[:, None] + F(0.5))
    return d, low.astype(F), codes & ((1 << bits) - 1) if bits == 5 else np.minimum(15, codes & 255)


def fifth(codes):
    bits = (codes >> 4 & 1) << np.arange(32)
    return bits.sum(1).astype("<u4").view(np.uint8).reshape(-1, 4)


def q4_0(x):
    d, codes = signed_scale(x, 4)
    return np.hstack([half_bytes(d), nibbles(codes)])


def q5_0(x):
    d, codes = signed_scale(x, 5)
    return np.hstack([half_bytes(d), fifth(codes), nibbles(codes & 15)])


def q4_1(x):
    d, low, codes = with_minimum(x, 4)
    return np.hstack([half_bytes(d), half_bytes(low), nibbles(codes)])


def q5_1(x):
    d, low, codes = with_minimum(x, 5)
    return np.hstack([half_bytes(d), half_bytes(low), fifth(codes), nibbles(codes & 15)])


def round_away(v):
    whole = np.trunc(v)
    return np.where(np.abs(v - whole) >= F(0.5), whole + np.copysign(F(1), v), whole)


@quiet
def q8(x):
    d = np.abs(x).max(1) / F(127)
    return d, to_int(round_away(x * inverse(d)[:, None]))


def q8_0(x):
    d, codes = q8(x)
    return np.hstack([half_bytes(d), byte(codes)])


@quiet
def q8_1(x):
    d, codes = q8(x)
    signed = byte(codes).view(np.int8).astype(np.int64)
    return np.hstack([half_bytes(d), half_bytes(signed.sum(1).astype(F) * d), byte(codes)])


def log2_floor(v):
    """Floor of log2(v) as float32 rounds it: from 2**k * (1 - small) on, the logarithm rounds up to k."""
    mantissa, exponent = math.frexp(v)  # v = mantissa * 2**exponent, mantissa in [0.5, 1)
    return math.floor(F(exponent + math.log1p(mantissa - 1.0) / math.log(2)))


def nearest_fp4(x, d):
    """Index of the first of FP4 * d that is nearest to x, distances in float32."""
    best, least = np.zeros(x.shape, np.int64), np.abs(F(0) * d[:, None] - x)
    for i in range(1, 16):
        distance = np.abs(F(FP4[i]) * d[:, None] - x)
        best, least = np.where(distance < least, i, best), np.minimum(distance, least)
    return best


def half_e8m0(e):
    return np.array([F(2.0) ** F(int(v) - 128) for v in e], F)


@quiet
def mxfp4(x):
    amax = np.abs(x).max(1)
    e = byte([log2_floor(float(a)) - 2 + 127 if a > 0 else 0 for a in amax])
    return np.hstack([e[:, None], nibbles(nearest_fp4(x, half_e8m0(e)))])


def ue4m3(v):
    """ggml's code of a float32: half up on the bit below, no carry out of the subnormals, 256 and above to 448."""
    if not v > 0:
        return 0
    v = min(F(v), F(448))
    exponent = math.frexp(float(v))[1] - 1
    if exponent <= -7:
        return min(int(v * F(512) + F(0.5)), 7)
    step = math.ldexp(float(v), 4 - exponent)  # 16 .. 32
    rounded = (math.floor(step) + 1) // 2  # 8 .. 16
    if rounded == 16:
        rounded, exponent = 8, exponent + 1
    return 0x7E if exponent >= 8 else (exponent + 7) << 3 | rounded - 8


def from_ue4m3(code):
    """Half the value."""
    if code in (0, 0x7F):
        return F(0)
    code = int(code)
    top, low = code >> 3 & 15, code & 7
    return F((low * 2.0**-9 if top == 0 else (1 + low / 8) * 2.0 ** (top - 7)) / 2)


@quiet
def nvfp4(x):
    groups = x.reshape(-1, 16)
    scales = byte([ue4m3(a / F(6)) for a in np.abs(groups).max(1)])
    d = np.array([from_ue4m3(s) for s in scales], F)
    return np.hstack([scales.reshape(-1, 4), nibbles(nearest_fp4(groups, d)).reshape(-1, 32)])


def magic(v):
    """nearest_int: the low bits of v + 1.5 * 2**23, whatever v is."""
    return ((v + F(12582912)).astype(F).view(np.int32).astype(np.int64) & 0x7FFFFF) - 0x400000


def make_qkx2(x, weights, nmax, rmin, rdelta, steps):
    """(scale, -minimum, codes) of blocks x by weighted least squares over a fan of scales."""
    n = x.shape[1]
    low, high = x[:, 0], x[:, 0]
    sum_w = weights[:, 0]
    sum_x = sum_w * x[:, 0]
    for i in range(1, n):
        low, high = np.where(x[:, i] < low, x[:, i], low), np.where(x[:, i] > high, x[:, i], high)
        sum_w = sum_w + weights[:, i]
        sum_x = sum_x + weights[:, i] * x[:, i]
    low = np.where(low > 0, F(0), low)
    flat = high == low
    flat_min = -low
    inverse_scale = F(nmax) / (high - low)
    scale = F(1) / inverse_scale
    codes = np.stack([np.clip(magic(inverse_scale * (x[:, i] - low)), 0, nmax) for i in range(n)], 1)
    least = np.zeros(len(x), F)
    for i in range(n):
        miss = scale * codes[:, i].astype(F) + low - x[:, i]
        least = least + weights[:, i] * (miss * miss)
    for step in range(steps + 1):
        inverse_scale = (F(rmin) + F(rdelta) * F(step) + F(nmax)) / (
            high - low
        )  # of the minimum in force: a better step replaces it
        trial = np.stack([np.clip(magic(inverse_scale * (x[:, i] - low)), 0, nmax) for i in range(n)], 1)
        sum_l = sum_l2 = sum_xl = np.zeros(len(x), F)
        for i in range(n):
            level, w = trial[:, i].astype(F), weights[:, i]
            sum_l = sum_l + w * level
            sum_l2 = sum_l2 + w * level * level
            sum_xl = sum_xl + w * level * x[:, i]
        determinant = sum_w * sum_l2 - sum_l * sum_l
        new_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant
        new_low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant
        new_scale = np.where(new_low > 0, sum_xl / sum_l2, new_scale)
        new_low = np.where(new_low > 0, F(0), new_low)
        error = np.zeros(len(x), F)
        for i in range(n):
            miss = new_scale * trial[:, i].astype(F) + new_low - x[:, i]
            error = error + weights[:, i] * (miss * miss)
        better = (determinant > 0) & (error < least)
        codes = np.where(better[:, None], trial, codes)
        least, scale, low = np.where(better, error, least), np.where(better, new_scale, scale), np.where(better, new_low, low)
    codes = np.where(flat[:, None], 0, codes)
    return np.where(flat, F(0), scale).astype(F), np.where(flat, flat_min, -low).astype(F), codes


def six_bits(scales, mins):
    """8 scales and 8 minimums of 6 bits in 12 bytes."""
    out = np.zeros((len(scales), 12), np.int64)
    out[:, 0:4] = scales[:, :4] | scales[:, 4:] >> 4 << 6
    out[:, 4:8] = mins[:, :4] | mins[:, 4:] >> 4 << 6
    out[:, 8:12] = scales[:, 4:] & 15 | (mins[:, 4:] & 15) << 4
    return byte(out)


def from_six_bits(packed):
    p = packed.astype(np.int64)
    scales = np.hstack([p[:, 0:4] & 63, p[:, 8:12] & 15 | p[:, 0:4] >> 6 << 4])
    mins = np.hstack([p[:, 4:8] & 63, p[:, 8:12] >> 4 | p[:, 4:8] >> 6 << 4])
    return scales, mins


@quiet
def q4_k(x):
    groups = x.reshape(-1, 32)
    squares = np.zeros(len(groups), F)
    for i in range(32):
        squares = squares + groups[:, i] * groups[:, i]
    weights = np.sqrt(squares / F(32))[:, None] + np.abs(groups)
    scale, low, codes = make_qkx2(groups, weights, 15, -1.0, 0.1, 20)
    scale, low, codes = scale.reshape(-1, 8), low.reshape(-1, 8), codes.reshape(-1, 8, 32)

    def six(v):
        top = np.zeros(len(v), F)
        for i in range(8):
            top = np.where(v[:, i] > top, v[:, i], top)
        factor = np.where(top > 0, F(63) / top, F(0)).astype(F)
        return top, np.minimum(63, magic(factor[:, None] * v) & 255)

    top, sc = six(scale)
    low_top, mn = six(low)
    d, dmin = half_bytes(top / F(63)), half_bytes(low_top / F(63))
    step = d.copy().view(np.float16).astype(F) * sc.astype(F)
    offset = dmin.copy().view(np.float16).astype(F) * mn.astype(F)
    again = np.clip(magic((x.reshape(-1, 8, 32) + offset[..., None]) / step[..., None]), 0, 15)
    codes = np.where((step != 0)[..., None], again, codes)
    pairs = codes.reshape(-1, 4, 2, 32)
    return np.hstack([d, dmin, six_bits(sc, mn), byte(pairs[:, :, 0] | pairs[:, :, 1] << 4).reshape(-1, 128)])


def make_qx(x, nmax):
    """(scale, codes) of blocks x by least squares with weights x*x over 19 scales."""
    amax, top = largest(x)
    empty = amax < EPS

    def fit(inverse_scale):
        codes, sumlx, suml2 = [], np.zeros(len(x), F), np.zeros(len(x), F)
        for i in range(x.shape[1]):
            level = np.clip(magic(inverse_scale * x[:, i]), -nmax, nmax - 1)
            w = x[:, i] * x[:, i]
            sumlx = sumlx + w * x[:, i] * level.astype(F)
            suml2 = suml2 + w * level.astype(F) * level.astype(F)
            codes.append(level + nmax)
        return np.stack(codes, 1), sumlx, suml2

    codes, sumlx, suml2 = fit(F(-nmax) / top)
    scale = np.where(suml2 != 0, sumlx / suml2, F(0)).astype(F)
    best = scale * sumlx
    for step in [*range(-9, 0), *range(1, 10)]:
        trial, sumlx, suml2 = fit(-(F(nmax) + F(0.1) * F(step)) / top)
        better = (suml2 > 0) & (sumlx * sumlx > best * suml2)
        codes = np.where(better[:, None], trial, codes)
        scale = np.where(better, sumlx / suml2, scale)
        best = np.where(better, scale * sumlx, best)
    return np.where(empty, F(0), scale).astype(F), np.where(empty[:, None], 0, codes)


@quiet
def q6_k(x):
    scale, codes = make_qx(x.reshape(-1, 16), 32)
    scale, codes = scale.reshape(-1, 16), codes.reshape(-1, 16, 16)
    size, top = largest(scale)
    inverse_scale = F(-128) / top
    d = half_bytes(F(1) / inverse_scale)
    sc = byte(np.minimum(127, magic(inverse_scale[:, None] * scale)))
    step = d.copy().view(np.float16).astype(F) * sc.view(np.int8).astype(F)
    again = np.clip(magic(x.reshape(-1, 16, 16) / step[..., None]), -32, 31) + 32
    codes = np.where((step != 0)[..., None], again, codes).reshape(-1, 2, 4, 32) & 255
    low = byte(np.stack([codes[:, :, 0] & 15 | (codes[:, :, 2] & 15) << 4, codes[:, :, 1] & 15 | (codes[:, :, 3] & 15) << 4], 2))
    high = byte(sum(codes[:, :, k] >> 4 << 2 * k for k in range(4)))
    out = np.hstack([low.reshape(-1, 128), high.reshape(-1, 64), sc, d])
    out[size < EPS] = 0
    return out


def nearest_iq4(v):
    """Index of the table entry nearest to v: at the middle the upper one; the differences are float32."""
    table = np.array(IQ4, F)
    upper = np.clip((v[..., None] >= table).sum(-1), 1, 15)
    lower = upper - 1
    index = np.where(v - table[lower] < table[upper] - v, lower, upper)
    return np.where(v <= table[0], 0, np.where(v >= table[15], 15, index))


@quiet
def iq4_nl(x, tries=7):
    """tries 7: `quantize_iq4_nl`, which makes files, without importance matrix; -1: `quantize_row_iq4_nl_ref`, which leaves the
    codes of a block below 1e-15 unset (8 here, as the other has them)."""
    weights = x * x
    amax, top = largest(x)
    empty = amax < EPS

    def fit(factor):
        index, sumqx, sumq2 = nearest_iq4(factor[:, None] * x), np.zeros(len(x), F), np.zeros(len(x), F)
        for j in range(32):
            q = np.array(IQ4, F)[index[:, j]]
            sumqx = sumqx + weights[:, j] * q * x[:, j]
            sumq2 = sumq2 + weights[:, j] * q * q
        return index, sumqx, sumq2

    d = (-top if tries > 0 else top) / F(IQ4[0])
    codes, sumqx, sumq2 = fit(F(1) / d)
    d = np.where(sumq2 > 0, sumqx / sumq2, F(0)).astype(F)
    best = d * sumqx
    for step in range(-tries, tries + 1):
        _, sumqx, sumq2 = fit(F(step + IQ4[0]) / top)
        better = (sumq2 > 0) & (sumqx * sumqx > best * sumq2)
        d = np.where(better, sumqx / sumq2, d)
        best = np.where(better, d * sumqx, best)
    if tries > 0:
        codes = nearest_iq4(inverse(d)[:, None] * x)
    return np.hstack([half_bytes(np.where(empty, F(0), d)), nibbles(np.where(empty[:, None], 8, codes))])


def decode_nibbles(blocks, at, table):
    return np.array(table, F)[from_nibbles(blocks[:, at:])]


@quiet
def decode(kind, blocks):
    """float32 values of blocks of one type."""
    if kind == "q4_0":
        return halves(blocks, 0)[:, None] * (from_nibbles(blocks[:, 2:]) - 8).astype(F)
    if kind == "q4_1":
        return halves(blocks, 0)[:, None] * from_nibbles(blocks[:, 4:]).astype(F) + halves(blocks, 2)[:, None]
    if kind in ("q5_0", "q5_1"):
        at = 2 if kind == "q5_0" else 4
        high = np.ascontiguousarray(blocks[:, at : at + 4]).view("<u4").astype(np.int64) >> np.arange(32) & 1
        codes = from_nibbles(blocks[:, at + 4 :]) + 16 * high
        if kind == "q5_0":
            return halves(blocks, 0)[:, None] * (codes - 16).astype(F)
        return halves(blocks, 0)[:, None] * codes.astype(F) + halves(blocks, 2)[:, None]
    if kind in ("q8_0", "q8_1"):
        return halves(blocks, 0)[:, None] * blocks[:, 2 if kind == "q8_0" else 4 :].view(np.int8).astype(F)
    if kind == "mxfp4":
        return half_e8m0(blocks[:, 0])[:, None] * decode_nibbles(blocks, 1, FP4)
    if kind == "iq4_nl":
        return halves(blocks, 0)[:, None] * decode_nibbles(blocks, 2, IQ4)
    if kind == "nvfp4":
        d = np.array([from_ue4m3(s) for s in blocks[:, :4].reshape(-1)], F)
        return (d[:, None] * decode_nibbles(blocks[:, 4:].reshape(-1, 8), 0, FP4)).reshape(-1, 64)
    if kind == "q4_k":
        scales, mins = from_six_bits(blocks[:, 4:16])
        pairs = blocks[:, 16:].reshape(-1, 4, 32)
        codes = np.stack([pairs & 15, pairs >> 4], 2).reshape(-1, 8, 32).astype(F)
        step, offset = halves(blocks, 0)[:, None] * scales.astype(F), halves(blocks, 2)[:, None] * mins.astype(F)
        return (step[..., None] * codes - offset[..., None]).reshape(-1, 256)
    if kind == "q6_k":
        low = blocks[:, :128].reshape(-1, 2, 2, 32)
        high = blocks[:, 128:192].reshape(-1, 2, 32)
        low = np.concatenate([low & 15, low >> 4], 2)  # quarters 0 to 3 of each half
        codes = np.stack([low[:, :, k] | (high >> 2 * k & 3) << 4 for k in range(4)], 2).astype(np.int64) - 32
        step = halves(blocks, 208)[:, None] * blocks[:, 192:208].view(np.int8).astype(F)
        return (step[..., None] * codes.reshape(-1, 16, 16).astype(F)).reshape(-1, 256)
    return decode_bits(kind, blocks)


def ternary(x):
    """(d, codes 0 .. 2) of TQ1_0 and TQ2_0."""
    d = np.abs(x).max(1)
    codes = to_int(round_away(x * inverse(d)[:, None]))
    return d, np.where(codes < -1, 0, codes) + 1  # lroundf of infinities and NaN has zeros in its low half


@quiet
def tq2_0(x):
    d, codes = ternary(x)
    codes = codes.reshape(-1, 2, 4, 32)
    return np.hstack([byte(sum(codes[:, :, n] << 2 * n for n in range(4))).reshape(-1, 64), half_bytes(d)])


def trits(codes):
    """Five digits (n, 5, m) a byte: the number in base 3, as a fraction of 243 in 256ths, rounded up."""
    value = sum(codes[:, n] * 3 ** (4 - n) for n in range(5))
    return byte(-(-value * 256 // 243))


@quiet
def tq1_0(x):
    d, codes = ternary(x)
    last = np.concatenate([codes[:, 240:].reshape(-1, 4, 4), np.zeros((len(x), 1, 4), np.int64)], 1)
    return np.hstack(
        [trits(codes[:, :160].reshape(-1, 5, 32)), trits(codes[:, 160:240].reshape(-1, 5, 16)), trits(last), half_bytes(d)]
    )


@quiet
def q1_0(x):
    total = np.zeros(len(x), F)
    for j in range(x.shape[1]):
        total = total + np.abs(x[:, j])
    return np.hstack([half_bytes(total / F(128)), np.packbits(x >= 0, axis=1, bitorder="little")])


@quiet
def decode_bits(kind, blocks):
    """float32 values of TQ1_0, TQ2_0 and Q1_0."""
    if kind == "q1_0":
        bits = np.unpackbits(blocks[:, 2:], axis=1, bitorder="little").astype(F)
        return (F(2) * bits - F(1)) * halves(blocks, 0)[:, None]
    if kind == "tq2_0":
        codes = np.stack([blocks[:, :64].reshape(-1, 2, 32) >> 2 * n & 3 for n in range(4)], 2).reshape(-1, 256)
        return (codes.astype(F) - F(1)) * halves(blocks, 64)[:, None]
    parts = []
    for at, width, count in ((0, 32, 5), (32, 16, 5), (48, 4, 4)):
        data = blocks[:, at : at + width].astype(np.int64)
        parts += [(data * 3**n % 256) * 3 // 256 for n in range(count)]
    return (np.concatenate(parts, 1).astype(F) - F(1)) * halves(blocks, 52)[:, None]
