"""The parts that units are made of."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import ceil, log2

from hwmodel.units.structure.assembly import Assembly, part, remembered, total
from hwmodel.units.structure.heap import compress, rows, word


def bits_of(n: int) -> int:
    """Bits of a shift amount or index below n."""
    return max(1, ceil(log2(n))) if n > 1 else 0


def log(n: float) -> float:
    return log2(max(n, 1))


@remembered
def accumulate(term: int, places: int, bits: int, activity: str = "data") -> Assembly:
    """A signed term of `term` bits at one of `places` + 1 places into a sum of `bits`: complement, then an adder with the sign as
    its first carry. What the term does not fill is quiet."""
    busy = min(term, bits)
    term = min(term + places, bits)
    low = part("accumulate", {"cpa": busy}, {"carry": bits, "gate": 2}, activity)
    high = part("accumulate, high bits", {"cpa": bits - busy}, {}, "sum", bits)
    return invert(term, activity=activity) >> (low | high)


@remembered
def adder(bits: int, name: str = "adder", activity: str = "data", overlap: bool = False) -> Assembly:
    """Carry-propagate adder with carry out. `overlap`: its operands arrive bit by bit from another carry chain."""
    if bits < 1:
        return Assembly()
    return part(name, {"cpa": bits - 1, "ha": 1}, {"carry": 1 if overlap else bits, "gate": 2}, activity)


@remembered
def increment(bits: int, name: str = "increment", activity: str = "data", overlap: bool = False) -> Assembly:
    """A chain of and gates, an xor a bit. `overlap`: the adder that follows starts with the first bit."""
    return part(name, {"xor": bits, "gate": bits}, {"gate": 2 if overlap else bits + 2}, activity)


@remembered
def product(
    a: int,
    b: int,
    signed: bool = False,
    name: str = "product",
    overlap: bool = False,
    plain_rows: bool | None = None,
    normal: bool = False,
) -> Assembly:
    """a x b multiplier: partial products, a carry-save tree and an adder. `overlap`: as for `increment`.

    `plain_rows`: the operand with fewer bits is unsigned (if left out, as the product). Where all rows meet in columns of the same
    multiplier bits, half of the first three partial products go into the gates of the adders (an empirical share). `normal`: the
    highest bit of both operands is one, and takes no partial products.
    """
    width = a + b
    merged = 1.5 * (max(a, b) - min(a, b)) if (not signed if plain_rows is None else plain_rows) and min(a, b) > 1 else 0.0
    bits = (a - 1) * (b - 1) if normal else a * b - merged
    ands = part(f"{name} bits", {"and": bits}, {"gate": 1, "fan": log(max(a, b))}, "product")
    return ands >> compress(rows(a, b, width, signed), width, name, "product", True, overlap, sign=signed)


@remembered
def booth(a: int, b: int, signed: bool = False, name: str = "product") -> Assembly:
    """a x b multiplier with radix-4 Booth recoding of b: a row for two bits, each bit 0, 1 or 2 times the multiplicand and a
    complement; the complement's carry goes into an empty place of the next row."""
    width, count = a + b, (b + 1) // 2 if signed else b // 2 + 1
    code = part(f"{name} recoding", {"xor": count, "gate": 3 * count}, {"gate": 3, "fan": log(a)})
    bits = part(f"{name} bits", {"mux": count * (a + 1), "xor": count * (a + 1)}, {"mux": 1, "gate": 2}, "product")
    return code >> bits >> compress([word(2 * i, a + 2, width) for i in range(count)], width, name, "product", True)


