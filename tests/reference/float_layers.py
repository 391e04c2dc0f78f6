"""Layers in float formats as lists of steps, each an exact Fraction rounded once. Plain Python; no code shared with the product."""

from fractions import Fraction
from functools import cache
from math import inf, isfinite, isinf, isnan, isqrt, nan

import mpmath


class Format:
    """An IEEE format: man_bits stored fraction bits, smallest normal exponent emin, overflow to infinity."""

    def __init__(self, man_bits, emin, emax=None, mode="rne"):
        self.man_bits, self.emin, self.mode = man_bits, emin, mode
        emax = 1 - emin if emax is None else emax
        self.near = self
        self.max = (2 - Fraction(1, 1 << man_bits)) * Fraction(2) ** emax

    def towards_zero(self):
        """The format with operations rounded toward zero; `near` is the one of conversions."""
        made = Format(self.man_bits, self.emin, mode="rz")
        made.max, made.near = self.max, self
        return made

    def convert(self, x):
        """A number of another format."""
        return self.near.round(x)

    def round(self, exact, zero=0.0):
        """The float of an exact value; `zero` carries the sign of an exact zero. Specials pass."""
        if isinstance(exact, float):
            if isnan(exact) or isinf(exact):
                return exact
            exact, zero = Fraction(exact), exact
        if exact == 0:
            return zero
        size = abs(exact)
        exponent = size.numerator.bit_length() - size.denominator.bit_length()
        if Fraction(2) ** exponent > size:
            exponent -= 1
        unit = Fraction(2) ** (max(exponent, self.emin) - self.man_bits)
        whole, rest = divmod(size, unit)
        if self.mode == "rne" and (rest * 2 > unit or (rest * 2 == unit and whole % 2)):
            whole += 1
        size = whole * unit
        if size > self.max:
            size = inf if self.mode == "rne" else self.max
        return -float(size) if exact < 0 else float(size)


FP16, BF16, FP32 = Format(10, -14), Format(7, -126), Format(23, -126)
E5M2 = Format(2, -14)
MODES = ("rne", "rz")


def negative(x):
    return str(x)[0] == "-"


def add(x, y, fmt):
    if not (isfinite(x) and isfinite(y)):
        return x + y
    zero = -0.0 if x == 0 and y == 0 and negative(x) and negative(y) else 0.0
    return fmt.round(Fraction(x) + Fraction(y), zero)


def subtract(x, y, fmt):
    return add(x, -y, fmt)


def multiply(x, y, fmt):
    if not (isfinite(x) and isfinite(y)):
        return x * y
    return fmt.round(Fraction(x) * Fraction(y), -0.0 if negative(x) != negative(y) else 0.0)


def divide(x, y, fmt):
    sign = -1.0 if negative(x) != negative(y) else 1.0
    if isnan(x) or isnan(y) or (isinf(x) and isinf(y)) or (x == 0 and y == 0):
        return nan
    if isinf(x) or y == 0:
        return sign * inf
    if isinf(y):
        return sign * 0.0
    return fmt.round(Fraction(x) / Fraction(y), sign * 0.0)


def sqrt(x, fmt):
    if isnan(x) or x < 0:
        return nan
    if x == 0 or isinf(x):
        return x
    return fmt.round(_root(Fraction(x)))


def rsqrt(x, fmt):
    if isnan(x) or x < 0:
        return nan
    if x == 0:
        return -inf if negative(x) else inf
    return 0.0 if isinf(x) else fmt.round(_root(1 / Fraction(x)))


