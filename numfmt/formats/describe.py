"""`nf.describe`: every fact of a format on one card."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from fractions import Fraction
from math import log10, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Format, Overflow, Rounding
from .catalogue import entries
from .code_fields import layout
from .ends import Edge, edge
from .exact_text import Number, as_number, json_number, log2_of
from .floats import Float
from .modes import STOCHASTIC, Modes, resolve
from .ordered import finite_codes, finite_count, has_zero, is_listed, side
from .p3109 import P3109
from .parse import parse
from .special_codes import SpecialCodes, min_normal, special_codes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Result:
    """What an input becomes: code and value, both None where it is refused with a ValueError."""

    code: int | None
    value: Number | None


@dataclass(frozen=True)
class Beyond:
    """What values out of range become under one overflow mode: just above and just below the range, and the infinities."""

    overflow: str
    above: Result
    below: Result
    plus_inf: Result
    minus_inf: Result


@dataclass(frozen=True)
class Card:
    """The facts of one format. Numbers are float64 where it holds them, else exact fractions; None where there is no such value.

    fields: (name, width) from the top bit down, a width that differs between codes written "low-high". parameters: those of the
    format's class. specials: NaN, infinities, minus zero, codes that repeat a value and codes without one.
    quantum: every value is a multiple of it. spacing_at_one: from 1 to the next value. epsilon: relative spacing at powers of
    two (spacing_at_one where 1 is a value in the range). largest_spacing: the widest gap between two finite neighbours.
    dynamic_range_db, binades: of largest over smallest magnitude. overflow_above and overflow_below: the magnitudes from which
    values overflow under the default rounding. beyond: what they become, for every overflow mode. nan, minus_zero, minus_one:
    what these inputs become under the default modes.
    """

    name: str
    kind: str
    bits: int
    fields: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, Any], ...]
    max: Number
    min: Number
    min_positive: Number | None
    min_normal: Number | None
    specials: tuple[SpecialCodes, ...]
    finite_values: int
    quantum: Number
    spacing_at_one: Number | None
    epsilon: Number | None
    largest_spacing: Number | None
    dynamic_range_db: float | None
    binades: float | None
    rounding: str
    overflow: str
    roundings: tuple[str, ...]
    overflows: tuple[str, ...]
    overflow_above: Edge
    overflow_below: Edge
    beyond: tuple[Beyond, ...]
    nan: Result
    minus_zero: Result
    minus_one: Result
    value_dtype: str
    source: str
    status: str
    aliases: tuple[str, ...]

    @property
    def format(self) -> Format:
        """The format itself."""
        return parse(self.name)

    @property
    def largest_magnitude(self) -> Number:
        """Largest absolute value."""
        return as_number(max(Fraction(self.max), -Fraction(self.min)))

    def __str__(self) -> str:
        from .card_text import card_text

        return card_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The card for strict JSON: what float64 does not hold is text such as "2**16383"; NaN and infinities are "nan", "inf"."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def table(self, most_bits: int = 8) -> pd.DataFrame:
        """All codes: code, hex, bits (cut by field), value (exact), class. Formats of up to `most_bits` bits, 16 at most.

        Classes: normal, subnormal, zero, minus_zero, inf, nan, repeated (a code that decodes to a value that has a lower code and
        is never written) and unused. Raises ValueError for wider formats.
        """
        from .code_table import code_table

        return code_table(self.format, most_bits)

    def spacing_curve(self, cells_per_binade: int = 8) -> pd.DataFrame:
        """Worst relative rounding error over magnitude; see `numfmt.formats.spacing.spacing_curve`."""
        from .spacing import spacing_curve

        return spacing_curve(self.format, cells_per_binade)


def describe(fmt: Format | str) -> Card:
    """The card of a format: `print(nf.describe("e4m3fn"))`.

    fmt: a format, its string or a dtype. Raises ValueError for unknown formats.
    """
    fmt = parse(fmt)
    positive, negative = side(fmt), side(fmt, True)
    above, below = (edge(fmt, fmt.rounding, fmt.overflow, n) for n in (False, True))
    largest = positive.magnitude(positive.size - 1) if positive.size else None
    lowest = negative.magnitude(negative.size - 1) if negative.size else None
    smallest = positive.magnitude(0) if positive.size else None
    sizes = [m for m in (largest, lowest) if m is not None]
    least = min((s.magnitude(0) for s in (positive, negative) if s.size), default=None)
    octaves = log2_of(max(sizes)) - log2_of(least) if least is not None else None
    at_one = _spacing_at_one(fmt)
    source, status, aliases = _origin(fmt)
    plain = _modes(fmt, fmt.overflow)
    return Card(
        name=str(fmt),
        kind=type(fmt).__name__,
        bits=fmt.bits,
        fields=layout(fmt),
        parameters=tuple((f.name, _parameter(getattr(fmt, f.name))) for f in fields(fmt) if f.name != "table"),  # type: ignore[arg-type]
        max=as_number(largest) if largest is not None else _end(fmt, True),
        min=as_number(-lowest) if lowest is not None else _end(fmt, False),
        min_positive=None if smallest is None else as_number(smallest),
        min_normal=min_normal(fmt),
        specials=special_codes(fmt),
        finite_values=finite_count(fmt),
        quantum=as_number(fmt.magnitude(1) if isinstance(fmt, P3109) else fmt.quantum),  # of wide ones no float64
        spacing_at_one=at_one,
        epsilon=at_one if at_one is not None else _epsilon(fmt),
        largest_spacing=_largest_spacing(fmt),
        dynamic_range_db=None if octaves is None else octaves * 20 * log10(2),
        binades=octaves,
        rounding=str(fmt.rounding),
        overflow=str(fmt.overflow),
        roundings=tuple(map(str, fmt.roundings)),
        overflows=tuple(map(str, fmt.overflows)),
        overflow_above=above,
        overflow_below=below,
        beyond=tuple(_beyond(fmt, mode, least or Fraction(0)) for mode in fmt.overflows),
        nan=_result(fmt, float("nan"), plain),
        minus_zero=_result(fmt, -0.0, plain),
        minus_one=_result(fmt, Fraction(-1), plain),
        value_dtype={"f": fmt.value_dtype.name}.get(fmt.value_dtype.kind, "object (Fraction)"),
        source=source,
        status=status,
        aliases=aliases,
    )


def _modes(fmt: Format, overflow: Overflow, rounding: Rounding | None = None) -> Modes:
    mode = rounding or fmt.rounding
    return resolve(fmt, mode, overflow, seed=0 if mode in STOCHASTIC else None)


def _result(fmt: Format, value: Fraction | float, modes: Modes) -> Result:
    try:
        code = fmt.encode_exact(value, modes)
    except ValueError:
        return Result(None, None)
    exact = as_number(fmt.decode_exact(int(code)))
    return Result(int(code), exact if exact == exact else nan)  # one NaN object, so that equal cards are equal


def _beyond(fmt: Format, mode: Overflow, least: Fraction) -> Beyond:
    modes = _modes(fmt, mode)
    # what a stochastic rounding does just beyond the last value depends on its bits: look one step further
    rounding = Rounding.TOWARD_ZERO if fmt.rounding in STOCHASTIC else fmt.rounding
    out = (edge(fmt, rounding, mode, negative).just_beyond(least) for negative in (False, True))
    above, below = (_result(fmt, value, modes) for value in out)
    infinities = (_result(fmt, value, modes) for value in (float("inf"), float("-inf")))
    return Beyond(str(mode), above, below, *infinities)


def _end(fmt: Format, top: bool) -> Number:
    """Largest or smallest value of a format without values of that sign: zero, or the end of the other sign."""
    other = side(fmt, top)
    if not is_listed(fmt):
        return 0.0 if has_zero(fmt) else as_number(other.magnitude(0))
    values = finite_codes(fmt)[1]
    return as_number(values.max() if top else values.min()) + 0.0


def _spacing_at_one(fmt: Format) -> Number | None:
    line = side(fmt)
    at = line.rank(Fraction(1))
    if not 0 < at < line.size:
        return None
    return as_number(line.magnitude(at) - line.magnitude(at - 1))


def _epsilon(fmt: Format) -> Number | None:
    """2**-man_bits of formats with one significand width; None for others."""
    return 2.0**-fmt.man_bits if isinstance(fmt, (Float, P3109)) else None


def _largest_spacing(fmt: Format) -> Number | None:
    if not is_listed(fmt):
        line = side(fmt)
        return as_number(line.magnitude(line.size - 1) - line.magnitude(line.size - 2))
    grid = np.unique(finite_codes(fmt)[1])
    if grid.size < 2:
        return None
    k = int(np.argmax(grid[1:] - grid[:-1]))
    return as_number(Fraction(grid[k + 1]) - Fraction(grid[k]))


def _origin(fmt: Format) -> tuple[str, str, tuple[str, ...]]:
    """Source, status and aliases: of the catalogue, or what the format's class names."""
    for entry in entries():
        if entry.format == fmt:
            others = tuple(name for name in (entry.name, *entry.aliases) if name != str(fmt))
            return entry.source, entry.status, others
    named = re.search(r"Source:\s*(.+?)(?:\.\s|\.?\s*$|\n\s*\n)", type(fmt).__doc__ or "", re.DOTALL)
    where = " ".join(named[1].split()) if named else f"the values given ({type(fmt).__name__})"
    return where, "by definition", ()


def _parameter(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, (float, Fraction)):
        return json_number(value)
    if isinstance(value, tuple):
        if value and all(isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in value):
            return {name: _plain(item) for name, item in value}
        return [_plain(item) for item in value]
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
