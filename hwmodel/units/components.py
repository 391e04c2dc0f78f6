"""Components by kind and parameters, as structures. Parameter names follow the synthesised reference units.

The twenty kinds of `structure.kinds` are calibrated on synthesis; a `style` other than the default, and the other kinds, are
textbook formulas in the same primitives.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from hwmodel._checks import positive_int, unknown
from hwmodel.units.structure import adders, ends, floats, multipliers, parts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.kinds import KINDS as CALIBRATED
from hwmodel.units.structure.parts import bits_of
from hwmodel.units.structure.registers import beside, chain
from hwmodel.units.structure.registers import register as flip_flops

Build = Callable[..., Assembly]


def int_add(N: int, style: str = "ripple") -> Assembly:
    """N-bit adder with carry out. style: ripple, sklansky, kogge_stone, brent_kung."""
    return adders.add(N, style)


def int_mul(W: int, A: int, S: int = 1, style: str = "tree") -> Assembly:
    """W x A multiplier, two's complement (S=1) or unsigned (S=0). style: tree (as synthesised), array, dadda, booth."""
    return multipliers.multiply(W, A, S, style)


def int_square(A: int, S: int = 0) -> Assembly:
    """Square of A bits."""
    return multipliers.square(A, S)


def constant_mul(A: int, C: int) -> Assembly:
    """A bits times the constant C, by its signed digits."""
    return multipliers.constant(A, C)


def adder_tree(L: int, N: int, S: int = 1, style: str = "carry_save") -> Assembly:
    """Sum of L words of N bits. style: carry_save, dadda, binary."""
    return adders.adder_tree(L, N, style, S)


def int_div(W: int, A: int) -> Assembly:
    """W bits by A bits, unsigned magnitudes, truncated: a row of subtract and select for each bit of the quotient."""
    return multipliers.divide(W, A)


def shifter(N: int, AR: int = 0, ST: int = 0) -> Assembly:
    """Barrel shifter, logical left (AR=0) or arithmetic right (AR=1); ST=1: what is shifted out is collected in one bit."""
    return parts.barrel(N, arithmetic=bool(AR), sticky=bool(ST))


def compare(N: int) -> Assembly:
    """Magnitude comparator."""
    return parts.compare(N)


def equal(N: int) -> Assembly:
    """Whether two words are equal."""
    return ends.equal(N)


def maximum(N: int, L: int = 2) -> Assembly:
    """Largest of L unsigned words."""
    return ends.maximum(N, "larger", L)


def rounding(N: int, R: int, S: int = 0, B: int = 0, mode: str = "ties_even") -> Assembly:
    """Rounds R bits away, which leaves N, of a magnitude (S=0) or two's complement (S=1). B: random bits of mode stochastic."""
    return ends.rounding(N, R, mode, S, B)


def saturate(W: int, N: int, mode: str = "saturate") -> Assembly:
    """W bits in two's complement into N. mode: an overflow of ap_fixed (saturate, saturate_symmetric, saturate_zero, wrap)."""
    return ends.saturate(W, N, mode)


def register(N: int) -> Assembly:
    """N flip-flops."""
    return flip_flops(N)


def lfsr(N: int) -> Assembly:
    """Random bits: a shift register with feedback."""
    return ends.lfsr(N)


def mux(N: int, L: int = 2) -> Assembly:
    """One of L words of N bits."""
    return ends.mux(N, L)


def table(L: int, N: int) -> Assembly:
    """A table of L constants of N bits (a ROM in gates)."""
    return ends.table(L, N)


def decoder(N: int) -> Assembly:
    """N bits to 2**N lines."""
    return ends.decoder(N)


def fp_div(E: int, M: int, FTZ: int = 0) -> Assembly:
    """Divider of one float format, rounded to nearest even: a row of subtract and select for each bit of the quotient.

    Subnormal operands and results take the same paths as the multiplier's. Structure inferred, no synthesised row beside it.
    """
    p = 2 * (M + 1)
    exponent = parts.adder(E, "exponent difference") >> parts.gates(4, 2, "exponent bias")
    row = parts.adder(M + 2, "quotient subtract") >> parts.select(M + 2, "quotient select")
    rows = row * (M + 3)
    path, travel = ({k: (M + 3) * v for k, v in t.items()} for t in (row.path, row.travel))
    rows = Assembly(rows.parts, path, travel)
    out = (floats.hidden(E) | floats.hidden(E)) >> (rows | exponent)
    if FTZ:
        out = out >> parts.select(M + 2, "normalise")
    else:
        out = chain(out, parts.leading_zeros(p), parts.barrel(p, name="normalise"))
        out = chain(out, parts.adder(E + 2, "exponent update"), parts.barrel(M + 3, name="denormalise", sticky=True))
    return chain(out, parts.any_of(M + 1, "sticky"), parts.increment(E + M, "round"), parts.mask(E + M, "limits"))


def lns_mul(E: int, F: int) -> Assembly:
    """Product of two logarithms of E integer and F fraction bits: an addition, a sign, zero and saturation."""
    return parts.adder(E + F, "logarithm sum") >> parts.mask(E + F, "limits") | parts.invert(1, "sign") | parts.any_of(2 * (E + F))


def lns_add(E: int, F: int) -> Assembly:
    """Sum of two logarithms: the larger plus a table of log2(1 +- 2**-d), d below F + 1 (beyond, the smaller has no effect)."""
    n = E + F
    order = chain(parts.compare(n), parts.select(2 * n, "operand swap"), parts.adder(n, "difference", overlap=True))
    entries = 2 * 2**F * (F + 1)
    return chain(order, ends.table(entries, F + 1, "log2(1 + 2**-d)"), parts.adder(n, "sum"), parts.mask(n, "limits"))


