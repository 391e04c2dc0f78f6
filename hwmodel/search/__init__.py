"""Finding good designs: sweeps over spaces, Pareto fronts.

Names are imported when first used: a worker of a sweep loads only what its points need.
"""

from importlib import import_module
from typing import Any

_HOMES = {"pareto": "hwmodel.search.pareto"}

__all__ = ["pareto"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hwmodel.search' has no attribute {name!r}")
