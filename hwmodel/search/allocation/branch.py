"""All solutions within a window of loss, by branch and bound whose prices are fitted anew at every node.

A node is what is left of each block's options. Its bound is the Lagrangian one of prices that subgradient steps improve from its
parent's; every option whose reduced cost lifts the bound beyond the window goes, and the block that the steps disagree about
most is split. Floats only reject, with room for every rounding error there can be; what they cannot reject in the end is for
the caller to weigh in integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numfmt.kernels.jit import kernel

_ULP = 2.0**-53
_STEPS = 24  # subgradient steps a node
_KEPT = 4096  # solutions that may be left to weigh


@dataclass(frozen=True, eq=False)
class Nodes:
    """What a search leaves to be weighed, how many nodes it took, and whether nothing else is within the window."""

    choices: np.ndarray
    count: int
    ended: bool


def searched(extra: np.ndarray, use: np.ndarray, room: np.ndarray, price: np.ndarray, window: float, most: int) -> Nodes:
    """Options (solution x block) that floats cannot reject, the best among them where `ended`.

    extra: block x option, in windows, infinite where there is none. use: row x block x option, and room: row, in shares of the
    limits. price: row, of a whole limit's slack, in windows. most: nodes, after which the best that was met is all there is.
    """
    there = np.isfinite(extra)
    # One layout, so that there is one compiled version.
    flat = np.ascontiguousarray(np.where(there[:, :, None], use.transpose(1, 2, 0), 0.0))
    high = flat.max(axis=1).sum(axis=0)
    kept = np.zeros((_KEPT, len(extra)), dtype=np.int16)
    found, nodes, ended = _searched(np.where(there, extra, 0.0), flat, there, room, price, high, window, kept, most)
    return Nodes(kept[:found].astype(np.int64), nodes, ended)


@kernel
def _priced(extra, use, alive, delta, choice, low):  # type: ignore[no-untyped-def]
    """Sum of each block's least priced option; the options go to `choice`, their prices to `low`."""
    total = 0.0
    for b in range(extra.shape[0]):
        least = np.inf
        for j in range(extra.shape[1]):
            if alive[b, j]:
                v = extra[b, j]
                for r in range(delta.size):
                    v += delta[r] * use[b, j, r]
                if v < least:
                    least = v
                    choice[b] = j
        low[b] = least
        total += least
    return total


