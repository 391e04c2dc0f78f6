"""Areas, delays and energies of 20 kinds of arithmetic unit as Yosys 0.70 and ABC synthesise them, predicted from structure."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel._data import csv_rows
from hwmodel._frames import beside, checked_frame
from hwmodel.studies.synth_blocks import COLUMNS, as_kinds, has_blocks
from hwmodel.units.structure import model
from hwmodel.units.structure.features import Key, features
from hwmodel.units.structure.kinds import BLOCKS, KINDS
from hwmodel.units.structure.pricing import library_facts, library_of
from hwmodel.units.unit import checked

PREDICTED = ("area_um2", "area_ge", "delay_ps", "e_zero_fJ", "e_unit_fJ")
NEEDED = ("kind", "params", "lib", "flow")


def synthesis(frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rows of `frame` with predicted area_um2, area_ge, delay_ps, e_zero_fJ and e_unit_fJ.

    frame: columns kind, params ("W=8;A=8;S=1"), lib (nangate45, sky130hd, ihp130, osu018, asap7) and flow (area, delay, mapped);
    or columns block, width_or_format, variant ("default", "booth") and library, all mapped (`measured_blocks()`). None means the
    measured rows that come with the package. Other columns are kept; those named like a prediction get the suffix _measured.

    area_ge counts the library's smallest nand2. Energies are of one operation on random operands: e_zero_fJ counts settled
    transitions, e_unit_fJ every glitch of gates of equal delay. They were measured for nangate45 in the area flow; in the delay
    flow they follow the area, in other libraries also the node and voltage (inferred). No wires, registers or clocks.
    In asap7 and in the flow "mapped" only areas were measured: the other predictions are NaN.

    Rows of an FPGA have columns kind, params, target (xc7, ice40hx), and optionally dsp_allowed and acc_registered; they get lut,
    carry, dsp, ff and sta_ps as Yosys 0.23 maps them (`hwmodel.fpga.synthesised_units`).

    Raises ValueError for missing columns, and unknown kinds, parameters, libraries, flows and targets.
    """
    if frame is None:
        frame = measured()
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame is {type(frame).__name__}; give a DataFrame with columns {', '.join(NEEDED)}")
    checked_frame(frame, ())
    if "target" in frame.columns:
        fabric = (frame["target"].notna() & (frame["target"] != "")).to_numpy(bool)
        if fabric.any() or (frame.empty and "lib" not in frame.columns and "library" not in frame.columns):
            return _with_fpga(frame, fabric)
    return beside(frame, _rows_of(frame))


def _rows_of(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Predictions of rows of libraries, an array each."""
    blocks = has_blocks(frame)
    if blocks:
        pairs, cases = as_kinds(frame)
    else:
        missing = [name for name in NEEDED if name not in frame.columns]
        if missing:
            raise ValueError(f"frame lacks the columns {', '.join(missing)}; give {', '.join(NEEDED)} (or {', '.join(COLUMNS)})")
        pairs = list(zip(frame["kind"].tolist(), frame["params"].tolist(), strict=True))
        cases = list(zip(frame["lib"].tolist(), frame["flow"].tolist(), strict=True))
    names = list(dict.fromkeys(pairs))
    where = {name: i for i, name in enumerate(names)}
    rows = features([_key(*name, blocks) for name in names])
    index = np.array([where[pair] for pair in pairs], dtype=np.intp)
    out = {name: np.full(len(frame), np.nan) for name in PREDICTED}
    groups: dict[tuple[str, str], list[int]] = {}
    for i, case in enumerate(cases):
        groups.setdefault(case, []).append(i)
    for (lib, flow), chosen in groups.items():
        library = lib if lib in model.AREA_LIBRARIES else library_of(lib)
        if flow not in model.AREA_FLOWS:
            raise unknown("flow", flow, model.AREA_FLOWS)
        facts = library_facts(library)
        p = model.predict(rows, library, flow)
        factor = facts["energy_factor"].value if "energy_factor" in facts else np.nan
        found = (p.area_ge * facts["nand2_area"].value, p.area_ge, p.delay_ps, p.e_zero_fj * factor, p.e_unit_fj * factor)
        here = np.array(chosen, dtype=np.intp)
        for name, values in zip(PREDICTED, found, strict=True):
            out[name][here] = values[index[here]]
    return out


def _with_fpga(frame: pd.DataFrame, fabric: np.ndarray) -> pd.DataFrame:
    """Rows with a target go to the FPGA model, the others to the libraries, in the order they came; NaN where a row has no such
    figure."""
    from hwmodel.fpga import synthesised_units
    from hwmodel.fpga.tables import rows_of

    if fabric.all():
        return synthesised_units(frame)
    found: dict[str, np.ndarray] = {}
    for here, columns in (
        (fabric, rows_of(frame[fabric], np.flatnonzero(fabric))),
        (~fabric, _rows_of(frame[~fabric].drop(columns="target"))),
    ):
        for name, values in columns.items():
            found[name] = np.full(len(frame), np.nan)
            found[name][here] = values
    return beside(frame, found)


def measured() -> pd.DataFrame:
    """The measured rows: kind, params, lib, flow, area_um2, area_ge, delay_ps, e_zero_fJ, e_unit_fJ, leak_nW, source, status."""
    table = pd.DataFrame(csv_rows("hwmodel.studies", "synth_asic"))
    numbers = [*PREDICTED, "leak_nW"]
    table[numbers] = table[numbers].replace("", np.nan).astype(float)
    return table


def measured_blocks() -> pd.DataFrame:
    """Measured areas by block: block, width_or_format, variant, library, node_nm, generic_cells, area_um2, area_nand2_eq, source,
    status."""
    table = pd.DataFrame(csv_rows("hwmodel.studies", "synth_arith"))
    numbers = ["node_nm", "generic_cells", "area_um2", "area_nand2_eq"]
    table[numbers] = table[numbers].astype(float)
    return table


@lru_cache(maxsize=1 << 16)
def _key(kind: Hashable, params: Hashable, blocks: bool = False) -> Key:
    known = KINDS | BLOCKS if blocks else KINDS
    if kind not in known:
        raise unknown("kind of unit", str(kind), known)
    given: dict[str, int] = {}
    for pair in str(params).split(";"):
        name, _, value = pair.partition("=")
        if name.strip() in given:
            raise ValueError(f"params of {kind} is {params!r}, which gives {name.strip()} twice; give it once")
        try:
            given[name.strip()] = int(value)
        except ValueError as error:
            raise ValueError(
                f"params of {kind} is {params!r}, where {pair!r} is not NAME=whole number; write 'W=8;A=8;S=1'"
            ) from error
    return str(kind), tuple((checked(str(kind), given) if kind in KINDS else given).items())
