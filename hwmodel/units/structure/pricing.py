"""The cost of a component as a synthesis flow builds it, part by part; and its structure as a netlist of library cells."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from hwmodel._checks import unknown
from hwmodel.sources import Fact
from hwmodel.technology.tables import rows
from hwmodel.units.cost import Cost, Part
from hwmodel.units.gates import Netlist
from hwmodel.units.structure import model
from hwmodel.units.structure.assembly import ACTIVITIES, CELLS, Assembly, length
from hwmodel.units.structure.features import of_assembly

LIBRARY_CELL = {
    "fa": "full_adder",
    "cpa": "full_adder",
    "ha": "half_adder",
    "and": "and2",
    "xor": "xor2",
    "mux": "mux2",
    "gate": "nand2",
}


@lru_cache(maxsize=8)
def library_facts(library: str) -> dict[str, Fact]:
    """`nand2_area` in um2 and `energy_factor` on nangate45 energies."""
    return {
        r["quantity"]: Fact(f"{library} {r['quantity']}", float(r["value"]), r["unit"], r["source"], r["status"])
        for r in rows("synthesis_libraries")
        if r["library"] == library
    }


def library_of(name: str) -> str:
    """The library of that name; ValueError names the nearest."""
    name = {"sky130": "sky130hd"}.get(name, name)
    if name not in model.LIBRARIES:
        raise unknown("library of the synthesis model", name, model.LIBRARIES)
    return name


def flow_of(name: str) -> str:
    if name not in model.FLOWS:
        raise unknown("flow", name, model.FLOWS)
    return name


def synthesised(made: Assembly, library: str, flow: str) -> Cost:
    """What Yosys and ABC make of it: `flow` "area" (least area) or "delay" (gates sized up for speed).

    Energy counts settled transitions on random operands (no glitches, wires or clock); leakage is known for nangate45 only.
    """
    library, flow = library_of(library), flow_of(flow)
    c, facts = model.values(), library_facts(library)
    found = model.predict(of_assembly(made), library, flow, c)
    here, reference = model.cell_ge(c, library)[:-1], model.cell_ge(c, model.LIBRARIES[0])[:-1]
    cells: dict[str, np.ndarray] = {}
    energy: dict[str, float] = {}
    for p in made.parts:
        counts = np.array([p.cells.get(cell, 0.0) for cell in CELLS])
        cells[p.name] = cells.get(p.name, 0.0) + counts
        act = c[model.ENERGY_NAMES[ACTIVITIES.index(p.activity)]]
        energy[p.name] = energy.get(p.name, 0.0) + act * float(counts @ reference)
    built = max(sum(float(n @ here) for n in cells.values()), 1e-300)
    ge, fj = float(found.area_ge[0]), float(found.e_zero_fj[0]) * facts["energy_factor"].value
    total_energy = max(sum(energy.values()), 1e-300)
    parts = []
    for name, counts in cells.items():
        size = float(counts @ here) * ge / built
        leak = size * c["leakage nw"] if library == model.LIBRARIES[0] else None
        parts.append(Part(name, size * facts["nand2_area"].value, size, energy[name] * fj / total_energy * 1e-3, leak))
    unused = [name for name in model.AREA_LIBRARIES if name != library] + [
        f"{name} flow" for name in model.AREA_FLOWS if name != flow
    ]
    used = tuple(f for f in model.facts() if not any(name in f.name for name in unused))
    return Cost(f"{library}, {flow} flow", tuple(parts), float(found.delay_ps[0]), (*used, *facts.values()))


def cell_netlist(made: Assembly) -> Netlist:
    """The same structure in a library's own cells, adder cells included."""
    merged: dict[str, dict[str, float]] = {}
    for p in made.parts:
        into = merged.setdefault(p.name, {})
        for cell, n in p.cells.items():
            into[LIBRARY_CELL[cell]] = into.get(LIBRARY_CELL[cell], 0.0) + n
    return Netlist(tuple(merged.items()), length(made.path))
