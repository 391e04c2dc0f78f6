"""Codes that are not ordinary finite values: NaN, infinities, minus zero, repeated and unused codes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import copysign, inf, isfinite, isnan

import numpy as np

from .base import Format, decode_table
from .codebook import Codebook
from .exact_text import Number, as_number
from .fixed import Fixed
from .floats import Float
from .flushed import FlushedFloat
from .hifloat import HiFloat8
from .ladder import Ladder
from .ordered import is_listed
from .p3109 import P3109

CLASSES = ("normal", "subnormal", "zero", "minus_zero", "inf", "nan", "repeated", "unused")


@dataclass(frozen=True)
class SpecialCodes:
    """`what`: +inf, -inf, nan, minus_zero, repeated or unused; `codes`: runs (first, last) in ascending order."""

    what: str
    codes: tuple[tuple[int, int], ...]

    @property
    def count(self) -> int:
        """How many codes there are."""
        return sum(last - first + 1 for first, last in self.codes)


def special_codes(fmt: Format) -> tuple[SpecialCodes, ...]:
    """The special codes of a format, in the order +inf, -inf, nan, minus_zero, repeated, unused; kinds without codes left out."""
    found = _listed(fmt) if is_listed(fmt) else _wide(fmt)
    order = ("+inf", "-inf", "nan", "minus_zero", "repeated", "unused")
    return tuple(SpecialCodes(what, tuple(found[what])) for what in order if found.get(what))


def _wide(fmt: Format) -> dict[str, list[tuple[int, int]]]:
    if isinstance(fmt, Ladder):
        infinities = {("+inf" if value > 0 else "-inf"): [(code, code)] for code, value in fmt.special_values().items()}
        return {**infinities, "nan": [(fmt.nan_code, fmt.nan_code)]}
    if not isinstance(fmt, Float):
        return {}
    signs = (0, 1 << (fmt.bits - 1)) if fmt.signed else (0,)
    found: dict[str, list[tuple[int, int]]] = {}
    top = (1 << (fmt.exp_bits + fmt.man_bits)) - 1
    if fmt.has_inf:
        found |= {what: [(fmt.inf_code + sign,) * 2] for what, sign in zip(("+inf", "-inf"), signs, strict=False)}
    if fmt.specials == "fnuz":
        found["nan"] = [(fmt.nan_code, fmt.nan_code)]
    elif fmt.has_nan:
        first = (fmt.inf_code if fmt.has_inf else fmt.max_magnitude_code) + 1
        found["nan"] = [(first + sign, top + sign) for sign in signs]
    if fmt.has_minus_zero:
        found["minus_zero"] = [(signs[-1], signs[-1])]
    return found


def _listed(fmt: Format) -> dict[str, list[tuple[int, int]]]:
    if isinstance(fmt, Fixed):
        return {}
    kinds = code_classes(fmt)
    found: dict[str, list[tuple[int, int]]] = {}
    for code in np.flatnonzero(~np.isin(kinds, ["normal", "subnormal", "zero"])).tolist():
        what = str(kinds[code])
        if what == "inf":
            what = "+inf" if float(decode_table(fmt)[code]) == inf else "-inf"
        runs = found.setdefault(what, [])
        if runs and runs[-1][1] == code - 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return found


def code_classes(fmt: Format) -> np.ndarray:
    """The class of every code of a format of up to 16 bits, one of `CLASSES`, as strings."""
    table = decode_table(fmt).tolist()
    entries = len(fmt.table) if isinstance(fmt, Codebook) else len(table)
    normal = min_normal(fmt) or 0.0
    listed, seen = is_listed(fmt), set()
    minus_zero, kinds = False, []
    for code, value in enumerate(table):
        special = isinstance(value, float) and not isfinite(value)
        if code >= entries:
            kind = "unused"
        elif special:
            kind = "nan" if isnan(value) else "inf"
        elif value == 0 and isinstance(value, float) and copysign(1.0, value) < 0:
            kind = "repeated" if minus_zero else "minus_zero"
            minus_zero = True
        elif listed and value in seen:  # wide fractions are slow to hash, and their formats repeat nothing
            kind = "repeated"
        elif value == 0:
            kind = "zero"
        else:
            kind = "normal" if abs(value) >= normal else "subnormal"
        if listed and kind not in ("minus_zero", "nan"):
            seen.add(value)
        kinds.append(kind)
    return np.array(kinds)


def min_normal(fmt: Format) -> Number | None:
    """Smallest value with a full significand, where the format has subnormals or could have."""
    if isinstance(fmt, FlushedFloat):
        return fmt.base.min_normal
    if isinstance(fmt, Float):
        return fmt.min_normal if fmt.min_normal <= fmt.max else None
    if isinstance(fmt, P3109):
        least = Fraction(2) ** fmt.emin if fmt.man_bits else fmt.magnitude(1)
        return as_number(least) if least <= fmt.magnitude(fmt.steps - 1) else None
    return 2.0**-15 if isinstance(fmt, HiFloat8) else None