@remembered
def left_shift(bits: int, stages: int, limit: int | None = None, name: str = "shift", activity: str = "shift") -> Assembly:
    """Shifter that grows: a stage of 2**s places makes the word that much wider, at most `limit`; zeros come in.
    Of a word wider than the limit the low bits are shifted: the others have left the sum."""
    muxes = ands = fan = busy = 0.0
    width = bits = min(bits, limit) if limit else bits
    for s in range(stages):
        grown = min(width + 2**s, limit) if limit else width + 2**s
        overlap = max(width - 2**s, 0) if grown > width else max(grown - 2**s, 0)
        muxes += overlap
        ands += grown - overlap
        busy += bits * overlap / grown
        fan += log(grown)
        width = grown
    full = part(name, {"mux": busy}, {"mux": stages, "fan": fan}, activity)
    return full | part(f"{name}, empty places", {"mux": muxes - busy, "and": ands}, {"mux": stages}, "sum")


@remembered
def barrel(
    bits: int,
    stages: int | None = None,
    name: str = "shift",
    activity: str = "shift",
    arithmetic: bool = False,
    sticky: bool = False,
) -> Assembly:
    """Shifter of fixed width: zeros come in (an and gate each), or copies of the sign (a mux each but the topmost).

    `sticky`: what is shifted out is collected in one bit, two gates for each fill.
    """
    stages = bits_of(bits) if stages is None else stages
    fills = sum(min(2**s, bits) for s in range(stages))
    cells = {"mux": bits * stages - stages} if arithmetic else {"mux": bits * stages - fills, "and": fills}
    if sticky:
        cells["gate"] = 2 * fills
    return part(name, cells, {"mux": stages, "fan": stages * log(bits)}, activity)


@remembered
def leading_zeros(bits: int, name: str = "leading zeros", activity: str = "count") -> Assembly:
    """A tree over pairs (a gate each): a node joins two halves with a gate and selects one of their counts, an and-or a bit.

    The pairs and the nodes above them see random bits; higher up the flags and counts hardly change.
    """
    nodes, muxes = _zero_tree(bits)
    pairs = min(bits // 2 + bits // 4, nodes)
    depth = max(bits_of(bits) - 1, 0)
    path = {"gate": depth, "mux": depth}
    first = part(name, {"gate": pairs + bits // 2 + 1.5 * (bits // 4)}, path)
    return first | part(f"{name}, upper levels", {"gate": nodes - pairs + 1.5 * (muxes - bits // 4)}, path, activity)


@lru_cache(maxsize=1 << 12)
def _zero_tree(bits: int) -> tuple[float, float]:
    if bits < 2:
        return 0.0, 0.0
    low = 2 ** (bits_of(bits) - 1)
    left, right = _zero_tree(low), _zero_tree(bits - low)
    return left[0] + right[0] + 1, left[1] + right[1] + bits_of(bits - low)


@remembered
def compare(bits: int, name: str = "compare", activity: str = "data") -> Assembly:
    """Magnitude comparator: the carry chain of a subtraction."""
    return part(name, {"gate": 3.5 * bits}, {"carry": bits}, activity)


@remembered
def select(bits: float, name: str = "select", activity: str = "data") -> Assembly:
    return part(name, {"mux": bits}, {"mux": 1, "fan": log(bits)}, activity)


@remembered
def invert(bits: float, name: str = "negate", activity: str = "data") -> Assembly:
    """Conditional complement. Its sign turns a whole word, after which carries run in what adds it: two, in the mean."""
    made = part(name, {"xor": bits}, {"gate": 2, "fan": log(bits)}, activity)
    return replace(made, travel=total(made.travel, {"carry": 2.0}))


@remembered
def gates(count: float, levels: float, name: str, activity: str = "data") -> Assembly:
    return part(name, {"gate": count}, {"gate": levels}, activity)


def any_of(bits: float, name: str = "zero detection") -> Assembly:
    """One bit from many."""
    return gates(max(bits - 1, 0), log(bits), name, "count")


@remembered
def mask(bits: float, name: str = "mask", activity: str = "data") -> Assembly:
    """Words forced to a constant: a gate a bit."""
    return part(name, {"gate": bits}, {"gate": 1, "fan": log(bits)}, activity)
