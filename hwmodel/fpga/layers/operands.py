"""What a plan's formats are to a multiplier on an FPGA."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hwmodel.sources import Fact
from numfmt import Codebook, Fixed, Float, Scheme
from numfmt.formats.shift import PowerOfTwo


@dataclass(frozen=True)
class Operand:
    """`kind`: integer, power (of two) or float. `bits` of a code; `narrow`: the most negative integer does not occur."""

    text: str
    kind: str
    bits: int
    signed: bool
    narrow: bool = False
    exponent: int = 0
    mantissa: int = 0

    @property
    def magnitude_bits(self) -> int:
        """Bits without the sign."""
        return self.bits - 1 if self.signed and self.bits > 1 else self.bits


@lru_cache(maxsize=1024)
def operand(scheme: Scheme, what: str) -> Operand:
    """The operand of a scheme; `what`: weights or activations.

    Raises ValueError for formats that no multiplier takes as they are: codebooks other than binary and ternary ones, values with
    a scale inside the sum, and zero points.
    """
    text = str(scheme)
    if len(scheme.candidates) != 1 or not scheme.way.plain:
        raise ValueError(f"{what} of scheme {text!r} have several formats; a unit on an FPGA takes one: {_remedy(what)}")
    if scheme.granularity.kind not in _KINDS[what]:
        raise ValueError(
            f"{what} of scheme {text!r} have scales inside the sum, which a unit on an FPGA cannot apply: {_remedy(what)}"
        )
    if scheme.rule == "range":
        raise ValueError(f"{what} of scheme {text!r} have a zero point, which a unit on an FPGA does not take: {_remedy(what)}")
    fmt = scheme.candidates[0]
    if isinstance(fmt, Fixed):
        narrow = bool(fmt.signed and scheme.scaled and not scheme.full)
        return Operand(text, "integer", fmt.width, fmt.signed, narrow)
    if isinstance(fmt, Codebook) and set(fmt.table) in ({-1.0, 1.0}, {-1.0, 0.0, 1.0}):
        return Operand(text, "integer", fmt.bits, True, True)
    if isinstance(fmt, PowerOfTwo):
        return Operand(text, "power", fmt.bits, True, True)
    if isinstance(fmt, Float):
        return Operand(text, "float", fmt.bits, fmt.signed, False, fmt.exp_bits, fmt.man_bits)
    raise ValueError(f"{what} of scheme {text!r} are no numbers that a multiplier on an FPGA takes: {_remedy(what)}")


_KINDS = {"weights": ("none", "tensor", "channel"), "activations": ("none", "tensor", "token")}


def _remedy(what: str) -> str:
    return f"use an integer format with one scale, such as {'w=int4/channel' if what == 'weights' else 'a=int8/token'}"


def integers(weight: Operand, activation: Operand, architecture: str, powers: bool = False) -> None:
    """ValueError where an architecture of integer units cannot take the operands."""
    for what, one in (("weights", weight), ("activations", activation)):
        if one.kind == "integer" or (powers and what == "weights" and one.kind == "power"):
            continue
        raise ValueError(
            f"{what} of scheme {one.text!r} are {one.kind}s; architecture {architecture!r} multiplies integers: {_remedy(what)},"
            " or architecture='systolic'"
        )


def facts(weight: Operand, activation: Operand) -> tuple[Fact, ...]:
    return (
        Fact(f"bits of {weight.text}", weight.bits, "bit", "the plan", "user"),
        Fact(f"bits of {activation.text}", activation.bits, "bit", "the plan", "user"),
    )
