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
from hwmodel.sources import Fact
from hwmodel.technology.tables import rows
from hwmodel.technology.yaml_file import Fields, read

if TYPE_CHECKING:
    from hwmodel.technology.cells import Technology

REFERENCE = "nangate45"
_NUMBERS = ("node_nm", "vdd", "energy_fj_per_ge", "delay_ps_per_level", "leakage_nw_per_ge")
_FIELDS = ("name", "style", "source", "library", "cells", *_NUMBERS)


def user_library(
    cls: type[Technology],
    name: str,
    cells: Mapping[str, Any],
    node_nm: float | None,
    vdd: float | None,
    energy: float | None,
    delay: float | None,
    leakage: float | None,
    style: str,
    library: str | None,
    source: str,
    status: str,
) -> Technology:
    """See `Technology.from_cells`."""
    from hwmodel.technology.cells import CELLS, known_style
    from hwmodel.technology.library import technology

    known_style(style)
    models = tuple(dict.fromkeys(r["library"] for r in rows("synthesis_libraries")))
    if library is not None and library not in models:
        raise unknown("library of the synthesis model", library, models)
    for cell in cells:
        if cell not in CELLS:
            raise unknown(f"cell of {name}", cell, CELLS)
    if "nand2" not in cells:
        raise ValueError(f"cells of {name} is {dict(cells)!r}; give at least nand2, its area in um2")
    node = 0.0 if node_nm is None else finite("node_nm", node_nm, above=0)
    volts = None if vdd is None else finite("vdd", vdd, above=0)
    given = {c: Fact(f"{name} {c}", finite(f"cells.{c} of {name}", a, above=0), "um2", source, status) for c, a in cells.items()}
    base = technology(REFERENCE)
    nand2 = given["nand2"].value
    for cell in CELLS:
        ratio = base.cells[cell].value / base.nand2_um2
        note = f"nand2 x {ratio:.4g}, the ratio of {REFERENCE}"
        given.setdefault(cell, Fact(f"{name} {cell}", nand2 * ratio, "um2", note, "inferred"))
    missing = [w for w, v in (("energy_fj_per_ge", energy), ("delay_ps_per_level", delay)) if v is None]
    if missing and not node:
        raise ValueError(f"{' and '.join(missing)} of {name} left out without a node to scale from; give them, or node_nm")
    at_node = base.scaled(node, vdd=volts, name=name) if missing else base

    def value(what: str, unit: str, number: float | None, inferred: Fact) -> Fact:
        return inferred if number is None else Fact(f"{name} {what}", finite(what, number, above=0), unit, source, status)

    per_ge = value("energy_per_ge", "fJ/GE", energy, at_node.energy_fj_per_ge)
    per_level = value("delay_per_level", "ps", delay, at_node.delay_ps_per_level)
    leak = (
        None if leakage is None else Fact(f"{name} leakage_per_ge", finite("leakage", leakage, minimum=0), "nW/GE", source, status)
    )
    scaling = _scaling(name, base, library, nand2, per_ge, per_level, leak) if library else {}
    kept = {cell: given[cell] for cell in CELLS}
    return cls(name, kept, per_ge, per_level, leak, node, volts, style, library, scaling, source, status)


def _scaling(
    name: str, base: Technology, library: str, nand2: float, energy: Fact, delay: Fact, leakage: Fact | None
) -> dict[str, Fact]:
    """Factors on a synthesis library's figures: by nand2 area, and by the coefficients of energy, delay and leakage."""
    from hwmodel.technology.library import technology

    here = base if library == base.library else technology(library)
    pairs = {"area": (nand2, here.nand2_um2), "energy": (energy.value, here.energy_fj_per_ge.value)}
    pairs["delay"] = (delay.value, here.delay_ps_per_level.value)
    if leakage and here.leakage_nw_per_ge:
        pairs["leakage"] = (leakage.value, here.leakage_nw_per_ge.value)
    status = {"area": "derived", "energy": energy.status, "delay": delay.status, "leakage": "derived"}
    note = f"{name} over {library}: gate equivalents agree between libraries within about 15 %"
    return {
        q: Fact(f"{name} {q} on {library}", a / b, "factor", note, "derived" if status[q] == "user" else status[q])
        for q, (a, b) in pairs.items()
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