@kernel
def _searched(extra, use, there, room, price, high, window, kept, most):  # type: ignore[no-untyped-def]
    blocks, options = extra.shape
    rows = room.size
    error = 4.0 * _ULP * (blocks + rows + 8)
    step, room_error, rough = np.zeros(rows), np.zeros(rows), 1.0
    for b in range(blocks):
        most_extra = 0.0
        for j in range(options):
            most_extra = max(most_extra, extra[b, j])
        rough += most_extra
    for r in range(rows):
        rough += price[r] * (high[r] + room[r])
        room_error[r] = error * (high[r] + room[r] + 1.0)
    rough *= error
    deep = blocks * options + 2
    alive = np.zeros((deep, blocks, options), dtype=np.bool_)
    start = np.zeros((deep, rows))
    alive[0] = there
    depth, nodes, found, limit = 0, 0, 1, window
    met = False  # place 0 of `kept` is the best solution met on the way
    choice, best_choice = np.zeros(blocks, dtype=np.int64), np.zeros(blocks, dtype=np.int64)
    low, best_low = np.zeros(blocks), np.zeros(blocks)
    delta, best, keep = np.zeros(rows), np.zeros(rows), np.zeros(options, dtype=np.bool_)
    seen, copy = np.zeros((blocks, options)), np.zeros((blocks, options), dtype=np.bool_)
    while depth >= 0:
        now = alive[depth]
        nodes += 1
        if nodes > most:
            break
        for r in range(rows):
            delta[r] = start[depth, r]
        depth -= 1
        top, dead, since, aim = -np.inf, False, 0, 1.0
        for b in range(blocks):
            for j in range(options):
                seen[b, j] = 0.0
        for k in range(_STEPS):
            value = _priced(extra, use, now, delta, choice, low)
            for r in range(rows):
                value -= delta[r] * room[r]
                step[r] = -room[r]
            spent = 0.0
            for b in range(blocks):
                spent += extra[b, choice[b]]
                seen[b, choice[b]] += 1.0 + k
                for r in range(rows):
                    step[r] += use[b, choice[b], r]
            slop = rough
            clear, gap = True, spent
            for r in range(rows):
                slop += error * abs(delta[r]) * (high[r] + room[r])
                clear = clear and step[r] < -room_error[r]
                gap -= step[r] * price[r]
            if clear and gap + slop < limit - slop:  # certainly a solution: nothing worse than it is wanted any more
                limit, met = gap + slop, True
                for b in range(blocks):
                    kept[0, b] = choice[b]
            if value > limit + slop:
                dead = True
                break
            if value > top:
                since = 0 if value > top + 0.01 * (limit - top) else since + 1
                top = value
                for r in range(rows):
                    best[r] = delta[r]
                for b in range(blocks):
                    best_choice[b], best_low[b] = choice[b], low[b]
            else:
                since += 1
            if since >= 4:
                aim, since = aim * 0.5, 0
                for r in range(rows):
                    delta[r] = best[r]
                if aim < 0.05:
                    break
                continue
            norm = 0.0
            for r in range(rows):
                if step[r] < 0 and delta[r] <= -price[r]:
                    step[r] = 0.0
                norm += step[r] * step[r]
            if norm == 0.0:
                break
            size = aim * (1.05 * limit + 1e-9 - value) / norm
            for r in range(rows):
                delta[r] = max(-price[r], delta[r] + size * step[r])
        if dead:
            continue
        slop = rough
        for r in range(rows):
            slop += error * abs(best[r]) * (high[r] + room[r])
        split, most_even, open_blocks = -1, -1.0, 0
        for b in range(blocks):
            count, total, first = 0, 0.0, 0.0
            nearest = np.inf
            for j in range(options):
                if now[b, j]:
                    v = extra[b, j]
                    for r in range(rows):
                        v += best[r] * use[b, j, r]
                    if top + (v - best_low[b]) > limit + 2.0 * slop:
                        now[b, j] = False
                        continue
                    count += 1
                    if j != best_choice[b]:
                        nearest = min(nearest, v - best_low[b])
                    total += seen[b, j]
                    first = max(first, seen[b, j])
            if count > 1:
                open_blocks += 1
                even = (total - first) / total if total > 0.0 else 0.0
                wide = 0.0
                for j in range(options):
                    if now[b, j]:
                        for r in range(rows):
                            wide = max(wide, abs(use[b, j, r] - use[b, best_choice[b], r]) / (room[r] + 1e-300))
                score = (even + 1e-3 / (1.0 + nearest)) * wide
                if score > most_even:
                    split, most_even = b, score
        fits = True
        for r in range(rows):
            least = 0.0
            for b in range(blocks):
                one = np.inf
                for j in range(options):
                    if now[b, j] and use[b, j, r] < one:
                        one = use[b, j, r]
                least += one
            fits = fits and least <= room[r] + room_error[r]
        if not fits:
            continue
        if split < 0:
            if open_blocks == 0:
                gap = 0.0
                for r in range(rows):
                    gap += price[r] * room[r]
                    step[r] = 0.0
                for b in range(blocks):
                    kept[found, b] = best_choice[b]
                    gap += extra[b, best_choice[b]]
                    for r in range(rows):
                        step[r] += use[b, best_choice[b], r]
                for r in range(rows):
                    gap -= price[r] * step[r]
                if gap <= limit + 2.0 * slop:
                    found += 1
                    if found == kept.shape[0]:
                        break
            continue
        # The nearest option last: it is looked at first.
        base = depth + 1
        for b in range(blocks):
            for j in range(options):
                copy[b, j] = now[b, j]
        for j in range(options):
            keep[j] = now[split, j]
        done = 0
        while True:
            far, at = -np.inf, -1
            for j in range(options):
                if keep[j]:
                    v = extra[split, j]
                    for r in range(rows):
                        v += best[r] * use[split, j, r]
                    if v > far:
                        far, at = v, j
            if at < 0:
                break
            keep[at] = False
            for b in range(blocks):
                for j in range(options):
                    alive[base + done, b, j] = copy[b, j] if b != split else j == at
            for r in range(rows):
                start[base + done, r] = best[r]
            done += 1
        depth = base + done - 1
    ended = depth < 0 and nodes <= most and found < kept.shape[0]
    if not met:  # the last takes the empty place
        found -= 1
        for b in range(blocks):
            kept[0, b] = kept[found, b]
    return found, nodes, ended
