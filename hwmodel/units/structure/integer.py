"""Integer units."""

from __future__ import annotations

from hwmodel.units.structure import parts
from hwmodel.units.structure.assembly import Assembly, part
from hwmodel.units.structure.heap import compress, rows, word
from hwmodel.units.structure.parts import log


def int_add(N: int) -> Assembly:
    return parts.adder(N)


def int_mul(W: int, A: int, S: int = 1) -> Assembly:
    return parts.product(W, A, bool(S)).bounded(W + A, W + A)


def int_mac(W: int, A: int, K: int) -> Assembly:
    return int_dot(1, W, A, K)


def int_dot(L: int, W: int, A: int, K: int) -> Assembly:
    """All partial products and the accumulator go into one carry-save tree."""
    ands = part("product bits", {"and": L * W * A}, {"gate": 1, "fan": log(max(W, A))}, "product")
    words = [word(0, K, K)] + [row for _ in range(L) for row in rows(W, A, K, True)]
    return ands >> compress(words, K, "sum", "product", True, quiet=W + A)


def shifter(N: int, AR: int = 0) -> Assembly:
    return parts.barrel(N, arithmetic=bool(AR))


def lzc(N: int) -> Assembly:
    return parts.leading_zeros(N)


def xnor_popcount(N: int) -> Assembly:
    width = N.bit_length()
    return parts.invert(N, "xnor") >> compress([word(0, 1, width) for _ in range(N)], width, "count", "data", single=True)


def tern_mac(L: int, A: int, K: int) -> Assembly:
    """Each lane: complement, gate with the nonzero bit; then the tree with the accumulator. The increment of a single lane comes
    before the adder; those of several take empty lowest places of the tree's words."""
    lane = parts.invert(A, "negate")
    if L == 1:
        lane = lane >> parts.increment(A, overlap=True)
    lane = lane >> parts.mask(A + 1, activity="product")
    return lane * L >> compress([word(0, K, K)] + [word(0, A + 1, K, True) for _ in range(L)], K, "sum", "product")


def bin_mac(L: int, A: int, K: int) -> Assembly:
    """Each lane: complement; the carry into its lowest bit is one more word of the tree."""
    words = [word(0, K, K)] + [word(0, A, K, True) for _ in range(L)]
    return parts.invert(A * L, "negate") >> compress(words, K, "sum", "data")


def requant(A: int, MB: int, O: int, SB: int) -> Assembly:  # noqa: E741
    """Product, rounding constant, arithmetic shift by a run-time amount, clip."""
    wide = A + MB
    half = parts.adder(wide, "rounding", "product", overlap=True)
    shift = parts.barrel(wide, SB, arithmetic=True)
    clip = parts.any_of(2 * wide, "overflow") >> parts.mask(O, "clip")
    return parts.product(A, MB, True, plain_rows=MB <= A) >> half >> shift >> clip


def less_than(N: int) -> Assembly:
    return parts.compare(N)


def mux(N: int) -> Assembly:
    return parts.select(N)


def booth_mul(W: int, A: int, S: int = 1) -> Assembly:
    return parts.booth(A, W, bool(S))


def mul_add(W: int, A: int, K: int) -> Assembly:
    """A signed product of its own, then an adder (int_mac: all in one tree)."""
    return parts.product(W, A, True) >> parts.adder(K, "accumulate")


def mul_sum(L: int, W: int, A: int) -> Assembly:
    """L signed products of their own, then a tree of adders (int_dot: all in one tree)."""
    out, lanes, bits = parts.product(W, A, True) * L, L, W + A
    while lanes > 1:
        out = out >> parts.adder(bits, f"sum of {bits} bits", "product", overlap=lanes < L) * (lanes // 2)
        lanes, bits = lanes - lanes // 2, bits + 1
    return out
