"""Plain models of the schemes with learned or searched parameters, and of integer recipes; no code shared with numfmt.

One group, row or matrix at a time, in NumPy scalars of the stated precision, Fraction or int. Sources stand in numfmt's docstrings.
"""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np

F = np.float32


def half_even(x):
    """The nearest integer of a Fraction, ties to even (Python's own rule)."""
    return round(x)


def nearest_float(x, man_bits, emin):
    """A positive Fraction rounded to man_bits fraction bits with subnormals below 2**emin, ties to even."""
    exponent = 0
    while Fraction(2) ** (exponent + 1) <= x:
        exponent += 1
    while Fraction(2) ** exponent > x:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, emin) - man_bits)
    return round(x / unit) * unit


def interleaved_sum(values):
    """Sixteen interleaved partial sums in float64, folded in halves."""
    lanes = [0.0] * 16
    for i, v in enumerate(values):
        lanes[i % 16] += v
    width = 8
    while width:
        for i in range(width):
            lanes[i] += lanes[i + width]
        width //= 2
    return lanes[0]


# -- integers ------------------------------------------------------------


def int_zero_rule(w, bits, rule):
    """(codes, scale, zero point) of an asymmetric group by the zero-point rules of GPTQ and OmniQuant, float32."""
    top = F(2**bits - 1)
    low, high = w.min(), w.max()
    if rule == "gptq":
        low, high = min(low, F(0)), max(high, F(0))
        if low == 0 and high == 0:
            low, high = F(-1), F(1)
        scale = (high - low) / top
        zero = np.rint(-low / scale)
    else:
        scale = np.clip((high - low) / top, F(1e-5), F(1e4))
        zero = np.clip(np.rint(-low / scale), -10000, 10000)
    codes = np.clip(np.rint(w / scale) + zero, 0, top)
    return codes.astype(int), scale, int(zero)


def hawq(w, bits):
    """(codes, scale): HAWQ-V3's weights, reciprocal of the scale first."""
    n = 2 ** (bits - 1) - 1
    scale = max(np.abs(w).max(), F(1e-8)) / F(n)
    return np.clip(np.rint((F(1) / scale) * w), -n, n).astype(int), scale


