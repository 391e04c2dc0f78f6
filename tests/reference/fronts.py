"""Plain fronts, hypervolumes and knees: quadratic, in Fractions, straight from their definitions."""

import math
from fractions import Fraction
from itertools import combinations


def beats(a, b):
    """Costs a are nowhere above costs b and somewhere below."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def front(rows):
    """Positions of the rows (tuples of costs) that no row beats; rows with NaN neither beat nor stay."""
    usable = [i for i, row in enumerate(rows) if not any(isinstance(v, float) and math.isnan(v) for v in row)]
    return [i for i in usable if not any(beats(rows[j], rows[i]) for j in usable)]


def hypervolume(rows, reference):
    """Volume of the union of the boxes between rows and reference, by inclusion and exclusion: 2**n terms."""
    boxes = [tuple(map(Fraction, row)) for row in rows if all(v < r for v, r in zip(row, reference, strict=True))]
    total = Fraction(0)
    for size in range(1, len(boxes) + 1):
        for some in combinations(boxes, size):
            corner = [max(column) for column in zip(*some, strict=True)]
            total += (-1) ** (size + 1) * math.prod(Fraction(r) - c for r, c in zip(reference, corner, strict=True))
    return total


def scaled(rows):
    """Distinct front rows as Fractions from 0 (best) to 1 (worst), without constant columns, with the positions of each."""
    columns = [column for column in zip(*rows, strict=True) if len(set(column)) > 1]
    lines = [[Fraction(v) for v in column] for column in columns]
    lines = [[(v - min(column)) / (max(column) - min(column)) for v in column] for column in lines]
    return [tuple(line[i] for line in lines) for i in range(len(rows))]


def largest(strengths):
    """Positions of the largest value above 0."""
    most = max(strengths)
    return [i for i, s in enumerate(strengths) if s == most] if most > 0 else []


def knee_by_distance(rows):
    """Positions, in a list of front rows, of those farthest below the plane through the ends; Fractions, no root needed."""
    points = scaled(rows)
    if not points[0]:
        return list(range(len(rows)))
    return largest([1 - sum(p) for p in points])


def knee_by_trade_off(rows):
    """Positions of the front rows with the largest least loss by gain."""
    points = scaled(rows)
    if not points[0]:
        return list(range(len(rows)))
    worth = []
    for p in points:
        moves = [q for q in points if q != p]
        losses = [sum(max(b - a, 0) for a, b in zip(p, q, strict=True)) for q in moves]
        gains = [sum(max(a - b, 0) for a, b in zip(p, q, strict=True)) for q in moves]
        worth.append(min(loss / gain for loss, gain in zip(losses, gains, strict=True)))
    return largest(worth)
