"""Accumulators of ap_fixed type: each step quantizes and overflows as the type says."""

from __future__ import annotations

from hwmodel.units.request import Made, Request
from hwmodel.units.structure import ends, parts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.registers import chain, named, register
from numfmt import Fixed
from numfmt.arith.fixed_steps import FixedAccumulator


def assign(bits: int, frac: int, fmt: Fixed, name: str) -> Assembly:
    """The assignment of `bits` bits in two's complement, `frac` of them behind the point, to a fixed-point type."""
    dropped = max(frac - fmt.frac_bits, 0)
    kept = max(bits - dropped, 1)
    mode = str(fmt.rounding)
    settle = ends.rounding(min(kept, fmt.width + 1), dropped, mode, S=1)
    return named(name, chain(settle, ends.saturate(kept + max(fmt.frac_bits - frac, 0) + 1, fmt.width, str(fmt.overflow))))


def fixed_sum(ask: Request, inner: FixedAccumulator) -> Made:
    """acc = format(acc + format(x * w)), or with +full acc = format(acc + x * w); a lane has its accumulator."""
    w, a, fmt = ask.w, ask.a, inner.format
    if not (isinstance(w.format, Fixed) and isinstance(a.format, Fixed)):
        raise ValueError(f"datapath {ask.name} takes fixed-point types; give weight= and activation= as 'ap_fixed<8,3>'")
    bits, frac = w.factor_bits + a.factor_bits, w.format.frac_bits + a.format.frac_bits
    made = parts.product(w.bits, a.bits, w.signed or a.signed)
    wide = max(fmt.width, 1)
    if inner.full:
        point = max(frac, fmt.frac_bits)
        wide = max(fmt.width + point - fmt.frac_bits, bits + point - frac) + 1
        made = chain(made, parts.adder(wide, "accumulate"), assign(wide, point, fmt, "sum"))
    else:
        made = chain(made, assign(bits, frac, fmt, "product"), parts.adder(wide, "accumulate"))
        made = made >> named("sum", ends.saturate(fmt.width + 1, fmt.width, str(fmt.overflow)))
    state = register(fmt.width, "accumulator register")
    return Made((made | state) * ask.lanes, ask.lanes, fmt.width, {"accumulator": fmt.width, "product": bits, "adder": wide})
