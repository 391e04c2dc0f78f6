"""Cycles of a systolic array, fold by fold (no code shared with hwmodel)."""


def folds(length, step):
    return len(range(0, length, step))


def cycles(flow, rows, columns, m, k, n):
    """Compute cycles as SCALE-Sim 3 reports them: all folds one after the other, the last cycle not counted."""
    if flow == "ws":
        outer, inner, fold = folds(k, rows), folds(n, columns), rows + (rows + columns + m - 2)
    elif flow == "is":
        outer, inner, fold = folds(k, rows), folds(m, columns), rows + (rows + columns + n - 2)
    else:
        outer, inner, fold = folds(m, rows), folds(n, columns), rows + columns + k - 2
    total = 0
    for _ in range(outer):
        for _ in range(inner):
            total += fold
    return total - 1
