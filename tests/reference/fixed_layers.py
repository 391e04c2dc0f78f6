"""Layers in ap_fixed as hls4ml 1.3.0's nnet_utils compute them, on Python integers and Fractions: one loop a header's loop.

Tensors are nested NumPy object or integer arrays of raw integers; a type is (W, I, signed, rounding, overflow, N). No code shared
with numfmt; the rules of a cast come from tests/reference/fixed.py.
"""

from fractions import Fraction

import numpy as np

from .fixed import cast


def value(raw, t):
    """The number that a raw integer of type t stands for."""
    return Fraction(int(raw)) / Fraction(2) ** (t[0] - t[1])


def assigned(number, t):
    """The raw integer of type t that a number becomes on assignment."""
    w, i, signed, rounding, overflow, n = t
    return cast(number, w, i, signed, rounding, overflow, n)


def total(pairs, bias, tx, tw, tb, tacc, full=False):
    """acc = bias; acc += product in turn (the product an accum_t by itself, unless `full`). pairs: raw (x, w) in order."""
    acc = assigned(value(bias, tb), tacc) if bias is not None else 0
    for x, w in pairs:
        product = value(x, tx) * value(w, tw)
        if not full:
            product = value(assigned(product, tacc), tacc)
        acc = assigned(value(acc, tacc) + product, tacc)
    return acc


def dense(x, w, b, tx, tw, tb, tacc, tres, full=False):
    """x (n, in), w (in, out), b (out,) or None."""
    out = np.empty((len(x), w.shape[1]), object)
    for s in range(len(x)):
        for j in range(w.shape[1]):
            acc = total(zip(x[s], w[:, j], strict=True), None if b is None else b[j], tx, tw, tb, tacc, full)
            out[s, j] = assigned(value(acc, tacc), tres)
    return out


def conv2d(x, w, b, tx, tw, tb, tacc, tres, stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1), depthwise=False):
    """x (n, h, w, c), w (kh, kw, c, o) or (kh, kw, c) depthwise; pads: top, bottom, left, right. Order ky, kx, c."""
    n, height, width, channels = x.shape
    kh, kw = w.shape[:2]
    rows = (height + pads[0] + pads[1] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (width + pads[2] + pads[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    outputs = channels if depthwise else w.shape[3]
    out = np.empty((n, rows, columns, outputs), object)
    for s, i, j, o in np.ndindex(out.shape):
        pairs = []
        for ky in range(kh):
            for kx in range(kw):
                y, z = i * stride[0] + ky * dilation[0] - pads[0], j * stride[1] + kx * dilation[1] - pads[2]
                for c in [o] if depthwise else range(channels):
                    inside = 0 <= y < height and 0 <= z < width
                    pairs.append((x[s, y, z, c] if inside else 0, w[ky, kx, c] if depthwise else w[ky, kx, c, o]))
        acc = total(pairs, None if b is None else b[o], tx, tw, tb, tacc)
        out[s, i, j, o] = assigned(value(acc, tacc), tres)
    return out


def batch_norm(x, scale, bias, tx, ts, tb, tres):
    """The last axis holds the channels."""
    out = np.empty(x.shape, object)
    for at in np.ndindex(x.shape):
        out[at] = assigned(value(x[at], tx) * value(scale[at[-1]], ts) + value(bias[at[-1]], tb), tres)
    return out


def relu(x, tx, tres):
    """v > 0 ? v : 0."""
    out = np.empty(x.shape, object)
    for at in np.ndindex(x.shape):
        out[at] = assigned(value(x[at], tx), tres) if x[at] > 0 else 0
    return out


def add(x, y, tx, ty, tres):
    """One assignment of the exact sum."""
    out = np.empty(x.shape, object)
    for at in np.ndindex(x.shape):
        out[at] = assigned(value(x[at], tx) + value(y[at], ty), tres)
    return out


def pool2d(x, tx, tacc, tres, op, size, stride, pads=(0, 0, 0, 0), count_pad=False):
    """op "max" or "average". A padded cell is 0 for an average, and the raw integer with only the top bit set for a maximum."""
    n, height, width, channels = x.shape
    rows = (height + pads[0] + pads[1] - size[0]) // stride[0] + 1
    columns = (width + pads[2] + pads[3] - size[1]) // stride[1] + 1
    out = np.empty((n, rows, columns, channels), object)
    top = -(2 ** (tx[0] - 1)) if tx[2] else 2 ** (tx[0] - 1)
    for s, i, j, c in np.ndindex(out.shape):
        cells, real = [], 0
        for ky in range(size[0]):
            for kx in range(size[1]):
                y, z = i * stride[0] + ky - pads[0], j * stride[1] + kx - pads[2]
                if 0 <= y < height and 0 <= z < width:
                    cells.append(int(x[s, y, z, c]))
                    real += 1
                else:
                    cells.append(top if op == "max" else 0)
        if op == "max":
            acc = assigned(value(max(cells), tx), tacc)
        else:
            acc = 0
            for cell in cells:
                acc = assigned(value(acc, tacc) + value(cell, tx), tacc)
            count = size[0] * size[1] if count_pad else real
            acc = abs(acc) // count * (1 if acc >= 0 else -1)
        out[s, i, j, c] = assigned(value(acc, tacc), tres)
    return out


def inferred(tx, tw, tb, terms):
    """(W, I, signed) that hls4ml's infer_precision.py gives an accumulator of `terms` products and a bias (None: none)."""
    grow = 0
    while 2**grow < terms:
        grow += 1
    w, i, s = tx[0] + tw[0] + grow, tx[1] + tw[1] + grow, tx[2] or tw[2]
    if tb is None:
        return w, i, s
    frac = w - i
    i = max(i + int(tb[2] and not s), tb[1] + int(s and not tb[2])) + 1
    return i + max(frac, tb[0] - tb[1]), i, s or tb[2]