def awq_symmetric(w, bits):
    """(codes, scale): llm-awq without a zero point."""
    scale = max(np.abs(w).max(), F(1e-5)) / F(2 ** (bits - 1) - 1)
    return np.clip(np.rint(w / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype(int), scale


def exact_symmetric(w, bits, scale_bits, emin):
    """(codes, scale as Fraction): only the stored scale is rounded, to `scale_bits` significant bits."""
    top = 2 ** (bits - 1) - 1
    magnitude = max(abs(Fraction(float(v))) for v in w)
    scale = nearest_float(magnitude / top, scale_bits - 1, emin) if magnitude else Fraction(1)
    return [min(max(half_even(Fraction(float(v)) / scale), -top), top) for v in w], scale


def dgq(row, size):
    """(int8 weights, channel scale) of one row: INT4 groups with integer scales."""
    top = np.abs(row).max()
    channel = (top if top > 0 else F(1)) / F(127)
    out = []
    for start in range(0, row.size, size):
        w = row[start : start + size]
        step = max(w.max() - w.min(), F(1e-5)) / F(15)
        zero = int(np.clip(np.rint(-w.min() / step), 0, 15))
        whole = int(np.clip(np.rint(step / channel), 1, 127))
        limit = 127 // whole
        scale = F(whole) * channel
        codes = [min(max(int(np.rint(v / scale)) + zero, max(0, zero - limit)), min(15, zero + limit)) for v in w]
        out += [(c - zero) * whole for c in codes]
    return np.array(out), channel


def narrow(code, high, low, rounding):
    """A stored integer at its `low` highest bits."""
    exact = Fraction(code, 2 ** (high - low))
    if rounding == "ties_even":
        whole = half_even(exact)
    elif rounding == "ties_up":
        whole = (exact + Fraction(1, 2)).__floor__()
    else:
        whole = exact.__floor__()
    return min(max(whole, -(2 ** (low - 1))), 2 ** (low - 1) - 1)


# -- one and two bits ------------------------------------------------------------


def mean_scaled(w, name):
    """(codes -1, 0, 1; scale) of one group."""
    w = w.astype(F)
    wide = [float(v) for v in w]
    center = F(interleaved_sum(wide) / len(wide)) if name == "bitnet1" else F(0)
    if name == "bitnet_median":
        scale = max(F(np.median(np.abs(wide))), F(1e-5))
    else:
        scale = F(interleaved_sum([abs(v - float(center)) for v in wide]) / len(wide))
        if name == "bitnet":
            scale = max(scale, F(1e-5))
        if name == "trilm":
            scale = scale + F(1e-5)
    if name in ("xnor", "bitnet1"):
        return [1 if v - center >= 0 else -1 for v in w], scale
    return [int(np.rint(min(max(v / scale, F(-1)), F(1)))) for v in w], scale


def two_binaries(w):
    """Values of one group: nearest of 0, a, b, a + b, ties to the lower level."""
    step = max(w.max() / F(2), -w.min())
    step = step if step > 0 else F(1)
    levels = sorted([-float(step), 0.0, float(step), 2.0 * float(step)])
    return [F(min(levels, key=lambda v: (abs(Fraction(v) - Fraction(float(x))), v))) for x in w]


def structured(w, size, percent):
    """Values of a matrix: columns of largest energy at 4 bits a row, the rest signs times the mean magnitude of row and group."""
    rows, columns = w.shape
    energy = [interleaved_sum([float(v) ** 2 for v in w[:, c]]) for c in range(columns)]
    kept = set(sorted(range(columns), key=lambda c: (-energy[c], c))[: round(columns * percent / 100)])
    out = np.zeros(w.shape, F)
    for r in range(rows):
        chosen = [w[r, c] for c in sorted(kept)]
        top = max((abs(v) for v in chosen), default=F(0))
        scale = (top if top > 0 else F(7)) / F(7)
        for start in range(0, columns, size):
            inside = range(start, start + size)
            total = interleaved_sum([0.0 if c in kept else abs(float(w[r, c])) for c in inside])
            count = sum(c not in kept for c in inside)
            alpha = F(total / max(count, 1))
            for c in inside:
                if c in kept:
                    out[r, c] = F(min(max(int(np.rint(w[r, c] / scale)), -7), 7)) * scale
                else:
                    out[r, c] = alpha if w[r, c] >= 0 else -alpha
    return out


def unstructured(w, size, percent):
    """Values of a matrix: the largest magnitudes at 8 bits a row, the rest signs times the mean magnitude of row and group."""
    flat = np.abs(w).reshape(-1)
    order = sorted(range(flat.size), key=lambda i: (-flat[i], i))
    kept = set(order[: round(flat.size * percent / 100)])
    out = np.zeros(w.shape, F)
    for r in range(w.shape[0]):
        top = np.abs(w[r]).max()
        scale = (top if top > 0 else F(127)) / F(127)
        for start in range(0, w.shape[1], size):
            inside = [(c, r * w.shape[1] + c in kept) for c in range(start, start + size)]
            total = interleaved_sum([0.0 if salient else abs(float(w[r, c])) for c, salient in inside])
            alpha = F(total / max(sum(not salient for _, salient in inside), 1))
            for c, salient in inside:
                if salient:
                    out[r, c] = F(min(max(int(np.rint(w[r, c] / scale)), -127), 127)) * scale
                else:
                    out[r, c] = alpha if w[r, c] >= 0 else -alpha
    return out


# -- searches ------------------------------------------------------------


def signed(magnitudes, extra=()):
    """Both signs, ascending."""
    return sorted({float(s * m) for m in magnitudes for s in (1, -1)} | set(extra))


ANT4 = {
    "int": signed(range(8), (-8.0,)),
    "flint": signed((0, 1, 2, 3, 4, 6, 8, 16)),
    "pot": signed((0, 1, 2, 4, 8, 16, 32, 64)),
}
OLIVE = {"int": (signed(range(0, 29, 4)), 28.0), "flint": (signed((0, 2, 4, 6, 8, 12, 16, 32)), 32.0)}
OUTLIERS = signed((48, 64, 96, 128, 192, 256, 384))


def nearest_upper(x, grid):
    """The nearest value of an ascending grid, a tie to the larger; exact."""
    return max(grid, key=lambda v: (-abs(Fraction(v) - Fraction(float(x))), v))


def nearest_even_code(x, values):
    """The nearest of ascending non-negative values with the sign of x, a tie to the even index; exact."""
    index = min(range(len(values)), key=lambda i: (abs(Fraction(values[i]) - abs(Fraction(float(x)))), i % 2))
    return values[index] if x >= 0 else -values[index]


def search(groups, grids, bases, factors, limits):
    """(type, scales): each group takes the factor of least error, the tensor the type of least summed error; first of equals."""
    best = None
    for kind, grid in grids.items():
        scales, total = [], 0.0
        for w, base in zip(groups, bases, strict=True):
            least = None
            for factor in factors:
                scale = F(F(F(factor) * base) / F(limits[kind])) or F(1)
                values = [nearest_upper(F(x) / scale, grid) for x in w]
                error = interleaved_sum([(v * float(scale) - float(x)) ** 2 for v, x in zip(values, w, strict=True)])
                if least is None or error < least[0]:
                    least = (error, scale)
            scales.append(least[1])
            total += least[0]
        if best is None or total < best[0]:
            best = (total, kind, scales)
    return best[1], best[2]


def olive_row(w, kind, scale):
    """Values of a row in units of which 32 is the threshold: outliers take their partner's place, the left of two survives."""
    grid, _ = OLIVE[kind]
    out = []
    for even, odd in zip(w[0::2], w[1::2], strict=True):
        pair = []
        for x in (even, odd):
            q = F(x) / scale
            both = [(abs(Fraction(v) - Fraction(float(q))), 1, -v, v) for v in grid]
            both += [(abs(Fraction(v) - Fraction(float(q))), 0, -v, v) for v in OUTLIERS]
            pair.append(min(both)[3])  # nearest, then outliers, then the larger value
        if abs(pair[0]) > 32:
            pair[1] = 0.0
        elif abs(pair[1]) > 32:
            pair[0] = 0.0
        out += pair
    return out


def power_tables(bits, k):
    """Levels and decision points of the exponent k / 20 as float32, correctly rounded."""
    n = 2 ** (bits - 1) - 1
    with mpmath.workprec(400):

        def near(value):
            candidates = [F(float(value))]
            candidates += [np.nextafter(candidates[0], F(-1)), np.nextafter(candidates[0], F(2))]
            return min(candidates, key=lambda c: abs(mpmath.mpf(float(c)) - value))

        levels = [near(mpmath.root((mpmath.mpf(i) / n) ** 20, k)) for i in range(n + 1)]
        points = [near(mpmath.root(((2 * mpmath.mpf(i) + 1) / (2 * n)) ** 20, k)) for i in range(n)]
    return levels, points


def best_codebook(x, count):
    """The least squared error of `count` centroids over sorted values x, by dynamic programming over all cuts (small x only)."""
    x = sorted(float(v) for v in x)
    n = len(x)

    def cost(i, j):
        part = x[i:j]
        mean = sum(part) / len(part)
        return sum((v - mean) ** 2 for v in part)

    best = [[np.inf] * (n + 1) for _ in range(count + 1)]
    best[0][0] = 0.0
    for c in range(1, count + 1):
        for j in range(1, n + 1):
            best[c][j] = min(best[c - 1][i] + cost(i, j) for i in range(j))
    return min(best[c][n] for c in range(1, count + 1))


# -- special values ------------------------------------------------------------
E2M1 = signed((0, 0.5, 1, 1.5, 2, 3, 4, 6))


def nearest_lower(x, grid):
    """The nearest value of a grid, a tie to the lower; exact."""
    return min(grid, key=lambda v: (abs(Fraction(v) - Fraction(float(x))), v))


def razer(groups, kind):
    """Per group (values, special value, scale that made the codes); kind: fp4, mxfp4, nvfp4 or a function of the scale."""
    out = []
    for w in groups:
        top = np.abs(w).max()
        best = None
        for special in (5.0, -5.0, 8.0, -8.0):
            if kind == "mxfp4":
                scale = F(2.0 ** max(int(np.frexp(top)[1]) - 3, -127)) if top else F(2.0**-127)
            else:
                scale = (top / F(abs(special) if abs(special) == 8 else 6)) or F(1)
                if callable(kind):
                    scale = kind(scale)
            values = [nearest_lower(F(v / scale), [*E2M1, special]) for v in w]
            error = 0.0
            for v, x in zip(values, w, strict=True):
                error += (v * float(scale) - float(x)) ** 2
            if best is None or error < best[0]:
                best = (error, values, special, scale)
        out.append(best[1:])
    return out
