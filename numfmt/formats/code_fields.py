"""The fields of a code: their layout for a format, and the bits of one code cut along them."""

from __future__ import annotations

from .base import Format
from .codebook import Codebook
from .fixed import Fixed
from .floats import Float
from .flushed import FlushedFloat
from .hifloat import HiFloat8
from .p3109 import P3109
from .posit import Posit
from .shift import AdditivePowers, DenseShift, Logarithmic, PowerExponent, PowerOfTwo
from .takum import LogTakum, Takum
from .tuned import AdaptivFloat, LlmFp

Widths = tuple[tuple[str, int], ...]


def layout(fmt: Format) -> tuple[tuple[str, str], ...]:
    """(field, its width) from the top bit down; a width that differs between codes is a range such as "0-3"."""
    n = fmt.bits
    if isinstance(fmt, Posit):
        exponent = min(fmt.es, max(n - 3, 0))
        return _kept(
            (("sign", 1, 1), ("regime", min(2, n - 1), n - 1), ("exponent", 0, exponent), ("fraction", 0, fmt.fraction_bits))
        )
    if isinstance(fmt, (Takum, LogTakum)):
        direction, held = min(1, n - 1), max(min(3, n - 2), 0)
        rest = max(n - 5, 0)
        return _kept(
            (
                ("sign", 1, 1), ("direction", direction, direction), ("regime", held, held),
                ("characteristic", 0, min(7, rest)), ("mantissa", max(n - 12, 0), rest),
            )
        )  # fmt: skip
    if isinstance(fmt, HiFloat8):
        return (("sign", "1"), ("dot", "2-4"), ("exponent", "0-4"), ("mantissa", "1-3"))
    return tuple((name, str(width)) for name, width in _fixed_layout(fmt))


def split(fmt: Format, code: int) -> tuple[tuple[str, str], ...]:
    """(field, its bits) of one code, from the top bit down; fields without bits are left out."""
    bits = f"{code:0{fmt.bits}b}" if fmt.bits else ""
    if isinstance(fmt, Posit):
        widths = _posit(bits, fmt.es)
    elif isinstance(fmt, (Takum, LogTakum)):
        widths = _takum(bits)
    elif isinstance(fmt, HiFloat8):
        widths = _hifloat(bits)
    else:
        widths = _fixed_layout(fmt)
    found, at = [], 0
    for name, width in widths:
        part = bits[at : at + max(width, 0)]
        at += len(part)
        if part:
            found.append((name, part))
    return tuple(found)


def _fixed_layout(fmt: Format) -> Widths:
    """Layout of the formats whose fields have the same width in every code."""
    if isinstance(fmt, FlushedFloat):
        return _fixed_layout(fmt.base)
    if isinstance(fmt, Float):
        return _present(("sign", int(fmt.signed)), ("exponent", fmt.exp_bits), ("mantissa", fmt.man_bits))
    if isinstance(fmt, P3109):
        sign = int(fmt.signed)
        return _present(("sign", sign), ("exponent", fmt.width - sign - fmt.man_bits), ("mantissa", fmt.man_bits))
    if isinstance(fmt, AdaptivFloat):
        return _present(("sign", 1), ("exponent", fmt.exp_bits), ("mantissa", fmt.man_bits))
    if isinstance(fmt, LlmFp):
        return _present(("sign", 1), ("exponent", fmt.exp_bits), ("mantissa", fmt.man_bits))
    if isinstance(fmt, Fixed):
        sign = int(fmt.signed and fmt.width > 0)
        if sign <= fmt.int_bits <= fmt.width:
            return _present(("sign", sign), ("integer", fmt.int_bits - sign), ("fraction", fmt.frac_bits))
        return _present(("sign", sign), ("significant", fmt.width - sign))
    if isinstance(fmt, Codebook):
        return (("index", fmt.bits),)
    if isinstance(fmt, Logarithmic):
        return _present(("sign", 1), ("log_integer", fmt.width - 1 - fmt.frac_bits), ("log_fraction", fmt.frac_bits))
    if isinstance(fmt, (PowerOfTwo, DenseShift, AdditivePowers)):
        return _present(("sign", 1), ("shift" if isinstance(fmt, DenseShift) else "step", fmt.bits - 1))
    if isinstance(fmt, PowerExponent):
        return _present(("sign", 1), ("integer", fmt.bits - 1))
    return (("code", fmt.bits),)


def _posit(bits: str, es: int) -> Widths:
    rest = bits[1:]
    run = len(rest) - len(rest.lstrip(rest[0])) if rest else 0
    regime = min(run + 1, len(rest))
    return (("sign", 1), ("regime", regime), ("exponent", es), ("fraction", len(bits)))


def _takum(bits: str) -> Widths:
    """Direction bit and three regime bits say how many characteristic bits follow; bits that a short code lacks are zeros."""
    filled = bits + "0" * 5
    r = int(filled[2:5], 2) if filled[1] == "1" else 7 - int(filled[2:5], 2)
    return (("sign", 1), ("direction", 1), ("regime", 3), ("characteristic", r), ("mantissa", len(bits)))


def _hifloat(bits: str) -> Widths:
    """Prefix 11, 10, 01, 001, 0001: 4, 3, 2, 1, 0 exponent bits; 0000: none and a value of its own."""
    for prefix, exponent in (("11", 4), ("10", 3), ("01", 2), ("001", 1)):
        if bits[1:].startswith(prefix):
            return (("sign", 1), ("dot", len(prefix)), ("exponent", exponent), ("mantissa", 8))
    return (("sign", 1), ("dot", 4), ("mantissa", 3))


def _present(*fields: tuple[str, int]) -> Widths:
    return tuple((name, width) for name, width in fields if width > 0)


def _kept(spans: tuple[tuple[str, int, int], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(low) if low == high else f"{low}-{high}") for name, low, high in spans if high > 0)
