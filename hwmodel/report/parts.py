"""The parts of an energy, whatever an accelerator has: array, vector unit, levels of memory, DRAM, dequantizers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hwmodel.report.theme import PART_NAMES, PARTS, Theme

_COLUMN = re.compile(r"^energy_(?!at_)(.+)_j$")  # energy_at_LEVEL_j say where, not what beside
_PLAIN = ("core", "sram_read", "sram_write", "dram", "dequant")
_SPARE = (3, 4, 5, 2, 7, 0, 1, 6)  # series colours for parts that have none of their own, unlike those next to them


def energy_parts(columns: Mapping[str, Any] | pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns energy_<part>_j of layer rows as arrays in joules, in drawing order; they add up to energy_j.

    Reads and writes of SRAM are one part. Columns of memory levels that refine others (energy_at_<level>_j; any, where core,
    SRAM, DRAM and dequantizers add up to energy_j without them) are left out.
    """
    found = {m[1]: np.asarray(columns[c], dtype=float) for c in map(str, columns) if (m := _COLUMN.match(c))}
    total = np.asarray(columns["energy_j"], dtype=float)
    plain = [found[name] for name in _PLAIN if name in found]
    if plain and np.allclose(sum(plain), total, rtol=1e-9, atol=0):
        found = {name: found[name] for name in _PLAIN if name in found}
    if "sram_read" in found and "sram_write" in found:
        found["sram"] = found.pop("sram_read") + found.pop("sram_write")
    return {name: found[name] for name in ordered(found)}


def ordered(parts: Iterable[str]) -> list[str]:
    """Names of parts in the order in which they are stacked: known ones first, others before DRAM."""
    names = list(parts)
    front = [p for p in PARTS if p in names and p not in ("dram", "dequant")]
    back = [p for p in ("dram", "dequant") if p in names]
    return [*front, *(p for p in names if p not in front and p not in back), *back]


def part_name(part: str) -> str:
    """What a legend calls a part: `global_buffer` -> "Global buffer"."""
    return PART_NAMES.get(part) or part.replace("_", " ").capitalize()


def part_colours(parts: Iterable[str], theme: Theme) -> dict[str, str]:
    """A colour for each part."""
    others = [p for p in parts if p not in theme.parts]
    spare = {p: theme.series[_SPARE[i % len(_SPARE)]] for i, p in enumerate(others)}
    return {p: theme.parts.get(p) or spare[p] for p in parts}
