"""Float arithmetic from parts: products rounded or exact, sums of any format and rounding, special values as formats have them.

With rounding to nearest even and formats without NaN and infinity these are the calibrated units of `structure.floats`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from hwmodel.units.components import lns_mul
from hwmodel.units.operands import Operand, special_values
from hwmodel.units.structure import ends, floats, parts
from hwmodel.units.structure.assembly import Assembly, total
from hwmodel.units.structure.registers import chain, named, register, without
from numfmt import Float
from numfmt.formats.flushed import FlushedFloat
from numfmt.formats.shift import Logarithmic


@dataclass(frozen=True)
class Rounded:
    """A float format with a rounding: the target of an operation. random: bits of stochastic rounding."""

    format: Float
    rounding: str = "ties_even"
    random: int = 0

    @property
    def fields(self) -> tuple[int, int]:
        return max(self.format.exp_bits, 2), self.format.man_bits

    def end(self, made: Assembly) -> Assembly:
        """A calibrated unit, which rounds to nearest even, with this rounding in its place; then the special values."""
        e, m = self.fields
        mode = "stochastic" if self.random else self.rounding
        if mode != "ties_even":
            old = parts.increment(e + m, "round")
            new = ends.rounding(e + m, max(m, 4, self.random), mode, random=self.random)
            path = {step: made.path.get(step, 0.0) - old.path.get(step, 0.0) for step in made.path}
            kept = without(made, "round")
            made = replace(
                kept, parts=kept.parts + new.parts, path=total({k: max(v, 0.0) for k, v in path.items()}, new.path), table=_INF
            )
        if self.format.specials == "none":
            return made
        return made >> parts.mask(e + m, "special results") if self.format.has_nan else made


_INF = float("inf")


def exact_product(w: Operand, a: Operand) -> Assembly:
    """Sign, exponent and significand of the product, subnormals kept, not normalised; NaN and infinity detected."""
    front = w.decode | a.decode
    if w.integer and a.integer:
        made = parts.product(w.factor_bits, a.factor_bits, w.signed or a.signed, "significand product")
    elif w.integer or a.integer:
        whole, fmt = (w, a) if w.integer else (a, w)
        made = floats.hidden(max(fmt.exponent, 1)) >> parts.product(fmt.mantissa + 1, whole.bits, False, "significand product")
        if whole.signed:  # its magnitude: the float has a sign of its own
            made = chain(parts.invert(whole.bits, "magnitude"), parts.increment(whole.bits, "magnitude increment")) >> made
    else:
        made = floats.fp_mul_exact(w.exponent, w.mantissa, a.exponent, a.mantissa)
    return front >> (made | product_flags(w, a))


def product_flags(w: Operand, a: Operand) -> Assembly:
    """Detection of NaN and infinity in both operands, and of products without a value."""
    flags = named("weight", w.special) | named("activation", a.special)
    return flags >> parts.gates(4, 2, "special products", "count") if flags.parts else flags


def product_bits(w: Operand, a: Operand) -> int:
    """Bits of the significand of an exact product."""
    return w.float_fields[1] + a.float_fields[1] + 2


def rounded_product(w: Operand, a: Operand, target: Rounded) -> Assembly:
    """The product rounded to a format: normalised, and of what can happen to it only that which can with these operands."""
    e, m = target.fields
    p, fmt = product_bits(w, a), target.format
    if isinstance(w.format, Logarithmic) and isinstance(a.format, Logarithmic) and w.format.frac_bits == a.format.frac_bits:
        return _of_logarithms(w.format, a.format, target)
    made = exact_product(w, a)
    if w.subnormals or a.subnormals or w.integer or a.integer:
        made = chain(made, parts.leading_zeros(p, "product leading zeros"), parts.barrel(p, name="product normalise"))
        made = made >> parts.adder(e + 2, "product exponent update")
    else:
        made = chain(made, parts.select(p, "product normalise"), parts.increment(e, "product exponent update"))
    below = w.low + a.low < fmt.emin - fmt.man_bits
    if below:  # results may be subnormal, or vanish
        made = made >> parts.barrel(m + 3, name="product denormalise", sticky=True)
    if p > m + 1 or below:
        mode = target.rounding
        made = chain(made, ends.rounding(e + m, max(p - m - 1, 2), mode, random=target.random, name="product round"))
    if w.largest * a.largest > fmt.max:
        made = made >> parts.mask(e + m, "product limits")
    return made


def _of_logarithms(w: Logarithmic, a: Logarithmic, target: Rounded) -> Assembly:
    """Logarithms are added; a table of the fractions gives the significand, their integers are its exponent."""
    e, m = target.fields
    total = lns_mul(max(w.width, a.width) - 1 - w.frac_bits, w.frac_bits)
    antilogarithm = ends.table(2**w.frac_bits, m + 1, "antilogarithm")
    return chain(total, antilogarithm, parts.adder(e, "product exponent"), parts.mask(e + m, "product limits"))


@lru_cache(maxsize=512)
def add(target: Rounded, fed_back: bool = False) -> Assembly:
    """Two words of the target's format.

    `fed_back`: one of them is the running sum. It outgrows the terms, and the adder toggles as little as that of `fp_mac_float`
    was seen to with its sum fed back; `fp_add` was seen with two independent words.
    """
    e, m = target.fields
    made = target.end(floats.fp_add(e, m))
    return _in_role(_flags(target.format, 2) | made, fed_back)


def _in_role(made: Assembly, fed_back: bool) -> Assembly:
    return made.classed("float sum") if fed_back else made


def fused(w: Operand, a: Operand, target: Rounded, fed_back: bool = True) -> Assembly:
    """The exact product added to a word of the target's format, rounded once. `fed_back`: as in `add`."""
    e, _ = target.fields
    p, x = product_bits(w, a), max(e, w.float_fields[0], a.float_fields[0]) + 2
    settle = chain(parts.leading_zeros(p, "product leading zeros"), parts.barrel(p, name="product normalise"))
    return exact_product(w, a) >> settle >> parts.adder(x, "product exponent") >> add_wide(p, x, target, fed_back)


