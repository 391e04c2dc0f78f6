"""From a constant matrix to adders: signed digits, common two-term sums made once, and short trees of what is left."""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Any

import numpy as np

from hwmodel._checks import positive_int
from hwmodel.fpga.layers.adders import Adder, AdderGraph, Interval, Output, adder_bits, input_intervals, sum_interval
from hwmodel.fpga.layers.signed_digits import digits

Row = dict[int, dict[int, int]]  # signal -> shift -> sign
# lower signal, higher signal (by shift, then by number), distance of their shifts, product of their signs
Pattern = tuple[int, int, int, int]


def adder_graph(
    matrix: Any,
    bits: int = 8,
    *,
    signed: bool = True,
    inputs: tuple[Interval, ...] | None = None,
    sharing: bool = True,
    adder_size: int = 1,
    carry_size: int = 0,
) -> AdderGraph:
    """Adders and shifts that compute `matrix @ x` exactly.

    matrix: (outputs, inputs) whole numbers below 2**53. bits, signed: of every input x; `inputs` gives an Interval each instead.
    sharing: sums of two terms that occur again are made once, the pair that saves most bits first (greedy); never more LUTs
    than without. adder_size, carry_size: bits a LUT and bits a level (0: one level an adder).

    Raises ValueError for a matrix that is not 2-D and whole, and for a wrong number of inputs.
    Source: reference da4ml (cost of an adder, signed digits, weighted greedy sharing); the trees are this project's.
    """
    whole = _matrix(matrix)
    known = input_intervals(whole.shape[1], positive_int("bits", bits), signed) if inputs is None else tuple(inputs)
    if len(known) != whole.shape[1]:
        raise ValueError(f"inputs has {len(known)} intervals for a matrix of {whole.shape[1]} columns; give one a column")
    size, carry = positive_int("adder_size", adder_size), positive_int("carry_size", carry_size, minimum=0)
    plain = _build(whole, known, False, size, carry)
    if not sharing:
        return plain
    shared = _build(whole, known, True, size, carry)
    return min(shared, plain, key=lambda g: (g.luts, g.latency))


def _matrix(matrix: Any) -> np.ndarray:
    given = np.asarray(matrix)
    if given.ndim != 2 or not given.size:
        raise ValueError(f"matrix has shape {given.shape}; give (outputs, inputs)")
    if given.dtype.kind not in "iuf" or not np.isfinite(given).all() or (given % 1 != 0).any() or (abs(given) >= 2**53).any():
        raise ValueError(f"matrix of {given.dtype} holds numbers that are not whole, or are too large; give integers below 2**53")
    return given.astype(np.int64)


def _build(matrix: np.ndarray, known: tuple[Interval, ...], sharing: bool, size: int, carry: int) -> AdderGraph:
    made = _Builder(known, carry)
    rows: list[Row] = []
    for line in matrix.tolist():
        row: Row = {}
        for signal, weight in enumerate(line):
            if weight and (known[signal].low or known[signal].high):
                row[signal] = dict(digits(weight))
        rows.append(row)
    if sharing:
        _share(rows, made)
    outputs = tuple(made.tree(row) for row in rows)
    return AdderGraph(known, tuple(made.adders), outputs, size, carry)


