"""What a unit costs in a technology."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from hwmodel.sources import Fact, frame
from hwmodel.technology.library import Technology
from hwmodel.units.gates import Netlist


@dataclass(frozen=True)
class Part:
    """One part of a unit."""

    name: str
    area_um2: float
    area_ge: float
    energy_pj: float
    leakage_nw: float | None


@dataclass(frozen=True, eq=False)
class Cost:
    """Area, energy of one operation, delay and leakage; `leakage_nw` is None where the technology has no figure.

    `area_ge` counts nand2 areas. `breakdown` sums to the totals; `sources` lists the constants used.
    """

    technology: str
    parts: tuple[Part, ...]
    delay_ps: float
    facts: tuple[Fact, ...]

    @property
    def area_um2(self) -> float:
        return sum(p.area_um2 for p in self.parts)

    @property
    def area_ge(self) -> float:
        return sum(p.area_ge for p in self.parts)

    @property
    def energy_pj(self) -> float:
        return sum(p.energy_pj for p in self.parts)

    @property
    def leakage_nw(self) -> float | None:
        known = [p.leakage_nw for p in self.parts if p.leakage_nw is not None]
        return sum(known) if len(known) == len(self.parts) else None

    @property
    def breakdown(self) -> pd.DataFrame:
        """One row a part: part, area_um2, area_ge, energy_pj, leakage_nw."""
        rows = [(p.name, p.area_um2, p.area_ge, p.energy_pj, p.leakage_nw) for p in self.parts]
        return pd.DataFrame(rows, columns=["part", "area_um2", "area_ge", "energy_pj", "leakage_nw"])

    @property
    def sources(self) -> pd.DataFrame:
        return frame(self.facts)


def priced(netlist: Netlist, technology: Technology) -> Cost:
    """The cost of a netlist in a technology: cell areas add up; energy and leakage follow area in gate equivalents."""
    activity = dict(netlist.activity)
    leak = technology.leakage_nw_per_ge
    merged: dict[str, float] = {}
    used: dict[str, Fact] = {}
    for name, cells in netlist.parts:
        merged[name] = merged.get(name, 0.0) + sum(n * technology.cells[cell].value for cell, n in cells.items())
        used |= {cell: technology.cells[cell] for cell in cells}
    parts = []
    for name, area in merged.items():
        ge = area / technology.nand2_um2
        energy = ge * technology.energy_fj_per_ge.value * activity.get(name, 1.0) * 1e-3
        parts.append(Part(name, area, ge, energy, ge * leak.value if leak else None))
    facts = (*used.values(), technology.cells["nand2"], technology.energy_fj_per_ge, technology.delay_ps_per_level)
    facts += (leak,) if leak else ()
    return Cost(technology.name, tuple(parts), netlist.levels * technology.delay_ps_per_level.value, facts)
