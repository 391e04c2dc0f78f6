"""Kahan's compensated sum, each operation rounded to the format (Kahan, CACM 8 (1965) 40)."""

from __future__ import annotations

from .float_wide import full, held, held_reals, odd
from .jit import kernel
from .lanes import wide_vectors


@kernel
def kahan_chain(a, b, out, lost, rounded, pw, pr, tw, tr, zero):
    """At each k: y = round(product - lost); t = round(out + y); lost = round(round(t - out) - y); out = t.

    rounded: the product is rounded first (pw, pr); else y = round(a * b - lost) at once. float64: a (M, K), b (K, N), out and
    lost (M, N); facts as `float_wide.chain64`.
    """
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            _step(out[i], lost[i], a[i, k], b[k], rounded, pw, pr, tw, tr, zero)


@kernel
def _step(row, lost, x, b, rounded, pw, pr, tw, tr, zero):
    wide_vectors()
    of_product, reals_of_product, words, reals = held(pw), held_reals(pr), held(tw), held_reals(tr)
    for j in range(row.size):
        p = x * b[j]
        p = full(p, of_product, reals_of_product) if rounded else p
        y = full(odd(p, -lost[j], zero), words, reals)
        s = row[j]
        t = full(odd(s, y, zero), words, reals)
        lost[j] = full(odd(full(odd(t, -s, zero), words, reals), -y, zero), words, reals)
        row[j] = t
