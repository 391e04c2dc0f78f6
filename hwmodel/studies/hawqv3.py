"""HAWQ-V3's bit allocation (arXiv 2011.10680): its integer programmes of ResNet-18 and ResNet-50, solved exactly."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from numbers import Real

import pandas as pd

from hwmodel._checks import unknown
from hwmodel._data import csv_rows
from hwmodel.search.allocation import allocate

NETWORKS = ("resnet18", "resnet50")
LEVELS = (0.75, 0.5, 0.25)
# Column of the candidates and how many of its units are one of the programme's: it counts MiB for ResNet-18, MB for ResNet-50,
# and 16-bit products (MACs * bits^2 / 1024) in millions.
_COLUMNS = {"modelsize": "size_bytes", "bops": "bops", "latency": "latency_ms"}
_UNITS = {
    ("resnet18", "modelsize"): 2.0**20,
    ("resnet50", "modelsize"): 1e6,
    ("resnet18", "bops"): 1024e6,
    ("resnet50", "bops"): 1024e6,
    ("resnet18", "latency"): 1.0,
    ("resnet50", "latency"): 1.0,
}
_SCHEMES = {8: "w=int8/channel; a=int8/tensor", 4: "w=int4/channel; a=uint4/tensor"}
_ENDS = 8  # bits of the first and the last layer


def hawqv3_candidates(network: str) -> pd.DataFrame:
    """HAWQ-V3's programme of a network ("resnet18", "resnet50") as candidates of `hw.allocate`; first and last layer are not in
    it.

    Columns: layer, scheme (8- or 4-bit weights a channel and activations a tensor), bits, group (layers of one width: a
    shortcut and the convolution beside it), loss (average Hessian trace times squared weight error), size_bytes, bops (MACs *
    bits^2), latency_ms (T4, batch 8; the unit is inferred, so take it as relative), macs, params, source, status.
    """
    if network not in NETWORKS:
        raise unknown("network", network, NETWORKS)
    rows = [r for r in csv_rows("hwmodel.studies", f"hawqv3_{network}_layers") if r["ilp_index"]]
    out = []
    for r in rows:
        tied = min(int(r["ilp_index"]), int(r["tied_to_ilp_index"])) if r["tied_to_ilp_index"] else None
        macs, params = int(r["macs"]), int(r["params"])
        for bits in (8, 4):
            loss = float(r["hessian_trace_per_param"]) * float(r[f"weight_err_sq_int{bits}"])
            costs = (bits * params // 8, macs * bits**2, float(r[f"latency_int{bits}_t4"]))
            group = None if tied is None else rows[tied]["layer"]
            out.append((r["layer"], _SCHEMES[bits], bits, group, loss, *costs, macs, params, r["source"], r["status"]))
    names = ["layer", "scheme", "bits", "group", "loss", "size_bytes", "bops", "latency_ms", "macs", "params", "source", "status"]
    return pd.DataFrame(out, columns=names)


def hawqv3(levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """Every network x constraint (modelsize, bops, latency) x level, solved exactly.

    levels: shares of the way from all-4-bit to all-8-bit, 0 to 1 (released: 0.75 "high", 0.5, 0.25 "low").
    Columns of the recorded configurations: network, constraint, level, ilp_limit, exact_optimum_bits (a digit a layer, in the
    programme's order), exact_optimum_objective, exact_optimum_use; and, where a released configuration is on record (blank
    elsewhere), released_bits, released_objective, released_constraint_use, match, feasible ("yes": it keeps the limit). Limits
    and uses are in the programme's units: MiB of ResNet-18 and MB of ResNet-50 for sizes, 1024 million bit operations,
    milliseconds. Then size_mib and bops_g of the whole network with its first and last layer at 8 bits, and the gap and the
    proof of the solution.

    Source: data/hawqv3_*.csv. The released configuration of ResNet-50 at model size 0.25 keeps the limit but is not the best.
    Raises ValueError for no levels and levels outside 0 to 1, ImportError without scipy (extra `search`).
    """
    if not len(levels):
        raise ValueError("levels is empty; give shares of the way from all-4-bit to all-8-bit, such as (0.75, 0.5, 0.25)")
    released = {
        (r["network"], r["constraint"], float(r["level"])): r["released_bits"]
        for r in csv_rows("hwmodel.studies", "hawqv3_released")
    }
    rows = []
    for network in NETWORKS:
        table = hawqv3_candidates(network)
        for constraint, column in _COLUMNS.items():
            unit = _UNITS[network, constraint]
            for level in levels:
                made = allocate(table, {column: f"{_percent(level)}%"})
                bits = "".join(map(str, made.table["bits"]))
                known = released.get((network, constraint, float(level)))
                use, limit = (float(made.used[c].iloc[0]) for c in ("used", "limit"))
                size, bops = totals(network, bits)
                row = {
                    "network": network,
                    "constraint": constraint,
                    "level": float(level),
                    "released_bits": known,
                    "ilp_limit": limit / unit,
                }
                row |= _of_released(table, known, column, unit, limit)
                row |= {"exact_optimum_bits": bits, "exact_optimum_objective": made.objective, "exact_optimum_use": use / unit}
                row |= {"match": None if known is None else known == bits, "feasible": row.pop("kept")}
                rows.append(row | {"size_mib": size, "bops_g": bops, "gap": made.gap, "proof": made.proof})
    return pd.DataFrame(rows)


def hawqv3_published() -> pd.DataFrame:
    """Published sizes and BOPS beside those of the widths that they belong to, first and last layer at 8 bits.

    Columns: network, scheme (fp32, uniform8, uniform4, or CONSTRAINT_LEVEL of a released configuration), published_size_mb,
    published_bops_g, published_speedup_vs_fp32, published_top1, recomputed_size_mib_first_last_8bit,
    recomputed_bops_g_first_last_8bit, source, status. The mixed rows are up to 3.1 % above the published BOPS, and up to 0.4
    MiB below the published sizes.
    """
    released = {
        (r["network"], f"{r['constraint']}_{r['level']}"): r["released_bits"]
        for r in csv_rows("hwmodel.studies", "hawqv3_released")
    }
    rows = []
    for r in csv_rows("hwmodel.studies", "hawqv3_published"):
        network, scheme = r["network"], r["scheme"]
        layers = len(hawqv3_candidates(network)) // 2
        if scheme == "fp32":
            size, bops = totals(network, [32] * layers, 32)
        elif scheme in ("uniform8", "uniform4"):
            size, bops = totals(network, scheme[-1] * layers)
        else:
            size, bops = totals(network, released[network, scheme])
        numbers = {c: float(r[c]) for c in r if c.startswith("published_")}
        row = {"network": network, "scheme": scheme, **numbers}
        row |= {"recomputed_size_mib_first_last_8bit": size, "recomputed_bops_g_first_last_8bit": bops}
        rows.append(row | {"source": r["source"], "status": r["status"]})
    return pd.DataFrame(rows)


def totals(network: str, bits: str | Sequence[int], ends: int = _ENDS) -> tuple[float, float]:
    """MiB of weights and 10^9 bit operations of a network with these widths (weights and activations alike) in the programme's
    order."""
    widths = iter(int(b) for b in bits)
    size = bops = 0
    for r in csv_rows("hwmodel.studies", f"hawqv3_{network}_layers"):
        width = next(widths) if r["ilp_index"] else ends
        size += width * int(r["params"])
        bops += width**2 * int(r["macs"])
    return size / 8 / 2**20, bops / 1e9


def _of_released(table: pd.DataFrame, bits: str | None, column: str, unit: float, limit: float) -> dict[str, object]:
    if bits is None:
        return {"released_objective": float("nan"), "released_constraint_use": float("nan"), "kept": None}
    chosen = table[table["bits"].astype(str).to_numpy() == pd.Series(list(bits)).repeat(2).to_numpy()]
    loss, use = (float(sum(map(Fraction, chosen[c].tolist()))) for c in ("loss", column))
    return {"released_objective": loss, "released_constraint_use": use / unit, "kept": "yes" if use <= limit else "no"}


def _percent(level: float) -> str:
    if not isinstance(level, Real) or isinstance(level, bool) or not 0 <= level <= 1:
        raise ValueError(f"level is {level!r}; give shares of the way from all-4-bit to all-8-bit, 0 to 1")
    return format(Decimal(repr(float(level))) * 100, "f")
