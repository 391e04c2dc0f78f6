"""Float units on LUTs, carry chains and DSP blocks."""

from __future__ import annotations

from hwmodel.fpga import parts
from hwmodel.fpga.blocks import Block, either, when
from hwmodel.fpga.counting import Number, larger
from hwmodel.fpga.parts import any_of, barrel, cells, hidden, leading_zeros


def chain(bits: Number, cell: str = "add", name: str = "adder") -> Block:
    """In a float unit most chains end in a decision."""
    return parts.chain(bits, cell, name).settled()


def fp_mul_exact(E1: Number, M1: Number, E2: Number, M2: Number, dsp: Number = 0) -> Block:
    e = larger(E1, E2)
    exponent = when(e > 1, chain(e + 1, name="exponent sum"))
    significand = parts.product(M1 + 1, M2 + 1, False, "significand product", dsp)
    return (hidden(E1) | hidden(E2)) >> (significand | exponent | cells("sign", {"gate": 1}, 1))


def fp_mul(E: Number, M: Number, FTZ: Number = 0, dsp: Number = 0) -> Block:
    p = 2 * (M + 1)
    significand = parts.product(M + 1, M + 1, False, "significand product", dsp)
    exponent = chain(E + 1, name="exponent sum") >> chain(E + 2, "increment", "exponent bias")
    out = (hidden(E) | hidden(E)) >> (significand | exponent | cells("sign", {"gate": 1}, 1))
    subnormal = leading_zeros(p) >> barrel(p, name="normalise") >> chain(E + 1, name="exponent update")
    subnormal = subnormal >> barrel(M + 3, name="denormalise") >> cells("shifted out", {"sticky": p}, 1)
    out = out >> either(FTZ > 0, cells("normalise", {"normalise": M + 2}, 0.5), subnormal)
    sticky = any_of(M + 1, "sticky")
    round_up = chain(E + M, "increment", "round")
    return out >> sticky >> round_up >> cells("limits", {"limit": E + M}, 0.5) >> chain(4, "compare", "overflow")


def _sum(E: Number, M: Number) -> Block:
    """The addition of two floats, up to the rounded result."""
    w = M + 4
    order = chain(E + M, "compare", "magnitude compare") >> cells("operand swap", {"swap": 2 * (E + M)}, 0.5)
    align = chain(E + 1, name="exponent difference") >> barrel(w, name="align") >> cells("shifted out", {"sticky": w}, 1)
    add = chain(w, "add sub", "significand sum") | chain(w, "add sub", "significand difference")
    normal = leading_zeros(w + 1) >> (
        barrel(w, name="normalise")
        | (
            chain(E + 1, "compare", "subnormal limit")
            >> cells("subnormal limit", {"swap": E}, 0.5)
            >> chain(E + 1, name="exponent update")
            >> chain(E + 1, "increment", "exponent step")
        )
    )
    end = chain(E + M, "increment", "round") >> cells("limits", {"limit": E + M}, 0.5) >> chain(4, "compare", "overflow")
    return order >> align >> add >> normal >> end


def fp_add(E: Number, M: Number, FTZ: Number = 0, dsp: Number = 0) -> Block:
    return (hidden(E) | hidden(E)) >> _sum(E, M)


def fp_mac_float(E1: Number, M1: Number, E2: Number, M2: Number, E: Number, M: Number, dsp: Number = 0) -> Block:
    p = M1 + M2 + 2
    first = fp_mul_exact(E1, M1, E2, M2, dsp) >> leading_zeros(p) >> barrel(p, name="product normalise")
    first = first >> chain(4, name="product exponent")
    lost = when(p > M + 1, cells("lost bits", {"sticky": p - M - 1}, 1))
    return first >> lost >> hidden(E) >> _sum(E, M)
