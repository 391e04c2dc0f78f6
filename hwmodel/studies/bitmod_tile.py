"""Area and power of a tile of BitMoD and of its FP16 baseline (HPCA 2025, Table X), from the figures of their elements."""

from __future__ import annotations

import pandas as pd

from hwmodel._data import csv_rows
from hwmodel.accelerators import accelerator
from hwmodel.accelerators.model import Accelerator

_PRESETS = {"FP16": "fp16@h25", "BitMoD": "bitmod@h25"}
COLUMNS = (
    "design",
    "elements",
    "element_figures",
    "area_um2",
    "published_area_um2",
    "area_error",
    "power_mw",
    "published_power_mw",
)


def bitmod_tile() -> pd.DataFrame:
    """Table X, once from the paper's figures of an element and once from those that the simulator's presets carry.

    Columns: design, elements, element_figures ("Table X" or the preset's name), area_um2, published_area_um2, area_error, power_mw
    (at 1 GHz, without place and route), published_power_mw, power_error, note, source, status. BitMoD's tile has an encoder.
    """
    rows = []
    for r in csv_rows("hwmodel.studies", "bitmod_tiles"):
        count = int(r["rows"]) * int(r["columns"])
        preset = accelerator(_PRESETS[r["design"]])
        assert isinstance(preset, Accelerator)
        published = float(r["published_element_area_um2"]), float(r["published_element_energy_pj"])
        carried = preset.pe.area_um2.value, preset.pe.energy_pj.value
        encoder = float(r["published_encoder_area_um2"]), float(r["published_encoder_power_mw"])
        wanted = float(r["published_area_um2"]), float(r["published_power_mw"])
        for figures, (area, energy) in (("Table X", published), (str(preset), carried)):
            total, power = count * area + encoder[0], count * energy * preset.clock_ghz.value + encoder[1]
            errors = total / wanted[0] - 1, power / wanted[1] - 1
            head = (r["design"], count, figures, total, wanted[0], errors[0], power, wanted[1], errors[1])
            rows.append((*head, r["note"], r["source"], r["status"]))
    return pd.DataFrame(rows, columns=[*COLUMNS, "power_error", "note", "source", "status"])
