"""Area, delay and energy of synthesised units from their structure: one small set of coefficients for all kinds and libraries.

The coefficients are rows of `technology/data/synthesis.csv`, fitted by `tools/fit_synthesis.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hwmodel.sources import Fact
from hwmodel.technology.tables import rows
from hwmodel.units.structure.assembly import ACTIVITIES, CELLS, STEPS
from hwmodel.units.structure.features import GLITCHES, Features

LIBRARIES = ("nangate45", "sky130hd", "ihp130", "osu018")
FLOWS = ("area", "delay")
# A library and a flow for which only areas were measured.
AREA_LIBRARIES = (*LIBRARIES, "asap7")
AREA_FLOWS = (*FLOWS, "mapped")
MAPPED_MUX = 3.0  # GE: that flow makes a mux of three nand2 in every library
# Factors of the libraries on the gate equivalents of nangate45, by group of cells, and on its delays, by group of steps.
_AREA_GROUP = {"fa": "compressors", "mux": "muxes"}
AREA_SCALES = (
    ("sky130hd", "compressors"),
    ("sky130hd", "other"),
    ("ihp130", "all"),
    *(("osu018", g) for g in ("compressors", "muxes", "other")),
    ("asap7", "all"),
)
DELAY_SCALES = tuple((lib, group) for lib in LIBRARIES[1:] for group in ("carry", "other"))
# A half adder at the end of a row costs one gate: the rest of it merges with its neighbours.
PRICED = tuple("gate" if c == "ha" else c for c in CELLS)
AREA_NAMES = tuple(f"ge {c}" for c in (*dict.fromkeys(PRICED), "table")) + tuple(
    f"area {lib} {group}" for lib, group in AREA_SCALES
)
FLOW_NAMES = ("delay flow area factor", "delay flow area exponent", "mapped flow area factor")
DELAY_NAMES = (
    tuple(f"ps {s}" for s in STEPS) + tuple(f"delay {lib} {group}" for lib, group in DELAY_SCALES) + ("delay flow delay factor",)
)
ENERGY_NAMES = tuple(f"fj {a}" for a in ACTIVITIES)
GLITCH_NAMES = tuple(f"glitch fj {s}" for s in GLITCHES)
NAMES = (*AREA_NAMES, *FLOW_NAMES, *DELAY_NAMES, *ENERGY_NAMES, *GLITCH_NAMES, "leakage nw")

Values = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Arrays over units: gate equivalents, ps, fJ an operation (settled transitions only; every glitch counted), nW."""

    area_ge: np.ndarray
    delay_ps: np.ndarray
    e_zero_fj: np.ndarray
    e_unit_fj: np.ndarray
    leakage_nw: np.ndarray


def cell_ge(c: Values, library: str) -> np.ndarray:
    """Gate equivalents of each primitive, and of a table's gate."""
    out = [c[f"ge {cell}"] for cell in (*PRICED, "table")]
    if library == LIBRARIES[0]:
        return np.array(out)
    factors = []
    for cell in (*PRICED, "table"):
        group = _AREA_GROUP.get(cell, "other")
        names = (f"area {library} {group}", f"area {library} other", f"area {library} all")
        factors.append(next(c[n] for n in names if n in c))
    return np.array(out) * np.array(factors)


def gate_equivalents(f: Features, c: Values, library: str, flow: str) -> np.ndarray:
    ge = cell_ge(c, library)
    if flow == "mapped":
        ge = ge * c[FLOW_NAMES[2]]
        ge[CELLS.index("mux")] = MAPPED_MUX
    built, table = f.cells @ ge[:-1], f.table * ge[-1]
    area = built / np.sqrt(1 + (built / table) ** 2)
    if flow != "delay":
        return area
    return np.maximum(area, c[FLOW_NAMES[0]] * area ** c[FLOW_NAMES[1]])


def delay(f: Features, c: Values, library: str, flow: str) -> np.ndarray:
    ps = np.array([c[f"ps {s}"] for s in STEPS])
    if library != LIBRARIES[0]:
        ps = ps * np.array([c[f"delay {library} {'carry' if s == 'carry' else 'other'}"] for s in STEPS])
    return f.path @ ps * (c["delay flow delay factor"] if flow == "delay" else 1.0)


def energies(f: Features, c: Values, ge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """fJ of settled transitions and of all transitions; `ge`: gate equivalents of the units, in any library and flow."""
    cells = cell_ge(c, LIBRARIES[0])[:-1]
    share = ge / np.maximum(f.cells @ cells, 1e-300)
    settled = (f.classes @ cells) @ np.array([c[n] for n in ENERGY_NAMES])
    glitches = (f.arrivals @ cells) @ np.array([c[n] for n in GLITCH_NAMES])
    return settled * share, (settled + glitches) * share


def predict(f: Features, library: str, flow: str, c: Values | None = None) -> Prediction:
    """Units in a library and flow. Energies are those of nangate45 at 1.1 V, by gate equivalents.

    NaN for all but areas in the library asap7 and the flow "mapped".
    """
    c = values() if c is None else c
    ge = gate_equivalents(f, c, library, flow)
    if library not in LIBRARIES or flow not in FLOWS:
        unknown = np.full_like(ge, np.nan)
        return Prediction(ge, unknown, unknown, unknown, unknown)
    zero, unit = energies(f, c, ge)
    return Prediction(ge, delay(f, c, library, flow), zero, unit, ge * c["leakage nw"])


@lru_cache(maxsize=1)
def facts() -> tuple[Fact, ...]:
    """The coefficients with their sources."""
    return tuple(Fact(r["name"], float(r["value"]), r["unit"], r["source"], r["status"]) for r in rows("synthesis"))


@lru_cache(maxsize=1)
def values() -> dict[str, float]:
    return {fact.name: fact.value for fact in facts()}
