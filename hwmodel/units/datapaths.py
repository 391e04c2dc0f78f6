"""The hardware of a datapath: which components multiply and accumulate two operand formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwmodel._checks import positive_int, unknown
from hwmodel.units import components, gates
from hwmodel.units.gates import Netlist
from hwmodel.units.unit import Unit
from numfmt import Datapath, Fixed, Float, Format, datapath, parse
from numfmt.arith.datapath import Accumulator, BitSerialAccumulator, ExactAccumulator, FloatAccumulator, IntAccumulator

LANES = 4  # of the BitMoD element


@dataclass(frozen=True)
class Operand:
    """An operand as the multiplier sees it: integer bits, or exponent and mantissa bits; a codebook has a table."""

    bits: int = 0
    exponent: int = 0
    mantissa: int = 0
    table: Netlist | None = None

    @property
    def integer(self) -> bool:
        return self.bits > 0

    @property
    def float_fields(self) -> tuple[int, int]:
        """(E, M) of a float that holds it: an integer of b bits is a significand without exponent."""
        return (1, max(self.bits - 1, 0)) if self.integer else (self.exponent, self.mantissa)


def operand(fmt: Format) -> Operand:
    if isinstance(fmt, Fixed):
        return Operand(bits=fmt.width)
    if isinstance(fmt, Float):
        return Operand(exponent=fmt.exp_bits, mantissa=fmt.man_bits)
    if fmt.bits > 8:
        raise ValueError(f"{fmt} has no hardware model: give a float, fixed point or integer format, or one of at most 8 bits")
    values = np.asarray(fmt.values(), dtype=np.float64)  # any other format is a table of its values in front of the multiplier
    steps = [abs(v) / fmt.quantum for v in np.unique(values[np.isfinite(values)]).tolist()]
    if max(steps) < 2**8:  # a small grid is a small integer in units of its step
        bits = int(max(steps)).bit_length() + 1
        return Operand(bits=bits, table=gates.table(2**fmt.bits, bits, "value table"))
    return Operand(exponent=5, mantissa=10, table=gates.table(2**fmt.bits, 16, "value table"))


def datapath_unit(spec: Any, given: dict[str, Any]) -> Unit:
    """The unit of a datapath; see `unit`."""
    try:
        path = datapath(spec)
    except ValueError as error:
        known = ", ".join(components.KINDS)
        raise ValueError(f"{error} (or a component: {known})") from error
    for name in given:
        if name not in ("weight", "activation", "group"):
            raise unknown("parameter of a datapath unit", name, ("weight", "activation", "group"))
    if "weight" not in given or "activation" not in given:
        raise ValueError(f"unit of datapath {path} needs weight= and activation=, format strings such as 'e2m1'")
    if path.output:
        raise ValueError(f"datapath {path} has no price yet: its output stages are not modelled; leave them out")
    if not path.order.sequential:
        raise ValueError(
            f"datapath {path} has no price yet: its order of sums needs registers that are not modelled; leave {path.order} out"
        )
    inner = path.inner
    if isinstance(inner, FloatAccumulator) and (inner.kahan or inner.random_width or inner.pairwise or inner.product_format):
        raise ValueError(
            f"datapath {path} has no price yet: compensated, stochastic and pairwise sums and product formats are not modelled; "
            "name a format and a rounding, such as fp32 or bf16+fma"
        )
    if type(inner) is not IntAccumulator and isinstance(inner, IntAccumulator):
        raise ValueError(f"datapath {path} has no price yet: a DSP slice is no netlist of gates; write its sum, as int48")
    if isinstance(inner, IntAccumulator) and inner.pairwise:
        raise ValueError(f"datapath {path} has no price yet: its tree of adders is not modelled; leave +pairwise out")
    weight, activation = parse(given["weight"]), parse(given["activation"])
    group = positive_int("group", given.get("group", 128))
    netlist = _inner(path.inner, operand(weight), operand(activation), str(path), group)
    if path.outer is not None:
        netlist = netlist + _outer(path).seldom(1 / group)
    return Unit("datapath", (("group", group),), netlist, path, str(weight), str(activation))


def _inner(inner: Accumulator, w: Operand, a: Operand, name: str, group: int) -> Netlist:
    front = Netlist((), 0)
    for side in (w, a):
        front = front + side.table if side.table else front
    fields = (*w.float_fields, *a.float_fields)
    if isinstance(inner, BitSerialAccumulator):
        if "<" in str(inner):
            raise ValueError(
                f"datapath {name} has no price yet; priced are the published widths of the bit-serial element: {inner.mode}"
            )
        if a.integer or (a.exponent, a.mantissa) != (5, 10):
            raise ValueError(f"datapath {name} takes float16 activations only")
        return components.bitserial_fp16(LANES) + gates.register(15 + 6, "accumulator register")
    if isinstance(inner, IntAccumulator):
        if not (w.integer and a.integer):
            raise ValueError(f"datapath {name} sums integers; give integer weights and activations, or a float datapath")
        saturate = gates.muxes(inner.width, "saturate") if inner.saturate else Netlist((), 0)
        mac = components.int_mac(w.bits, a.bits, inner.width)
        return front + mac + saturate + gates.register(inner.width, "accumulator register")
    if isinstance(inner, ExactAccumulator):
        guard = gates.bits_of(group)
        width = components.kulisch_bits(*fields, guard)
        mac = components.fp_mac_kulisch(*fields, guard)
        if w.integer and a.integer:
            width = w.bits + a.bits + guard
            mac = components.int_mac(w.bits, a.bits, width)
        out = gates.leading_zeros(width, "output leading zeros") + gates.shifter(width, name="output normalise")
        return front + mac + out.seldom(1 / group) + gates.register(width, "accumulator register")
    if not isinstance(inner, FloatAccumulator):
        raise ValueError(f"datapath {name} has no price yet; priced are float, integer, exact and bitmod accumulators")
    e, m = inner.format.exp_bits, inner.format.man_bits
    state = gates.register(inner.format.bits, "accumulator register")
    if inner.fused:
        return front + components.fp_mac_float(*fields, e, m) + state
    product = components.fp_mul_exact(*fields)
    p = fields[1] + fields[3] + 2
    settle = gates.leading_zeros(p, "product leading zeros") + gates.shifter(p, name="product normalise")
    rounding = gates.rounder(m + 1, "product round") if p > m + 1 else Netlist((), 0)
    return front + product + settle + rounding + components.fp_add(e, m) + state


def _outer(path: Datapath) -> Netlist:
    """Multiplication by the scale and the outer accumulator, once for a group of products."""
    assert path.outer is not None
    if isinstance(path.inner, BitSerialAccumulator):
        # BitMoD, HPCA 2025, IV-B: an 8-bit scale, one bit a cycle; the outer accumulator stands once a column of
        # elements and is not part of one.
        scale = Netlist((("scale: bit-serial", {"and2": 15, "full_adder": 23}),), 0)
        return scale + gates.register(23, "scale register")
    outer = path.outer_or_default
    e, m = outer.format.exp_bits, outer.format.man_bits
    multiply, total = components.fp_mul(e, m, 1), components.fp_add(e, m)
    parts = tuple((f"scale: {n}", c) for n, c in multiply.parts) + tuple((f"outer: {n}", c) for n, c in total.parts)
    state = gates.register(outer.format.bits, "outer register")
    return Netlist(parts, 0) + state  # off the critical loop: it has a group's time


def dequantizer(fmt: Format) -> Netlist:
    """Codes of `fmt` to float16: an integer converter, a table for codebooks and small floats, else a shifter.

    The multiplication by the scale is not part of it.
    """
    if isinstance(fmt, Fixed):
        width = fmt.width
        sign = gates.xors(width, "magnitude") + gates.incrementer(width, "magnitude increment")
        return sign + gates.leading_zeros(width) + gates.shifter(width, name="normalise") + gates.adder(5, "exponent")
    if fmt.bits <= 6:
        return gates.table(2**fmt.bits, 16, "value table")
    wide = min(fmt.bits, 16)
    return gates.leading_zeros(wide) + gates.shifter(wide, name="normalise") + gates.adder(5, "exponent")
