"""Which module carries out which datapath name: each offers RULES (pattern, function(match) -> accumulator) and named rows."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import Any

_MODULES = ("aligned", "matrix_units", "cublas", "fixed_steps")


@lru_cache(maxsize=1)
def _modules() -> tuple[Any, ...]:
    return tuple(importlib.import_module(f".{name}", __package__) for name in _MODULES)


def lookup(text: str) -> Any:
    """The accumulator that a name means, or None where no module knows it."""
    for module in _modules():
        for pattern, make in module.RULES:
            if match := re.fullmatch(pattern, text):
                return make(match)
    return None


@lru_cache(maxsize=1)
def named() -> dict[str, tuple[str, str, str]]:
    """Name -> (what it models, source, status) of every module's rows."""
    return {name: row for module in _modules() for name, row in module.named().items()}
