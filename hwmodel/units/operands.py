"""An operand as the multiplier sees it, and the decoder in front of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import frexp

import numpy as np

from hwmodel.units import components
from hwmodel.units.structure import ends, parts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.parts import bits_of
from hwmodel.units.structure.registers import chain
from numfmt import Fixed, Float, Format, parse
from numfmt.formats.flushed import FlushedFloat
from numfmt.formats.posit import Posit
from numfmt.formats.takum import Takum

_TABLE_BITS = 8  # of the widest code that a table decodes
_NOTHING = Assembly()
_INTEGER_STEPS = 2**8  # a table of fewer steps than this is one of small integers


@dataclass(frozen=True)
class Operand:
    """`bits` of an integer in units of `unit` (0: a float of `exponent` and `mantissa` bits).

    `high`, `low`: every finite value lies below 2**high and is a multiple of 2**low. `decode`: what stands in front of the
    multiplier; `special`: detection of NaN and infinity; `subnormals`: whether significands may lack their leading one.
    """

    format: Format
    bits: int = 0
    signed: bool = True
    exponent: int = 0
    mantissa: int = 0
    high: int = 0
    low: int = 0
    largest: float = 0.0
    subnormals: bool = False
    decode: Assembly = _NOTHING
    special: Assembly = _NOTHING
    code_bits: int = 0

    @property
    def integer(self) -> bool:
        return self.bits > 0

    @property
    def digits(self) -> int:
        """3 where the only values are -1, 0 and 1, 2 where they are -1 and 1: no multiplier is needed; else 0."""
        if not self.integer or self.format.bits > 2 or self.low != 0 or self.largest != 1:
            return 0
        values = np.asarray(self.format.values(), np.float64)
        values = values[np.isfinite(values)]
        return (2 if (values != 0).all() else 3) if values.min() == -1 else 0

    @property
    def factor_bits(self) -> int:
        """Bits of an integer as a factor in two's complement: an unsigned one takes a sign of its own."""
        return self.bits + (not self.signed)

    @property
    def float_fields(self) -> tuple[int, int]:
        """(E, M) of a float that holds it: an integer of b bits is a significand without exponent."""
        return (1, max(self.bits - 1, 0)) if self.integer else (self.exponent, self.mantissa)


def special_values(fmt: Float, name: str = "special values") -> Assembly:
    """Detection of NaN and infinity in a word: exponent all ones, mantissa zero or not; or the one code that is NaN."""
    e, m = fmt.exp_bits, fmt.man_bits
    if fmt.specials == "ieee":
        return parts.any_of(e, f"{name}: exponent") | parts.any_of(m, f"{name}: mantissa") | parts.gates(2, 1, name, "count")
    if fmt.specials == "fn":
        return parts.any_of(e + m, name)
    if fmt.specials == "fnuz":
        return parts.any_of(e + m, name) | parts.gates(1, 1, name, "count")
    return Assembly()


@lru_cache(maxsize=512)
def operand(fmt: Format) -> Operand:
    """The operand that a format makes. Raises ValueError for formats without hardware."""
    for kind, make in _MAKERS:
        if isinstance(fmt, kind):
            return replace(make(fmt), code_bits=fmt.bits)
    if fmt.bits > _TABLE_BITS:
        raise ValueError(
            f"{fmt} has no hardware model: give a float, fixed point, integer, posit or takum format, or one of at most "
            f"{_TABLE_BITS} bits, which a table decodes"
        )
    return replace(_by_table(fmt, np.asarray(fmt.values(), np.float64), fmt.bits), code_bits=fmt.bits)


def candidates(formats: tuple[Format, ...]) -> Operand:
    """The operand of a mixture of formats: a table addressed by the code and the choice of the group; floats and integers of one
    candidate as they are."""
    if len(formats) == 1:
        return operand(formats[0])
    bits = max(f.bits for f in formats)
    if bits > _TABLE_BITS:
        raise ValueError(
            f"a mixture of {', '.join(map(str, formats))} has no hardware model: its codes have more than {_TABLE_BITS} bits"
        )
    values = np.concatenate([np.asarray(f.values(), np.float64) for f in formats])
    made = _by_table(formats[0], values, bits + bits_of(len(formats)))
    return replace(made, code_bits=bits)


