"""Which module carries out which datapath name: each offers RULES (pattern, function(match) -> accumulator) and named rows."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .accumulator import Accumulator

_MODULES = (
    "bit_serial",
    "lmul_product",
    "table_product",
    "shift_product",
    "dsp",
    "integer_steps",
    "exact_sum",
    "aligned",
    "matrix_units",
    "cublas",
    "fixed_steps",
    "float_steps",  # last: it takes any name, and refuses what is none
)


@lru_cache(maxsize=1)
def _modules() -> tuple[Any, ...]:
    return tuple(importlib.import_module(f".{name}", __package__) for name in _MODULES)


def lookup(text: str) -> Accumulator:
    """The accumulator that a name means. Raises ValueError where no module knows it."""
    for module in _modules():
        for pattern, make in module.RULES:
            if match := re.fullmatch(pattern, text):
                made: Accumulator = make(match)
                return made
    raise AssertionError(f"no module took {text!r}")


@lru_cache(maxsize=1)
def named() -> dict[str, tuple[str, str, str]]:
    """Name -> (what it models, source, status) of every module's rows."""
    return {name: row for module in _modules() for name, row in module.named().items()}
