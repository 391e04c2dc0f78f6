"""An I-BERT encoder layer position by position in Python integers; constants of scales in NumPy's float32."""

import math

import numpy as np

from .integer_layers import hawq_multiplier, nearest, rescaled, wrapped

F = np.float32


def fraction_floor(constant, scale, squared=False):
    """floor(fl(fl(1 / S) * c))."""
    return math.floor(F(F(1) / (F(scale) * F(scale) if squared else F(scale))) * F(constant))


def exponential(q, scale):
    """2**30 times the polynomial's integer of exp(q * scale)."""
    x0 = fraction_floor(-0.6931, scale)
    b = fraction_floor(0.96963238 / 0.35815147, scale)
    c = fraction_floor(1.0 / 0.35815147, scale, True)
    q = max(q, 30 * x0)
    z = q // x0
    r = q - x0 * z
    return max((r * (r + b) + c) << (30 - z), 0)


def softmax(row, scale):
    """Integers out of 256."""
    top = 32767 / exponential(0, scale)
    e = [min(rescaled(exponential(v - max(row), scale), top, "hawqv3"), 32767) for v in row]
    factor = 2**32 // sum(e)
    return [(v * factor) >> 24 for v in e]


def gelu(q, scale):
    """(integer, scale)."""
    s = F(scale) / F(1.4142)
    b, c = fraction_floor(-1.769, s), fraction_floor(1.0 / -0.2888, s, True)
    sign = (q > 0) - (q < 0)
    erf = (sign * ((min(abs(q), -b) + b) ** 2 + c)) >> 14
    erf_scale = F(F(-0.2888) * (s * s)) * F(2.0**14)
    return q * (erf + math.floor(F(1) / erf_scale)), F(F(scale) * erf_scale) / F(2)


def layer_norm(row, shift):
    """Units of sqrt(n) / 2**30."""
    from fractions import Fraction

    mean = nearest(Fraction(sum(row), len(row)), "even")
    y = [v - mean for v in row]
    std = math.isqrt(sum((v >> shift) ** 2 for v in y)) << shift
    return [(v * (2**31 // std)) >> 1 for v in y]


def clamp8(v):
    """Signed 8 bits."""
    return min(max(v, -128), 127)


def dense(row, words, bias):
    """int32 accumulators."""
    return [wrapped(sum(int(a) * int(b) for a, b in zip(row, w, strict=True)) + int(c)) for w, c in zip(words, bias, strict=True)]


def layer(x, parts, norms, heads, in_scale, scales, shifts):
    """x: (T, D) integers. parts: name -> (weight words, bias words, weight scales); norms: name -> (gain, bias), float32."""
    t, d = len(x), len(x[0])
    size = d // heads

    def act(name, rows, given, weights):
        return [
            [clamp8(rescaled(v, hawq_multiplier(given, w, scales[name]), "hawqv3")) for v, w in zip(row, weights, strict=True)]
            for row in rows
        ]

    def add(name, a, given, weights, b, other):
        return [
            [
                rescaled(u, hawq_multiplier(given, w, scales[name]), "hawqv3")
                + rescaled(v, hawq_multiplier(other, 1, scales[name]), "hawqv3")
                for u, v, w in zip(r, q, weights, strict=True)
            ]
            for r, q in zip(a, b, strict=True)
        ]

    def norm(name, rows):
        gain, bias = norms[name]
        unit = np.sqrt(F(d)) / F(2.0**30)
        lift = [math.floor(F(b / g) / unit) for b, g in zip(bias, gain, strict=True)]
        made = [[v + s for v, s in zip(layer_norm(row, shifts[name]), lift, strict=True)] for row in rows]
        return act(name, made, 1, [unit * g for g in gain])

    rows = [[int(v) for v in row] for row in x]
    q, k, v = (act(n, [dense(r, *parts[n][:2]) for r in rows], in_scale, parts[n][2]) for n in ("query", "key", "value"))
    unit = F(scales["query"]) * F(scales["key"]) / F(np.sqrt(F(size)))
    context = [[0] * d for _ in range(t)]
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        for i in range(t):
            p = softmax([sum(a * b for a, b in zip(q[i][part], k[j][part], strict=True)) for j in range(t)], unit)
            for c in range(h * size, (h + 1) * size):
                context[i][c] = sum(p[j] * v[j][c] for j in range(t))
    context = act("context", context, F(1 / 256) * F(scales["value"]), [1] * d)
    h = [dense(r, *parts["output"][:2]) for r in context]
    h = norm("attention_norm", add("attention_sum", h, scales["context"], parts["output"][2], rows, in_scale))
    residual = h
    inner = [dense(r, *parts["fc1"][:2]) for r in h]
    made = [[gelu(u, F(scales["attention_norm"]) * w) for u, w in zip(r, parts["fc1"][2], strict=True)] for r in inner]
    h = [[clamp8(rescaled(u, hawq_multiplier(s, 1, scales["gelu"]), "hawqv3")) for u, s in r] for r in made]
    h = [dense(r, *parts["fc2"][:2]) for r in h]
    return norm("output_norm", add("output_sum", h, scales["gelu"], parts["fc2"][2], residual, scales["attention_norm"]))
