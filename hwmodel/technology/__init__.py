"""Cell libraries, scaling laws, memories, published components: data files with source and status, and the code that reads them.

The package is also the function: `hw.technology("nangate45")` is `hwmodel.technology.technology("nangate45")`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from hwmodel.technology.cells import Technology
from hwmodel.technology.library import technologies, technology
from hwmodel.technology.memory import Memory, memory
from hwmodel.technology.offchip import Dram, dram, drams, interconnect, wire
from hwmodel.technology.published import families, published, published_table
from hwmodel.technology.sram import SramPoint, sram
from hwmodel.technology.tables import rows

__all__ = [
    "Dram",
    "Memory",
    "SramPoint",
    "Technology",
    "dram",
    "drams",
    "families",
    "interconnect",
    "memory",
    "published",
    "published_table",
    "rows",
    "sram",
    "technologies",
    "technology",
    "wire",
]


class _Callable(ModuleType):
    # hw.technology is this package as soon as anything of it is imported, and the name of the public function as well.
    def __call__(self, spec: Any) -> Technology:
        return technology(spec)


sys.modules[__name__].__class__ = _Callable
