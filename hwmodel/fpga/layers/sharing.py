"""From a constant matrix to adders: signed digits, common two-term sums made once, and short trees of what is left."""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Any

import numpy as np

from hwmodel._checks import positive_int
from hwmodel.fpga.constants import naf
from hwmodel.fpga.layers.adders import Adder, AdderGraph, Interval, Output, adder_bits, input_intervals, sum_interval

# A term is a number: shift in the high bits, signal in the low ones. A row maps its terms to their signs.
_SIGNAL_BITS = 20
_SIGNALS = (1 << _SIGNAL_BITS) - 1
Row = dict[int, int]


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
    sharing: sums of two terms that occur again are made once, the most frequent first and of those the widest (greedy); never
    more LUTs than without. adder_size, carry_size: bits a LUT and bits a level (0: one level an adder).

    Raises ValueError for a matrix that is not 2-D and whole, and for a wrong number of inputs.
    Source: reference da4ml (cost of an adder, signed digits, greedy sharing); the trees are this project's.
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
                row |= {shift << _SIGNAL_BITS | signal: sign for shift, sign in naf(weight)}
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
        heap = []
        for term, sign in row.items():
            shift, signal = term >> _SIGNAL_BITS, term & _SIGNALS
            heap.append((self.depth[signal], self.intervals[signal].high.bit_length() + shift, shift, signal, sign))
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


class _Counts:
    """How often each sum of two terms occurs in all rows, and which is to be shared next.

    A pattern is a number: the distance of its two terms, the signal of the lower one, and whether their signs differ. The heap
    holds stale entries, which are corrected when met.
    """

    def __init__(self, made: _Builder) -> None:
        self.made = made
        self.count: dict[int, int] = defaultdict(int)
        self.bits: dict[int, int] = {}
        self.heap: list[tuple[int, int]] = []
        self.touched: set[int] = set()

    def change(self, row: Row, term: int, sign: int, by: int) -> None:
        """The pairs of one term with all others of its row come (+1) or go (-1)."""
        count, bits, mask = self.count, _SIGNAL_BITS + 1, _SIGNALS
        keys = [
            (other - term << bits | (term & mask) << 1 | (g != sign))
            if other > term
            else (term - other << bits | (other & mask) << 1 | (g != sign))
            for other, g in row.items()
        ]
        for key in keys:
            count[key] += by
        if by > 0:
            self.touched.update(keys)

    def settle(self) -> None:
        """The patterns that came since are offered."""
        for key in self.touched:
            n = self.count[key]
            if n > 1:
                if key not in self.bits:
                    self.bits[key] = self.made.width(*parts_of(key))
                heapq.heappush(self.heap, (self.worth(n, key), key))
        self.touched.clear()

    def worth(self, n: int, key: int) -> int:
        """Order of the heap: the most frequent first, of those the widest."""
        return -(n << 10 | self.bits[key])

    def best(self) -> int | None:
        while self.heap:
            worth, key = heapq.heappop(self.heap)
            n = self.count.get(key, 0)
            if n < 2:
                continue
            now = self.worth(n, key)
            if now == worth:
                return key
            heapq.heappush(self.heap, (now, key))
        return None


def parts_of(key: int) -> tuple[int, int, int, bool]:
    """Lower and higher signal of a pattern, the distance of their shifts, and whether their signs differ."""
    low = key >> 1 & _SIGNALS
    high = low + (key >> _SIGNAL_BITS + 1)
    return low, high & _SIGNALS, high >> _SIGNAL_BITS, bool(key & 1)


def _share(rows: list[Row], made: _Builder) -> None:
    """Replace the most frequent sum of two terms, until none occurs twice."""
    counts = _Counts(made)
    users: dict[int, set[int]] = defaultdict(set)
    shifts = 1  # of terms; doubled terms, which are rare, may lie one beyond and stay as they are
    for i, row in enumerate(rows):
        seen: Row = {}
        for term, sign in row.items():
            users[term & _SIGNALS].add(i)
            shifts = max(shifts, (term >> _SIGNAL_BITS) + 1)
            counts.change(seen, term, sign, 1)
            seen[term] = sign
    counts.settle()
    while (key := counts.best()) is not None:
        a, b, places, differ = parts_of(key)
        both = users[a] & users[b]
        found = [(i, at) for i in sorted(both) for at in _occurrences(rows[i], key, shifts)]
        if len(found) < 2:  # occurrences that overlap count twice but can be used once
            counts.count[key] = 0
            continue
        signal = made.add(a, 1, b, places, -1 if differ else 1)
        distance = key >> _SIGNAL_BITS + 1
        for i, term in found:
            row, base = rows[i], rows[i][term]
            for gone in (term, term + distance):
                counts.change(row, gone, row.pop(gone), -1)
            _put(row, term - a + signal, base, counts)
            users[signal].add(i)
        counts.settle()


def _put(row: Row, term: int, sign: int, counts: _Counts) -> None:
    """Adds a term. One that is there already becomes twice itself, or nothing."""
    while term in row:
        held = row.pop(term)
        counts.change(row, term, held, -1)
        if held != sign:
            return
        term += 1 << _SIGNAL_BITS
    counts.change(row, term, sign, 1)
    row[term] = sign


def _occurrences(row: Row, key: int, shifts: int) -> list[int]:
    """The lower terms of the pattern in the row, none using a term twice."""
    low, distance, differ = key >> 1 & _SIGNALS, key >> _SIGNAL_BITS + 1, bool(key & 1)
    used: set[int] = set()
    out = []
    for shift in range(shifts):
        term = shift << _SIGNAL_BITS | low
        other = term + distance
        if term in row and other in row and (row[term] != row[other]) == differ and term not in used:
            used.add(other)
            out.append(term)
    return out
