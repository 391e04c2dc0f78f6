"""Integer layers in Python integers and Fractions, cell by cell; no code shared with the product."""

from fractions import Fraction
from itertools import product

import numpy as np


def nearest(value, ties):
    """A Fraction rounded to an integer."""
    floor = value.__floor__()
    rest = value - floor
    if rest != Fraction(1, 2):
        return floor + (rest > Fraction(1, 2))
    return {"up": floor + 1, "away": floor + (value > 0), "even": floor + (floor & 1)}[ties]


def dyadic(multiplier):
    """(b, c) of m ~ b / 2**c, b of 31 bits rounded half away, sign and all."""
    m, c = abs(Fraction(multiplier)), 31
    while m >= 1:
        m, c = m / 2, c - 1
    while m < Fraction(1, 2):
        m, c = m * 2, c + 1
    b = nearest(m * 2**31, "away")
    return (b if multiplier > 0 else -b), c


def rescaled(x, multiplier, convention):
    """One accumulator by a convention."""
    b, c = dyadic(multiplier)
    if convention == "hawqv3":
        return nearest(Fraction(x * b) / Fraction(2) ** c, "even")
    if b == 2**31:
        b, c = 2**30, c - 1
    if convention in ("tflite_single", "tvm_tonearest"):
        return nearest(Fraction(x * b) / Fraction(2) ** c, "up" if convention == "tflite_single" else "away")
    assert convention == "tflite_double"
    left, right = max(31 - c, 0), max(c - 31, 0)
    return nearest(Fraction(nearest(Fraction((x << left) * b, 2**31), "up"), 2**right), "away")


def wrapped(x, bits=32):
    """Two's complement."""
    return (x + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def taps(height, width, size, stride, dilation, pads, row, column):
    """(i, j, y, x) of the cells of a window that lie in the image."""
    for i, j in product(range(size[0]), range(size[1])):
        y, x = row * stride[0] + i * dilation[0] - pads[0][0], column * stride[1] + j * dilation[1] - pads[1][0]
        if 0 <= y < height and 0 <= x < width:
            yield i, j, y, x


def out_size(length, size, stride, dilation, pads):
    """Results along an axis."""
    return (length + pads[0] + pads[1] - dilation * (size - 1) - 1) // stride + 1


def same_pads(length, size, stride):
    """TensorFlow's padding SAME along an axis."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def convolution(x, w, bias, stride, pads, dilation, groups, zero_x, zero_w, bits=32):
    """Accumulators (n, O, H', W') as nested integers in an object array."""
    n, _, height, width = x.shape
    o, per, kh, kw = w.shape
    rows = out_size(height, kh, stride[0], dilation[0], pads[0])
    columns = out_size(width, kw, stride[1], dilation[1], pads[1])
    made = np.empty((n, o, rows, columns), object)
    for b, k, r, q in product(range(n), range(o), range(rows), range(columns)):
        total = int(bias[k]) if bias is not None else 0
        first = k // (o // groups) * per
        for i, j, y, z in taps(height, width, (kh, kw), stride, dilation, pads, r, q):
            for ch in range(per):
                total += (int(x[b, first + ch, y, z]) - zero_x) * (int(w[k, ch, i, j]) - int(zero_w[k]))
        made[b, k, r, q] = wrapped(total, bits)
    return made


def truncated(value):
    """A Fraction to an integer toward zero."""
    return abs(value).__floor__() * (1 if value > 0 else -1)


def average(values, cells, rule, zero=0):
    """The mean of the cells `values` of a window of `cells`."""
    total, inside = sum(values), len(values)
    if rule == "hawqv3":
        return truncated(Fraction(total, cells) + Fraction(1, 100))
    if rule == "floor":
        return total // cells
    if rule == "tflite":
        half = inside // 2
        return truncated(Fraction(total + half if total > 0 else total - half, inside))
    assert rule == "tosa"
    k = 32 - (32 - (inside - 1).bit_length())
    multiplier = ((2**30 + 1) << k) // inside
    return nearest(Fraction((total - inside * zero) * multiplier, 2 ** (30 + k)), "up") + zero


def pooled(x, size, stride, pads, of):
    """`of(list of cells in the image)` for every window."""
    n, c, height, width = x.shape
    rows, columns = out_size(height, size[0], stride[0], 1, pads[0]), out_size(width, size[1], stride[1], 1, pads[1])
    made = np.empty((n, c, rows, columns), object)
    for b, k, r, q in product(range(n), range(c), range(rows), range(columns)):
        made[b, k, r, q] = of([int(x[b, k, y, z]) for _, _, y, z in taps(height, width, size, stride, (1, 1), pads, r, q)])
    return made


def single(value):
    """A Fraction rounded to binary32 (normal numbers), as a Fraction."""
    if value == 0:
        return Fraction(0)
    e = 0
    size = abs(value)
    while size >= 2**24:
        size, e = size / 2, e + 1
    while size < 2**23:
        size, e = size * 2, e - 1
    made = nearest(size, "even") * Fraction(2) ** e
    return made if value > 0 else -made


def hawq_multiplier(in_scale, weight_scale, out_scale):
    """The ratio HAWQ takes apart: fl32(s_x * s_w) / s_out rounded to binary64."""
    ratio = single(Fraction(float(in_scale)) * Fraction(float(weight_scale))) / single(Fraction(float(out_scale)))
    return float(ratio)  # Python divides Fractions into the nearest double


def tflite_add(a, b, scales, zeros, bits=8):
    """ADD of int8 or int16, one element."""
    shift = 20 if bits == 8 else 15
    twice = 2 * max(float(scales[0]), float(scales[1]))
    parts = [rescaled((v - z) << shift, float(s) / twice, "tflite_double") for v, z, s in zip((a, b), zeros, scales, strict=False)]
    out = rescaled(sum(parts), twice / ((1 << shift) * float(scales[2])), "tflite_double") + zeros[2]
    return min(max(out, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def qnnpack_add(a, b, ratios, zeros, low, high):
    """QNNPACK's add of one element; ratios: input scales over the output's, binary32."""
    e = 0
    top = Fraction(max(ratios))
    while top >= 2:
        top, e = top / 2, e + 1
    while top < 1:
        top, e = top * 2, e - 1
    shift = 21 - e
    factors = [nearest(Fraction(r) * Fraction(2) ** shift, "even") for r in ratios]
    total = sum((v - z) * f for v, z, f in zip((a, b), zeros, factors, strict=False))
    return min(max(nearest(Fraction(total, 2**shift), "away") + zeros[2], low), high)
