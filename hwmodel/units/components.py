"""Components by kind and parameters, as netlists. Parameter names follow the synthesised reference units."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.units import gates
from hwmodel.units.gates import Netlist, bits_of
from hwmodel.units.structure import fixed
from hwmodel.units.structure import integer as structure
from hwmodel.units.structure.pricing import cell_netlist


def int_add(N: int) -> Netlist:
    """N-bit adder with carry out."""
    return gates.adder(N)


def int_mul(W: int, A: int, S: int = 1) -> Netlist:
    """W x A multiplier, two's complement (S=1) or unsigned (S=0)."""
    return gates.multiplier(W, A, bool(S))


def int_mac(W: int, A: int, K: int) -> Netlist:
    """K-bit sum plus a signed W x A product."""
    return gates.multiplier(W, A, True) + gates.adder(K, "accumulate")


def int_dot(L: int, W: int, A: int, K: int) -> Netlist:
    """K-bit sum plus L signed products."""
    tree = gates.adder_tree(L, W + A)
    return gates.multiplier(W, A, True).repeated(L) + tree + gates.adder(K, "accumulate")


def shifter(N: int, AR: int = 0) -> Netlist:
    """Barrel shifter, logical left (AR=0) or arithmetic right (AR=1)."""
    return gates.shifter(N)


def lzc(N: int) -> Netlist:
    """Leading-zero counter."""
    return gates.leading_zeros(N)


def register(N: int) -> Netlist:
    """N flip-flops."""
    return gates.register(N)


def fp_mul_exact(E1: int, M1: int, E2: int, M2: int) -> Netlist:
    """Exact product of two minifloats, subnormals kept, no NaN or infinity: sign, exponent sum, significand product."""
    hidden = gates.glue(E1 + E2 - 1, "hidden bits")
    significand = gates.multiplier(M1 + 1, M2 + 1, name="significand product")
    exponent = gates.adder(max(E1, E2), "exponent sum").beside(gates.xors(1, "sign"))
    return hidden + significand.beside(exponent)


def fp_mul(E: int, M: int, FTZ: int = 0) -> Netlist:
    """Multiplier of one float format, rounded to nearest even; subnormals kept (FTZ=0) or flushed."""
    product = gates.multiplier(M + 1, M + 1, name="significand product")
    exponent = gates.adder(2 * (E + 1), "exponent sum and bias")
    out = product.beside(exponent) + gates.muxes(M + 2, "normalise") + gates.rounder(M + 1)
    out = out + gates.glue(2 * (E + M))
    if FTZ:
        return out
    wide = 2 * M + 2
    subnormal = gates.leading_zeros(wide, "subnormal leading zeros") + gates.shifter(wide, name="subnormal normalise")
    return out + subnormal + gates.shifter(M + 4, name="subnormal denormalise")


def fp_add(E: int, M: int, FTZ: int = 0) -> Netlist:
    """Adder of one float format, rounded to nearest even."""
    wide = M + 4
    compare = gates.adder(E + 1, "exponent difference") + gates.comparator(M, "magnitude compare")
    swap = gates.muxes(2 * (E + M), "operand swap")
    align = gates.shifter(wide, name="align") + gates.glue(wide, "sticky")
    total = gates.xors(wide + 1, "subtract") + gates.adder(wide + 1, "significand sum")
    normal = gates.leading_zeros(wide) + gates.shifter(wide, name="normalise") + gates.adder(E + 1, "exponent update")
    out = compare + swap + align + total + normal + gates.rounder(M + 1) + gates.glue(2 * (E + M))
    return out if FTZ else out + gates.comparator(E, "subnormal limit") + gates.muxes(E, "subnormal limit select")


def fp_div(E: int, M: int, FTZ: int = 0) -> Netlist:
    """Divider of one float format, rounded to nearest even: a row of subtract and select for each bit of the quotient.

    Subnormal operands and results take the same paths as the multiplier's. Structure inferred, no synthesised row beside it.
    """
    width = M + 2
    row = gates.adder(width, "quotient subtract") + gates.muxes(width, "quotient select")
    exponent = gates.adder(2 * (E + 1), "exponent difference and bias")
    out = row.in_series(M + 3).beside(exponent) + gates.muxes(M + 2, "normalise") + gates.rounder(M + 1) + gates.glue(2 * (E + M))
    if FTZ:
        return out
    subnormal = gates.leading_zeros(2 * (M + 1), "subnormal leading zeros") + gates.shifter(2 * (M + 1), name="subnormal normalise")
    return out + subnormal + gates.shifter(M + 4, name="subnormal denormalise")


def int_div(W: int, A: int) -> Netlist:
    """W bits by A bits, unsigned magnitudes, truncated: a row of subtract and select for each bit of the quotient."""
    return (gates.adder(A + 1, "quotient subtract") + gates.muxes(A + 1, "quotient select")).in_series(W)


def fp_mac_float(E1: int, M1: int, E2: int, M2: int, E: int, M: int) -> Netlist:
    """Float accumulator (E, M) plus an exact minifloat product: one rounding, subnormals kept, saturating."""
    product, p = fp_mul_exact(E1, M1, E2, M2), M1 + M2 + 2
    settle = gates.leading_zeros(p, "product leading zeros") + gates.shifter(p, name="product normalise")
    wide = max(M + 1, p) + 3  # guard, round, sticky below the larger operand
    compare = gates.adder(E + 2, "exponent difference") + gates.comparator(E + 2, "exponent compare")
    swap = gates.muxes(2 * max(M + 1, p), "operand swap")
    align = gates.shifter(wide, name="align") + gates.glue(wide, "sticky")
    total = gates.xors(wide, "subtract") + gates.adder(wide, "significand sum")
    normal = gates.leading_zeros(wide) + gates.shifter(wide, name="normalise") + gates.adder(E + 2, "exponent update")
    return product + settle + compare + swap + align + total + normal + gates.rounder(M + 1) + gates.glue(2 * (E + M))


