"""The cost of a unit's structure: drawn with a library's own cells, or as synthesised; registers from the library in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from hwmodel._checks import finite, unknown
from hwmodel._data import csv_rows
from hwmodel.sources import Fact
from hwmodel.technology.library import Technology, technology
from hwmodel.units.cost import Cost, Part
from hwmodel.units.structure import model
from hwmodel.units.structure.assembly import Assembly, length
from hwmodel.units.structure.pricing import LIBRARY_CELL, flow_of, library_facts, synthesised
from hwmodel.units.structure.registers import DFF, rate_of

_ALIASES = {"sky130hd": "sky130"}


@dataclass(frozen=True, eq=False)
class Place:
    """Where a unit is built: a technology, or a library of the synthesis model that has no table of cells; and the factors of a
    technology that is scaled from such a library."""

    name: str
    tech: Technology | None
    library: str | None
    scaling: Mapping[str, Fact]

    def factor(self, quantity: str) -> float:
        return self.scaling[quantity].value if quantity in self.scaling else 1.0

    def leakage(self, nw: float | None) -> float | None:
        """Leakage of the library, scaled; None where a law gives none."""
        if nw is None or (self.scaling and "leakage" not in self.scaling):
            return None
        return nw * self.factor("leakage")


def place(tech: str | Technology) -> Place:
    """Raises ValueError for an unknown technology, naming the nearest."""
    if isinstance(tech, Technology):
        return _place(tech)
    try:
        return _place(technology(_ALIASES.get(tech, tech) if isinstance(tech, str) else tech))
    except ValueError:
        if isinstance(tech, str) and tech in model.LIBRARIES:
            return _library(tech)
        raise


@lru_cache(maxsize=8)
def _library(name: str) -> Place:
    """A library of the synthesis model without a table of cells."""
    return Place(name, None, name, {})


@lru_cache(maxsize=64)
def _place(made: Technology) -> Place:
    library = getattr(made, "library", {"sky130": "sky130hd"}.get(made.name, made.name))
    return Place(made.name, made, library, getattr(made, "scaling", None) or {})


@lru_cache(maxsize=1)
def _rows() -> dict[tuple[str, str], Fact]:
    return {
        (r["technology"], r["quantity"]): Fact(
            f"{r['technology']} {r['quantity']}", float(r["value"]), r["unit"], r["source"], r["status"]
        )
        for r in csv_rows("hwmodel.units", "registers")
    }


@dataclass(frozen=True, eq=False)
class FlipFlop:
    """One flip-flop: um2, fJ of a clock cycle, fJ of random data in a cycle, nW (None: unknown), and where they come from."""

    area_um2: float
    clock_fj: float
    data_fj: float
    leakage_nw: float | None
    facts: tuple[Fact, ...]


@lru_cache(maxsize=64)
def flip_flop(where: Place) -> FlipFlop:
    """The rows of the technology, or of the library that it is scaled from; else ratios to a gate (rows named `any`)."""
    found = _rows()
    own = any(name == where.name for name, _ in found)  # of the technology, or of the library that it is scaled from
    base = {"sky130hd": "sky130"}.get(where.library or "", where.library or "") if not own else where.name
    energy = 1.0 if own else where.factor("energy")
    facts: list[Fact] = []

    def row(quantity: str) -> Fact | None:
        fact = found.get((base, quantity))
        if fact:
            facts.append(fact)
        return fact

    tech = where.tech
    if tech is not None and DFF in tech.cells:
        area = tech.cells[DFF].value
        facts.append(tech.cells[DFF])
    else:
        drawn = row("dff_area") or found["any", "dff_area"]
        nand2 = tech.nand2_um2 if tech else library_facts(base)["nand2_area"].value
        area = drawn.value if drawn.unit == "um2" else drawn.value * nand2
        facts.append(drawn)
    clock = row("dff_clock")
    toggle = found["any", "dff_toggle"]
    if clock:
        pulse = clock.value * energy
        data = row("dff_data")
        change = data.value * energy * toggle.value if data else 0.0
    else:
        ratio = found["any", "dff_clock"]
        assert tech is not None
        facts += [ratio, tech.energy_fj_per_ge]
        pulse, change = ratio.value * tech.energy_fj_per_ge.value, 0.0
    leak = row("dff_leakage")
    leakage = (leak.value if own else where.leakage(leak.value)) if leak else None
    if leakage is None and tech is not None and tech.leakage_nw_per_ge:
        leakage = tech.leakage_nw_per_ge.value * area / tech.nand2_um2
    return FlipFlop(area, pulse, change, leakage, (*facts, toggle, *(() if own else where.scaling.values())))


def price(
    made: Assembly, tech: str | Technology | Place, flow: str | None = None, activity: float = 1.0, glitches: float = 0.0
) -> Cost:
    """See `Unit.cost`."""
    where = tech if isinstance(tech, Place) else place(tech)
    finite("activity", activity, minimum=0.0)
    if not 0 <= finite("glitches", glitches, minimum=0.0) <= 1:
        raise ValueError(f"glitches is {glitches!r}; give the share of the simulated glitches that is counted, 0 to 1")
    if flow is None and where.tech is None:
        flow = "area"  # a library without a table of cells
    logic = Assembly(tuple(p for p in made.parts if DFF not in p.cells), made.path, made.travel, made.table)
    if flow is None:
        if glitches:
            raise ValueError("glitches are known of synthesised units; give flow='area' or 'delay' with them")
        cost = _drawn(logic, where, activity)
    else:
        cost = _synthesised(logic, where, flow_of(flow), activity, glitches)
    return _with_registers(cost, made, where, activity)


def _rates(made: Assembly) -> dict[str, float]:
    rates: dict[str, float] = {}
    for p in made.parts:
        if rates.setdefault(p.name, rate_of(p)) != rate_of(p):
            raise AssertionError(f"parts named {p.name!r} work at different rates")
    return rates


def _drawn(logic: Assembly, where: Place, activity: float) -> Cost:
    tech = where.tech
    assert tech is not None
    areas: dict[str, float] = {}
    used: dict[str, Fact] = {}
    for p in logic.parts:
        for cell, n in p.cells.items():
            fact = tech.cells[LIBRARY_CELL[cell]]
            used[LIBRARY_CELL[cell]] = fact
            areas[p.name] = areas.get(p.name, 0.0) + n * fact.value
    leak, rates = tech.leakage_nw_per_ge, _rates(logic)
    parts = []
    for name, area in areas.items():
        ge = area / tech.nand2_um2
        energy = ge * tech.energy_fj_per_ge.value * activity * rates[name] * 1e-3
        parts.append(Part(name, area, ge, energy, ge * leak.value if leak else None))
    facts = (*used.values(), tech.cells["nand2"], tech.energy_fj_per_ge, tech.delay_ps_per_level)
    facts += (leak,) if leak else ()
    return Cost(tech.name, tuple(parts), length(logic.path) * tech.delay_ps_per_level.value, facts)


def _synthesised(logic: Assembly, where: Place, flow: str, activity: float, glitches: float) -> Cost:
    if where.library is None or where.library not in model.LIBRARIES:
        raise unknown("library of the synthesis model", where.library or where.name, model.LIBRARIES)
    label = f"{where.name if where.scaling else where.library}, {flow} flow"
    if not logic.parts:
        return Cost(label, (), 0.0, ())
    cost = synthesised(logic, where.library, flow)
    rates = _rates(logic)
    area, delay = where.factor("area"), where.factor("delay")
    energy = where.factor("energy") * activity
    if glitches:
        energy *= 1 + glitches * _glitch_share(logic, where.library, flow)
    parts = tuple(
        Part(
            p.name,
            p.area_um2 * area,
            p.area_ge,
            p.energy_pj * energy * rates[p.name],
            where.leakage(p.leakage_nw),
        )
        for p in cost.parts
    )
    return Cost(label, parts, cost.delay_ps * delay, (*cost.facts, *where.scaling.values()))


def _glitch_share(logic: Assembly, library: str, flow: str) -> float:
    """Energy of every simulated glitch over the energy of settled transitions."""
    from hwmodel.units.structure.features import of_assembly

    found = model.predict(of_assembly(logic), library, flow)
    return float(found.e_unit_fj[0] / max(found.e_zero_fj[0], 1e-300)) - 1.0


def _with_registers(cost: Cost, made: Assembly, where: Place, activity: float) -> Cost:
    held: dict[str, float] = {}
    for p in made.parts:
        if DFF in p.cells:
            held[p.name] = held.get(p.name, 0.0) + p.cells[DFF]
    if not held:
        return cost
    one = flip_flop(where)
    nand2 = where.tech.nand2_um2 if where.tech else library_facts(where.library or "")["nand2_area"].value
    rates = _rates(made)
    parts = tuple(
        Part(
            name,
            bits * one.area_um2,
            bits * one.area_um2 / nand2,
            bits * (one.clock_fj + one.data_fj * activity * rates[name]) * 1e-3,
            bits * one.leakage_nw if one.leakage_nw is not None else None,
        )
        for name, bits in held.items()
    )
    return Cost(cost.technology, cost.parts + parts, cost.delay_ps, (*cost.facts, *one.facts))
