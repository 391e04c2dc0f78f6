"""Fits the 8 coefficients of the XtraMAC model, and the speed and wires of UltraScale+, to its published rows:
`python tools/fit_xtramac.py [--write | --report]`.

--report prints the errors on all rows, with each configuration (formats and lanes, all cycles) left out, and with all rows of an
accumulator left out.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from hwmodel.fpga import xtramac as model

TARGET = Path(__file__).parents[1] / "hwmodel" / "fpga" / "data" / "xtramac_fit.csv"
CLOCK = TARGET.with_name("timing.csv")
SPEEDS, WIRES_PS = np.arange(2, 6) / 5, np.arange(0, 500, 50)  # a grid, as two constants are all that 105 clocks can tell
KNEE = 0.05  # of the loss: relative errors far above it count linearly


def _solve(made: Callable[[model.Mac], list[float]], macs: list[model.Mac], target: np.ndarray) -> np.ndarray:
    x = np.array([made(m) for m in macs], dtype=float)
    start = np.maximum(np.linalg.lstsq(x, target, rcond=None)[0], 0.1)
    return least_squares(
        lambda c: np.log(np.maximum(x @ c, 1e-3) / target), start, loss="soft_l1", f_scale=KNEE, bounds=(0, np.inf)
    ).x


def _clock(macs: list[model.Mac], target: np.ndarray) -> tuple[float, float]:
    """Speed of logic against xc7, and wire to a LUT, with the least mean of the logarithmic errors."""

    def loss(pair: tuple[float, float]) -> float:
        return float(np.abs(np.log([model.fmax_mhz(m, *pair) for m in macs] / target)).mean())

    return min(((float(s), float(w)) for s in SPEEDS for w in WIRES_PS), key=loss)


def fit(frame: pd.DataFrame) -> dict[str, float]:
    macs = model.macs_of(frame)
    lanes = frame.lanes.to_numpy()
    floats = np.array([m.accumulator.exponent > 0 for m in macs])
    kept = [m for m in macs if m.accumulator.exponent]
    lut = _solve(model.lut_features, kept, (frame.lut.to_numpy() / lanes)[floats] - np.array([model.rebias(m) for m in kept]))
    ff = _solve(model.ff_features, macs, frame.ff.to_numpy() / lanes)
    speed, wire = _clock(macs, frame.fmax_mhz.to_numpy())
    return (
        {f"lut {n}": float(v) for n, v in zip(model.LUT_NAMES, lut, strict=True)}
        | {f"ff {n}": float(v) for n, v in zip(model.FF_NAMES, ff, strict=True)}
        | {f"{model.FABRIC} speed": speed, f"{model.FABRIC} wire": wire}
    )


def errors(frame: pd.DataFrame, c: dict[str, float]) -> pd.DataFrame:
    """Relative errors of lut, ff and fmax_mhz, and dsp as it is, beside the configuration."""
    found = model.predict(model.macs_of(frame), c)
    out = frame[list(model.COLUMNS)].reset_index(drop=True)
    return out.assign(**{n: found[n].to_numpy() / frame[n].to_numpy() - 1 for n in ("lut", "ff", "fmax_mhz", "dsp")})


def left_out(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    group = frame.groupby(by).ngroup()
    return pd.concat([errors(frame[group == g], fit(frame[group != g])) for g in sorted(set(group))], ignore_index=True)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    e = table[["lut", "ff", "fmax_mhz", "dsp"]].abs()
    return pd.DataFrame({"median": e.median(), "p90": e.quantile(0.9), "worst": e.max()}).round(3)


def _write_clock(c: dict[str, float]) -> None:
    with CLOCK.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["fabric"] in (model.FABRIC, "versal") and (name := f"{model.FABRIC} {row['name']}") in c:
            row["value"] = f"{c[name]:g}"
    with CLOCK.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def main() -> None:
    frame = model.published()
    c = fit(frame)
    for name, value in c.items():
        print(f"{name:32s} {value:.4g}")
    if "--write" in sys.argv:
        with TARGET.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["name", "value", "unit", "source", "status"])
            for name, value in c.items():
                if name.startswith(model.FABRIC):
                    continue
                unit = {"lut": "LUT", "ff": "FF"}[name.split()[0]]
                out.writerow([name, f"{value:.4g}", unit, "tools/fit_xtramac.py on 105 published rows of XtraMAC", "derived"])
        _write_clock(c)
    if "--report" in sys.argv:
        print("\nall rows\n", summary(errors(frame, c)))
        one = left_out(frame, ["a", "b", "accumulator", "lanes"])
        print("\nconfigurations left out\n", summary(one))
        print(one.groupby("accumulator")[["lut", "ff", "fmax_mhz"]].agg(lambda e: e.abs().median()).round(3))
        print("\naccumulators left out\n", summary(left_out(frame, ["accumulator"])))


if __name__ == "__main__":
    main()
