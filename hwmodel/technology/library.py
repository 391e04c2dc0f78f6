"""Cell libraries: areas of the cells that structural models count; a coefficient each for energy, delay, leakage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from hwmodel._checks import unknown
from hwmodel.sources import Fact
from hwmodel.technology.tables import rows

CELLS = ("inv", "nand2", "and2", "xor2", "mux2", "half_adder", "full_adder", "dff")


@dataclass(frozen=True, eq=False)
class Technology:
    """Areas of the cells in um2 and what a gate equivalent (the area of a nand2) costs.

    `energy_fj_per_ge`: switched by one operation on random operands; `delay_ps_per_level`: of one unit gate (nand2 = 1,
    xor2 = 2, full adder carry = 2); `leakage_nw_per_ge` is None where the data have none.
    """

    name: str
    cells: Mapping[str, Fact]
    energy_fj_per_ge: Fact
    delay_ps_per_level: Fact
    leakage_nw_per_ge: Fact | None = None

    @property
    def nand2_um2(self) -> float:
        return self.cells["nand2"].value

    def facts(self) -> tuple[Fact, ...]:
        leakage = (self.leakage_nw_per_ge,) if self.leakage_nw_per_ge else ()
        return (*self.cells.values(), self.energy_fj_per_ge, self.delay_ps_per_level, *leakage)


def technologies() -> tuple[str, ...]:
    """Names of the technologies that have every coefficient that a unit needs."""
    return tuple(sorted({r["technology"] for r in rows("coefficients")}))


@lru_cache(maxsize=16)
def technology(name: str) -> Technology:
    """The technology of that name; ValueError names the nearest known."""
    if name not in technologies():
        raise unknown("technology", name, technologies())
    cells = {
        r["cell"]: Fact(f"{name} {r['cell']}", float(r["area_um2"]), "um2", r["source"], r["status"])
        for r in rows("cells")
        if r["technology"] == name and r["cell"] in CELLS
    }
    found = {
        r["quantity"]: Fact(f"{name} {r['quantity']}", float(r["value"]), r["unit"], r["source"], r["status"])
        for r in rows("coefficients")
        if r["technology"] == name
    }
    return Technology(name, cells, found["energy_per_ge"], found["delay_per_level"], found.get("leakage_per_ge"))