def posit_decode(N: int, ES: int) -> Assembly:
    """N-bit posit to sign, exponent and significand: complement, regime length, shift."""
    sign = chain(parts.invert(N - 1, "magnitude"), parts.increment(N - 1, "magnitude increment"))
    regime = chain(
        parts.invert(N - 2, "regime"), parts.leading_zeros(N - 1, "regime length"), parts.barrel(N - 1, name="regime shift")
    )
    return beside(chain(sign, regime), parts.any_of(N - 1, "zero, NaR")) >> parts.invert(bits_of(N) + 1 + ES, "exponent")


def posit_encode(N: int, ES: int) -> Assembly:
    """Sign, exponent and significand to an N-bit posit, rounded to nearest even."""
    place = chain(parts.invert(bits_of(N) + 1, "regime"), parts.barrel(N + ES, name="regime shift", sticky=True))
    end = chain(parts.increment(N, "round"), parts.invert(N, "sign"), parts.increment(N, "sign increment"), parts.mask(N, "limits"))
    return place >> end


def takum_decode(N: int) -> Assembly:
    """N-bit takum: direction and three regime bits, a shift by up to seven, the characteristic."""
    sign = chain(parts.invert(N - 1, "magnitude"), parts.increment(N - 1, "magnitude increment"))
    regime = chain(parts.invert(3, "regime"), parts.barrel(max(N - 5, 1), 3, name="regime shift"))
    return chain(sign, regime, parts.adder(9, "characteristic")) | parts.any_of(N - 1, "zero, NaR")


def popcount(N: int) -> Assembly:
    """Number of ones."""
    return adders.adder_tree(N, 1, "carry_save", 0)


_OURS: tuple[Build, ...] = (
    *(int_add, int_mul, int_square, constant_mul, adder_tree, int_div, shifter, compare, equal, maximum, rounding, saturate),
    *(register, lfsr, mux, table, decoder, fp_div, lns_mul, lns_add, posit_decode, posit_encode, takum_decode, popcount),
)  # fmt: skip
KINDS: dict[str, Build] = {**CALIBRATED, **{build.__name__: build for build in _OURS}}
# Smallest value of a parameter; 1 for those not named. Flags are 0 or 1.
MINIMUM = {"M1": 0, "M2": 0, "M": 1, "E": 2, "G": 0, "T": 0, "X": 0, "B": 0, "ES": 0, "F": 0, "C": 0}
FLAGS = ("S", "AR", "FTZ", "ST")
WORDS = ("style", "mode")
MOST_WORDS = 1 << 14  # that a component sums
_LEAST = {("posit_decode", "N"): 3, ("posit_encode", "N"): 3, ("takum_decode", "N"): 6, ("adder_tree", "L"): 2, ("maximum", "L"): 2}
_MOST = {"E": 11, "E1": 11, "E2": 11, "ES": 5, "C": 1 << 62}
_MOST_OF = {("decoder", "N"): 16, ("lns_add", "F"): 12, ("table", "L"): 1 << 20}


@cache
def parameters(kind: str) -> dict[str, Any]:
    """Parameters of a component with their defaults, `inspect.Parameter.empty` where there is none."""
    return {name: p.default for name, p in inspect.signature(KINDS[kind]).parameters.items() if name != "overlap"}


@cache
def bounds(kind: str) -> dict[str, tuple[int, int]]:
    """Smallest and largest value of each parameter that is a number."""
    out = {}
    for name in parameters(kind):
        least, most = _LEAST.get((kind, name), MINIMUM.get(name, 1)), _MOST_OF.get((kind, name), _MOST.get(name, 4096))
        if name not in WORDS:
            out[name] = (0, 1) if name in FLAGS else (least, most)
    return out


def checked(kind: str, given: dict[str, Any]) -> dict[str, int]:
    """All parameters of a component, defaults filled in; ValueError for a missing, unknown or out-of-range one.

    Words (`style`, `mode`) are kept where they are given and other than the default.
    """
    wanted, between = parameters(kind), bounds(kind)
    for name in given:
        if name not in wanted:
            raise unknown(f"parameter of {kind}", name, wanted)
    values: dict[str, int] = {}
    for name, default in wanted.items():
        if name not in given and default is inspect.Parameter.empty:
            raise ValueError(f"{kind} needs {name}; give {', '.join(wanted)}")
        value = given.get(name, default)
        if name in WORDS:
            if not isinstance(value, str):
                raise ValueError(f"{name} of {kind} is {value!r}; give a word, such as {default!r}")
            if value != default:
                values[name] = given[name]
        elif name in FLAGS:
            if value not in (0, 1):
                raise ValueError(f"{name} of {kind} is {value!r}; give 0 or 1")
            if name != "ST" or value:
                values[name] = int(value)
        else:
            least, most = between[name]
            values[name] = positive_int(f"{name} of {kind}", value, minimum=least)
            if values[name] > most:
                raise ValueError(f"{name} of {kind} is {value!r}; give at most {most}")
    lanes, rows = values.get("L", 1), min(values.get("W", 1), values.get("A", 1))
    if lanes * rows > MOST_WORDS and kind != "table":
        raise ValueError(f"{kind} sums {lanes * rows} words; give at most {MOST_WORDS} (L times the narrower operand)")
    return values