def _root(exact):
    """A Fraction on the same side of every number of 200 bits as the root of `exact`."""
    scaled = exact * Fraction(4) ** 400
    root = isqrt(scaled.numerator // scaled.denominator)
    near = Fraction(root, 1 << 400)
    return near if near * near == exact else near + Fraction(1, 1 << 402)


@cache
def function(name, x, fmt):
    """exp, tanh, erf of a float, from 300 digits."""
    if isnan(x):
        return nan
    if name == "exp":
        if isinf(x):
            return inf if x > 0 else 0.0
        if x == 0:
            return 1.0
        x = max(min(x, 1e4), -1e4)
    elif isinf(x) or x == 0:
        return (1.0 if x > 0 else -1.0) if isinf(x) else x
    with mpmath.workprec(1000):
        value = getattr(mpmath, name)(mpmath.mpf(x))
        sign, mantissa, exponent, _ = value._mpf_
    return fmt.round((-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** exponent)


def total(xs, fmt, order):
    if order == "sequential":
        held = 0.0
        for x in xs:
            held = add(held, x, fmt)
        return held
    if order == "pairwise":
        while len(xs) > 1:
            odd = xs[-1:] if len(xs) % 2 else []
            xs = [add(xs[i], xs[i + 1], fmt) for i in range(0, len(xs) - 1, 2)] + odd
        return xs[0]
    if order == "exact":
        if not all(map(isfinite, xs)):
            return sum(xs)
        return fmt.round(sum(map(Fraction, xs), Fraction(0)))
    size = int(order[5:])
    if order.startswith("chunk"):
        return total([total(xs[i : i + size], fmt, "sequential") for i in range(0, len(xs), size)], fmt, "sequential")
    return total([total(xs[i::size], fmt, "sequential") for i in range(min(size, len(xs)))], fmt, "pairwise")


def _mean(xs, fmt, order, how):
    s, n = total(xs, fmt, order), fmt.convert(float(len(xs)))
    return divide(s, n, fmt) if how == "divide" else multiply(s, divide(1.0, n, fmt), fmt)


def _scaled(xs, variance, weight, bias, eps, fmt, inner, division, early):
    t = add(variance, inner.convert(eps), inner)
    if division == "rsqrt":
        r = rsqrt(t, inner)
    else:
        r = sqrt(t, inner)
        if division == "reciprocal":
            r = divide(1.0, r, inner)
    last = (fmt.towards_zero() if inner.mode == "rz" else fmt) if early else inner
    out = []
    for i, x in enumerate(xs):
        y = divide(x, r, inner) if division == "divide" else multiply(x, r, inner)
        if early:
            y = last.convert(y)
        if weight is not None:
            y = multiply(y, last.convert(weight[i]), last)
        if bias is not None:
            y = add(y, last.convert(bias[i]), last)
        out.append(fmt.round(y))
    return out


def rms_norm(xs, weight, eps, fmt, inner, order, mean, division, early):
    xs = [inner.convert(fmt.round(x)) for x in xs]
    m = _mean([multiply(x, x, inner) for x in xs], inner, order, mean)
    return _scaled(xs, m, weight, None, eps, fmt, inner, division, early)


def layer_norm(xs, weight, bias, eps, fmt, inner, order, mean, division, early, variance):
    xs = [inner.convert(fmt.round(x)) for x in xs]
    m = _mean(xs, inner, order, mean)
    ds = [subtract(x, m, inner) for x in xs]
    if variance == "centered":
        v = _mean([multiply(d, d, inner) for d in ds], inner, order, mean)
    else:
        v = _mean([multiply(x, x, inner) for x in xs], inner, order, mean)
        v = subtract(v, multiply(m, m, inner), inner)
    return _scaled(ds, v, weight, bias, eps, fmt, inner, division, early)


def softmax(xs, fmt, inner, order, division, seen=None, empty="nan", subtract_max=True):
    xs = [inner.convert(fmt.round(x)) for x in xs]
    seen = [True] * len(xs) if seen is None else seen
    counted = [x for x, s in zip(xs, seen, strict=True) if s]
    if not counted or (empty == "zero" and all(x == -inf for x in counted)):
        return [nan if empty == "nan" else 0.0] * len(xs)
    largest = nan if any(map(isnan, counted)) else max(counted)
    es = []
    for x, s in zip(xs, seen, strict=True):
        d = subtract(x, largest, inner) if subtract_max else x
        es.append(function("exp", d, inner) if s else 0.0)
    s = total(es, inner, order)
    if division == "divide":
        return [fmt.round(divide(e, s, inner)) for e in es]
    r = divide(1.0, s, inner)
    return [fmt.round(multiply(e, r, inner)) for e in es]


def silu(x, fmt, inner, form):
    x = inner.convert(fmt.round(x))
    d = add(1.0, function("exp", -x, inner), inner)
    y = divide(x, d, inner) if form == "divide" else multiply(x, divide(1.0, d, inner), inner)
    return fmt.round(y)


def gelu(x, fmt, inner, approximate):
    def c(value):
        return inner.convert(value)

    x = inner.convert(fmt.round(x))
    h = multiply(x, 0.5, inner)
    if approximate == "none":
        u = function("erf", multiply(x, c(0.7071067811865476), inner), inner)
    else:
        cube = multiply(multiply(x, x, inner), x, inner)
        s = add(x, multiply(c(0.044715), cube, inner), inner)
        u = function("tanh", multiply(c(0.7978845608028654), s, inner), inner)
    return fmt.round(multiply(h, add(1.0, u, inner), inner))


def rotate(first, second, cosine, sine, fmt):
    """A pair turned, every step rounded."""
    return (
        subtract(multiply(first, cosine, fmt), multiply(second, sine, fmt), fmt),
        add(multiply(second, cosine, fmt), multiply(first, sine, fmt), fmt),
    )


def attention(q, keys, values, scale, fmt, inner, order, dot_scores, dot_values, seen, added=None):
    """One query: q (head_dim,), keys and values (tokens, head_dim) as lists; dots take two lists."""
    scores = [multiply(fmt.round(float(dot_scores(q, k))), fmt.round(scale), fmt) for k in keys]
    if added is not None:
        scores = [add(s, fmt.round(a), fmt) for s, a in zip(scores, added, strict=True)]
    p = softmax(scores, fmt, inner, order, "divide", seen)
    return [dot_values(p, list(column)) for column in zip(*values, strict=True)]
