"""Scaling laws and memories in plain arithmetic, from figures typed in here (no code or data shared with hwmodel)."""

from fractions import Fraction as F
from math import exp, log

# delay c3..c0, energy c2..c0: Stillmaker & Baas 2017
DELAY = {
    (65, "bulk"): ("-53.3", "230.4", "-333.9", "178.6"),
    (45, "hp"): ("-501.6", "1567", "-1619", "566.1"),
    (45, "lp"): ("-285.7", "1239", "-1795", "898.8"),
    (32, "hp"): ("-1047", "2982", "-2797", "873.5"),
    (20, "hp"): ("0", "34.63", "-66.37", "41.15"),
    (7, "hp"): ("-28.58", "76.6", "-70.26", "24.69"),
    (7, "lp"): ("-61.79", "196.1", "-210.3", "79.55"),
}
ENERGY = {
    (65, "bulk"): ("3.755", "-4.398", "1.975"),
    (45, "hp"): ("1.018", "-0.3107", "0.1539"),
    (45, "lp"): ("1.103", "-0.362", "0.2767"),
    (32, "hp"): ("0.8367", "-0.4341", "0.1701"),
    (32, "lp"): ("0.9559", "-0.7823", "0.471"),
    (20, "hp"): ("0.373", "-0.1582", "0.04104"),
    (7, "hp"): ("0.1776", "-0.09097", "0.02447"),
    (7, "lp"): ("0.09365", "-0.03409", "0.02043"),
}
AREA_45 = {180: 19, 130: 6.4, 90: 2.8, 65: 1.5, 45: 1, 32: 0.46, 20: 0.21, 16: 0.19, 14: 0.17, 10: 0.1, 7: 0.059}


def value(table, node, flavour, vdd):
    """Exact value of a polynomial; vdd as text."""
    total = F(0)
    for c in table[node, flavour if node < 65 else "bulk"]:
        total = total * F(vdd) + F(c)
    return total


def between(node, low, high, at_low, at_high):
    """Log-log interpolation."""
    share = log(node / low) / log(high / low)
    return exp(log(at_low) * (1 - share) + log(at_high) * share)


def sram_fit(rows, quantity, used):
    """Coefficients of the log-linear law by the normal equations, in floats: {term: value}."""
    a, y = [], []
    for r in rows:
        size, width = log(int(r["size_bytes"]) / 65536), log(int(r["width_bits"]) / 64)
        node, lop = log(int(r["tech_nm"]) / 45), float(r["cell"] == "itrs-lop")
        every = {"one": 1.0, "size": size, "width": width, "size x width": size * width, "node": node, "lop": lop}
        every["lop x node"] = lop * node
        a.append([every[t] for t in used])
        y.append(log(float(r[quantity])))
    n = len(used)
    m = [
        [sum(row[i] * row[j] for row in a) for j in range(n)] + [sum(row[i] * v for row, v in zip(a, y, strict=True))]
        for i in range(n)
    ]
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(m[k][i]))
        m[i], m[pivot] = m[pivot], m[i]
        for k in range(n):
            if k != i:
                f = m[k][i] / m[i][i]
                m[k] = [x - f * z for x, z in zip(m[k], m[i], strict=True)]
    return {t: m[i][n] / m[i][i] for i, t in enumerate(used)}
