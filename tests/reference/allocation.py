"""Bit allocation by trying every combination, in Fractions: the plain model of `hw.allocate`."""

import itertools
from fractions import Fraction


def read(frame, columns):
    """{layer: {scheme: {column: Fraction}}} in order of appearance."""
    held = {}
    for row in frame.to_dict("records"):
        held.setdefault(row["layer"], {})[row["scheme"]] = {c: Fraction(row[c]) for c in columns}
    return held


def combinations(frame, columns, groups=(), fixed=None):
    """Every allowed assignment of schemes (dict) with the sums of its columns."""
    held = read(frame, columns)
    layers, fixed = list(held), fixed or {}
    for schemes in itertools.product(*(held[layer] for layer in layers)):
        chosen = dict(zip(layers, schemes, strict=True))
        if any(len({chosen[layer] for layer in group}) > 1 for group in groups):
            continue
        if any(chosen[layer] != scheme for layer, scheme in fixed.items()):
            continue
        yield chosen, {c: sum(held[layer][s][c] for layer, s in chosen.items()) for c in columns}


def best(frame, limits, groups=(), fixed=None):
    """(loss, uses in the order of the limits) of the best choice, or None. limits: column -> Fraction."""
    found = [
        (sums["loss"], *(sums[c] for c in limits))
        for _, sums in combinations(frame, ["loss", *limits], groups, fixed)
        if all(sums[c] <= limit for c, limit in limits.items())
    ]
    return min(found, default=None)


def front(frame, column, groups=(), fixed=None):
    """[(use, loss)] that no other combination beats, the cheapest first."""
    points = sorted({(sums[column], sums["loss"]) for _, sums in combinations(frame, ["loss", column], groups, fixed)})
    kept = []
    for use, loss in points:
        if not kept or loss < kept[-1][1]:
            kept.append((use, loss))
    return kept


def whole_numbers(losses, costs, limit):
    """Least loss of one option a layer whose whole-number costs sum to at most `limit`: dynamic programming over the sum."""
    best = {0: Fraction(0)}
    for row, prices in zip(losses, costs, strict=True):
        grown = {}
        for spent, loss in best.items():
            for more, price in zip(row, prices, strict=True):
                at, value = spent + int(price), loss + Fraction(more)
                if at <= limit and (at not in grown or value < grown[at]):
                    grown[at] = value
        best = grown
    return min(best.values(), default=None)
