"""Libraries of users: from values, or from a YAML file.

node_nm: 22
vdd: 0.8
style: adder cells                  # or: gates
source: data sheet                  # of every value of the file
cells: {nand2: 0.2, full_adder: 1.1}
energy_fj_per_ge: 0.3
delay_ps_per_level: 8
leakage_nw_per_ge: 1.5              # optional
library: nangate45                  # optional: whose synthesised gate equivalents a flow uses
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodel._checks import finite, unknown
from hwmodel.sources import Fact, worst
from hwmodel.technology.yaml_file import Fields, read

if TYPE_CHECKING:
    from hwmodel.technology.cells import Technology

REFERENCE = "nangate45"
_NUMBERS = ("node_nm", "vdd", "energy_fj_per_ge", "delay_ps_per_level", "leakage_nw_per_ge")
_FIELDS = ("name", "style", "source", "library", "cells", *_NUMBERS)


def areas(name: str, given: Mapping[str, Any], source: str, status: str) -> dict[str, Fact]:
    """Cell areas in um2; those left out take the ratio to nand2 that they have in nangate45 (inferred)."""
    from hwmodel.technology.cells import CELLS
    from hwmodel.technology.library import technology

    for cell in given:
        if cell not in CELLS:
            raise unknown(f"cell of {name}", cell, CELLS)
    if "nand2" not in given:
        raise ValueError(f"cells of {name} is {dict(given)!r}; give at least nand2, its area in um2")
    values = {cell: finite(f"cells.{cell} of {name}", area, above=0) for cell, area in given.items()}
    base = technology(REFERENCE)
    found = {}
    for cell in CELLS:
        ratio = base.cells[cell].value / base.nand2_um2
        note = f"nand2 x {ratio:.4g}, the ratio of {REFERENCE}"
        inferred = Fact(f"{name} {cell}", values["nand2"] * ratio, "um2", note, "inferred")
        found[cell] = Fact(f"{name} {cell}", values[cell], "um2", source, status) if cell in values else inferred
    return found


def coefficients(
    name: str, given: Mapping[str, float | None], node: float, vdd: float | None, source: str, status: str
) -> tuple[Fact, Fact]:
    """Energy of a gate equivalent and delay of a level; those left out are nangate45's, scaled by stillmaker.hp (inferred)."""
    from hwmodel.technology.library import technology

    missing = [what for what, value in given.items() if value is None]
    if missing and not node:
        raise ValueError(f"{' and '.join(missing)} of {name} left out without a node to scale from; give them, or node_nm")
    base = technology(REFERENCE)
    at_node = base.scaled(node, vdd=vdd, name=name) if missing else base
    found = []
    for what, value in given.items():
        scaled: Fact = getattr(at_node, what)
        label = f"{name} {'energy_per_ge' if 'energy' in what else 'delay_per_level'}"
        if value is None:
            found.append(Fact(label, scaled.value, scaled.unit, scaled.source, "inferred"))
        else:
            found.append(Fact(label, finite(what, value, above=0), scaled.unit, source, status))
    return found[0], found[1]


def scaling_on(library: str, name: str, nand2: Fact, energy: Fact, delay: Fact, leakage: Fact | None) -> dict[str, Fact]:
    """Factors on a synthesis library's figures: by nand2 area, and by the coefficients of energy, delay and leakage."""
    from hwmodel.technology.library import table_names, technology

    models = {technology(n).library: n for n in reversed(table_names()) if not technology(n).scaling}
    if library not in models:
        raise unknown("library of the synthesis model", library, [m for m in models if m])
    here = technology(models[library])
    pairs = {
        "area": (nand2, here.cells["nand2"]),
        "energy": (energy, here.energy_fj_per_ge),
        "delay": (delay, here.delay_ps_per_level),
    }
    if leakage and here.leakage_nw_per_ge:
        pairs["leakage"] = (leakage, here.leakage_nw_per_ge)
    note = f"{name} over {library}: gate equivalents agree between libraries within about 15 %"
    return {
        q: Fact(
            f"{name} {q} on {library}", ours.value / theirs.value, "factor", note, worst((ours.status, theirs.status, "derived"))
        )
        for q, (ours, theirs) in pairs.items()
    }


def library_file(path: str | Path) -> Technology:
    """The library of a YAML file; its name is the path. ValueError with line and field where it is malformed."""
    fields = read(path)
    return _from_fields(fields, str(path))


def library_mapping(given: Mapping[str, Any]) -> Technology:
    """The library of a mapping with the fields of the YAML file."""
    return _from_fields(Fields(given, "technology", {}), str(given.get("name", "user library")))


def _from_fields(fields: Fields, name: str) -> Technology:
    from hwmodel.technology.cells import CELLS, Technology

    fields.only(_FIELDS)
    cells = fields.mapping("cells")
    cells.only(CELLS, "cell")
    areas = {cell: cells.number(cell) for cell in cells.values}
    numbers: dict[str, Any] = {key: fields.number(key) for key in _NUMBERS if key in fields.values}
    texts: dict[str, Any] = {"style": fields.text("style", "adder cells"), "source": fields.text("source", "user")}
    try:
        return Technology.from_cells(name, areas, library=fields.text("library", REFERENCE), **texts, **numbers)
    except ValueError as error:
        raise ValueError(f"{fields.where}: {error}") from error
