"""Float accumulators: separate or fused rounding, compensated, stochastic, in a balanced tree."""

from __future__ import annotations

from hwmodel.units.float_parts import Rounded, add, add_wide, exact_product, fused, product_bits, rounded_product, state
from hwmodel.units.request import Made, Request, tree
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.registers import chain, named, seldom
from numfmt import Float
from numfmt.arith.float_steps import FloatAccumulator


def float_sum(ask: Request, inner: FloatAccumulator) -> Made:
    """Each lane an element of its own, but for +pairwise, whose lanes are the leaves of one tree."""
    fmt, mode = inner.format, str(inner.rounding)
    target = Rounded(fmt, mode, inner.random_width)
    held = state(fmt)
    widths = {"accumulator": fmt.bits, "significand": fmt.man_bits + 1}
    if inner.pairwise:
        p, x = product_bits(ask.w, ask.a), max(fmt.exp_bits, ask.w.float_fields[0], ask.a.float_fields[0]) + 2
        leaf = exact_product(ask.w, ask.a) if inner.fused else product(ask, inner)
        node = add_wide(p, x, target) if inner.fused else added(inner, target)  # nodes are alike, so the widest decides
        adders, registers = tree(ask.lanes, ask.group, node, held)
        start = named("start", seldom(add(target), 1 / ask.group))
        return Made(leaf * ask.lanes | adders | start | registers | held, ask.lanes, fmt.bits, widths)
    if inner.kahan:
        first = (
            fused(ask.w, ask.a, target, fed_back=False)
            if inner.fused
            else product(ask, inner) >> named("compensated term", added(inner, target))
        )
        steps = (("sum", True), ("sum less accumulator", True), ("compensation", False))  # the last subtracts the term again
        rest = chain(*(named(what, add(target, fed_back)) for what, fed_back in steps))
        made = chain(first, rest) | held | state(fmt, "compensation register")
        return Made(made * ask.lanes, ask.lanes, fmt.bits, widths)
    made = fused(ask.w, ask.a, target) if inner.fused else product(ask, inner) >> added(inner, target, fed_back=True)
    return Made((made | held) * ask.lanes, ask.lanes, fmt.bits, widths)


def product(ask: Request, inner: FloatAccumulator) -> Assembly:
    """The product rounded to the accumulator's format, or to that of +product=."""
    return rounded_product(ask.w, ask.a, Rounded(inner.product_format or inner.format, str(inner.rounding)))


def added(inner: FloatAccumulator, target: Rounded, fed_back: bool = False) -> Assembly:
    """Addition of the rounded product, to the running sum where `fed_back`."""
    if inner.product_format is None or inner.product_format == inner.format:
        return add(target, fed_back)
    return of_other(inner.product_format, target, fed_back)


def of_other(fmt: Float, target: Rounded, fed_back: bool = False) -> Assembly:
    """Addition of a word of another format."""
    return add_wide(fmt.man_bits + 1, max(fmt.exp_bits, target.fields[0]) + 2, target, fed_back)
