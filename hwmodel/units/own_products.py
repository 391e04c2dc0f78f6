"""Products of another kind: L-Mul, tables and approximate multipliers, shifts by powers of two."""

from __future__ import annotations

import re
from math import frexp

import numpy as np

from hwmodel.units.float_parts import Rounded, add, from_integer, product_flags, state, widened
from hwmodel.units.float_sums import of_other
from hwmodel.units.integer_sums import saturating_add
from hwmodel.units.request import Made, Request
from hwmodel.units.structure import ends, fixed, multipliers, parts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.heap import compress, word
from hwmodel.units.structure.parts import bits_of
from hwmodel.units.structure.registers import beside, chain, register
from numfmt import ProductTable
from numfmt.arith.float_format import short
from numfmt.arith.float_steps import FloatAccumulator
from numfmt.arith.integer_steps import IntAccumulator
from numfmt.arith.lmul_product import LMulAccumulator
from numfmt.arith.shift_product import ShiftAccumulator
from numfmt.arith.table_product import TableAccumulator


def lmul_sum(ask: Request, inner: LMulAccumulator) -> Made:
    """The adder of bit patterns, then the float sum. The paper's formula normalises and rounds the sum of mantissas.

    Operands of another format than the adder's are made words of it first."""
    fmt, total = inner.format, Rounded(inner.sum.format, str(inner.sum.rounding))
    sides = (("weight", ask.w), ("activation", ask.a))
    words = (side.decode >> widened(side, Rounded(fmt), f"{name} to {short(fmt)}") for name, side in sides)
    made = beside(*words) >> (fixed.lmul(fmt.exp_bits, fmt.man_bits) | product_flags(ask.w, ask.a))
    if inner.method == "formula":
        e, m = fmt.exp_bits, fmt.man_bits
        made = chain(made, parts.select(m + 1, "formula normalise"), ends.rounding(e + m, 4, name="formula round"))
    made = made >> (add(total, fed_back=True) if fmt == inner.sum.format else of_other(fmt, total, fed_back=True))
    bits = inner.sum.format.bits
    widths = {"accumulator": bits, "product": fmt.bits}
    return Made((made | state(inner.sum.format)) * ask.lanes, ask.lanes, bits, widths)


def table_sum(ask: Request, inner: TableAccumulator) -> Made:
    """The known approximate multipliers as their own circuits, other tables as logic in two levels; then the sum."""
    made, bits = product_of(inner.table)
    if isinstance(inner.sum, IntAccumulator):
        k = inner.sum.width
        settle = saturating_add(max(k, bits) + 1, k) if inner.sum.saturate else parts.accumulate(bits, 0, k)
        made = chain(made, settle) | register(k, "accumulator register")
        return Made(made * ask.lanes, ask.lanes, k, {"accumulator": k, "product": bits})
    assert isinstance(inner.sum, FloatAccumulator)
    target = Rounded(inner.sum.format, str(inner.sum.rounding))
    if inner.table.integers:
        made = made >> from_integer(bits, target, "product to float")
    made = chain(made, add(target, fed_back=True)) | state(inner.sum.format)
    return Made(made * ask.lanes, ask.lanes, inner.sum.format.bits, {"accumulator": inner.sum.format.bits, "product": bits})


def product_of(table: ProductTable) -> tuple[Assembly, int]:
    """(circuit, bits of a product) of a table of products."""
    match = re.fullmatch(r"(exact|mitchell|kulkarni)8([us])|(drum|trunc)([1-8])_8([us])", table.name)
    bits = frexp(table.largest)[1] + 1 if table.integers else 32
    if match is None:
        inputs = table.a.bits + table.b.bits
        return ends.table(2**inputs, bits, "product table"), bits
    kind, count, signed = match[1] or match[3], int(match[4] or 0), (match[2] or match[5]) == "s"
    made = _CIRCUITS[kind](count)
    if signed and kind != "exact":
        sign = chain(parts.invert(8, "magnitude"), parts.increment(8, "magnitude increment")) * 2
        made = chain(sign, made, parts.invert(16, "sign"), parts.increment(16, "sign increment"))
    return (multipliers.multiply(8, 8, 1) if signed and kind == "exact" else made), 16 + (not signed)


