"""Fits the coefficients of the FPGA model to units that Yosys 0.23 mapped: `python tools/fit_fpga.py [--write | --report]`.

Reads the measured rows (hwmodel/fpga/data/synth_fpga.csv). All coefficients are shared by all kinds of unit. For each of the two
fabrics three fits of the logarithm of predicted over measured with a soft-L1 loss: LUTs (rows without registers),
LUTs of the same units as drawn for gates (`hwmodel.fpga.from_assembly`), and delay. --write puts the coefficients into
hwmodel/fpga/data/coefficients.csv; --report prints the errors on all rows, with whole combinations left out in six folds (drawn
five times), with the largest combination of every kind left out, and with whole kinds left out; how often carry cells, DSP blocks
and flip-flops are exact; and how far Yosys 0.70 is from 0.23 on the same units. The rules that a structure follows were chosen with
all rows in view: folds leave rows out of the coefficients only.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from hwmodel.fpga import fabrics as model
from hwmodel.fpga.assemblies import from_assembly
from hwmodel.fpga.blocks import CELLS, STEPS
from hwmodel.fpga.tables import synthesised_units
from hwmodel.units.structure.kinds import KINDS as DRAWN

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "hwmodel" / "fpga" / "data" / "synth_fpga.csv"
TARGET = ROOT / "hwmodel" / "fpga" / "data" / "coefficients.csv"
SEEDS = (7, 1, 2, 3, 4)  # of the folds that the report draws
KNEE = 0.05  # of the loss: relative errors far above it count linearly
PRIOR = 3.0  # weight of the start value of a coefficient, so that one that the rows do not tell stays there
START = {"half": 0.3, "increment": 0.5, "shared": 0.3, "compress": 2.0, "compress once": 2.0, "any": 0.4, "sticky": 1.5}
START |= {"invert": 0.5, "mask": 0.4, "product bit": 0.6, "fill": 0.5, "leaf": 0.5, "limit": 0.7, "addend": 0.8, "zero mux": 0.5}
START_DRAWN = {"fa": 2.0, "cpa": 1.0, "ha": 0.5, "and": 0.6, "xor": 0.8, "mux": 0.9, "gate": 0.45}
START_PS = {"chain": 700.0, "bit": 30.0, "compress": 300.0, "mux2": 200.0, "gate": 300.0}


def key(kind: str, params: str) -> model.Key:
    return kind, tuple((n, int(v)) for n, v in (pair.split("=") for pair in params.split(";")))


def logic(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows to fit: Yosys 0.23, no DSP blocks, no register."""
    return frame[frame.tool.str.contains("0.23") & (frame.dsp_allowed == 0) & (frame.acc_registered == 0)]


def with_blocks(frame: pd.DataFrame, name: str, plain: model.Features, luts: np.ndarray) -> tuple[model.Features, np.ndarray]:
    """`plain` and `luts` with the rows that have logic beside DSP blocks: they show what the rest of a unit takes."""
    on = model.fabrics()[name]
    rows = frame[frame.tool.str.contains("0.23") & (frame.dsp > 0) & (frame.lut > 0)]
    rows = rows[rows.target.map(lambda t: model.fabric(t).name) == name]
    f = model.features([key(k, p) for k, p in zip(rows.kind, rows.params, strict=True)], [on.wide_port or None] * len(rows))
    return model.joined([plain, f]), np.r_[luts, rows.lut.to_numpy()]


@lru_cache(maxsize=1024)
def made_of(unit: model.Key) -> dict[str, float]:
    """Cells of the unit's drawing for gates."""
    return from_assembly(DRAWN[unit[0]](**dict(unit[1]))).cells()


def _solve(
    names: Sequence[str],
    start: np.ndarray,
    logs: Callable[[dict[str, float]], np.ndarray],
    prior: float = PRIOR,
    most: float = np.inf,
) -> dict[str, float]:
    """The named coefficients (not negative) that make `logs` small."""

    def residuals(x: np.ndarray) -> np.ndarray:
        return np.concatenate([logs(dict(zip(names, x.tolist(), strict=True))), prior * KNEE * (x - start) / start])

    found = least_squares(residuals, start, loss="soft_l1", f_scale=KNEE, bounds=(0, most * start), x_scale=start)
    return dict(zip(names, found.x.tolist(), strict=True))


