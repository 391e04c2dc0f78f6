"""Volume of a union of boxes that share a corner, three and more dimensions."""

from __future__ import annotations

import numpy as np

from numfmt.kernels.jit import kernel


@kernel
def volume_above(sizes: np.ndarray) -> float:
    """Boxes from 0 to sizes[i] (float64, all above 0, shape (boxes, dimensions >= 3)): the volume of their union.

    Boxes by falling last size: what a box adds beyond those before it is its own base, less what they cover of that base, times its
    last size. Their part of the base is a union of boxes of one dimension less.
    """
    dimensions = sizes.shape[1]
    order = np.argsort(-sizes[:, dimensions - 1], kind="mergesort")
    ordered = sizes[order]
    if dimensions == 3:
        return _stairs(ordered)
    total = 0.0
    for i in range(len(ordered)):
        base = 1.0
        for j in range(dimensions - 1):
            base *= ordered[i, j]
        shared = np.empty((i, dimensions - 1))
        for k in range(i):
            for j in range(dimensions - 1):
                shared[k, j] = min(ordered[i, j], ordered[k, j])
        if i:
            base -= volume_above(shared if dimensions == 4 else _undominated(shared))
        total += base * ordered[i, dimensions - 1]
    return total


@kernel
def _undominated(boxes: np.ndarray) -> np.ndarray:
    """Boxes that are in no other one."""
    count = 0
    kept = np.empty_like(boxes)
    for i in range(len(boxes)):
        inside = False
        for k in range(count):
            inside = True
            for j in range(boxes.shape[1]):
                if boxes[i, j] > kept[k, j]:
                    inside = False
                    break
            if inside:
                break
        if inside:
            continue
        last = 0
        for k in range(count):  # boxes in the new one go
            swallowed = True
            for j in range(boxes.shape[1]):
                if kept[k, j] > boxes[i, j]:
                    swallowed = False
                    break
            if not swallowed:
                kept[last] = kept[k]
                last += 1
        kept[last] = boxes[i]
        count = last + 1
    return kept[:count].copy()


@kernel
def _stairs(boxes: np.ndarray) -> float:
    """Three dimensions, by falling third size: the union of bases is a staircase, each base adds an area to it."""
    n = len(boxes)
    x, y = np.empty(n + 2), np.empty(n + 2)  # x rises, y falls; between guards
    x[0], y[0], x[1], y[1] = 0.0, np.inf, np.inf, 0.0
    held = 2
    total = 0.0
    for i in range(n):
        a, b = boxes[i, 0], boxes[i, 1]
        low, high = 0, held  # the first stair with x >= a
        while low < high:
            middle = (low + high) // 2
            if x[middle] < a:
                low = middle + 1
            else:
                high = middle
        if y[low] >= b:
            continue
        first = low  # stairs first to low - 1 end inside the new base
        while y[first - 1] <= b:
            first -= 1
        added, right, level = 0.0, a, y[low]
        for k in range(low - 1, first - 2, -1):
            added += (right - x[k]) * (b - level)
            right, level = x[k], y[k]
        total += added * boxes[i, 2]
        shift = first + 1 - low
        if shift > 0:
            for k in range(held - 1, low - 1, -1):
                x[k + 1], y[k + 1] = x[k], y[k]
        elif shift < 0:
            for k in range(low, held):
                x[k + shift], y[k + shift] = x[k], y[k]
        x[first], y[first] = a, b
        held += shift
    return total
