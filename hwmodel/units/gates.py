"""Counts of library cells and a depth: what `structure.pricing.cell_netlist` returns."""

from __future__ import annotations

from dataclasses import dataclass

Cells = dict[str, float]


@dataclass(frozen=True)
class Netlist:
    """Parts with their cells, and the depth in unit-gate levels."""

    parts: tuple[tuple[str, Cells], ...]
    levels: float
