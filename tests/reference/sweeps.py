"""Plain models of a space and of a sweep: itertools.product, Python's own eval, Fractions. Shares no code with hwmodel."""

import itertools
from fractions import Fraction


def points(axes, linked=(), constraints=(), fixed=None):
    """All points in order: axes name -> list; linked axes go together where the first of them stands."""
    groups, used = [], set()
    for name in axes:
        if name in used:
            continue
        group = next((g for g in linked if name in g), (name,))
        used.update(group)
        groups.append([dict(zip(group, values, strict=True)) for values in zip(*(axes[n] for n in group), strict=True)])
    found = []
    for choice in itertools.product(*groups):
        point = {**(fixed or {})}
        for part in choice:
            point.update(part)
        if all(eval(text, {"__builtins__": {}, "min": min, "max": max, "abs": abs}, dict(point)) for text in constraints):
            found.append(point)
    return found


def steps(low, high, step):
    """low, low + step, ..., in decimal."""
    found, at = [], Fraction(str(low))
    while at <= Fraction(str(high)):
        found.append(at)
        at += Fraction(str(step))
    return found