def fit(frame: pd.DataFrame) -> dict[str, float]:
    """Coefficients by name, of both fabrics, from measured rows."""
    out: dict[str, float] = {}
    for name in model.FITTED:
        rows = logic(frame)
        rows = rows[rows.target.map(lambda t: model.fabric(t).name) == name]
        on = model.fabrics()[name]
        f = model.features([key(k, p) for k, p in zip(rows.kind, rows.params, strict=True)], [None] * len(rows))
        cells = [c for c in model.cells_of(name) if c != "add"]
        fixed = {f"{name} lut add": 1.0}  # an adder is one LUT a bit on both
        start = np.array([START.get(c, 1.0) for c in cells])
        names = [f"{name} lut {c}" for c in cells]
        every, target = with_blocks(frame, name, f, rows.lut.to_numpy())

        def luts(c: dict[str, float], f=every, on=on, fixed=fixed, target=target) -> np.ndarray:
            return np.log((model.luts(f, fixed | c, on) + 1e-3) / target)

        out |= fixed | _solve(names, start, luts)
        drawn = [made_of(key(k, p)) for k, p in zip(rows.kind, rows.params, strict=True)]
        cells = [c for c in CELLS if c.startswith("drawn ")]
        counts = np.array([[one.get(c, 0.0) for c in cells] for one in drawn])
        names = [f"{name} lut {c}" for c in cells]

        def generic(c: dict[str, float], names=names, counts=counts, rows=rows) -> np.ndarray:
            return np.log((counts @ np.array([c[n] for n in names]) + 1e-3) / rows.lut.to_numpy())

        out |= _solve(names, np.array([START_DRAWN[c.split()[1]] for c in cells]), generic, 2.0, 1.6)  # within what a cell can take
        steps = [s for s in STEPS if s != "waited"]

        def times(c: dict[str, float], f=f, on=on, rows=rows) -> np.ndarray:
            return np.log(model.delay(f, c, on) / rows.sta_ps.to_numpy())

        out |= _solve([f"{name} ps {s}" for s in steps], np.array([START_PS[s] for s in steps]), times)
    return out


def errors(frame: pd.DataFrame, c: dict[str, float]) -> pd.DataFrame:
    """One row a measurement of a fitted row: target, quantity, measured, predicted, error (relative)."""
    out = []
    for target, rows in frame[frame.tool.str.contains("0.23")].groupby("target", sort=False):
        on = model.fabric(target)
        ports = [on.wide_port or None if d else None for d in rows.dsp_allowed]
        f = model.features([key(k, p) for k, p in zip(rows.kind, rows.params, strict=True)], ports)
        luts, ps, carry = model.luts(f, c, on), model.delay(f, c, on), model.carries(f, on)
        for i, r in enumerate(rows.itertuples()):
            which = "" if not r.dsp_allowed else " registered" if r.acc_registered else " dsp"
            pairs = [("lut" + which, r.lut, luts[i]), ("carry" + which, r.carry, carry[i])]
            if not r.dsp_allowed:
                drawn = made_of(key(r.kind, r.params))
                pairs.append(("lut drawn", r.lut, sum(c[f"{on.fitted} lut {cell}"] * n for cell, n in drawn.items())))
                pairs.append(("sta_ps", r.sta_ps, ps[i]))
            for quantity, m, v in pairs:
                error = v / m - 1 if m else float(np.sign(v))
                out.append((on.name, r.kind, r.params, quantity, float(m), float(v), float(error)))
    return pd.DataFrame(out, columns=["target", "kind", "params", "quantity", "measured", "predicted", "error"])


def crossed(frame: pd.DataFrame, folds: int = 6, seed: int = 7) -> pd.DataFrame:
    """Errors of combinations that the fit did not see: every combination is left out once, with all its rows."""
    names = list(dict.fromkeys(zip(frame.kind, frame.params, strict=True)))
    place = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % folds, strict=True))
    fold = np.array([place[pair] for pair in zip(frame.kind, frame.params, strict=True)])
    return pd.concat([errors(frame[fold == i], fit(frame[fold != i])) for i in range(folds)], ignore_index=True)


def extrapolated(frame: pd.DataFrame) -> pd.DataFrame:
    """Errors of the largest combination of each kind, left out of the fit together."""
    plain = logic(frame)
    largest = plain.loc[plain[plain.target == "xc7"].groupby("kind").lut.idxmax(), ["kind", "params"]]
    out = pd.MultiIndex.from_frame(frame[["kind", "params"]]).isin(pd.MultiIndex.from_frame(largest))
    return errors(frame[out], fit(frame[~out]))


