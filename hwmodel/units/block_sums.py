"""Matrix units: blocks of products aligned to their largest exponent, cut, added exactly and rounded once."""

from __future__ import annotations

from hwmodel.units.float_parts import Rounded, add, exact_product, fused, product_bits, special_values
from hwmodel.units.operands import Operand, operand
from hwmodel.units.request import Made, Request
from hwmodel.units.structure import ends, integer, parts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.heap import compress, word
from hwmodel.units.structure.parts import bits_of
from hwmodel.units.structure.registers import chain, named, register, seldom
from numfmt import Float, parse
from numfmt.arith.unit_rule import Rule, held_format

_TF32_MANTISSA = 10
_INTEGER_BITS = 2  # of a product of significands in [1, 2)


def held(name: str) -> Operand:
    """The operand of a matrix instruction: tf32 comes in float32 words of which ten mantissa bits count."""
    if name.startswith(("int", "uint")):
        return operand(parse(name))
    fmt = parse("float64") if name == "float64" else held_format(name)
    assert isinstance(fmt, Float)
    return operand(Float(8, _TF32_MANTISSA, 127) if name == "tf32" else fmt)


def block_sum(ask: Request, rule: Rule) -> Made:
    """One block of the instruction; `lanes` of them side by side."""
    if rule.kind == "double":
        fmt = parse("float64")
        assert isinstance(fmt, Float)
        made = fused(ask.w, ask.a, Rounded(fmt)) | register(64, "accumulator register")
        return Made(made * ask.lanes, ask.lanes, 64, {"accumulator": 64})
    if rule.kind == "integer":
        wide = 33 if rule.saturate else 32
        made = integer.int_dot(rule.k, ask.w.factor_bits, ask.a.factor_bits, wide)
        made = chain(made, ends.saturate(33, 32)) if rule.saturate else made
        return Made((made | register(32, "accumulator register")) * ask.lanes, rule.k * ask.lanes, 32, {"accumulator": 32})
    w, a = ask.w, ask.a
    if rule.through_half:  # FP8 goes through the float16 multipliers
        half = operand(parse("float16"))
        w = a = half
    made, widths = aligned(w, a, rule)
    out = parse(rule.result)
    assert isinstance(out, Float)
    held_bits = out.bits
    made = made | register(held_bits, "accumulator register")
    if rule.pour:
        made = made | named(
            "outer", seldom(add(Rounded(out), fed_back=True), 1 / rule.pour) | register(held_bits, "accumulator register")
        )
    return Made(made * ask.lanes, rule.terms * ask.lanes, held_bits, widths)


def aligned(w: Operand, a: Operand, rule: Rule) -> tuple[Assembly, dict[str, int]]:
    """k multipliers and exponent adders, a tree for the largest exponent (the accumulator's and the floor among them), an aligner a
    term, one multi-operand adder, one normaliser and rounder."""
    terms, f = rule.terms, rule.frac_bits
    out = parse(rule.result)
    assert isinstance(out, Float)
    kept = {"rz": 23, "short": 13, "f16_rne": 10}[rule.output]
    e = max(w.float_fields[0], a.float_fields[0], out.exp_bits) + 1
    width = f + _INTEGER_BITS
    total = width + bits_of(terms + 1) + 1
    p = product_bits(w, a)
    products = named("term", exact_product(w, a)) * terms
    words = terms + 1 + (rule.floor is not None)
    largest = ends.maximum(e, "largest exponent", words)
    near = min(width, p) if f >= p - _INTEGER_BITS else width  # bits of a product that can survive the cut
    align = chain(parts.adder(e, "exponent distance"), parts.barrel(width, bits_of(width + 1), "align")) >> parts.mask(
        near, "too small"
    )
    accumulator = chain(parts.adder(e, "accumulator distance"), parts.barrel(width, bits_of(width + 1), "accumulator align"))
    signs = parts.invert(width, "signs") * (terms + 1)
    summed = compress([word(0, width + 1, total, True) for _ in range(terms + 1)], total, "block sum", "product")
    sign = chain(parts.invert(total, "magnitude"), parts.increment(total, "magnitude increment"))
    normal = chain(sign, parts.leading_zeros(total), parts.barrel(total, name="normalise") | parts.adder(e, "exponent update"))
    mode = "ties_even" if rule.output == "f16_rne" else "toward_zero"
    end = chain(normal, ends.rounding(kept + 1, total - kept - 1, mode), parts.mask(out.exp_bits + kept, "limits"))
    special = named("accumulator", special_values(out)) | parts.mask(out.bits, "special results")
    made = chain(products, largest, align * terms | accumulator, signs, summed, end) | special
    return made, {"aligned": width, "fraction": f, "sum": total, "terms": terms}
