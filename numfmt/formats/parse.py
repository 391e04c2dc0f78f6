"""Format strings and dtype objects to formats."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

import numpy as np

from .._checks import unknown
from .base import Format, Overflow, Rounding
from .catalogue import AMBIGUOUS, by_name
from .codebook import Codebook
from .fixed import Fixed
from .floats import Float, Specials

_INTEGER = re.compile(r"(u?)int(\d+)")
_FLOAT = re.compile(r"(u?)float<\s*(\d+)\s*,\s*(\d+)\s*((?:,[^>]*)?)>")
_FIXED = re.compile(r"(u?)fixed<\s*(\d+)\s*,\s*(-?\d+)\s*((?:,[^>]*)?)>")
_CODEBOOK = re.compile(r"codebook<\s*(\d+)\s*,\s*(lower|upper)\s*,(.*)>")


def parse(spec: Any) -> Format:
    """The format that a string, a NumPy/ml_dtypes/torch dtype or a Format names.

    Accepted strings: every name and alias of `catalogue()`; `int4`, `uint8`; `float<exp,man[,bias=B][,ieee|fn|fnuz|none]>`,
    `ufloat<...>`; `fixed<W,I[,rounding][,overflow]>`, `ufixed<...>`; `codebook<bits,lower|upper,v0,v1,...>`.

    Raises ValueError for an unknown name (the nearest known ones are listed) and for a name that several formats share
    (the candidates are listed).
    """
    if isinstance(spec, Format):
        return spec
    if not isinstance(spec, str):
        spec = _dtype_name(spec)
    return _parse_text(spec.strip())


def _dtype_name(spec: Any) -> str:
    if type(spec).__module__.startswith("torch"):
        return str(spec).removeprefix("torch.")
    try:
        return np.dtype(spec).name
    except TypeError:
        raise ValueError(f"{spec!r} is not a format: pass a format string such as 'e4m3fn', a dtype or a Format") from None


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> Format:
    name = text.lower()
    if found := by_name().get(name):
        return found
    if name in AMBIGUOUS:
        raise ValueError(f"format {text!r} is ambiguous: write one of {', '.join(AMBIGUOUS[name])}")
    if match := _INTEGER.fullmatch(name):
        width = int(match[2])
        return Fixed(width, width, signed=not match[1])
    if match := _FLOAT.fullmatch(name):
        return _parse_float(text, not match[1], int(match[2]), int(match[3]), match[4])
    if match := _FIXED.fullmatch(name):
        return _parse_fixed(text, not match[1], int(match[2]), int(match[3]), match[4])
    if match := _CODEBOOK.fullmatch(name):
        try:
            table = tuple(float(v) for v in match[3].split(","))
        except ValueError:
            raise ValueError(f"format {text!r} holds an entry that is not a number; write codebook<2,lower,-1,0,1>") from None
        return Codebook(table, int(match[1]), "lower" if match[2] == "lower" else "upper")
    raise unknown("format", text, [*by_name(), "int4", "int8", "uint8", "float<4,3>", "fixed<16,6>"])


def _options(rest: str) -> list[str]:
    return [part.strip() for part in rest.split(",") if part.strip()]


def _parse_float(text: str, signed: bool, exp_bits: int, man_bits: int, rest: str) -> Float:
    bias = (1 << (exp_bits - 1)) - 1
    specials, zero = "ieee" if man_bits else "none", True
    for option in _options(rest):
        if match := re.fullmatch(r"bias=(-?\d+)", option):
            bias = int(match[1])
        elif option in ("ieee", "fn", "fnuz", "none"):
            specials = option
        elif option == "nozero":
            zero = False
        else:
            raise ValueError(f"option {option!r} of format {text!r} is unknown; use bias=N, ieee, fn, fnuz, none, nozero")
    return Float(exp_bits, man_bits, bias, cast(Specials, specials), signed, zero)


def _parse_fixed(text: str, signed: bool, width: int, int_bits: int, rest: str) -> Fixed:
    rounding, overflow = Rounding.TIES_EVEN, Overflow.SATURATE
    for option in _options(rest):
        if option in list(Rounding):
            rounding = Rounding(option)
        elif option in (Overflow.SATURATE, Overflow.WRAP):
            overflow = Overflow(option)
        else:
            raise ValueError(
                f"option {option!r} of format {text!r} is unknown; use a rounding ({', '.join(Rounding)}), saturate or wrap"
            )
    return Fixed(width, int_bits, signed, rounding, overflow)
