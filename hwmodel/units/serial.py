"""BitMoD's processing element: its four blocks, with widths of one's own, the registers of its Verilog, and its term encoder.

Source: BitMoD, HPCA 2025, section IV; the widths and registers of hardware/pe in its development repository (yc2367/BitMoD).
"""

from __future__ import annotations

from dataclasses import dataclass

from hwmodel.units.request import Made, Request
from hwmodel.units.structure import ends, parts, shifts
from hwmodel.units.structure.assembly import Assembly, part
from hwmodel.units.structure.heap import compress, word
from hwmodel.units.structure.parts import bits_of
from hwmodel.units.structure.registers import beside, chain, named, register
from numfmt import Float
from numfmt.arith import bitserial
from numfmt.arith.bit_serial import BitSerialAccumulator

LANES = 4
TERM_EXPONENT = 2  # bits of a term's exponent
SCALE_BITS = 8  # of a group's scale, one a cycle
_SHIFT_BITS = 3  # of a term's place, 0 to 6
_PLACES = 6


@dataclass(frozen=True)
class Element:
    """Widths of an element: exponent `e` and significand `m` bits of an activation, `guard` bits below it, `kept` magnitude bits
    of the accumulator; lanes; whether alignments round to nearest even, and whether the sum is aligned to the accumulator."""

    e: int = 5
    m: int = 11
    guard: int = 3
    kept: int = 14
    lanes: int = LANES
    nearest: bool = False
    align_sum: bool = True

    @property
    def exponent(self) -> int:
        return max(self.e, TERM_EXPONENT) + 1

    @property
    def aligned(self) -> int:
        """Bits of an aligned product."""
        return self.m + self.guard

    @property
    def sum(self) -> int:
        """Bits of the sum of lanes, signed."""
        return self.aligned + 1 + bits_of(self.lanes)

    @property
    def wide(self) -> int:
        """Bits of the sum at its place."""
        return max(self.sum + _PLACES, self.kept + 2)

    @property
    def accumulator(self) -> int:
        return self.kept + 1

    @property
    def dequantized(self) -> int:
        """Bits of the accumulator times the scale in the Verilog."""
        return self.accumulator + SCALE_BITS - 2


def blocks(one: Element) -> dict[str, Assembly]:
    """Combinational logic of the four blocks."""
    x, w = one.exponent, one.aligned
    # the carry of an exponent's topmost bit is the topmost bit of the sum
    carry = parts.increment(max(one.e - TERM_EXPONENT, 0), "exponent sum carry")
    sums = (parts.adder(TERM_EXPONENT, "exponent sum") >> carry) * one.lanes
    signs = parts.invert(one.lanes, "sign")
    match = chain(sums | signs, ends.maximum(x, "largest exponent", one.lanes), parts.adder(x, "exponent distance") * one.lanes)
    far = parts.gates(max(x - bits_of(w), 0), 2, "too small")  # distances beyond the shifter's
    lane = chain(far, parts.mask(one.m, "term mantissa"), shifts.widening(one.m, w, bits_of(w), "align", one.nearest, "product"))
    lane = chain(lane, _round(one, w, 0))
    added = compress([word(0, w + 1, one.sum, True) for _ in range(one.lanes)], one.sum, "lane sum", "product")
    multiply = chain(lane * one.lanes, parts.invert(w, "negate") * one.lanes, added)
    larger = chain(parts.compare(x, "larger exponent"), parts.select(x, "larger exponent"), parts.adder(x, "distance"))
    held = parts.barrel(one.accumulator, name="accumulator align", arithmetic=True, sticky=one.nearest, activity="sum")
    gone = parts.gates(max(x - bits_of(one.accumulator), 0) + 2, 2, "accumulator too small")
    held = (held | gone) >> parts.mask(one.accumulator, "accumulator too small")
    place = parts.left_shift(one.sum, _SHIFT_BITS, one.wide, "term place")
    if one.align_sum:
        right = parts.barrel(one.wide, bits_of(one.wide), "sum align", arithmetic=True, sticky=one.nearest, activity="sum")
        place = chain(place, parts.adder(x, "sum distance"), right, _round(one, one.wide, 1))
    total = parts.adder(one.wide, "accumulate", "sum")
    drop = one.wide - one.accumulator
    # Only the bits above the accumulator's are looked at; of the others, whether all are zero;
    # that chain of gates keeps up with the carries of the sum.
    length = chain(
        parts.invert(drop + 1, "magnitude"),
        part("magnitude increment", {"gate": one.wide - 1, "xor": drop + 1}, {"gate": 2}),
        parts.leading_zeros(drop + 1, "sum length"),
    )
    settle = shifts.narrowing(one.wide, one.accumulator, bits_of(drop + 1), "sum normalise", one.nearest)
    raised = bits_of(drop + 1)
    settle = settle | parts.adder(raised, "exponent") >> parts.increment(max(x - raised, 0), "exponent carry")
    grouped = chain(larger, held >> _round(one, one.accumulator, 1) | place, total, length, settle, _round(one, one.accumulator, 1))
    scale = chain(parts.mask(one.accumulator, "scale bit"), parts.adder(one.dequantized - 1, "scale sum"))  # doubled: bit 0 is free
    return {"exponent match": match, "bit-serial multiply": multiply, "group accumulate": grouped, "group dequantize": scale}