def _fixed(fmt: Format) -> Operand:
    assert isinstance(fmt, Fixed)
    most = max(abs(fmt.max_int), abs(fmt.min_int)) * 2.0**-fmt.frac_bits
    return Operand(fmt, bits=max(fmt.width, 1), signed=fmt.signed, high=fmt.int_bits, low=-fmt.frac_bits, largest=most)


def _float(fmt: Format) -> Operand:
    assert isinstance(fmt, Float)
    high, low = frexp(fmt.max)[1], fmt.emin - fmt.man_bits
    return Operand(
        fmt,
        exponent=fmt.exp_bits,
        mantissa=fmt.man_bits,
        high=high,
        low=low,
        largest=fmt.max,
        subnormals=fmt.zero and fmt.man_bits > 0,
        special=special_values(fmt),
    )


def _flushed(fmt: Format) -> Operand:
    assert isinstance(fmt, FlushedFloat)
    return replace(_float(fmt.base), format=fmt, subnormals=False)


def _posit(fmt: Format) -> Operand:
    assert isinstance(fmt, Posit)
    reach = (fmt.width - 2) << fmt.es
    e, m = bits_of(2 * reach + 2), max(fmt.width - 3 - fmt.es, 0)
    decode = components.posit_decode(max(fmt.width, 3), fmt.es)
    return Operand(fmt, exponent=e, mantissa=m, high=reach + 1, low=frexp(fmt.quantum)[1] - 1, largest=2.0**reach, decode=decode)


def _takum(fmt: Format) -> Operand:
    assert isinstance(fmt, Takum)
    decode, low = components.takum_decode(max(fmt.width, 6)), frexp(fmt.quantum)[1] - 1
    return Operand(fmt, exponent=9, mantissa=max(fmt.width - 5, 0), high=255, low=low, largest=2.0**255, decode=decode)


def _by_table(fmt: Format, values: np.ndarray, address: int) -> Operand:
    """Small grids are integers in units of their step; others floats of the fewest bits that hold every value."""
    sizes = np.unique(np.abs(values[np.isfinite(values)]))
    sizes = sizes[sizes > 0]
    if not len(sizes):
        sizes = np.ones(1)
    lows = [_lowest(v) for v in sizes.tolist()]
    low, high = min(lows), frexp(float(sizes[-1]))[1]
    name = "value table"
    if high - low <= _INTEGER_STEPS.bit_length() - 1:
        bits = high - low + 1
        return Operand(fmt, bits=bits, high=high, low=low, largest=float(sizes[-1]), decode=ends.table(2**address, bits, name))
    tops = [frexp(v)[1] for v in sizes.tolist()]
    mantissa = max(t - b - 1 for t, b in zip(tops, lows, strict=True))
    exponent = max(bits_of(max(tops) - min(tops) + 2), 1)
    return Operand(
        fmt,
        exponent=exponent,
        mantissa=mantissa,
        high=high,
        low=low,
        largest=float(sizes[-1]),
        decode=ends.table(2**address, 1 + exponent + mantissa, name),
    )


def _lowest(value: float) -> int:
    """Place of the last set bit."""
    fraction, exponent = frexp(value)
    whole = int(fraction * 2**53)
    return exponent - 53 + ((whole & -whole).bit_length() - 1)


_MAKERS: tuple[tuple[type[Format], Callable[[Format], Operand]], ...] = (
    (Fixed, _fixed),
    (Float, _float),
    (FlushedFloat, _flushed),
    (Posit, _posit),
    (Takum, _takum),
)


def to_half(fmt: Format) -> Assembly:
    """Codes of `fmt` to float16: an integer converter, a table for codebooks and small floats, else a shifter.

    The multiplication by the scale is not part of it.
    """
    if isinstance(fmt, Fixed):
        width = fmt.width
        sign = chain(parts.invert(width, "magnitude"), parts.increment(width, "magnitude increment"))
        return chain(sign, parts.leading_zeros(width), parts.barrel(width, name="normalise"), parts.adder(5, "exponent"))
    if fmt.bits <= 6:
        return ends.table(2**fmt.bits, 16, "value table")
    wide = min(fmt.bits, 16)
    return chain(parts.leading_zeros(wide), parts.barrel(wide, name="normalise"), parts.adder(5, "exponent"))


HALF = parse("float16")
