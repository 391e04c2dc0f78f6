"""Which formats a processing element multiplies as they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hwmodel.accelerators.load import AnyAccelerator
from hwmodel.accelerators.model import ProcessingElement
from numfmt import Fixed, Float, Format, Scheme
from numfmt.arith.bitserial import decodes


@dataclass(frozen=True)
class WeightMode:
    """How a processing element runs one weight scheme.

    `bits` is the width that counts cycles in a bit-serial element; `native` says that the element takes the codes as
    they are; `dequantize` that a converter to float16 stands in front of it (float16 itself needs none).
    """

    bits: int
    native: bool
    dequantize: bool


def multiplies(pe: ProcessingElement, scheme: Scheme) -> bool:
    """Whether the element takes the scheme's codes without a converter. Zero points need one.

    A bit-serial element takes what numfmt's model of its decoder takes, up to 4 bits beside the formats that its file names.
    """
    if scheme.rule == "range" or not scheme.way.plain:
        return False
    named = scheme.name in pe.weights or all(str(f) in pe.weights for f in scheme.candidates)
    if not pe.two_term_grid:
        return named
    return decodes(scheme) and (named or scheme.element_bits <= 4)


@lru_cache(maxsize=1024)
def weight_mode(acc: AnyAccelerator, scheme: Scheme) -> WeightMode:
    """How `acc` runs weights of `scheme`: as they are, or dequantized to float16 in front of the element.

    Raises ValueError where neither works.
    """
    pe = acc.pe
    if multiplies(pe, scheme):
        return WeightMode(scheme.element_bits, True, False)
    if not pe.float16_weights:
        raise ValueError(
            f"accelerator {acc} cannot multiply weights of scheme {str(scheme)!r}: its element takes"
            f" {', '.join(pe.weights)} and has no float16 mode to dequantize into; use one of these, or another"
            " accelerator"
        )
    if str(scheme) == "float16":
        return WeightMode(16, False, False)
    if not scheme.way.plain:
        raise ValueError(
            f"accelerator {acc} has no priced decoder for weights of scheme {str(scheme)!r}, whose values depend on more than their"
            " own code and its scale; use a scheme of one code an element, such as int4/g128, nf4/g64, mxfp4 or bitmod4/g128"
        )
    if scheme.element_bits > 16 or (not scheme.scaled and not _fits_float16(scheme.candidates[0])):
        raise ValueError(
            f"accelerator {acc} would have to convert weights of scheme {str(scheme)!r} to float16, which holds neither"
            " their range nor their precision; use float16 or a narrower format"
        )
    return WeightMode(16, False, True)


def _fits_float16(fmt: Format) -> bool:
    """Whether every value of the format is a float16 number."""
    if isinstance(fmt, Float):
        return fmt.man_bits <= 10 and fmt.max <= 65504 and fmt.quantum >= 2.0**-24
    if isinstance(fmt, Fixed):
        return fmt.width <= 12 and fmt.largest_magnitude <= 65504 and fmt.quantum >= 2.0**-24
    return fmt.largest_magnitude <= 65504


def check_activation(acc: AnyAccelerator, scheme: Scheme) -> None:
    """ValueError where the element cannot take activations of `scheme`."""
    taken = scheme.rule != "range" and scheme.way.plain and all(str(f) in acc.pe.activations for f in scheme.candidates)
    if not taken:
        example = acc.pe.activations[-1] + ("" if "float16" in acc.pe.activations else "/token")
        raise ValueError(
            f"accelerator {acc} cannot take activations of scheme {str(scheme)!r}: its element takes"
            f" {', '.join(acc.pe.activations)}; write a={example} in the plan, or choose another accelerator"
        )
