"""Float units."""

from __future__ import annotations

from hwmodel.units.structure import parts
from hwmodel.units.structure.assembly import Assembly, remembered
from hwmodel.units.structure.parts import bits_of


@remembered
def hidden(e: int) -> Assembly:
    """The hidden bit, and the exponent of a subnormal: a tree of gates, the first level of which sees random bits.
    An exponent of one bit is the hidden bit."""
    if e == 1:
        return Assembly()
    first = (e + 1) // 2
    return parts.gates(first, parts.log(e), "hidden bit") | parts.gates(
        e - first, parts.log(e), "hidden bit, upper levels", "count"
    )


@remembered
def fp_mul_exact(E1: int, M1: int, E2: int, M2: int, overlap: bool = False) -> Assembly:
    more = max(E1, E2)
    exponent = parts.invert(1, "sign")
    if min(E1, E2) > 1:
        exponent = parts.adder(more, "exponent sum") | exponent
    elif more > 1:  # the other exponent is always 1
        exponent = parts.increment(more, "exponent sum") | exponent
    return (hidden(E1) | hidden(E2)) >> (parts.product(M1 + 1, M2 + 1, name="significand product", overlap=overlap) | exponent)


def fp_mul(E: int, M: int, FTZ: int = 0) -> Assembly:
    p = 2 * (M + 1)
    exponent = parts.adder(E, "exponent sum") >> parts.gates(4, 2, "exponent bias")
    significands = parts.product(M + 1, M + 1, name="significand product", normal=bool(FTZ))
    out = (hidden(E) | hidden(E)) >> (significands | exponent)
    if FTZ:
        out = out >> parts.select(M + 2, "normalise")
    else:
        out = out >> parts.leading_zeros(p) >> parts.barrel(p, name="normalise")
        out = out >> parts.adder(E + 2, "exponent update") >> parts.barrel(M + 3, name="denormalise", sticky=True)
    sticky = parts.any_of(M + 1, "sticky")
    end = parts.increment(E + M, "round") >> parts.mask(E + M, "limits")
    return (out >> sticky >> end).bounded(2 * (E + M), E + M)


def fp_add(E: int, M: int, FTZ: int = 0) -> Assembly:
    """FTZ: subnormals flushed; what the alignment shifts out is kept whole until the rounding, not as one bit."""
    w = M + 4
    order = parts.compare(E + M, "magnitude compare") >> parts.select(2 * (E + M), "operand swap")
    distance = parts.adder(E, "exponent difference", overlap=True)
    places = min(bits_of(w), E)  # exponents differ by less than 2**E
    if FTZ:
        align = parts.left_shift(w, places, 2 * w, "align") >> parts.any_of(w, "sticky")
    else:
        align = parts.barrel(w, places, "align", sticky=True)
    add = parts.invert(w) >> parts.adder(w, "significand sum")
    update = parts.adder(E, "exponent update", overlap=True)
    if not FTZ:
        update = parts.compare(E, "subnormal limit") >> parts.select(E, "subnormal limit") >> update
    normal = parts.leading_zeros(w) >> (parts.barrel(w, name="normalise") | update)
    end = parts.select(M + 1, "carry") >> parts.increment(E + M, "round") >> parts.mask(E + M, "limits")
    out = (hidden(E) | hidden(E)) >> order >> distance >> align >> add >> normal >> end
    return out.bounded(2 * (E + M + 1), E + M + 1)


def fp_mac_float(E1: int, M1: int, E2: int, M2: int, E: int, M: int) -> Assembly:
    p = M1 + M2 + 2
    x = max(E, E1, E2) + 2
    first = fp_mul_exact(E1, M1, E2, M2) >> parts.leading_zeros(p) >> parts.barrel(p, name="product normalise")
    first = first >> parts.adder(x, "product exponent")
    w = max(M + 1, p) + 3
    order = parts.compare(x + max(M, p), "magnitude compare") >> parts.select(x + M + p, "operand swap")
    distance = parts.adder(x, "exponent difference", overlap=True)
    align = parts.barrel(w, bits_of(w), "align", sticky=True)
    add = parts.invert(w) >> parts.adder(w, "significand sum")
    normal = parts.leading_zeros(w) >> (
        parts.barrel(w, name="normalise")
        | (
            parts.compare(E, "subnormal limit")
            >> parts.select(E, "subnormal limit")
            >> parts.adder(x, "exponent update", overlap=True)
        )
    )
    end = parts.select(M + 1, "carry") >> parts.increment(E + M, "round") >> parts.mask(E + M, "limits")
    rest = hidden(E) >> order >> distance >> align >> add >> normal >> end
    return first >> rest.classed("float sum")