class _Builder:
    """Adders as they are made, with interval and depth of every signal. No sum is made twice."""

    def __init__(self, known: tuple[Interval, ...], carry: int) -> None:
        self.first, self.carry = len(known), carry
        self.adders: list[Adder] = []
        self.intervals = list(known)
        self.depth = [0] * len(known)
        self.at: dict[Adder, int] = {}

    def width(self, low: int, high: int, places: int, subtract: bool) -> int:
        return adder_bits(self.intervals[low], self.intervals[high], places, subtract)

    def add(self, a: int, sign_a: int, b: int, places: int, sign_b: int) -> int:
        """The signal sign_a * a + sign_b * (b << places)."""
        one = Adder(a, 0, sign_a, b, places, sign_b)
        if one in self.at:
            return self.at[one]
        bits = self.width(a, b, places, sign_a != sign_b)
        self.adders.append(one)
        self.intervals.append(sum_interval(self.intervals[a].shifted(0, sign_a), self.intervals[b].shifted(places, sign_b)))
        self.depth.append(max(self.depth[a], self.depth[b]) + (-(-bits // self.carry) if self.carry else 1))
        self.at[one] = len(self.intervals) - 1
        return self.at[one]

    def tree(self, row: Row) -> Output:
        """Sums what is left of a row, the earliest and narrowest signals first."""
        heap = [
            (self.depth[signal], self.intervals[signal].high.bit_length() + shift, shift, signal, sign)
            for signal, shifts in row.items()
            for shift, sign in shifts.items()
        ]
        if not heap:
            return Output(None, 0, 1)
        heapq.heapify(heap)
        while len(heap) > 1:
            _, _, s1, a, sign_a = heapq.heappop(heap)
            _, _, s2, b, sign_b = heapq.heappop(heap)
            if (s2, b) < (s1, a):
                (s1, a, sign_a), (s2, b, sign_b) = (s2, b, sign_b), (s1, a, sign_a)
            sign = -1 if sign_a < 0 and sign_b < 0 else 1
            made = self.add(a, sign_a * sign, b, s2 - s1, sign_b * sign)
            heapq.heappush(heap, (self.depth[made], self.intervals[made].high.bit_length() + s1, s1, made, sign))
        _, _, shift, signal, sign = heap[0]
        return Output(signal, shift, sign)


def _pattern(a: int, sa: int, ga: int, b: int, sb: int, gb: int) -> Pattern:
    if (sb, b) < (sa, a):
        a, sa, b, sb = b, sb, a, sa
    return a, b, sb - sa, ga * gb


class _Counts:
    """How often each pattern occurs in all rows, and the most valuable one. The heap holds stale entries, dropped when met."""

    def __init__(self, made: _Builder) -> None:
        self.made = made
        self.count: dict[Pattern, int] = defaultdict(int)
        self.bits: dict[Pattern, int] = {}
        self.heap: list[tuple[int, Pattern]] = []

    def change(self, row: Row, signal: int, shift: int, sign: int, by: int) -> None:
        """The pairs of one term with all others of its row come (+1) or go (-1)."""
        for other, shifts in row.items():
            for at, g in shifts.items():
                key = _pattern(signal, shift, sign, other, at, g)
                self.count[key] = n = self.count[key] + by
                if by > 0 and n > 1:
                    self.push(key, n)

    def push(self, key: Pattern, n: int) -> None:
        if key not in self.bits:
            self.bits[key] = self.made.width(key[0], key[1], key[2], key[3] < 0)
        heapq.heappush(self.heap, (-(n - 1) * self.bits[key], key))

    def best(self) -> Pattern | None:
        while self.heap:
            worth, key = heapq.heappop(self.heap)
            n = self.count.get(key, 0)
            if n < 2:
                continue
            now = -(n - 1) * self.bits[key]
            if now == worth:
                return key
            heapq.heappush(self.heap, (now, key))
        return None


def _share(rows: list[Row], made: _Builder) -> None:
    """Replace the two-term sum that saves most, until none occurs twice."""
    counts = _Counts(made)
    users: dict[int, set[int]] = defaultdict(set)
    for i, row in enumerate(rows):
        seen: Row = {}
        for signal, shifts in row.items():
            users[signal].add(i)
            for shift, sign in shifts.items():
                counts.change(seen, signal, shift, sign, 1)
                seen.setdefault(signal, {})[shift] = sign
    while (key := counts.best()) is not None:
        a, b, places, sign = key
        found = [(i, shift) for i in sorted(users[a] & users[b]) for shift in _occurrences(rows[i], key)]
        if len(found) < 2:  # occurrences that overlap count twice but can be used once
            counts.count[key] = 0
            continue
        signal = made.add(a, 1, b, places, sign)
        for i, shift in found:
            row = rows[i]
            base = row[a][shift]
            for term, at in ((a, shift), (b, shift + places)):
                g = row[term].pop(at)
                if not row[term]:
                    del row[term]
                    users[term].discard(i)
                counts.change(row, term, at, g, -1)
            counts.change(row, signal, shift, base, 1)
            row.setdefault(signal, {})[shift] = base
            users[signal].add(i)
        counts.count[key] = 0 if all(not _occurrences(rows[i], key) for i in users[a] & users[b]) else counts.count[key]


def _occurrences(row: Row, key: Pattern) -> list[int]:
    """Shifts at which the pattern stands in the row, none using a term twice."""
    a, b, places, sign = key
    used: set[int] = set()
    out = []
    for shift in sorted(row.get(a, ())):
        at = shift + places
        if at in row.get(b, ()) and row[a][shift] * row[b][at] == sign:
            if a == b:
                if shift in used or at in used:
                    continue
                used |= {shift, at}
            out.append(shift)
    return out
