"""Format strings and dtype objects to formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .._checks import unknown
from . import codebook, fixed, floats, p3109, posit, shift, takum, tuned
from .base import Format
from .catalogue import AMBIGUOUS, by_name

# Each family of formats brings its own patterns; they match the lower-case text.
_RULES: list[tuple[re.Pattern[str], Callable[[re.Match[str], str], Format]]] = [
    *fixed.RULES,
    *floats.RULES,
    *codebook.RULES,
    *shift.RULES,
    *takum.RULES,
    *posit.RULES,
    *tuned.RULES,
    *p3109.RULES,
]


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
        if spec is None:  # which NumPy takes for float64
            raise TypeError
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
    for pattern, build in _RULES:
        if match := pattern.fullmatch(name):
            return build(match, text)
    raise unknown("format", text, [*by_name(), "int4", "int8", "uint8", "float<4,3>", "fixed<16,6>"])
