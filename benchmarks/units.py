"""Structural unit costs beside synthesised ones: `python benchmarks/units.py [CSV]`.

The CSV (default: the rows under tests/data) has kind, params (K=V;...), lib, area_um2, area_ge, delay_ps, e_zero_fJ,
e_unit_fJ. Prints the median ratio ours / synthesised and the spread for each kind and library.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

import hwmodel as hw

LIBRARIES = {"nangate45": "nangate45", "sky130hd": "sky130", "ihp130": "ihp130"}


def parameters(text: str) -> dict[str, int]:
    """K=V;... as a mapping."""
    return {name: int(value) for name, value in (pair.split("=") for pair in text.split(";"))}


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with our area_um2, delay_ps and energy and their ratios to the synthesised ones."""
    out = []
    for row in rows.itertuples():
        cost = hw.unit(row.kind, **parameters(row.params)).cost(LIBRARIES[row.lib])
        energy = cost.energy_pj * 1e3
        ratios = (cost.area_um2 / row.area_um2, cost.delay_ps / row.delay_ps, energy / row.e_zero_fJ)
        out.append((row.kind, row.params, row.lib, cost.area_um2, cost.delay_ps, energy, *ratios))
    names = ["kind", "params", "lib", "area_um2", "delay_ps", "energy_fj", "area_ratio", "delay_ratio", "energy_ratio"]
    return pd.DataFrame(out, columns=names)


def main() -> None:
    default = Path(__file__).parents[1] / "tests" / "data" / "synth_asic_area.csv"
    given = [a for a in sys.argv[1:] if not a.startswith("--")]
    table = compared(pd.read_csv(given[0] if given else default))
    ratios = table.groupby(["lib", "kind"])[["area_ratio", "delay_ratio", "energy_ratio"]]
    print(ratios.agg(["median", "min", "max"]).round(2).to_string())
    error = (table.area_ratio - 1).abs()
    print("\nmedian area error by library:", error.groupby(table.lib).median().round(3).to_dict())


if __name__ == "__main__":
    main()
