"""Which family carries out which name, and the catalogue of schemes."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .._checks import nearest
from ..formats import catalogue, parse
from .family import Family, SchemeEntry

if TYPE_CHECKING:
    import pandas as pd

    from .scheme import Scheme

# Each module offers FAMILIES (instances) and RULES: (pattern of the element name, function(match, text) -> Scheme). `scaled` takes
# what no other module names, so it comes last.
_MODULES = (
    "cast",
    "ternary",
    "dual",
    "ant",
    "olive",
    "power",
    "partial",
    "sparse",
    "vector",
    "razer",
    "bitsandbytes",
    "bitmod",
    "mx",
    "bfp",
    "nvfp4",
    "scaled",
)


@lru_cache(maxsize=1)
def _modules() -> tuple[Any, ...]:
    return tuple(importlib.import_module(f".{name}", __package__) for name in _MODULES)


@lru_cache(maxsize=1)
def _families() -> dict[str, Family]:
    return {way.name: way for module in _modules() for way in module.FAMILIES}


def family(name: str) -> Family:
    """The family of a scheme."""
    return _families()[name]


def lookup(text: str, name: str) -> Scheme:
    """The scheme that an element name means, with its default granularity and no option. Raises ValueError for unknown names."""
    for module in _modules():
        for pattern, make in module.RULES:
            if match := re.fullmatch(pattern, name):
                made: Scheme = make(match, text)
                return made
    try:
        parse(name)
    except ValueError as error:
        if "ambiguous" in str(error) or "<" in name or re.fullmatch(r"u?int\d+", name):
            raise
        known = [*scheme_names(), *catalogue()["name"], "int4", "int8"]
        close = nearest(name, known) or known[:8]
        raise ValueError(f"unknown scheme {text!r}: no element named {name!r}; did you mean {', '.join(close)}?") from None
    from .scaled import from_format

    return from_format(text, name)


@lru_cache(maxsize=4096)
def default_granularity(name: str) -> bool:
    """Whether an element name alone means a scheme with scales."""
    try:
        return lookup(name, name).scaled
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _entries() -> tuple[SchemeEntry, ...]:
    return tuple(entry for module in _modules() for way in module.FAMILIES for entry in way.entries())


def scheme_names() -> list[str]:
    """Element names of the catalogue of schemes, beside every format name."""
    return list(dict.fromkeys(entry.name.partition("/")[0].partition("+")[0] for entry in _entries()))


def schemes() -> pd.DataFrame:
    """The catalogue of schemes: one row a preset, with the string to write, what it is, bits an element of a 4096 x 4096 matrix
    (all overheads counted), its source, and its status.

    status: "measured" (compared byte for byte with the source's own words), "read" (the rule read in the source's code or text),
    "recalled" or "inferred" (no claim of parity).
    """
    import pandas as pd

    from .scheme import scheme

    rows = []
    for entry in _entries():
        made = scheme(entry.name)
        rows.append(
            {
                "scheme": entry.name,
                "what": entry.what,
                "bits_per_element": made.bits_per_element((4096, 4096)),
                "source": entry.source,
                "status": entry.status,
            }
        )
    return pd.DataFrame(rows, columns=["scheme", "what", "bits_per_element", "source", "status"])
