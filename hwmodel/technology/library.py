"""Technologies by name.

`nangate45`, `sky130`, `ihp130`, `osu018`, `asap7`, `zigzag28`: cell tables.
`BASE@NODEnm[,VOLTSV][:LAW]`: a table scaled to another node; the law defaults to stillmaker.hp: `nangate45@16nm`,
`nangate45@28nm,0.9V:stillmaker.lp`, `nangate45@7nm:jouppi`, `nangate45@22nm:factors.yaml`.
`NODEnm`: nangate45 scaled so, but `28nm` is zigzag28.
A path of a YAML file, or a mapping: a library of the user's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from hwmodel._checks import unknown
from hwmodel.sources import Fact
from hwmodel.technology import stillmaker
from hwmodel.technology.cells import CELLS, Technology
from hwmodel.technology.laws import checked_name, is_path
from hwmodel.technology.tables import rows

ALIASES = {"sky130hd": "sky130"}
_SCALED = re.compile(
    r"(?:(?P<base>[^@]+)@)?(?P<node>\d+(?:\.\d+)?)\s*nm(?:\s*,\s*(?P<vdd>\d+(?:\.\d+)?)\s*[vV])?(?:\s*:\s*(?P<law>.+))?",
    re.ASCII,
)


@lru_cache(maxsize=1)
def table_names() -> tuple[str, ...]:
    """Names of the technologies with a cell table."""
    return tuple(sorted(r["technology"] for r in rows("technologies")))


def technologies() -> pd.DataFrame:
    """The cell tables: name, node_nm, vdd, style, library, source, status.

    Any of them can be scaled: "nangate45@16nm", "sky130@65nm,1.1V:stillmaker.lp" (`technology`).
    """
    listed = sorted(rows("technologies"), key=lambda r: (-float(r["node_nm"]), r["technology"]))
    columns = ["name", "node_nm", "vdd", "style", "library", "source", "status"]
    out = [
        (r["technology"], float(r["node_nm"]), float(r["vdd"]), r["style"], r["library"], r["source"], r["status"]) for r in listed
    ]
    return pd.DataFrame(out, columns=columns)


def technology(spec: str | Path | Mapping[str, Any] | Technology) -> Technology:
    """The technology of a name, a string with node and law, a YAML file or a mapping (see `hwmodel.technology.library`).

    `technology(t.name).name == t.name` for every name, string and file.

    "28nm" is zigzag28: gate equivalents carry over between libraries within about 15 %, so that an area at 28 nm needs one more
    constant, a nand2 of that node, and ZigZag's 0.614 um2 is one that was read. "nangate45@28nm" takes an educational 45 nm
    library through an area matrix, interpolated between 32 and 20 nm (inferred), and arrives at 0.294 um2, half of it; where
    that matrix can be checked, on nangate45 to asap7, synthesised areas shrink 10 to 35 % less than it says. Both are there to
    compare; no published processing element was used to choose. Energy and delay of synthesised units have the factors of
    stillmaker.hp at 0.9 V in both. Every other bare node means nangate45 scaled by stillmaker.hp.

    A node between those of a law's table is interpolated and its facts have status "inferred"; one outside is refused.

    Raises ValueError for unknown names (the nearest are named), nodes and voltages outside a law's range, and malformed
    files (line and field), FileNotFoundError for a path that does not exist.
    """
    if isinstance(spec, Technology):
        return spec
    if isinstance(spec, Mapping):
        from hwmodel.technology.user_library import library_mapping

        return library_mapping(spec)
    if not isinstance(spec, (str, Path)):
        raise ValueError(f"technology is {spec!r}; give a name ({', '.join(table_names())}), BASE@NODEnm:LAW, a path or a mapping")
    text = str(spec).strip()
    found = _SCALED.fullmatch(text)
    if not found:
        if "@" not in text and is_path(spec if isinstance(spec, Path) else text):
            from hwmodel.technology.user_library import library_file

            return library_file(text)
        return _table(_known(text))
    if float(found["node"]) == 28 and not (found["base"] or found["vdd"] or found["law"]):
        return _table("zigzag28")
    law = found["law"] or "stillmaker.hp"
    base = (found["base"] or "nangate45").strip()
    vdd = float(found["vdd"]) if found["vdd"] else None
    if is_path(law) or is_path(base):  # files may change between calls
        start = technology(base)
        return start.scaled(float(found["node"]), vdd=vdd, law=law, name=_name(start.name, float(found["node"]), vdd, law))
    return _scaled(_known(base), float(found["node"]), vdd, checked_name(law))


def _known(text: str) -> str:
    name = ALIASES.get(text.lower(), text.lower())
    if name not in table_names():
        raise unknown("technology", text, table_names(), "(or NODEnm, BASE@NODEnm[,VOLTSV][:LAW], the path of a .yaml file)")
    return name


def _name(base: str, node: float, vdd: float | None, law: str) -> str:
    return f"{base}@{node:g}nm{'' if vdd is None else f',{vdd:g}V'}:{law}"


@lru_cache(maxsize=128)
def _scaled(base: str, node: float, vdd: float | None, law: str) -> Technology:
    if law.startswith("stillmaker") and vdd is None:
        vdd = stillmaker.nominal_vdd(node, law.partition(".")[2])
    return _table(base).scaled(node, vdd=vdd, law=law, name=_name(base, node, vdd, law))


@lru_cache(maxsize=16)
def _table(name: str) -> Technology:
    row = next(r for r in rows("technologies") if r["technology"] == name)
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
    scaling = _on_nangate45(name, cells, row) if row["library"] == "nangate45" != name else {}
    return Technology(
        name,
        cells,
        found["energy_per_ge"],
        found["delay_per_level"],
        found.get("leakage_per_ge"),
        float(row["node_nm"]),
        float(row["vdd"]),
        row["style"],
        row["library"],
        scaling,
        row["source"],
        row["status"],
    )


def _on_nangate45(name: str, cells: Mapping[str, Fact], row: Mapping[str, str]) -> dict[str, Fact]:
    """Factors on the synthesised figures of nangate45 for a library that was not synthesised: its own nand2, and a law."""
    base = _table("nangate45")
    node, vdd = float(row["node_nm"]), float(row["vdd"])
    ratio = cells["nand2"].value / base.nand2_um2
    note = f"nand2 of {name} over nand2 of nangate45: gate equivalents agree between libraries within about 15 %"
    area = Fact(f"{name} area on nangate45", ratio, "factor", note, "derived")
    rest = {q: stillmaker.factor(q, "hp", base.node_nm, node, base.vdd, vdd) for q in ("energy", "delay")}
    return {"area": area, **rest}
