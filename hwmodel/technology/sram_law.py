"""The smooth law of static memories: fitted to CACTI rows over capacity, word width, node and cell type.

Coefficients and residuals are rows of `data/sram_fit.csv`, made by `tools/fit_sram.py`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import pandas as pd

from hwmodel.sources import Fact
from hwmodel.technology.laws import jouppi_ratios
from hwmodel.technology.tables import rows

QUANTITIES = ("read_pj", "write_pj", "area_mm2", "access_ns", "leak_mw")
NODES = (22.0, 45.0)
KIB, BITS = (1.0, 2048.0), (32, 1024)
LOP_KIB, LOP_BITS = (8.0, 1024.0), (64, 64)
REACH = (1 / 32, 1 << 16)  # KiB a bank: how far the law is extended beyond its rows


@lru_cache(maxsize=1)
def _fit() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for r in rows("sram_fit"):
        found.setdefault(r["quantity"], {})[r["term"]] = float(r["value"])
    return found


def residuals() -> pd.DataFrame:
    """How far the law is from the rows it was fitted to: quantity, median, p90, worst (relative), source, status."""
    first = {r["quantity"]: r for r in rows("sram_fit")}
    found = [
        (q, *(v[f"residual {name}"] for name in ("median", "p90", "worst")), first[q]["source"], first[q]["status"])
        for q, v in _fit().items()
    ]
    return pd.DataFrame(found, columns=["quantity", "median", "p90", "worst", "source", "status"])


def law(quantity: str, kib: float, bits: float, node_nm: float, lop: bool) -> float:
    """A quantity of one bank: pJ a word, mm2, ns, mW."""
    size, width, node = math.log(kib / 64), math.log(bits / 64), math.log(node_nm / 45)
    values = {"one": 1.0, "size": size, "width": width, "size x width": size * width, "node": node}
    values |= {"lop": float(lop), "lop x node": lop * node}
    return math.exp(sum(c * values[term] for term, c in _fit()[quantity].items() if term in values))


def fitted(kib: float, bits: int, node_nm: float, lop: bool) -> bool:
    """Whether the rows surround the point (else the law is extended to it)."""
    k, b = (LOP_KIB, LOP_BITS) if lop else (KIB, BITS)
    return k[0] <= kib <= k[1] and b[0] <= bits <= b[1] and NODES[0] <= node_nm <= NODES[1]


def jouppi_energy(kib: float, node_nm: float) -> Fact:
    """Energy factor from 45 nm to a node of 7 to 45 nm by the SRAM rows of Jouppi 2021: 0.75, 0.425, 0.14 at 8, 32, 1024 KiB.

    Interpolated log-log in capacity (the ends are held beyond it) and in the node.
    """
    found = jouppi_ratios()
    points = [(8.0, found["sram_8KB"]), (32.0, found["sram_32KB"]), (1024.0, found["sram_1MB"])]
    at = min(max(kib, points[0][0]), points[-1][0])
    upper = next(i for i in range(1, len(points)) if points[i][0] >= at)
    (k0, f0), (k1, f1) = points[upper - 1], points[upper]
    w = math.log(at / k0) / math.log(k1 / k0)
    value = (f0.value ** (1 - w) * f1.value**w) ** (math.log(45 / node_nm) / math.log(45 / 7))
    return Fact(
        f"jouppi SRAM energy 45 to {node_nm:g} nm at {kib:g} KiB", value, "factor", f"interpolated log-log: {f0.source}", "inferred"
    )


def bitcell(node_nm: float) -> Fact:
    """Area of a foundry's 6T bit cell in um2 at a node of 3 to 45 nm, interpolated log-log between published ones."""
    known = sorted((float(r["node_nm"]), float(r["area_um2"]), r) for r in rows("cells") if r["technology"] == "sram6t")
    for node, area, r in known:
        if node == node_nm:
            return Fact(f"{r['cell']} bit cell", area, "um2", r["source"], r["status"])
    if not known[0][0] < node_nm < known[-1][0]:
        raise ValueError(f"node {node_nm:g} nm has no bit cell; the table holds {known[0][0]:g} to {known[-1][0]:g} nm")
    upper = next(i for i, (n, _, _) in enumerate(known) if n > node_nm)
    (n0, a0, r0), (n1, a1, _) = known[upper - 1], known[upper]
    w = math.log(node_nm / n0) / math.log(n1 / n0)
    note = f"interpolated log-log between {n0:g} and {n1:g} nm: {r0['source']}"
    return Fact(f"bit cell at {node_nm:g} nm", a0 ** (1 - w) * a1**w, "um2", note, "inferred")