def kind_left_out(frame: pd.DataFrame) -> pd.DataFrame:
    """Errors of each kind, left out of the fit as a whole: what the shared pieces say of a unit of no known kind."""
    kinds = sorted(frame.kind.unique())
    return pd.concat([errors(frame[frame.kind == k], fit(frame[frame.kind != k])) for k in kinds], ignore_index=True)


def summary(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Median, 90th percentile and largest relative error, and the number of rows."""
    groups = table.groupby(list(by), sort=False).error
    return pd.DataFrame(
        {
            "median": groups.agg(lambda e: e.abs().median()),
            "p90": groups.agg(lambda e: e.abs().quantile(0.9)),
            "worst": groups.agg(lambda e: e.abs().max()),
            "rows": groups.size(),
        }
    ).round(3)


def exact(frame: pd.DataFrame) -> pd.DataFrame:
    """How many rows of Yosys 0.23 have carry cells, DSP blocks and flip-flops predicted exactly, and the worst relative error."""
    table = synthesised_units(frame[frame.tool.str.contains("0.23")])
    out = []
    for target, rows in table.groupby("target", sort=False):
        for name in ("carry", "dsp", "ff"):
            m, v = rows[f"{name}_measured"], rows[name]
            worst = ((v - m).abs() / m.clip(lower=1)).max()
            out.append((target, name, int((m == v).sum()), len(rows), round(float(worst), 3)))
    return pd.DataFrame(out, columns=["target", "quantity", "exact", "rows", "worst"])


def versions(frame: pd.DataFrame) -> pd.DataFrame:
    """LUTs of Yosys 0.70 over those of 0.23 on the same units without DSP blocks: median, 5th and 95th percentile, extremes; then
    the same differences as relative errors."""
    same = ["kind", "params", "target", "dsp_allowed", "acc_registered"]
    old, new = (frame[frame.tool.str.contains(v) & (frame.lut > 0)] for v in ("0.23", "0.70"))
    both = old.merge(new, on=same, suffixes=("_old", "_new"))
    both = both.assign(ratio=both.lut_new / both.lut_old)
    groups = both.groupby("target", sort=False).ratio
    out = {f"ratio {q:.0%}": groups.quantile(q) for q in (0.0, 0.05, 0.5, 0.95, 1.0)}
    away = both.assign(error=both.ratio - 1)
    errors = summary(away, ["target"])
    return pd.concat([pd.DataFrame(out).round(3), errors], axis=1)


def write(c: dict[str, float]) -> None:
    source = "tools/fit_fpga.py on 199 combinations of 20 kinds of unit, Yosys 0.23"
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["name", "value", "unit", "source", "status"])
        for name, value in c.items():
            out.writerow([name, f"{value:.4g}", "ps" if " ps " in name else "LUT", source, "derived"])


def main() -> None:
    frame = pd.read_csv(ROWS)
    c = fit(frame)
    for name, value in c.items():
        print(f"{name:28s} {value:.4g}")
    if "--write" in sys.argv:
        write(c)
    if "--report" in sys.argv:
        report(frame, c)


def report(frame: pd.DataFrame, c: dict[str, float]) -> None:
    folds = [crossed(frame, seed=seed) for seed in SEEDS]
    cases = [("all rows", errors(frame, c)), ("combinations left out", pd.concat(folds, ignore_index=True))]
    cases += [("largest of each kind left out", extrapolated(frame)), ("kinds left out", kind_left_out(frame))]
    for title, table in cases:
        print(f"\n{title}\n", summary(table, ["target", "quantity"]).to_string())
        plain = table[table.quantity == "lut"]
        if not title.startswith("largest"):
            print(summary(plain, ["kind", "target"]).unstack("target").to_string())
        shown = plain.loc[plain.error.abs().sort_values(ascending=False).index].drop_duplicates(["target", "kind", "params"])
        print(shown[:20].round(3).to_string(index=False))
    for seed, table in zip(SEEDS, folds, strict=True):
        print(f"\nLUTs of all rows with any, combinations left out, folds of seed {seed}\n", summary(luts_of(table), ["target"]))
    print("\nLUTs of all rows with any, fitted to all\n", summary(luts_of(cases[0][1]), ["target"]))
    print("\nexact rows\n", exact(frame).to_string(index=False))
    print("\nYosys 0.70 over 0.23\n", versions(frame).to_string())


def luts_of(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of all settings that have LUTs."""
    return table[table.quantity.isin(["lut", "lut dsp", "lut registered"]) & (table.measured > 0)]


if __name__ == "__main__":
    main()
