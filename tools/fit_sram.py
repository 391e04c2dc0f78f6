"""Fit the smooth law of static memories to the CACTI rows: python tools/fit_sram.py [--write].

ln(quantity) is linear in the terms below; least squares over all rows of one bank. Left out: the leakage of itrs-lop at
22 nm, which the tool puts above that of itrs-hp. Prints the residuals, and those on the 28 nm rows, which are not fitted.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "hwmodel" / "technology" / "data"
TERMS = ("one", "size", "width", "size x width", "node", "lop", "lop x node")
USED = {
    "read_pj": TERMS,
    "write_pj": tuple(t for t in TERMS if t != "size x width"),
    "area_mm2": tuple(t for t in TERMS if t != "size x width"),
    "access_ns": ("one", "size", "node", "lop", "lop x node"),
    "leak_mw": ("one", "size", "node", "lop"),
}


def terms(kib: float, bits: float, node: float, lop: bool) -> dict[str, float]:
    size, width, small = np.log(kib / 64), np.log(bits / 64), np.log(node / 45)
    return dict(zip(TERMS, (1.0, size, width, size * width, small, float(lop), lop * small), strict=True))


def main() -> None:
    with (DATA / "sram_cacti.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    out = []
    found: dict[str, dict[str, float]] = {}
    for quantity, used in USED.items():
        rows = [r for r in table if not (quantity == "leak_mw" and (r["cell"], r["tech_nm"]) == ("itrs-lop", "22"))]
        every = [terms(int(r["size_bytes"]) / 1024, int(r["width_bits"]), int(r["tech_nm"]), r["cell"] == "itrs-lop") for r in rows]
        a = np.array([[t[name] for name in used] for t in every])
        y = np.log([float(r[quantity]) for r in rows])
        c, *_ = np.linalg.lstsq(a, y, rcond=None)
        error = np.abs(np.exp(a @ c - y) - 1)
        found[quantity] = dict(zip(used, c, strict=True))
        tail = (float(np.median(error)), float(np.quantile(error, 0.9)), float(error.max()))
        print(f"{quantity:10} {len(rows)} rows: median {tail[0]:.1%}, 90th percentile {tail[1]:.1%}, worst {tail[2]:.1%}")
        source = f"tools/fit_sram.py on {len(rows)} CACTI 7 rows of one bank (1 to 2048 KiB, 22 to 45 nm)"
        out += [(quantity, name, f"{v:.5g}", source, "derived") for name, v in found[quantity].items()]
        names = ("residual median", "residual p90", "residual worst")
        out += [(quantity, name, f"{e:.3f}", source, "derived") for name, e in zip(names, tail, strict=True)]
    held_back(found)
    if "--write" in sys.argv:
        with (DATA / "sram_fit.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("quantity", "term", "value", "source", "status"))
            writer.writerows(out)


def held_back(found: dict[str, dict[str, float]]) -> None:
    with (DATA / "sram_28nm.csv").open(encoding="utf-8") as file:
        table = [r for r in csv.DictReader(file) if r["banks"] == "1"]
    for quantity in ("read_pj", "write_pj", "area_mm2"):
        ratios = []
        for r in table:
            t = terms(int(r["capacity_kib"]), int(r["word_bits"]), 28, False)
            value = np.exp(sum(v * t[name] for name, v in found[quantity].items()))
            ratios.append(value / float(r[quantity]))
        low, high = min(ratios), max(ratios)
        print(f"{quantity:10} of 28 nm rows of one bank (two ports, not fitted): fit / row {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main()
