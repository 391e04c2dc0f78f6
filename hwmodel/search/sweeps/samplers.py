"""Which points of a space are computed: all of them, some at random, a Latin hypercube."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hwmodel._checks import positive_int, unknown
from hwmodel.search.sweeps.space import Space
from hwmodel.search.sweeps.values import Scalar

STRATEGIES = ("grid", "random", "lhs", "optuna-nsga2", "optuna-tpe", "pymoo-nsga2")
SEARCHES = STRATEGIES[3:]
_MOST = 100_000_000  # points of a sweep
_TRIED = 1 << 31  # points of a grid that are held against its constraints
_DRAWN = 10_000_000  # points of a sample, which are all held in memory
_LISTED = 1 << 20  # points of a grid from which some are drawn by listing all that are allowed
_CHUNK = 1 << 17
_ROUNDS = 200


class Points:
    """Points in their order, made when asked for. `count` of them."""

    def __init__(self, space: Space, count: int, kept: np.ndarray | None = None, codes: list[np.ndarray] | None = None) -> None:
        """kept: which points of the full grid (None: all); or codes: one array for each group."""
        self.space, self.count, self._kept, self._sampled = space, count, kept, codes

    def codes(self, start: int, stop: int) -> list[np.ndarray]:
        """Of points start to stop: which value of each group (or how far between the ends of a range)."""
        if self._sampled is not None:
            return [column[start:stop] for column in self._sampled]
        return decoded(self.space.sizes, np.arange(start, stop) if self._kept is None else self._kept[start:stop])

    def columns(self, start: int, stop: int) -> dict[str, np.ndarray]:
        return self.space.columns(self.codes(start, stop))

    def points(self, start: int, stop: int) -> list[dict[str, Scalar]]:
        return self.space.points(self.codes(start, stop))


def sampled(space: Space, strategy: str = "grid", count: int | None = None, seed: int = 0) -> Points:
    """The points of a strategy that does not learn from results.

    "grid": all that fulfil the constraints. "random": `count` different ones. "lhs": a Latin hypercube of `count` samples
    (scipy.stats.qmc), of which those that break a constraint or repeat an earlier one are left out.
    Raises ValueError for unknown strategies, counts that the space cannot give, and where nothing is left.
    """
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    positive_int("seed", seed, minimum=0)
    if strategy == "grid":
        if count is not None:
            raise ValueError(
                f"count is {count!r}, but a grid has the points that it has; leave count out, or use strategy='random'"
            )
        return _grid(space)
    if count is None:
        raise ValueError(f"strategy {strategy!r} needs count: how many points to compute")
    positive_int("count", count)
    if count > _DRAWN:
        raise ValueError(f"count is {count}; a sample has at most {_DRAWN} points")
    return _random(space, count, seed) if strategy == "random" else _hypercube(space, count, seed)


def decoded(sizes: tuple[int, ...], index: np.ndarray) -> list[np.ndarray]:
    """Points of the full grid as one code for each group, the last running fastest."""
    out: list[np.ndarray] = []
    for size in reversed(sizes):
        index, code = np.divmod(index, size)
        out.append(code)
    return out[::-1]


def from_units(space: Space, units: np.ndarray) -> list[np.ndarray]:
    """Points of the unit cube (rows, groups) as codes: equal shares for the values of a group."""
    return [
        np.minimum((units[:, i] * size).astype(np.int64), size - 1) if size else units[:, i] for i, size in enumerate(space.sizes)
    ]


def _stepped(space: Space) -> None:
    for group, size in zip(space.groups, space.sizes, strict=True):
        if not size:
            raise ValueError(f"axis {group[0]} is a range without steps, which no grid can list; give a step or a count, or sample")
    if space.size > (_TRIED if space.constraints else _MOST):
        raise _too_many(space.size)


def _too_many(count: int) -> ValueError:
    return ValueError(
        f"the grid has {count} points, more than {_MOST} (or {_TRIED} before its constraints); use strategy='random', 'lhs' or a"
        " search with a count"
    )


def _grid(space: Space) -> Points:
    _stepped(space)
    if not space.constraints:
        return Points(space, space.size)
    parts, count = [], 0
    for part in _chunks(space.size):
        parts.append(part[space.holds(decoded(space.sizes, part))])
        count += len(parts[-1])
        if count > _MOST:
            raise _too_many(space.size)
    if not count:
        raise space.nothing_left()
    return Points(space, count, np.concatenate(parts))


def _chunks(size: int) -> Iterator[np.ndarray]:
    for start in range(0, size, _CHUNK):
        yield np.arange(start, min(start + _CHUNK, size))


def _random(space: Space, count: int, seed: int) -> Points:
    rng = np.random.Generator(np.random.PCG64(seed))
    if all(space.sizes) and space.size <= _LISTED:
        grid = _grid(space)
        _enough(count, grid.count, space)
        chosen = rng.permutation(grid.count)[:count]
        whole = grid.codes(0, grid.count)
        return Points(space, count, codes=[column[chosen] for column in whole])
    if all(space.sizes):
        _enough(count, space.size, space)
    found: list[list[np.ndarray]] = []
    seen: set[tuple[Any, ...]] = set()
    for _ in range(_ROUNDS):
        units = rng.random((max(1024, count), len(space.groups)))
        found.append(_new(space, from_units(space, units), seen, count - len(seen)))
        if len(seen) == count:
            return Points(space, count, codes=_joined(found))
    if not seen:
        raise space.nothing_left()
    raise ValueError(
        f"count is {count}, but of {_ROUNDS * max(1024, count)} random points only {len(seen)} are different and fulfil the"
        " constraints; ask for fewer, or loosen the constraints"
    )


def _enough(count: int, there: int, space: Space) -> None:
    if count > there:
        which = "fulfil the constraints" if space.constraints else "are in the space"
        raise ValueError(f"count is {count}, but only {there} points {which}; ask for fewer, or use strategy='grid'")


def _hypercube(space: Space, count: int, seed: int) -> Points:
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise ImportError("strategy 'lhs' needs scipy: install numfmt-hwmodel[search]") from error
    units = qmc.LatinHypercube(len(space.groups), rng=np.random.Generator(np.random.PCG64(seed))).random(count)
    codes = _new(space, from_units(space, units), set(), count)
    if not len(codes[0]):
        raise space.nothing_left()
    return Points(space, len(codes[0]), codes=codes)


def _new(space: Space, codes: list[np.ndarray], seen: set[tuple[Any, ...]], most: int) -> list[np.ndarray]:
    """The points that fulfil the constraints and were not seen, at most so many; they are seen then."""
    chosen: list[int] = []
    holds = space.holds(codes).tolist()
    for i, point in enumerate(zip(*(column.tolist() for column in codes), strict=True)):
        if len(chosen) == most:
            break
        if holds[i] and point not in seen:
            seen.add(point)
            chosen.append(i)
    return [column[chosen] for column in codes]


def _joined(parts: list[list[np.ndarray]]) -> list[np.ndarray]:
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
