"""Plain models of orders of summation: which k at which step, in lists; no code shared with numfmt."""

from __future__ import annotations


def permuted(ks, places):
    """ks taken block by block in the order `places`; a shorter last block keeps the places that exist."""
    found = []
    for start in range(0, len(ks), len(places)):
        block = ks[start : start + len(places)]
        found += [block[p] for p in places if p < len(block)]
    return found


def ordered_dot(a, b, inner, add, *, runs=None, chunk=0, split=1, places=(), start=None, zero=0.0, through=False):
    """inner(x list, y list, start) -> sum of a piece; add(total, piece sum, first k) -> total (rounding, scaling).

    runs: (first, stop) of shared scales (None: one run). through: every piece's result goes into `add`, even a single one.
    """
    depth = len(a)
    runs = runs or [(0, depth)]
    order = [k for first, stop in runs for k in (permuted(list(range(first, stop)), places) if places else range(first, stop))]
    x, y = [a[k] for k in order], [b[k] for k in order]
    size = max(1, -(-depth // split))
    totals = []
    for low in range(0, max(depth, 1), size):
        total = zero if totals or start is None else start
        if not chunk and not through:
            totals.append(inner(x[low : low + size], y[low : low + size], total))
            continue
        for first, stop in runs:
            step = chunk or max(1, stop - first)
            for at in range(first, stop, step):
                ks = [k for k in range(at, min(at + step, stop)) if low <= k < low + size]
                if ks:
                    total = add(total, inner([x[k] for k in ks], [y[k] for k in ks], zero), first)
        totals.append(total)
    total = totals[0]
    for other in totals[1:]:
        total = add(total, other, None)
    return total
