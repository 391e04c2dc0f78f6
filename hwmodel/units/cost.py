"""What a unit costs in a technology."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from hwmodel.sources import Fact, frame


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
    def max_clock_ghz(self) -> float:
        """Clock of the unit in one cycle, setup of its registers left out; infinite where it has no logic."""
        return 1e3 / self.delay_ps if self.delay_ps else float("inf")

    @property
    def breakdown(self) -> pd.DataFrame:
        """One row a part: part, area_um2, area_ge, energy_pj, leakage_nw."""
        rows = [(p.name, p.area_um2, p.area_ge, p.energy_pj, p.leakage_nw) for p in self.parts]
        return pd.DataFrame(rows, columns=["part", "area_um2", "area_ge", "energy_pj", "leakage_nw"])

    @property
    def sources(self) -> pd.DataFrame:
        return frame(self.facts)
