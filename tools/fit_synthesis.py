"""Fits the coefficients of the structural model to synthesised units: `python tools/fit_synthesis.py [--write | --report]`.

Reads the measured rows (hwmodel/studies/data/synth_asic.csv). All coefficients are shared by all kinds of unit. Four fits, each of
relative errors with a soft-L1 loss: areas, delays, energy of settled transitions, energy with glitches.
Then two factors, of the flow "mapped" and of the library asap7, are medians over synth_arith.csv.
--write puts the coefficients into hwmodel/technology/data/synthesis.csv; --report prints the errors on all rows, with whole
combinations left out in six folds, with the largest combination of every kind left out, with every kind left out of the fit as a
whole, and of synth_arith.csv, whose rows move nothing but those two factors.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from hwmodel.studies.synth_blocks import as_kinds
from hwmodel.studies.synthesis import measured_blocks
from hwmodel.units.structure import model
from hwmodel.units.structure.features import Features, Key, features

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "hwmodel" / "studies" / "data" / "synth_asic.csv"
TARGET = ROOT / "hwmodel" / "technology" / "data" / "synthesis.csv"
KNEE = 0.2  # of the loss: relative errors far above it count linearly
LATER = ("area asap7 all", "mapped flow area factor")
CASES = [("nangate45", "area"), ("nangate45", "delay"), ("sky130hd", "area"), ("ihp130", "area"), ("osu018", "area")]
START = dict(zip(model.AREA_NAMES, (7.4, 8.0, 1.1, 1.5, 2.0, 2.4, 1.0, 1.14, 1.07, 1.0, 1.1, 0.9, 1.04, 1.0), strict=True))
START |= dict(zip(model.FLOW_NAMES, (2.5, 0.907, 1.0), strict=True))
START |= dict(zip(model.DELAY_NAMES, (33, 107, 35, 22, 2, 5.2, 3.6, 3.2, 2.5, 4.2, 3.4, 0.65), strict=True))
START |= dict(zip(model.ENERGY_NAMES, (1.46, 1.2, 1.48, 1.06, 0.86, 0.62), strict=True))
START |= dict(zip(model.GLITCH_NAMES, (0.3, 0.75, 0.36), strict=True)) | {"leakage nw": 18.5}


@dataclass
class Measured:
    """Features of the combinations, and measurements as (combination,) arrays for each case; NaN where there is none."""

    keys: list[Key]
    rows: Features
    table: dict[tuple[str, str, str], np.ndarray]


def key(kind: str, params: str) -> Key:
    return kind, tuple((n, int(v)) for n, v in (pair.split("=") for pair in params.split(";")))


def measured(frame: pd.DataFrame) -> Measured:
    names = list(dict.fromkeys(zip(frame.kind, frame.params, strict=True)))
    where = {name: i for i, name in enumerate(names)}
    table: dict[tuple[str, str, str], np.ndarray] = {}
    for row in frame.to_dict("records"):
        for column in ("area_ge", "delay_ps", "e_zero_fJ", "e_unit_fJ", "leak_nW"):
            into = table.setdefault((column, str(row["lib"]), str(row["flow"])), np.full(len(names), np.nan))
            into[where[row["kind"], row["params"]]] = row[column]
    keys = [key(*name) for name in names]
    return Measured(keys, features(keys), table)


def take(f: Features, chosen: np.ndarray) -> Features:
    return Features(f.cells[chosen], f.classes[chosen], f.arrivals[chosen], f.path[chosen], f.table[chosen])


def subset(data: Measured, chosen: np.ndarray) -> Measured:
    return Measured([data.keys[i] for i in chosen], take(data.rows, chosen), {k: v[chosen] for k, v in data.table.items()})


def _solve(names: Sequence[str], fixed: dict[str, float], logs: Callable[[dict[str, float]], np.ndarray]) -> dict[str, float]:
    """`fixed` with the named coefficients (positive) replaced by those that make relative errors, of logarithms `logs`, small."""

    def of(x: np.ndarray) -> dict[str, float]:
        return fixed | dict(zip(names, np.exp(x).tolist(), strict=True))

    start = np.log([START[n] for n in names])
    found = least_squares(
        lambda x: np.expm1(logs(of(x))), start, loss="soft_l1", f_scale=KNEE, xtol=1e-10, ftol=1e-10, bounds=(start - 3, start + 3)
    )
    return of(found.x)


def fit(data: Measured) -> dict[str, float]:
    """Coefficients by name."""

    def logs(column: str, predicted: Callable[[dict[str, float], str, str], np.ndarray], cases: Sequence[tuple[str, str]]):
        def of(c: dict[str, float]) -> np.ndarray:
            parts = [np.log(predicted(c, *case) / data.table[column, *case]) for case in cases]
            return np.concatenate([p[np.isfinite(p)] for p in parts])

        return of

    f = data.rows
    c = dict(START)
    area = logs("area_ge", lambda c, lib, flow: model.gate_equivalents(f, c, lib, flow), CASES)
    c = _solve([n for n in (*model.AREA_NAMES, *model.FLOW_NAMES) if n not in LATER], c, area)
    c = _solve(model.DELAY_NAMES, c, logs("delay_ps", lambda c, lib, flow: model.delay(f, c, lib, flow), CASES))
    ge = model.gate_equivalents(f, c, *CASES[0])
    c = _solve(model.ENERGY_NAMES, c, logs("e_zero_fJ", lambda c, *_: model.energies(f, c, ge)[0], CASES[:1]))
    c = _solve(model.GLITCH_NAMES, c, logs("e_unit_fJ", lambda c, *_: model.energies(f, c, ge)[1], CASES[:1]))
    c["leakage nw"] = float(np.nanmedian(data.table["leak_nW", *CASES[0]] / ge))
    for name in LATER[::-1]:
        ratio = block_ratios(c)
        c[name] *= float(np.median(ratio[(ratio.lib == "asap7") == ("asap7" in name)].ratio))
    return c


@cache
def _blocks() -> tuple[pd.DataFrame, Features]:
    """Measured areas by block, with kind, params and lib; and their structure."""
    table = measured_blocks()
    units, cases = as_kinds(table)
    named = table.assign(kind=[k for k, _ in units], params=[p for _, p in units], lib=[lib for lib, _ in cases])
    return named, features([key(*unit) for unit in units])


def block_ratios(c: dict[str, float]) -> pd.DataFrame:
    """Rows of synth_arith.csv with measured over predicted area."""
    table, rows = _blocks()
    found = np.full(len(table), np.nan)
    for lib in table.lib.unique():
        here = np.flatnonzero(table.lib == lib)
        found[here] = model.gate_equivalents(take(rows, here), c, lib, "mapped")
    return table.assign(predicted=found, ratio=table.area_nand2_eq / found)


def errors(data: Measured, c: dict[str, float]) -> pd.DataFrame:
    """One row a measurement: kind, lib, flow, quantity, measured, predicted, error (relative)."""
    out = []
    for lib, flow in CASES:
        p = model.predict(data.rows, lib, flow, c)
        pairs = [("area_ge", p.area_ge), ("delay_ps", p.delay_ps), ("e_zero_fJ", p.e_zero_fj), ("e_unit_fJ", p.e_unit_fj)]
        pairs += [("leak_nW", p.leakage_nw)]
        for column, values in pairs:
            for unit, m, v in zip(data.keys, data.table[column, lib, flow], values, strict=True):
                if np.isfinite(m):
                    text = ";".join(f"{n}={x}" for n, x in unit[1])
                    out.append((unit[0], text, lib, flow, column, float(m), float(v), float(v / m - 1)))
    return pd.DataFrame(out, columns=["kind", "params", "lib", "flow", "quantity", "measured", "predicted", "error"])


def crossed(data: Measured, folds: int = 6) -> pd.DataFrame:
    """Errors of combinations that the fit did not see: every combination is left out once, with all its rows."""
    place = np.random.default_rng(6).permutation(len(data.keys)) % folds
    return _left_out(data, [np.flatnonzero(place == i) for i in range(folds)])


def extrapolated(data: Measured) -> pd.DataFrame:
    """Errors of the largest combination of each kind, left out of the fit together."""
    size = model.gate_equivalents(data.rows, START, *CASES[0])
    kinds = np.array([k for k, _ in data.keys])
    return _left_out(data, [np.array([np.flatnonzero(kinds == k)[size[kinds == k].argmax()] for k in dict.fromkeys(kinds)])])


def strangers(data: Measured) -> pd.DataFrame:
    """Errors of every kind of unit when the fit has seen no unit of that kind."""
    kinds = np.array([k for k, _ in data.keys])
    return _left_out(data, [np.flatnonzero(kinds == k) for k in dict.fromkeys(kinds)])


def block_errors(c: dict[str, float]) -> pd.DataFrame:
    """Rows of synth_arith.csv as `errors` has them; kind: the block."""
    table = block_ratios(c)
    made = pd.DataFrame({"kind": table.block, "params": table.width_or_format + " " + table.variant, "lib": table.lib})
    made = made.assign(flow="mapped", quantity="area_ge", measured=table.area_nand2_eq, predicted=table.predicted)
    return made.assign(error=made.predicted / made.measured - 1)


def _left_out(data: Measured, folds: Sequence[np.ndarray]) -> pd.DataFrame:
    every = np.arange(len(data.keys))
    return pd.concat([errors(subset(data, out), fit(subset(data, np.setdiff1d(every, out)))) for out in folds], ignore_index=True)


def summary(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Median, 90th percentile and largest relative error, rank correlation of predicted and measured."""
    groups = table.groupby(list(by), sort=False)
    size = groups.error.agg(lambda e: len(e))
    quantiles = groups.error.agg(
        median=lambda e: e.abs().median(), p90=lambda e: e.abs().quantile(0.9), worst=lambda e: e.abs().max()
    )
    rank = groups[["measured", "predicted"]].apply(lambda g: g.corr("spearman").iloc[0, 1])
    return quantiles.assign(rank=rank, rows=size.astype(int)).round(3)


