"""Cell libraries: areas of the cells that structural models count; a coefficient each for energy, delay, leakage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from hwmodel._checks import finite, unknown
from hwmodel.sources import Fact, frame, worst
from hwmodel.technology import laws

CELLS = ("inv", "nand2", "and2", "xor2", "mux2", "half_adder", "full_adder", "dff")
QUANTITIES = ("area", "energy", "delay", "leakage")
STYLES = ("adder cells", "gates")


@dataclass(frozen=True, eq=False)
class Technology:
    """Areas of the cells in um2 and what a gate equivalent (the area of a nand2) costs.

    `energy_fj_per_ge`: switched by one operation on random operands; `delay_ps_per_level`: of one unit gate (nand2 = 1,
    xor2 = 2, full adder carry = 2); `leakage_nw_per_ge` is None where the data have none.

    `style`: "adder cells" where the library draws half and full adders as cells of their own, "gates" where they are put
    together from simple gates. It says what the figures of structures priced cell by cell assume; what a synthesis flow
    makes of them (`Unit.cost(..., flow="area")`) is mapped without adder cells in every library.

    `library`: the library of the synthesis model whose predictions a flow uses (None: there is none), and `scaling` what
    these are multiplied with, by "area", "energy", "delay" (and "leakage" where it is known); empty for the library itself.
    """

    name: str
    cells: Mapping[str, Fact]
    energy_fj_per_ge: Fact
    delay_ps_per_level: Fact
    leakage_nw_per_ge: Fact | None = None
    node_nm: float = 0.0
    vdd: float | None = None
    style: str = "adder cells"
    library: str | None = None
    scaling: Mapping[str, Fact] = field(default_factory=dict)
    source: str = ""
    status: str = "user"

    def __str__(self) -> str:
        return self.name

    @property
    def nand2_um2(self) -> float:
        return self.cells["nand2"].value

    def factor(self, quantity: str) -> float | None:
        """What a figure of `library` is multiplied with: 1 for the library itself, None where unknown (leakage under a law)."""
        if quantity not in QUANTITIES:
            raise unknown("quantity", quantity, QUANTITIES)
        if not self.scaling:
            return 1.0
        return self.scaling[quantity].value if quantity in self.scaling else None

    def facts(self) -> tuple[Fact, ...]:
        leakage = (self.leakage_nw_per_ge,) if self.leakage_nw_per_ge else ()
        return (*self.cells.values(), self.energy_fj_per_ge, self.delay_ps_per_level, *leakage, *self.scaling.values())

    @property
    def sources(self) -> pd.DataFrame:
        """Every constant with its source and status."""
        return frame(self.facts())

    def scaled(
        self,
        node_nm: float,
        *,
        vdd: float | None = None,
        law: str | Path | Mapping[str, Any] = "stillmaker.hp",
        name: str | None = None,
    ) -> Technology:
        """This technology at another node: areas, energies and delays times the factors of a law (`hwmodel.technology.laws`).

        vdd None: the law's nominal voltage. Leakage is not scaled by any of the laws and becomes unknown. Memories do not
        follow: see `hwmodel.technology.memory`.

        Raises ValueError for an unknown law, and for a node or voltage outside its range.
        """
        node = finite("node_nm", node_nm, above=0)
        if not self.node_nm:
            raise ValueError(f"technology {self.name} has no node_nm to scale from; give one when making it")
        jouppi = isinstance(law, str) and law.strip().lower().startswith("jouppi")
        if vdd is not None:
            finite("vdd", vdd, above=0)
            if jouppi or isinstance(law, Mapping) or laws.is_path(law):
                raise ValueError(f"vdd is {vdd!r}, but the law {law} has no voltages; leave it out or use stillmaker.hp")
        factors = laws.logic_factors(law, self.node_nm, self.vdd, node, vdd)
        if vdd is None and isinstance(law, str) and law.lower().startswith("stillmaker"):
            from hwmodel.technology.stillmaker import nominal_vdd

            vdd = nominal_vdd(node, law.lower().partition(".")[2])
        title = name or f"{self.name} at {node:g} nm"
        return Technology(
            title,
            {c: times(f, factors["area"], f"{title} {c}") for c, f in self.cells.items()},
            times(self.energy_fj_per_ge, factors["energy"], f"{title} energy_per_ge"),
            times(self.delay_ps_per_level, factors["delay"], f"{title} delay_per_level"),
            None,
            node,
            vdd,
            self.style,
            self.library,
            {q: times(self.scaling[q], f, f"{title} {q}") if q in self.scaling else f for q, f in factors.items()},
            f"{self.name} scaled by {factors['energy'].name}",
            worst(f.status for f in factors.values()),
        )

    @classmethod
    def from_cells(
        cls,
        name: str,
        cells: Mapping[str, Any],
        *,
        node_nm: float | None = None,
        vdd: float | None = None,
        energy_fj_per_ge: float | None = None,
        delay_ps_per_level: float | None = None,
        leakage_nw_per_ge: float | None = None,
        style: str = "adder cells",
        library: str | None = "nangate45",
        source: str = "user",
        status: str = "user",
    ) -> Technology:
        """A library of the user's own; at least the area of `nand2` in um2.

        cells: areas in um2 of inv, nand2, and2, xor2, mux2, half_adder, full_adder, dff; those left out take the ratio to
        nand2 that they have in nangate45 (inferred). Energy and delay left out are nangate45's, scaled to node_nm by
        stillmaker.hp (inferred). library: the library of the synthesis model whose gate equivalents a flow uses.

        Raises ValueError for unknown cells, values that are not finite and positive, and where energy or delay is left out
        without a node to take it from.
        """
        from hwmodel.technology import user_library as own

        known_style(style)
        areas = own.areas(name, cells, source, status)
        node = 0.0 if node_nm is None else finite("node_nm", node_nm, above=0)
        volts = None if vdd is None else finite("vdd", vdd, above=0)
        figures = {"energy_fj_per_ge": energy_fj_per_ge, "delay_ps_per_level": delay_ps_per_level}
        per_ge, per_level = own.coefficients(name, figures, node, volts, source, status)
        leakage = None
        if leakage_nw_per_ge is not None:
            value = finite("leakage_nw_per_ge", leakage_nw_per_ge, above=0)
            leakage = Fact(f"{name} leakage_per_ge", value, "nW/GE", source, status)
        scaling = own.scaling_on(library, name, areas["nand2"], per_ge, per_level, leakage) if library else {}
        return cls(name, areas, per_ge, per_level, leakage, node, volts, style, library, scaling, source, status)


def times(fact: Fact, factor: Fact, name: str) -> Fact:
    """A constant times a factor: both sources, the weaker status."""
    if factor.value == 1.0 and factor.status != "inferred":
        return Fact(name, fact.value, fact.unit, fact.source, fact.status)
    status = worst((fact.status, factor.status, "derived"))
    return Fact(name, fact.value * factor.value, fact.unit, f"{fact.source}; times {factor.name} ({factor.source})", status)


def known_style(style: str) -> str:
    if style not in STYLES:
        raise unknown("style", style, STYLES)
    return style