def _round(one: Element, bits: int, signed: int) -> Assembly:
    return ends.rounding(bits, bits, "ties_even", S=signed) if one.nearest else Assembly()


def registers(one: Element) -> dict[str, tuple[int, int]]:
    """(those within the logic's own loops, those at the ports) of each block, as its Verilog has them; ports stand at the inputs of
    every block, and at the outputs of the first two."""
    x, lanes = one.exponent, one.lanes
    return {
        "exponent match": (0, lanes * (one.e + TERM_EXPONENT + 2) + lanes * (x + 1) + x),
        "bit-serial multiply": (0, lanes * (one.m + 1 + x + 1) + one.sum),
        "group accumulate": (one.accumulator + x + 1, one.sum + x + _SHIFT_BITS),
        "group dequantize": (one.dequantized + x + 1, 2 + x + one.accumulator + 1),
    }


def pipeline(one: Element) -> dict[str, int]:
    """Registers of the blocks behind one another, each rank once; operands are held outside."""
    x, lanes = one.exponent, one.lanes
    return {
        "exponents and significands": lanes * (x + 1) + x + lanes * (one.m + 1),
        "lane sum": one.sum + x + _SHIFT_BITS,
        "accumulator": one.accumulator + x + 1,
        "dequantized sum": one.dequantized + x + 1,
    }


def encoder(bits: int) -> Assembly:
    """Codes to terms for one weight: digits of radix 4, or a leading one of four for floats, and the counter of the terms.

    Structure of hardware/pe/decoder.v: a register of nine bits, two of count, two of state.
    """
    digit = chain(parts.select(3 * 3, "digit select"), parts.gates(8, 3, "radix-4 digit"))
    fixed = chain(parts.gates(12, 3, "float to fixed"), parts.select(4, "half select"), parts.gates(10, 3, "leading one"))
    load = chain(parts.select(bits + 1, "load"), parts.select(4, "term"))
    return named("encoder", beside(digit, fixed) >> load | parts.gates(14, 3, "control") | register(bits + 1 + 4, "state"))


def serial_sum(ask: Request, inner: BitSerialAccumulator) -> Made:
    """Four lanes, a term of each weight a cycle; the encoders of the lanes' weights are shared by `share` elements."""
    from hwmodel.units.integer_sums import exact_sum
    from numfmt.arith.bit_serial import _exact

    if not isinstance(ask.a.format, Float) or (ask.a.exponent, ask.a.mantissa) != (5, 10):
        raise ValueError(f"datapath {ask.name} takes float16 activations only")
    if inner.mode == "ideal":
        return exact_sum(ask, _exact())
    terms = len(bitserial.term_table(ask.w.format)[1])
    options = inner.options
    one = Element(guard=options.guard, kept=options.kept, nearest=options.nearest, align_sum=inner.mode == "paper")
    made = chain(*(named(name, logic) for name, logic in blocks(one).items()))
    made = Assembly(made.parts, longest(one))
    held = beside(*(register(bits, f"{name} register") for name, bits in pipeline(one).items()))
    codes = _share(encoder(8) * one.lanes, ask.share)
    widths = {"accumulator": one.accumulator, "aligned": one.aligned, "sum": one.sum, "dequantized": one.dequantized}
    count = max(ask.lanes // one.lanes, 1)
    if ask.lanes > 1 and ask.lanes % one.lanes:
        raise ValueError(
            f"lanes is {ask.lanes}; the element of {ask.name} has {one.lanes} lanes: give a multiple, or leave lanes out"
        )
    return Made((made | held | codes) * count, count * one.lanes / terms, one.accumulator + one.exponent, widths)


def longest(one: Element) -> dict[str, float]:
    """The path of the slowest block: registers stand between them."""
    from hwmodel.units.structure.assembly import length

    return dict(max(blocks(one).values(), key=lambda block: length(block.path)).path)


def _share(made: Assembly, share: int) -> Assembly:
    from dataclasses import replace

    from hwmodel.units.structure.assembly import scaled

    return Assembly(tuple(replace(p, cells=scaled(1 / share, p.cells)) for p in made.parts))