def write(c: dict[str, float]) -> None:
    source = "tools/fit_synthesis.py on 199 combinations of 20 kinds of unit, Yosys 0.70 + ABC"
    blocks = "tools/fit_synthesis.py, median over the areas of synth_arith.csv"
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["name", "value", "unit", "source", "status"])
        for name in model.NAMES:
            first = name.split()[0]
            unit = {"ge": "GE", "ps": "ps", "fj": "fJ/GE", "glitch": "fJ/GE/step", "leakage": "nW/GE"}.get(first, "1")
            out.writerow([name, f"{c[name]:.5g}", unit, blocks if name in LATER else source, "derived"])


def main() -> None:
    data = measured(pd.read_csv(ROWS))
    c = fit(data)
    for name in model.NAMES:
        print(f"{name:32s} {c[name]:.5g}")
    if "--write" in sys.argv:
        write(c)
    if "--report" in sys.argv:
        report(data, c)


def report(data: Measured, c: dict[str, float]) -> None:
    tables = {"all rows": errors(data, c), "whole combinations left out, six folds": crossed(data)}
    tables |= {"largest combination of each kind left out": extrapolated(data), "each kind left out": strangers(data)}
    for title, table in tables.items():
        print(f"\n{title}\n", summary(table, ["quantity"]).to_string())
        print(summary(table, ["quantity", "lib", "flow"]).to_string())
    seen, unseen = list(tables.values())[:2]
    for title, table in (("all rows", seen), ("six folds", unseen)):
        print(f"\nby kind, {title}: median / 90th percentile / worst, percent\n{by_kind(table).to_string()}")
    large = unseen[(unseen.error.abs() > 0.2) & unseen.quantity.isin(["area_ge", "e_zero_fJ"])]
    order = large.error.abs().sort_values(ascending=False).index
    print(f"\nabove 20 percent in six folds: area and settled energy\n{large.loc[order].round(3).to_string(index=False)}")
    blocks = block_errors(c)
    print("\nsynth_arith.csv\n", summary(blocks, ["quantity"]).to_string())
    for columns in (["lib"], ["kind"], ["kind", "lib"]):
        print(summary(blocks, columns).to_string())


def by_kind(table: pd.DataFrame) -> pd.DataFrame:
    """Errors in percent by kind (rows) and quantity and flow (columns)."""
    cells = table.assign(what=table.quantity + " " + table.flow).groupby(["kind", "what"], sort=False).error
    text = cells.agg(lambda e: "/".join(f"{100 * x:.0f}" for x in (e.abs().median(), e.abs().quantile(0.9), e.abs().max())))
    return text.unstack()


if __name__ == "__main__":
    main()
