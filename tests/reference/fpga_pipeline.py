"""Cutting a line of steps into stages by trying every cut: shares no code with hwmodel."""

from itertools import combinations, pairwise


def stage_ps(steps, first, end):
    """Steps are (logic and wires in ps, ps of a whole carry chain with its wire, bits held behind)."""
    run = steps[first:end]
    return max(sum(s[0] for s in run), max(s[1] for s in run))


def best_cut(steps, stages):
    """(longest stage in ps, bits held inside) of the best of all cuts into so many stages."""
    found = []
    for cut in combinations(range(1, len(steps)), stages - 1):
        bounds = [0, *cut, len(steps)]
        longest = max(stage_ps(steps, a, b) for a, b in pairwise(bounds))
        found.append((longest, sum(steps[c - 1][2] for c in cut)))
    least = min(f[0] for f in found)
    return least, min(bits for ps, bits in found if ps <= least * (1 + 1e-9))
