"""Labels beside points, none over another, over a point or outside the axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels
Point = tuple[float, float]

_DISTANCES = (1.0, 1.7, 2.6, 3.8, 5.2, 7.0, 9.0, 12.0)
_ANGLES = 24
_PASSES = 3
_UNPLACED = 200.0


@dataclass(frozen=True)
class Placed:
    """Where a label goes: its box, how far its nearest edge is from the point, and what the place costs."""

    box: Box
    distance: float
    cost: float


def place(
    points: Sequence[Point],
    sizes: Sequence[Point],
    frame: Box,
    *,
    radius: float,
    lines: Sequence[tuple[Point, Point]] = (),
    first: Sequence[bool] = (),
    others: Sequence[Point] = (),
    taken: Sequence[Box] = (),
) -> list[Placed | None]:
    """A place for each label of the given sizes (width, height), all in pixels; None where there is no room.

    `radius`: of the marks. `lines` are crossed only where it must be. `first`: labels that choose before the others.
    `others`: marks without a label, which none should seem to belong to. `taken`: boxes that no label may meet.
    Greedy in several orders, the cheapest result of all; no randomness.
    """
    marks = [(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    crowd = [sum(math.dist(p, q) < 12 * radius for q in points) for p in points]
    keys: tuple[Callable[[int], tuple[float, ...]], ...] = (
        lambda i: (-crowd[i], i),
        lambda i: (points[i][0], i),
        lambda i: (-points[i][0], i),
        lambda i: (points[i][1], i),
        lambda i: (-points[i][1], i),
        lambda i: (-sizes[i][0], i),
    )
    best: list[Placed | None] = [None] * len(points)
    lowest = math.inf
    orders = [sorted(range(len(points)), key=key) for key in keys]
    for order in [*(sorted(o, key=lambda i: not (first and first[i])) for o in orders), *orders]:
        found = _descend(order, points, sizes, frame, radius, lines, marks, others, taken)
        cost = sum(p.cost if p is not None else _UNPLACED * (3 if first and first[i] else 1) for i, p in enumerate(found))
        if cost < lowest - 1e-9:
            best, lowest = found, cost
    return best


def _descend(
    order: Sequence[int],
    points: Sequence[Point],
    sizes: Sequence[Point],
    frame: Box,
    radius: float,
    lines: Sequence[tuple[Point, Point]],
    marks: Sequence[Box],
    unnamed: Sequence[Point],
    taken: Sequence[Box],
) -> list[Placed | None]:
    """Each label in turn takes its best free place; then each may choose again."""
    chosen: list[Placed | None] = [None] * len(points)
    leaders: list[tuple[Point, Point] | None] = [None] * len(points)
    for _ in range(_PASSES):
        before = list(chosen)
        for i in order:
            others = [*taken, *(p.box for j, p in enumerate(chosen) if p is not None and j != i)]
            crossing = [*lines, *(line for j, line in enumerate(leaders) if line is not None and j != i)]
            chosen[i] = found = _best(points, i, sizes[i], frame, radius, marks, others, crossing, unnamed)
            leaders[i] = (points[i], nearest(found.box, points[i])) if found is not None else None
        if chosen == before:
            break
    return chosen


def _best(
    points: Sequence[Point],
    own: int,
    size: Point,
    frame: Box,
    radius: float,
    marks: Sequence[Box],
    others: Sequence[Box],
    lines: Sequence[tuple[Point, Point]],
    unnamed: Sequence[Point],
) -> Placed | None:
    point = points[own]
    best, lowest = None, math.inf
    gap = 0.35 * radius
    far_away = radius * (0.6 + _DISTANCES[-1])
    wide, high = far_away + size[0], far_away + size[1]
    reach = (point[0] - wide, point[1] - high, point[0] + wide, point[1] + high)
    # what no place of this label can meet needs no look
    others = [other for other in others if _overlap(other, reach, gap)]
    lines = [line for line in lines if _crosses(line, reach)]
    near = [j for j, mark in enumerate(marks) if _overlap(mark, reach, radius)]
    about = far_away + radius
    rivals = [
        p
        for j, p in enumerate([*points, *unnamed])
        if j != own and reach[0] - about < p[0] < reach[2] + about and reach[1] - about < p[1] < reach[3] + about
    ]
    for step in _DISTANCES:
        for turn in range(_ANGLES):
            angle = 2 * math.pi * turn / _ANGLES
            box = _box(point, size, angle, radius * (0.6 + step))
            end = nearest(box, point)
            far = math.dist(point, end)
            base = far / radius + 0.25 * (1 - math.cos(angle)) + 0.3 * abs(math.sin(angle))
            if base >= lowest - 1e-9 or not _inside(box, frame):  # no better whatever it crosses
                continue
            if any(_overlap(box, other, gap) for other in others) or any(_overlap(box, marks[j], 0.1 * radius) for j in near):
                continue
            leader = (point, end)
            if far > 2.5 * radius and any(_crosses(leader, marks[j]) for j in near if j != own):
                continue
            if any(_crosses(leader, other) for other in others):
                continue
            crossed = 0
            for line in lines:
                crossed += _crosses(line, box)
                if base + 6.0 * crossed >= lowest - 1e-9:
                    break
            if base + 6.0 * crossed >= lowest - 1e-9:
                continue
            # a label that is nearer to another mark reads as that mark's
            taken = sum(math.dist(nearest(box, p), p) < far + radius for p in rivals)
            cost = base + 6.0 * crossed + 3.0 * taken
            if cost < lowest - 1e-9:
                best, lowest = Placed(box, far, cost), cost
    return best


def _box(point: Point, size: Point, angle: float, away: float) -> Box:
    """A label whose edge nearest to the point is `away` from it in the direction of the angle."""
    (x, y), (w, h) = point, size
    dx, dy = math.cos(angle), math.sin(angle)
    cx, cy = x + away * dx + w / 2 * _soft(dx), y + away * dy + h / 2 * _soft(dy)
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def _soft(part: float) -> float:
    """The side of the box that faces the point: full size for most directions, centred for the straight ones."""
    return max(-1.0, min(1.0, 1.6 * part))


def nearest(box: Box, point: Point) -> Point:
    """The point of a box nearest to `point`."""
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _overlap(a: Box, b: Box, gap: float) -> bool:
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap


def _crosses(line: tuple[Point, Point], box: Box) -> bool:
    """Whether a line segment meets a box (Liang-Barsky clipping)."""
    (x0, y0), (x1, y1) = line
    if (x0 < box[0] > x1) or (x0 > box[2] < x1) or (y0 < box[1] > y1) or (y0 > box[3] < y1):
        return False
    dx, dy = x1 - x0, y1 - y0
    enter, leave = 0.0, 1.0
    for p, q in ((-dx, x0 - box[0]), (dx, box[2] - x0), (-dy, y0 - box[1]), (dy, box[3] - y0)):
        if p == 0:
            if q < 0:
                return False
        elif p < 0:
            enter = max(enter, q / p)
        else:
            leave = min(leave, q / p)
    return enter <= leave
