"""What stands around the arithmetic: rounding, saturation, comparison, tables, decoders, random bits."""

from __future__ import annotations

from hwmodel._checks import unknown
from hwmodel.units.structure import parts
from hwmodel.units.structure.assembly import Assembly, part
from hwmodel.units.structure.parts import bits_of, log
from hwmodel.units.structure.registers import chain, register

# Roundings by the names of numfmt, and what each needs of the bits dropped: (guard bit, whether the rest is zero, increment).
ROUNDINGS = {
    "ties_even": (True, True, True),
    "ties_away": (True, False, True),
    "ties_up": (True, False, True),
    "ties_zero": (True, True, True),
    "ties_down": (True, True, True),
    "toward_zero": (False, False, False),
    "up": (False, True, True),
    "down": (False, True, True),
    "away": (False, True, True),
    "to_odd": (False, True, False),
    "stochastic": (False, False, True),
}
# The taps of shift registers of full length need at most this many exclusive ors (four taps).
_TAPS = 3


def rounding(kept: int, dropped: int, mode: str = "ties_even", S: int = 0, random: int = 0, name: str = "round") -> Assembly:
    """Rounds away `dropped` bits of a magnitude (S=0) or of two's complement (S=1), which leaves `kept`.

    Truncation of two's complement rounds down and costs nothing, as truncation of a magnitude rounds to zero; the other of the
    two costs an increment. Stochastic: `random` bits from a shift register with feedback are added below.
    """
    if mode.startswith("stochastic"):
        mode = "stochastic"
    if mode not in ROUNDINGS:
        raise unknown("rounding", mode, ROUNDINGS)
    if dropped <= 0 or kept <= 0:
        return Assembly()
    if mode == "stochastic":
        return chain(parts.adder(min(random or dropped, dropped), f"{name}: random bits"), parts.increment(kept, name)) | lfsr(
            random or dropped
        )
    guard, sticky, up = ROUNDINGS[mode]
    if S and mode in ("down", "toward_zero", "ties_away"):  # two's complement: floor is free, zero lies above negative numbers
        guard, sticky, up = {"down": (False, False, False), "toward_zero": (False, True, True)}.get(mode, (True, True, True))
    rest = parts.any_of(dropped - guard, f"{name}: sticky") if sticky else Assembly()
    decide = parts.gates(2 * guard + 2 * sticky, 2, f"{name}: decision", "count") if guard or sticky else Assembly()
    return chain(rest, decide, parts.increment(kept, name) if up else Assembly())


def lfsr(bits: int, name: str = "random bits") -> Assembly:
    """A shift register with feedback of full length."""
    return part(f"{name}: feedback", {"xor": _TAPS}, {}) | register(bits, f"{name}: register")


def saturate(wide: int, bits: int, mode: str = "saturate", name: str = "saturate") -> Assembly:
    """Two's complement of `wide` bits into `bits`. wrap: nothing; saturate_symmetric also keeps out the least number."""
    if mode == "wrap" or wide <= bits:
        return Assembly()
    over = parts.any_of(2 * (wide - bits + 1), f"{name}: overflow")
    if mode == "saturate_symmetric":
        over = over | parts.any_of(bits, f"{name}: least number")
    if mode == "saturate_zero":
        return over >> parts.mask(bits, name)
    if mode == "wrap_sign_magnitude":
        return over >> parts.invert(bits, name)
    return over >> parts.select(bits, name)


def maximum(bits: int, name: str = "larger", count: int = 2) -> Assembly:
    """The largest of `count` unsigned words: a tree of compare and select."""
    made, left = Assembly(), count
    while left > 1:
        made = made >> (parts.compare(bits, f"{name}: compare") >> parts.select(bits, f"{name}: select")) * (left // 2)
        left -= left // 2
    return made


def mux(N: int, L: int = 2) -> Assembly:
    """One of L words of N bits."""
    return part("select", {"mux": N * (L - 1)}, {"mux": bits_of(L), "fan": log(N)})


def table(entries: int, bits: int, name: str = "table") -> Assembly:
    """Constants by address: a decoder shared by pairs of address halves, and an or of the words, half of whose bits are ones.

    Never more than the bound on functions of so many bits, 2**n / n gates each.
    """
    n = max(bits_of(entries), 1)
    count = min(entries * bits / 2, bits * 2.0**n / n)
    return part(name, {"gate": count}, {"gate": n + log(n), "fan": log(bits)})


def decoder(N: int) -> Assembly:
    """N bits to one of 2**N lines: two half decoders whose lines meet in an and each."""
    half = N // 2
    small = 0 if N < 2 else 2**half + 2 ** (N - half)
    return part("lines", {"and": 2**N + (small if N > 2 else 0)}, {"gate": max(bits_of(N), 1), "fan": log(2**half)})


def equal(N: int) -> Assembly:
    return parts.invert(N, "differences") >> parts.any_of(N)
