"""Integer and exact accumulators: one carry-save tree where sums are associative, else a saturating adder a lane."""

from __future__ import annotations

from hwmodel.units.float_parts import exact_product
from hwmodel.units.operands import Operand
from hwmodel.units.request import Made, Request, tree
from hwmodel.units.structure import ends, integer, parts
from hwmodel.units.structure.assembly import Assembly, part
from hwmodel.units.structure.heap import compress, rows, word
from hwmodel.units.structure.parts import bits_of, log
from hwmodel.units.structure.registers import beside, chain, named, register, seldom
from numfmt.arith.datapath import ExactAccumulator, IntAccumulator


def integer_sum(ask: Request, inner: IntAccumulator) -> Made:
    """Exact integer products into `width` bits, which wrap or saturate."""
    w, a, k = ask.w, ask.a, inner.width
    if not (w.integer and a.integer) or w.low < 0 or a.low < 0:
        raise ValueError(f"datapath {ask.name} sums integers; give integer weights and activations, or a float datapath")
    front = _decoders(ask)
    widths = {"accumulator": k, "product": _product_bits(w, a)}
    state = register(k, "accumulator register")
    if not inner.saturate:
        return Made(chain(front, _dot(ask.lanes, w, a, k)) | state, ask.lanes, k, widths)
    product = named("product", _product(w, a)) * ask.lanes
    wide = max(k, _product_bits(w, a)) + 1
    step = saturating_add(wide, k)
    if inner.pairwise:
        adders, held = tree(ask.lanes, ask.group, step, register(k))
        return Made(chain(front, product, adders, named("start", seldom(step, 1 / ask.group))) | held | state, ask.lanes, k, widths)
    return Made(chain(front, product, step * ask.lanes) | state * ask.lanes, ask.lanes, k, widths)


def saturating_add(wide: int, bits: int) -> Assembly:
    """A sum of `wide` bits clamped to `bits`."""
    return chain(parts.adder(wide, "accumulate"), ends.saturate(wide, bits))


def _decoders(ask: Request) -> Assembly:
    """In front of the lanes; digits of one or two bits are what they are."""
    sides = [side.decode * ask.lanes for side in (ask.w, ask.a) if not side.digits]
    return beside(*sides)


def _product_bits(w: Operand, a: Operand) -> int:
    return w.bits + a.bits if w.signed == a.signed else w.factor_bits + a.factor_bits - 1


def _factors(w: Operand, a: Operand) -> tuple[int, int]:
    return (w.bits, a.bits) if w.signed == a.signed else (w.factor_bits, a.factor_bits)


def _product(w: Operand, a: Operand) -> Assembly:
    return parts.product(*_factors(w, a), w.signed or a.signed)


def _dot(lanes: int, w: Operand, a: Operand, k: int) -> Assembly:
    """The products in one carry-save tree no wider than their sum, then the accumulator's adder: a tree that takes the accumulator
    in as well carries every sign through its width, which synthesis makes larger. Digits -1, 0 and 1 take no multiplier, and
    pairs of -1 and 1 an xnor."""
    if w.digits == a.digits == 2:
        return integer.xnor_popcount(lanes) >> parts.adder(k, "accumulate")
    for one, other in ((w, a), (a, w)):
        if one.digits:
            bits = other.factor_bits
            lane = parts.invert(bits, "negate") >> (parts.mask(bits + 1, activity="product") if one.digits == 3 else Assembly())
            width = min(bits + 1 + bits_of(lanes), k)
            words = [word(0, min(bits + 1, width), width, True) for _ in range(lanes)]
            carries = [word(0, 1, width) for _ in range(lanes)]  # of the complements
            summed = compress(words + carries, width, "sum", "product") if lanes > 1 else parts.increment(bits, overlap=True)
            return chain(lane * lanes, summed, parts.adder(k, "accumulate"))
    left, right = _factors(w, a)
    width = min(left + right + bits_of(lanes), k)
    ands = part("product bits", {"and": lanes * left * right}, {"gate": 1, "fan": log(max(left, right))}, "product")
    heap = [row for _ in range(lanes) for row in rows(left, right, width, w.signed or a.signed)]
    return chain(ands, compress(heap, width, "sum", "product", True), parts.adder(k, "accumulate"))


def exact_bits(w: Operand, a: Operand, count: int) -> int:
    """Bits in two's complement that hold every sum of `count` products of the operands, and each sum on the way."""
    unit = 2.0 ** (w.low + a.low) if w.low + a.low > -1000 else 0.0
    if unit and w.largest * a.largest < 2.0**1000:
        whole = round(w.largest / 2.0**w.low) * round(a.largest / 2.0**a.low) * count
        return whole.bit_length() + 1
    return w.high + a.high - w.low - a.low + bits_of(count) + 1


def exact_sum(ask: Request, inner: ExactAccumulator) -> Made:
    """Fixed point wide enough for every sum of a group of products; normalised and rounded once a group."""
    w, a = ask.w, ask.a
    k = exact_bits(w, a, ask.group)
    out = chain(
        parts.invert(k, "output magnitude"),
        parts.increment(k, "output magnitude increment"),
        parts.leading_zeros(k, "output leading zeros"),
        parts.barrel(k, name="output normalise"),
        ends.rounding(inner.format.man_bits + 1, k - inner.format.man_bits - 1, name="output round"),
    )
    state = register(k, "accumulator register") | seldom(out, 1 / ask.group)
    widths = {"accumulator": k}
    if w.integer and a.integer:
        front = _decoders(ask)
        return Made(chain(front, _dot(ask.lanes, w, a, k)) | state, ask.lanes, k, widths)
    bits = w.float_fields[1] + a.float_fields[1] + 2
    places = max(exact_bits(w, a, 1) - 1 - bits, 0)
    align = parts.left_shift(bits, bits_of(places + 1), min(k, bits + places), "align")
    term = exact_product(w, a) >> align
    if ask.lanes == 1:
        return Made(term >> parts.accumulate(bits, places, k) | state, 1, k, widths)
    lanes = term >> parts.invert(bits + places)
    return Made(lanes * ask.lanes >> _sum(ask.lanes, bits + places + 1, k) | state, ask.lanes, k, widths)


def _sum(lanes: int, bits: int, k: int) -> Assembly:
    width = min(bits + bits_of(lanes), k)
    words = [word(0, min(bits, width), width, True) for _ in range(lanes)]
    return compress(words, width, "sum", "data") >> parts.adder(k, "accumulate")
