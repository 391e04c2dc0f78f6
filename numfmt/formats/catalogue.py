"""Every named format, with its source and how well that source was checked."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from . import fixed, hifloat, named_codebooks, named_floats, named_tables, p3109, posit, shift, takum, tuned
from .base import Format
from .entry import Entry
from .floats import Float
from .named_floats import AMBIGUOUS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AMBIGUOUS", "by_name", "canonical_name", "catalogue", "entries"]

_FAMILIES = (named_floats, named_codebooks, fixed, p3109, hifloat, tuned, posit, takum, shift, named_tables)


@cache
def entries() -> tuple[Entry, ...]:
    """All named formats."""
    return tuple(entry for family in _FAMILIES for entry in family.entries())


@cache
def by_name() -> dict[str, Format]:
    """Every name and alias, lower case."""
    names: dict[str, Format] = {}
    for entry in entries():
        for name in (entry.name, *entry.aliases):
            if name in names:
                raise AssertionError(f"the format name {name} stands for two formats")
            names[name] = entry.format
    return names


@cache
def _names_by_format() -> dict[Format, str]:
    return {entry.format: entry.name for entry in reversed(entries())}


def canonical_name(fmt: Format) -> str | None:
    """The catalogue's name of a format, None where it has none."""
    return _names_by_format().get(fmt)


def catalogue() -> pd.DataFrame:
    """Every named format: bits, largest, smallest positive, specials, source, status.

    `status` is "verified" where the values were compared with an independent implementation in the tests, "read" where the
    definition was read in the named source. Integers of any width ("int4", "uint8") and parametric formats
    ("float<4,3,bias=7,fn>", "fixed<16,6>") are accepted by `parse` beside these.
    """
    import pandas as pd  # takes longer to load than all of this package

    rows = []
    for entry in entries():
        f = entry.format
        specials = [name for name, has in (("inf", f.has_inf), ("nan", f.has_nan)) if has]
        if isinstance(f, Float) and f.has_minus_zero:
            specials.append("-0")
        rows.append(
            {
                "name": entry.name,
                "kind": type(f).__name__,
                "bits": f.bits,
                "max": f.max,
                "min": f.min,
                "min_positive": f.min_positive,
                "specials": " ".join(specials),
                "aliases": " ".join(entry.aliases),
                "source": entry.source,
                "status": entry.status,
            }
        )
    return pd.DataFrame(rows)
