"""Units that shift a term into fixed point and add it, and bit-serial ones."""

from __future__ import annotations

from hwmodel.units.structure import parts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.floats import fp_mul_exact, hidden
from hwmodel.units.structure.heap import compress, word
from hwmodel.units.structure.parts import bits_of


def _shifted(bits: int, places: int, limit: int) -> int:
    return min(bits + places, limit)


def kulisch_bits(E1: int, M1: int, E2: int, M2: int, G: int) -> int:
    """Width of a fixed-point accumulator that holds every product exactly, with G guard bits."""
    return (M1 + M2 + 2) + (2**E1 + 2**E2 - 4) + 1 + G


def fp_mac_kulisch(E1: int, M1: int, E2: int, M2: int, G: int) -> Assembly:
    k = kulisch_bits(E1, M1, E2, M2, G)
    places = 2**E1 + 2**E2 - 4
    shift = parts.left_shift(M1 + M2 + 2, bits_of(places + 1), k - G - 1, "align")
    return fp_mul_exact(E1, M1, E2, M2, overlap=True) >> shift >> parts.accumulate(M1 + M2 + 2, places, k)


def fpint_mac(E1: int, M1: int, A: int, K: int) -> Assembly:
    places = max(2**E1 - 2, 0)
    bits = M1 + 1 + A
    shift = parts.left_shift(bits, bits_of(places + 1), min(K, bits + places), "align")
    return (
        hidden(E1) >> parts.product(M1 + 1, A, True, overlap=True, plain_rows=M1 < A) >> shift >> parts.accumulate(bits, places, K)
    )


def bitserial_int(A: int, X: int, K: int) -> Assembly:
    places = 2**X - 1
    shift = parts.left_shift(A, X, min(K, A + places), "align", "product")
    return parts.mask(A, "term mantissa", "product") >> shift >> parts.accumulate(A, places, K, "product")


def shift_mac(W: int, A: int, K: int) -> Assembly:
    places = max(2 ** (W - 1) - 2, 0)
    code = parts.gates(2 * (W - 1), 2, "code", "count")
    shift = parts.left_shift(A, bits_of(places + 1), min(K, A + places), "align")
    return code >> shift >> parts.accumulate(A, places, K)


def lmul(E: int, M: int) -> Assembly:
    """One integer addition of the fields, an offset (from the bit that the correction term sets), zero and saturation."""
    n, cut = E + M, M if M <= 3 else 3 if M == 4 else 4
    total = parts.adder(n, "field sum") >> parts.increment(E + cut, "offset", overlap=True) >> parts.mask(n, "limits")
    return (total | parts.any_of(2 * n)).bounded(2 * n, n)


def bitserial_fp16(L: int = 4, X: int = 2, T: int = 3, K: int = 15) -> Assembly:
    """Lanes aligned to the largest exponent and summed; then the sum and the accumulator aligned to the larger and added."""
    e, w = max(5, X) + 1, 11 + T
    out = (hidden(5) >> parts.adder(e, "exponent sum")) * L | parts.mask(11, "term mantissa") * L
    if L > 1:
        for _ in range(L - 1):
            out = out >> parts.compare(e, "largest exponent") >> parts.select(e, "largest exponent")
        lane = parts.adder(e, "exponent distance") >> parts.barrel(w, name="align", activity="product")
        out = out >> lane * L
    out = out >> (
        parts.invert(w) * L
        >> compress([word(0, w, w + bits_of(L) + 1, True) for _ in range(L)], w + bits_of(L) + 1, "lane sum", "product")
    )
    larger = parts.compare(e, "larger exponent") >> parts.select(e, "larger exponent") >> parts.adder(e, "distance") * 2
    both = parts.barrel(w + bits_of(L), name="sum align", activity="sum") | parts.barrel(
        K, name="accumulator align", arithmetic=True, activity="sum"
    )
    return out >> larger >> both >> parts.adder(K, "accumulate", "sum")
