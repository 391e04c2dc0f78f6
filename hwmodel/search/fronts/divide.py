"""Fronts of three and more columns by divide and conquer (Kung, Luccio, Preparata, Journal of the ACM 22(4), 1975).

Rows are distinct and in lexicographic order, so no row beats one before it, and the first column never needs a look: of two halves
the first keeps its front, and the second loses what the first half's front beats in the other columns. That question is cut by the
value of one column after the other until two columns are left, which one sweep answers.
"""

from __future__ import annotations

import numpy as np

from numfmt.kernels.jit import kernel

_FEW = 16
_PAIRS = 512  # comparisons that cost less than another cut


def front_of_sorted(ranks: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """ranks: int32 (rows, columns >= 3), lower is better, values from 0; rows bounds[g] to bounds[g + 1] are a group, its rows
    distinct and in lexicographic order. True for rows on the front of their group."""
    front = np.zeros(len(ranks), np.bool_)
    _groups(ranks, bounds, front)
    return front


@kernel
def _groups(ranks: np.ndarray, bounds: np.ndarray, front: np.ndarray) -> None:
    for g in range(len(bounds) - 1):
        for i in _front(ranks, bounds[g], bounds[g + 1]):
            front[i] = True


@kernel
def _front(ranks: np.ndarray, start: int, stop: int) -> np.ndarray:
    """The front of rows start to stop, in the order of the last column: halves are joined from the bottom up."""
    last = ranks.shape[1] - 1
    rows = stop - start
    held = np.empty(rows, np.int64)
    size = np.empty((rows + _FEW - 1) // _FEW, np.int64)  # rows that each run still holds
    for run in range(len(size)):
        begin = start + run * _FEW
        count = 0
        for i in range(begin, min(begin + _FEW, stop)):
            beaten = False
            for k in range(count):
                if _beats(ranks, held[begin - start + k], i, 1):
                    beaten = True
                    break
            if not beaten:
                held[begin - start + count] = i
                count += 1
        for k in range(1, count):  # insertion sort by the last column
            i = held[begin - start + k]
            at = begin - start + k
            while at > begin - start and ranks[held[at - 1], last] > ranks[i, last]:
                held[at] = held[at - 1]
                at -= 1
            held[at] = i
        size[run] = count
    width = _FEW
    dead = np.zeros(rows, np.bool_)
    while width < rows:
        runs = (rows + width - 1) // width
        for run in range(0, runs, 2):
            count = size[run]
            a = held[run * width : run * width + count]
            if run + 1 < runs:
                other = (run + 1) * width
                b = held[other : other + size[run + 1]]
                _filter(ranks, a, b, 1, dead, start)
                count = _merge(ranks, held, run * width, count, b, dead, start)
            size[run // 2] = count
        width *= 2
    return held[: size[0]].copy()


@kernel
def _merge(ranks: np.ndarray, held: np.ndarray, at: int, count: int, b: np.ndarray, dead: np.ndarray, start: int) -> int:
    """Rows of a and those of b that live, in the order of the last column, at `at`; how many."""
    last = ranks.shape[1] - 1
    a = held[at : at + count].copy()
    b = b.copy()
    i, j, n = 0, 0, 0
    while True:
        while j < len(b) and dead[b[j] - start]:
            j += 1
        if j == len(b):
            break
        if i < len(a) and ranks[a[i], last] <= ranks[b[j], last]:
            held[at + n] = a[i]
            i += 1
        else:
            held[at + n] = b[j]
            j += 1
        n += 1
    while i < len(a):
        held[at + n] = a[i]
        i += 1
        n += 1
    return n


@kernel
def _beats(ranks: np.ndarray, a: int, b: int, column: int) -> bool:
    for j in range(column, ranks.shape[1]):  # noqa: SIM110, kernels have no generators
        if ranks[a, j] > ranks[b, j]:
            return False
    return True


@kernel
def _filter(ranks: np.ndarray, a: np.ndarray, b: np.ndarray, column: int, dead: np.ndarray, start: int) -> None:
    """Mark the rows of b that a row of a beats in `column` and all behind it. Both are in the order of the last column."""
    columns = ranks.shape[1]
    tasks = [(a, b, column)]
    while len(tasks) > 0:
        a, b, column = tasks.pop()
        if len(a) == 0 or len(b) == 0:
            continue
        if len(a) * len(b) <= _PAIRS:
            _each(ranks, a, b, column, dead, start)
            continue
        if column == columns - 2:
            _sweep(ranks, a, b, dead, start)
            continue
        low, high = ranks[a[0], column], ranks[a[0], column]
        for i in a:
            low, high = min(low, ranks[i, column]), max(high, ranks[i, column])
        least, most = ranks[b[0], column], ranks[b[0], column]
        for i in b:
            least, most = min(least, ranks[i, column]), max(most, ranks[i, column])
        if low > most:
            continue
        if high <= least:
            tasks.append((a, b, column + 1))
            continue
        middle = (min(low, least) + max(high, most)) // 2
        a_low, a_high = _cut(ranks, a, column, middle, dead, start)
        b_low, b_high = _cut(ranks, b, column, middle, dead, start)
        tasks.append((a_low, b_low, column))
        tasks.append((a_high, b_high, column))
        tasks.append((a_low, b_high, column + 1))


@kernel
def _cut(
    ranks: np.ndarray, rows: np.ndarray, column: int, middle: int, dead: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows up to the middle and rows above it, without the dead, in their order."""
    low, high = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    n, m = 0, 0
    for i in rows:
        if dead[i - start]:
            continue
        if ranks[i, column] <= middle:
            low[n] = i
            n += 1
        else:
            high[m] = i
            m += 1
    return low[:n].copy(), high[:m].copy()


@kernel
def _each(ranks: np.ndarray, a: np.ndarray, b: np.ndarray, column: int, dead: np.ndarray, start: int) -> None:
    for i in b:
        if not dead[i - start]:
            for k in a:
                if _beats(ranks, k, i, column):
                    dead[i - start] = True
                    break


@kernel
def _sweep(ranks: np.ndarray, a: np.ndarray, b: np.ndarray, dead: np.ndarray, start: int) -> None:
    """Two columns are left and rows come by the last one: the least of the other so far decides."""
    last = ranks.shape[1] - 1
    least = ranks[a[0], last - 1]
    at = 0
    for i in b:
        while at < len(a) and ranks[a[at], last] <= ranks[i, last]:
            least = ranks[a[at], last - 1] if at == 0 else min(least, ranks[a[at], last - 1])
            at += 1
        if at > 0 and least <= ranks[i, last - 1]:
            dead[i - start] = True