def _leading(bits: int) -> Assembly:
    """Place of the leading one of each factor."""
    return parts.leading_zeros(bits) * 2


def _exact(_: int) -> Assembly:
    return multipliers.multiply(8, 8, 0)


def _mitchell(_: int) -> Assembly:
    """Logarithms by leading one and shift, one addition, antilogarithm by a shift."""
    logs = chain(_leading(8), parts.barrel(8, name="logarithm") * 2)
    return chain(logs, parts.adder(3 + 8, "logarithm sum"), parts.left_shift(8, 4, 16, "antilogarithm"), parts.mask(16, "zero"))


def _drum(bits: int) -> Assembly:
    short = chain(_leading(8), parts.barrel(8, 3, "leading bits") * 2) if bits < 8 else Assembly()
    made = chain(short, parts.product(bits, bits, name="short product"))
    return made >> parts.left_shift(2 * bits, bits_of(2 * (8 - bits) + 1), 16, "places") if bits < 8 else made


def _trunc(columns: int) -> Assembly:
    """The array without the bits of its lowest columns."""
    left = sum(i + j >= columns for i in range(8) for j in range(8))
    words = []
    for i in range(8):
        first = max(columns, i)
        if i + 8 > first:
            words.append(word(first, i + 8 - first, 16))
    from hwmodel.units.structure.assembly import part

    ands = part("product bits", {"and": left}, {"gate": 1, "fan": 3}, "product")
    return ands >> compress(words, 16, "product", "product", True)


def _kulkarni(_: int) -> Assembly:
    """Sixteen 2 x 2 blocks of seven gates, whose results of three bits are added."""
    words = [word(i + j, 3, 16) for i in range(0, 8, 2) for j in range(0, 8, 2)]
    return parts.gates(16 * 7, 3, "2x2 blocks", "product") >> compress(words, 16, "product", "product", True)


_CIRCUITS = {"exact": _exact, "mitchell": _mitchell, "drum": _drum, "trunc": _trunc, "kulkarni": _kulkarni}


def shift_sum(ask: Request, inner: ShiftAccumulator) -> Made:
    """The integer activation shifted left or right by the exponent of the weight, what lies beyond the point rounded away."""
    a, w, k = ask.a, ask.w, inner.sum.width
    sizes = np.abs(np.asarray(w.format.values(), np.float64)) if w.format.bits <= 16 else np.zeros(1)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not a.integer or not len(sizes) or not np.all(np.frexp(sizes)[0] == 0.5):
        raise ValueError(f"datapath {ask.name} shifts integer activations by powers of two; give activation='int8', weight='pot4'")
    up, down = max(frexp(float(sizes.max()))[1] - 1, 0), max(1 - frexp(float(sizes.min()))[1], 0)
    code = parts.gates(2 * (w.format.bits - 1), 2, "code", "count")
    bits = a.factor_bits
    made = code >> parts.left_shift(bits, bits_of(up + 1), min(k, bits + up), "align")
    if down:
        mode = {"floor": "down", "rz": "toward_zero", "rne": "ties_even", "half_up": "ties_up", "rna": "ties_away"}[inner.rounding]
        right = parts.barrel(min(bits, down + 1) + up, bits_of(down + 1), "right shift", arithmetic=True, sticky=mode != "down")
        made = chain(made, right, ends.rounding(bits + up, down, mode, S=1))
    made = made >> parts.accumulate(bits, up, k)
    if inner.sum.saturate:
        made = made >> ends.saturate(max(k, bits + up) + 1, k)
    state = register(k, "accumulator register")
    return Made((made | state) * ask.lanes, ask.lanes, k, {"accumulator": k, "product": bits + up})
