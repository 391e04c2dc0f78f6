"""The best way to build every layer of a pipeline: least of a device for a throughput, or most throughput on a device. Exact.

A pipeline's rate is that of its slowest layer. For a given rate each layer keeps its ways that are fast enough and that no other
beats in every resource; one of each is chosen by an integer programme. The highest rate is found by bisection over the
finite set of rates that layers can have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel._checks import finite, unknown
from hwmodel._extras import needed
from hwmodel._highs import milp
from hwmodel.fpga.chips import Device
from hwmodel.fpga.layers.choices import Choices
from hwmodel.fpga.layers.facts import value
from hwmodel.fpga.layers.units_of import RESOURCES

Ints = NDArray[np.int64]


def capacities(device: Device, limit: Any = "guide") -> Ints:
    """What may be used of each resource, in the order of `RESOURCES`.

    limit: "guide" (70 % of LUTs, 50 % of flip-flops, 80 % of the rest: FINN's advice on what still places), one share, or a
    mapping from resource to share. Raises ValueError for unknown resources and shares outside 0 to 1.
    """
    if isinstance(limit, str):
        if limit != "guide":
            raise unknown("limit", limit, ("guide",))
        shares = {r: value(f"finn.limit_{r}") for r in RESOURCES}
    elif isinstance(limit, Mapping):
        for name in limit:
            if name not in RESOURCES:
                raise unknown("limited resource", str(name), RESOURCES)
        shares = {r: limit.get(r, 1.0) for r in RESOURCES}
    else:
        shares = dict.fromkeys(RESOURCES, limit)
    out = []
    for r, share in shares.items():
        if finite(f"limit of {r}", share, minimum=0) > 1:
            raise ValueError(f"limit of {r} is {share!r}; give a share of the device, 0 to 1")
        out.append(int(getattr(device, r) * share + 1e-9))
    return np.array(out, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Group:
    """Identical layers: the positions they have, copies of each position, and the ways to build one."""

    positions: tuple[int, ...]
    copies: tuple[int, ...]
    choices: Choices


def undominated(costs: NDArray[Any]) -> Ints:
    """Indices of the rows (n, d) that no other row beats or equals in every column; of equal rows the first."""
    order = np.lexsort(costs.T[::-1])
    rows = costs[order]
    keep: list[int] = []
    kept = np.empty((0, costs.shape[1]), dtype=costs.dtype)
    # rows come in lexicographic order: only an earlier one can beat a later one
    for i, row in enumerate(rows):
        if not (kept <= row).all(axis=1).any():
            keep.append(i)
            kept = rows[keep] if len(keep) % 64 == 1 else np.vstack([kept, row])
    return np.sort(order[keep])


def groups(choices: Sequence[Choices], copies: Sequence[int], same: Sequence[Any]) -> list[Group]:
    """Layers joined where `same` says that they are alike; ways that are beaten in resources and cycles are dropped."""
    where: dict[Any, list[int]] = {}
    for i, key in enumerate(same):
        where.setdefault((key, copies[i]), []).append(i)
    out = []
    for positions in where.values():
        ways = choices[positions[0]]
        kept = undominated(np.column_stack([ways.cycles, ways.resources]))
        out.append(Group(tuple(positions), tuple(copies[i] for i in positions), ways.take(kept)))
    return out


@dataclass(frozen=True, eq=False)
class Found:
    """One way for each layer (position -> way), its cycles, and the objective: the sum over resources of the used share."""

    ways: tuple[Choices, ...]
    cycles: int
    objective: float


class DoesNotFit(ValueError):
    """No way to build the layers stays within the device; `shortage`: resource -> how much is missing at the least."""

    def __init__(self, message: str, shortage: Mapping[str, int]) -> None:
        super().__init__(message)
        self.shortage = dict(shortage)


Options = list[tuple[Group, Ints]]  # of each group the ways that are still open


def least(many: Sequence[Group], room: Ints, limit_cycles: int | None, gap: float = 0.0) -> Found | None:
    """Ways within `room` that are fast enough, with the least sum of used shares; None where there are none.

    gap: that sum is proven to be the least up to this share of it; infinite: any ways that fit.
    """
    share = _weights(room)
    options = _open(many, limit_cycles)
    if options is None:
        return None
    floor = sum(g.choices.resources[i].min(axis=0) * sum(g.copies) for g, i in options)
    if (floor > room).any():
        return None
    picked = _greedy(options, room, share) or _programme(options, room, share, gap)
    return None if picked is None else _found(options, picked, share)


def _open(many: Sequence[Group], limit_cycles: int | None) -> Options | None:
    """The ways that are fast enough and that no other beats in every resource; None where a layer has none."""
    options: Options = []
    for group in many:
        fast = np.arange(len(group.choices)) if limit_cycles is None else np.flatnonzero(group.choices.cycles <= limit_cycles)
        if not len(fast):
            return None
        options.append((group, fast[undominated(group.choices.resources[fast])]))
    return options


def _weights(room: Ints) -> NDArray[np.float64]:
    return np.where(room > 0, 1.0 / np.maximum(room, 1), 0.0)


def _greedy(options: Options, room: Ints, share: NDArray[np.float64]) -> list[dict[int, int]] | None:
    """Each layer's cheapest way, where that fits: then nothing is better."""
    used, out = np.zeros(len(room), dtype=np.int64), []
    for group, index in options:
        best = int(index[np.argmin(group.choices.resources[index] @ share)])
        used = used + group.choices.resources[best] * sum(group.copies)
        out.append({best: len(group.positions)})
    return out if (used <= room).all() else None


def _programme(options: Options, room: Ints, share: NDArray[np.float64], gap: float) -> list[dict[int, int]] | None:
    """One whole number for each way of each group: how many of its layers are built so."""
    costs, member, result = _solve(options, room, share, gap, slack=False)
    if result.x is None:
        if result.status == 1:
            raise ValueError("the integer programme ran out of time (60 s); give a larger gap, or fewer multipliers and memories")
        return None
    chosen = np.rint(result.x).astype(np.int64)
    if (chosen @ costs > room).any():
        raise ArithmeticError("the integer programme returned ways that do not fit")
    taken = [chosen[member == i] for i in range(len(options))]
    return [{int(index[j]): int(t[j]) for j in np.flatnonzero(t)} for (_, index), t in zip(options, taken, strict=True)]


def _solve(options: Options, room: Ints, share: NDArray[np.float64], gap: float, slack: bool) -> tuple[Ints, Ints, Any]:
    """Costs of every way, the group it belongs to, and the solver's answer; with `slack` resources may be exceeded, at a price."""
    needed("scipy.optimize", "the folding search", "search")
    from scipy.optimize import Bounds, LinearConstraint
    from scipy.sparse import csr_matrix, hstack, identity

    costs = np.concatenate([g.choices.resources[i] * g.copies[0] for g, i in options])
    member = np.repeat(np.arange(len(options)), [len(i) for _, i in options])
    count, extra = len(costs), len(room) if slack else 0
    layers = np.array([len(g.positions) for g, _ in options], dtype=float)
    each = csr_matrix((np.ones(count), (member, np.arange(count))), shape=(len(options), count + extra))
    used = csr_matrix(costs.T.astype(float))
    if slack:
        used = hstack([used, -identity(extra)]).tocsr()
    price = costs @ share if np.isfinite(gap) and not slack else np.zeros(count)
    result = milp(
        1e4 * np.concatenate([price, share + (room == 0) if slack else []]),  # the solver's absolute gap is 1e-6
        constraints=[
            LinearConstraint(used, ub=room + 0.5),  # whole numbers on both sides
            LinearConstraint(each, layers, layers),
        ],
        integrality=np.concatenate([np.ones(count), np.zeros(extra)]),
        bounds=Bounds(0, np.concatenate([layers[member], np.full(extra, np.inf)])),
        options={"mip_rel_gap": gap if np.isfinite(gap) else 0.0, "time_limit": 60.0},
    )
    return costs, member, result


def _found(options: Options, picked: list[dict[int, int]], share: NDArray[np.float64]) -> Found:
    ways: dict[int, Choices] = {}
    used = np.zeros(len(share), dtype=np.int64)
    slowest = 0
    for (group, _), taken in zip(options, picked, strict=True):
        positions = iter(group.positions)
        for way, times in taken.items():
            one = group.choices.take(way)
            slowest = max(slowest, int(one.cycles[0]))
            for _ in range(times):
                ways[next(positions)] = one
                used = used + one.resources[0] * group.copies[0]
    return Found(tuple(ways[i] for i in sorted(ways)), slowest, float(used @ share))


def fastest(many: Sequence[Group], room: Ints, gap: float = 0.0) -> Found | None:
    """Ways within `room` whose slowest layer is as fast as it can be, and of those the least; None where none fits.

    The rate is exact whatever the gap.
    """
    rates = np.unique(np.concatenate([g.choices.cycles for g in many]))
    rates = rates[rates >= max(int(g.choices.cycles.min()) for g in many)]
    found = least(many, room, int(rates[-1]), np.inf)
    if found is None:
        return None
    low, high = 0, int(np.searchsorted(rates, found.cycles))
    while low < high:
        middle = (low + high) // 2
        found = least(many, room, int(rates[middle]), np.inf)
        if found is None:
            low = middle + 1
        else:
            high = int(np.searchsorted(rates, found.cycles))
    return least(many, room, int(rates[low]), gap)


def shortage(many: Sequence[Group], room: Ints, limit_cycles: int | None = None) -> dict[str, int]:
    """What is missing of each resource in the design that exceeds `room` least (sum of shares, to 1 %); empty where one fits.

    Raises ValueError where a layer has no way that is fast enough.
    """
    options = _open(many, limit_cycles)
    if options is None:
        raise ValueError(f"no way of a layer takes at most {limit_cycles} cycles")
    costs, _, result = _solve(options, room, _weights(room), 0.01, slack=True)
    used = np.rint(result.x[: len(costs)]).astype(np.int64) @ costs
    return {name: int(n) for name, n in zip(RESOURCES, used - room, strict=True) if n > 0}