def kulisch_bits(E1: int, M1: int, E2: int, M2: int, G: int) -> int:
    """Width of a fixed-point accumulator that holds every product exactly, with G guard bits."""
    return (M1 + M2 + 2) + (2**E1 + 2**E2 - 4) + 1 + G


def fp_mac_kulisch(E1: int, M1: int, E2: int, M2: int, G: int) -> Netlist:
    """Exact product shifted into fixed point and added: no rounding anywhere."""
    k = kulisch_bits(E1, M1, E2, M2, G)
    places = max(2**E1 + 2**E2 - 3, 1)
    align = gates.widening_shifter(M1 + M2 + 2, places, k - G)
    return fp_mul_exact(E1, M1, E2, M2) + align + gates.xors(k - G) + gates.adder(k, "accumulate")


def fpint_mac(E1: int, M1: int, A: int, K: int) -> Netlist:
    """Minifloat weight times a signed A-bit integer, into K-bit fixed point."""
    product = gates.glue(E1, "hidden bit") + gates.multiplier(M1 + 1, A, True, "significand product")
    align = gates.widening_shifter(M1 + 1 + A, max(2**E1 - 1, 1), K)
    return product + align + gates.xors(min(K, M1 + 1 + A + 2**E1 - 2)) + gates.adder(K, "accumulate")


def bitserial_int(A: int, X: int, K: int) -> Netlist:
    """One term (sign, X-bit exponent, 1-bit mantissa) times an A-bit integer, added into K bits."""
    gate = Netlist((("term mantissa", {"and2": A}),), 1)
    align = gates.widening_shifter(A, 2**X, K)
    return gate + align + gates.xors(min(K, A + 2**X - 1)) + gates.adder(K, "accumulate")


def bitserial_fp16(L: int = 4, X: int = 2, T: int = 3, K: int = 15) -> Netlist:
    """The BitMoD element: L float16 activations times terms, aligned to the largest exponent, summed and accumulated.

    Widths of BitMoD, HPCA 2025, IV-B and its RTL: 6-bit exponents, 11-bit significands with T guard bits, K-bit sum.
    """
    e, w = max(5, X) + 1, 11 + T
    exponent = gates.adder(e, "exponent sum").repeated(L)
    largest = (gates.comparator(e, "largest exponent") + gates.muxes(e, "largest exponent select")).repeated(L - 1)
    distance = gates.adder(e, "exponent distance").repeated(L)
    lane = Netlist((("term mantissa", {"and2": 11}),), 1) + gates.shifter(w, 16, "align") + gates.xors(w)
    tree = gates.adder_tree(L, w + 1, "lane sum")
    wide = max(K, w + bits_of(L) + 1)
    group = gates.adder(e, "sum exponent distance") + gates.muxes(wide + K, "sum swap")
    group = group + gates.shifter(wide, 16, "sum align") + gates.adder(wide, "accumulate")
    normal = gates.shifter(wide, 8, "sum normalise") + gates.leading_zeros(wide, "sum length")
    normal = normal + gates.adder(e, "sum exponent")
    return exponent + largest + distance + lane.repeated(L) + tree + group + normal


def xnor_popcount(N: int) -> Netlist:
    """Count of the equal bits of two N-bit words."""
    return cell_netlist(structure.xnor_popcount(N))


def tern_mac(L: int, A: int, K: int) -> Netlist:
    """K-bit sum plus L A-bit integers, each times -1, 0 or 1."""
    return cell_netlist(structure.tern_mac(L, A, K))


def bin_mac(L: int, A: int, K: int) -> Netlist:
    """K-bit sum plus L A-bit integers, each times -1 or 1."""
    return cell_netlist(structure.bin_mac(L, A, K))


def requant(A: int, MB: int, O: int, SB: int) -> Netlist:  # noqa: E741
    """A-bit integer times MB-bit multiplier, rounded shift by up to 2**SB - 1 places, clipped to O bits."""
    return cell_netlist(structure.requant(A, MB, O, SB))


def shift_mac(W: int, A: int, K: int) -> Netlist:
    """K-bit sum plus an A-bit integer times a power of two of W bits (sign, code; code 0 is zero)."""
    return cell_netlist(fixed.shift_mac(W, A, K))


def lmul(E: int, M: int) -> Netlist:
    """L-Mul: the product of two floats as one integer addition."""
    return cell_netlist(fixed.lmul(E, M))


_STRUCTURAL: tuple[Callable[..., Netlist], ...] = (xnor_popcount, tern_mac, bin_mac, requant, shift_mac, lmul)
_INTEGER: tuple[Callable[..., Netlist], ...] = (int_add, int_mul, int_div, int_mac, int_dot, shifter, lzc, register)
_FLOAT: tuple[Callable[..., Netlist], ...] = (fp_mul_exact, fp_mul, fp_add, fp_div, fp_mac_float, fp_mac_kulisch)
_MIXED: tuple[Callable[..., Netlist], ...] = (fpint_mac, bitserial_int, bitserial_fp16)
KINDS = {build.__name__: build for build in (*_INTEGER, *_FLOAT, *_MIXED, *_STRUCTURAL)}
# Smallest value of a parameter; 1 for those not named. Flags are 0 or 1.
MINIMUM = {"M1": 0, "M2": 0, "M": 1, "E": 2, "G": 0, "T": 0, "X": 0}
FLAGS = ("S", "AR", "FTZ")