@lru_cache(maxsize=512)
def add_wide(p: int, x: int, target: Rounded, fed_back: bool = False) -> Assembly:
    """A normalised term of p significand bits and x exponent bits added to a word of the target's format, rounded once.
    `fed_back`: as in `add`."""
    e, m = target.fields
    w = max(m + 1, p) + 3
    order = chain(parts.compare(x + max(m, p), "magnitude compare"), parts.select(x + m + p, "operand swap"))
    align = chain(parts.adder(x, "exponent difference", overlap=True), parts.barrel(w, name="align", sticky=True))
    summed = chain(parts.invert(w), parts.adder(w, "significand sum"))
    limit = chain(
        parts.compare(e, "subnormal limit"), parts.select(e, "subnormal limit"), parts.adder(x, "exponent update", overlap=True)
    )
    normal = parts.leading_zeros(w) >> (parts.barrel(w, name="normalise") | limit)
    end = chain(parts.select(m + 1, "carry"), parts.increment(e + m, "round"), parts.mask(e + m, "limits"))
    made = chain(floats.hidden(e), order, align, summed, normal, end)
    return _in_role(_flags(target.format, 1) | target.end(made), fed_back)


def _flags(fmt: Float, count: int) -> Assembly:
    return named("accumulator", special_values(fmt)) * count


def from_integer(bits: int, target: Rounded, name: str = "to float") -> Assembly:
    """An integer in two's complement to a float: magnitude, leading zeros, shift, rounding."""
    e, m = target.fields
    sign = chain(parts.invert(bits, "magnitude"), parts.increment(bits, "magnitude increment"))
    made = chain(sign, parts.leading_zeros(bits), parts.barrel(bits, name="normalise"), parts.adder(e, "exponent"))
    return named(name, chain(made, ends.rounding(m + 1, bits - m - 1, target.rounding)))


def widened(source: Operand, target: Rounded, name: str) -> Assembly:
    """An operand to a word of a format that holds its values: a new bias; subnormals that become normal are normalised first.

    Tables give words of any bias, and so do the decoders of posits and takums.
    """
    if source.integer:
        return from_integer(source.factor_bits, target, name)
    fmt, goal = source.format.base if isinstance(source.format, FlushedFloat) else source.format, target.format
    if not isinstance(fmt, Float) or (fmt.exp_bits, fmt.bias) == (goal.exp_bits, goal.bias):
        return Assembly()
    if source.subnormals and fmt.emin > goal.emin:
        p = fmt.man_bits + 1
        normal = parts.leading_zeros(p) >> (parts.barrel(p, name="normalise") | parts.adder(goal.exp_bits, "exponent"))
        return named(name, floats.hidden(fmt.exp_bits) >> normal)
    change = goal.bias - fmt.bias
    fixed = (change & -change).bit_length() - 1 if change else goal.exp_bits  # low bits of the exponent that stay
    return named(name, parts.increment(goal.exp_bits - fixed, "exponent")) if fixed < goal.exp_bits else Assembly()


def to_integer(fmt: Float, bits: int, rounding: str = "ties_even", name: str = "to integer") -> Assembly:
    """A float to an integer of `bits` bits: shift, rounding, sign, saturation."""
    made = chain(parts.adder(fmt.exp_bits, "distance"), parts.barrel(max(bits, fmt.man_bits + 1), name="shift", sticky=True))
    end = chain(ends.rounding(bits, fmt.man_bits, rounding), parts.invert(bits, "sign"), parts.increment(bits, "sign increment"))
    return named(name, chain(made, end, ends.saturate(bits + 1, bits)))


def scaled(source: Assembly, source_bits: int, scale_exponent: int, scale_mantissa: int, target: Rounded) -> Assembly:
    """A float of `source_bits` significand bits times a scale, rounded to the target: an addition of exponents where the scale is
    a power of two."""
    e, m = target.fields
    exponent = chain(parts.adder(max(e, scale_exponent) + 1, "exponent sum"), parts.gates(4, 2, "exponent bias"))
    p = source_bits + scale_mantissa + 1 if scale_mantissa else source_bits
    made = exponent
    if scale_mantissa:
        made = parts.product(source_bits, scale_mantissa + 1, name="significand product") | exponent
        made = made >> parts.select(m + 2, "normalise")
    made = chain(made, ends.rounding(e + m, p - m - 1, target.rounding), parts.mask(e + m, "limits"))
    return source >> named("scale", made)


def state(fmt: Float, name: str = "accumulator register") -> Assembly:
    """The register of a word."""
    return register(fmt.bits, name)
