"""The constants behind the points of a sweep."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hwmodel.search.sweeps.designs import NUMBERS, element_of, plan_of, work_of
from hwmodel.search.sweeps.evaluators import Pricing
from hwmodel.search.sweeps.space import Space
from hwmodel.sources import COLUMNS, Fact, frame
from hwmodel.technology.offchip import dram

# What an axis replaces: words in the names of the constants of an accelerator.
_REPLACED = {
    "pe_energy_pj": ("energy_pj",),
    "pe_area_um2": ("area_um2",),
    "dram_bits_per_cycle": ("bits_per_cycle",),
    "dram_gb_s": ("bits_per_cycle",),
    "dram_energy_pj_per_bit": ("energy_pj_per_bit",),
    "clock_ghz": ("clock_ghz",),
    "dram": ("energy_pj_per_bit", "bits_per_cycle"),
}


def sources_of(evaluate: Pricing, points: pd.DataFrame, space: Space, most: int) -> pd.DataFrame:
    """Constants of every different accelerator, plan and workload among the points, at most so many; and what the axes give."""
    from hwmodel.scoring import score

    named = [n for n in space.names if n not in NUMBERS and n in points.columns]
    designs = points[named].drop_duplicates().head(most) if named else points.head(1)[[]]
    gone = tuple(word for name, words in _REPLACED.items() if name in space.axes or name in space.fixed for word in words)
    found = []
    for row in designs.to_dict("records"):
        point: dict[str, Any] = {**evaluate.fixed, **{str(k): None if v is None or v != v else v for k, v in row.items()}}
        work = work_of(point, evaluate.work)
        if point.get("device") is not None:
            from hwmodel.fpga import device

            found.append(score(work, device(point["device"]), plan_of(point)).sources)
            continue
        made = score(work, element_of(point), plan_of(point), phase=point.get("phase")).sources
        found.append(made[~made["name"].str.endswith(gone)] if gone else made)
        if point.get("dram") is not None:
            found.append(frame(dram(point["dram"]).facts()))
    fixed = [(n, v) for n, v in space.fixed.items() if n in NUMBERS]
    found.append(frame(Fact(n, float(v), "see the name", "fixed value of the space", "user") for n, v in fixed))  # type: ignore[arg-type]
    full = [f for f in found if len(f)]
    return pd.concat(full, ignore_index=True).drop_duplicates(ignore_index=True) if full else pd.DataFrame(columns=list(COLUMNS))
