"""What the public tools report for shared layers, and what we get: under their mapping, and under our own."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._data import csv_rows
from hwmodel.accelerators import Hierarchy, accelerator, roofline
from hwmodel.accelerators.assess import Assessment, assess
from hwmodel.accelerators.layer import LayerLoops, conv, product
from hwmodel.accelerators.search import best_mapping
from hwmodel.studies.scalesim import scalesim
from hwmodel.workloads import workload

ADDED = ("accelerator", "mapping", "ours", "error_percent", "best", "why")
_LAYERS = {
    "conv 3x3 256->256 out 14x14 int8": conv(256, 256, (14, 14), (3, 3), bits=(8, 8, 8, 16)),
    "GEMM 1x4096x4096 W8A8": product(1, 4096, 4096, bits=(8, 8, 8, 16)),
    "GEMM 1x4096x4096 W4A8": product(1, 4096, 4096, bits=(4, 8, 8, 16)),
    "eyeriss_like 65 nm 14x12": conv(32, 3, (112, 112), (3, 3), (2, 2), bits=(8, 8, 8, 16)),
    "simple_weight_stationary": conv(32, 3, (112, 112), (3, 3), (2, 2), bits=(16, 16, 16, 16)),
}
_WHY = {
    ("zigzag", "energy"): "a first sum is not read back; otherwise the same accesses",
    (
        "zigzag",
        "cycles",
    ): "as theirs: stalls, first tiles in, last ones out, drain; theirs also waits at ports whose windows"
    " of several movements we let overlap",
    ("zigzag", "MAC"): "one constant a MAC, whatever the bits (0.04 pJ)",
    ("zigzag", "ideal"): "products over elements",
    ("timeloop", "cycles"): "steps of the mapping; no port is short",
    (
        "timeloop",
        "energy",
    ): "outputs are also read where they leave a memory, which Timeloop does not count; it in turn keeps a tile's"
    " overlap with the one before, and charges refilled sums to every element of a column",
    ("timeloop", "utilisation"): "elements that the mapping uses",
    ("scale", "cycles"): "the same formulas",
    ("scale", "words"): "its output writes of os count folds x (rows + cols) too many",
    (
        "genz",
        "latency",
    ): "operators at the roofline; it counts the embedding as a product in prefill, keeps activations on chip in decode",
}


def peers() -> pd.DataFrame:
    """The rows of `peer_runs.csv` (SCALE-Sim, ZigZag, Timeloop, GenZ) with ours, the error, and why they differ.

    Added columns: accelerator (ours that stands for theirs), mapping (theirs, imposed on ours), ours (same unit; under their
    mapping where they have one), error_percent, best (under the mapping that our own search prefers for the same objective), why.
    Rows without a number, and failures, have blanks. BitMoD's rows are `hw.studies.bitmod`.
    """
    rows = []
    for row in csv_rows("hwmodel.studies", "peer_runs"):
        made: dict[str, Any] = dict.fromkeys(ADDED, "") | {"ours": np.nan, "error_percent": np.nan, "best": np.nan}
        tool = row["tool"].lower()
        if tool.startswith(("zigzag", "timeloop")) and row["metric"] not in ("no result",):
            made |= _mapped(row, tool)
        elif tool.startswith("scale"):
            made |= _systolic(row)
        elif tool.startswith("genz"):
            made |= _roofline(row)
        value = _number(row["value"])
        if value and np.isfinite(made["ours"]):
            made["error_percent"] = 100 * (made["ours"] / value - 1)
        rows.append({**row, **made})
    return pd.DataFrame(rows)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


@lru_cache(maxsize=32)
def assessed(workload_name: str, run: str) -> tuple[Assessment, Assessment]:
    """A peer's run as we see it: under its mapping, and under our own best one."""
    entry = next(r for r in csv_rows("hwmodel.studies", "peer_mappings") if r["workload"] == workload_name and r["run"] == run)
    acc = accelerator(entry["accelerator"])
    assert isinstance(acc, Hierarchy)
    layer: LayerLoops = _LAYERS.get(workload_name) or _LAYERS[run]
    pj = acc.pe.energy_pj.value
    found = best_mapping(layer, acc, entry["objective"], element_pj=pj)
    return assess(layer, acc, entry["mapping"], element_pj=pj), assess(layer, acc, found.mapping, element_pj=pj)


def _mapped(row: dict[str, str], tool: str) -> dict[str, object]:
    name = "timeloop" if tool.startswith("timeloop") else "zigzag"
    run = row["hardware"] if name == "timeloop" else row["options"]
    theirs, own = assessed(row["workload"], run)
    metric = row["metric"]
    kind = next(k for k in ("MAC", "ideal", "latency", "cycles", "utilisation", "energy") if k in metric)
    values = [_metric(metric, kind, one) for one in (theirs, own)]
    why = _WHY.get((name, "cycles" if kind == "latency" else kind), "")
    return {
        "accelerator": str(theirs.hierarchy),
        "mapping": str(theirs.mapping),
        "ours": values[0],
        "best": values[1],
        "why": why,
    }


def _metric(metric: str, kind: str, one: Assessment) -> float:
    scale = 1.0 if not one.hierarchy.name.startswith(("eyeriss", "simple")) else 1e-6
    if kind == "MAC":
        return one.element_pj
    if kind == "ideal":
        return float(np.ceil(one.layer.macs / one.hierarchy.elements))
    if kind in ("latency", "cycles"):
        return one.cycles if scale == 1.0 else one.compute_cycles + one.stall_cycles
    if kind == "utilisation":
        return 100 * one.utilisation
    if metric == "energy per compute":
        return one.total_pj / one.layer.macs * 1e3
    return (one.total_pj - one.element_pj if metric == "memory energy" else one.total_pj) * scale


def _systolic(row: dict[str, str]) -> dict[str, object]:
    size, flow = re.match(r"(\d+)x(\d+) array", row["hardware"]), row["options"].split()[0]
    shape = (196, 2304, 256) if row["workload"].startswith("conv") else (1, 4096, 4096)
    if not size:
        return {}
    frame = pd.DataFrame([(int(size[1]), int(size[2]), flow, *shape)], columns=["rows", "cols", "dataflow", "m", "k", "n"])
    got = scalesim(frame).iloc[0]
    column = {
        "compute cycles": "compute_cycles",
        "overall utilisation": "overall_utilisation",
        "mapping efficiency": "mapping_efficiency",
    }
    name = f"systolic<{size[1]}x{size[2]},{flow}>"
    if row["metric"] in column:
        return {"accelerator": name, "ours": float(got[column[row["metric"]]]), "why": _WHY["scale", "cycles"]}
    words = "/".join(str(int(got[c])) for c in ("ifmap_reads", "filter_reads", "ofmap_writes"))
    return {"accelerator": name, "why": f"ours {words}; {_WHY['scale', 'words'] if flow == 'os' else _WHY['scale', 'cycles']}"}


def _roofline(row: dict[str, str]) -> dict[str, object]:
    phase, context = ("prefill", 2048) if "prefill" in row["workload"] else ("decode", 2048 + 256)
    on_chip = "scores" if phase == "prefill" else "activations"
    bits = {"bf16": 16, "int8": 8, "int4": 4}[row["options"]]
    got = roofline(workload("llama-2-7b", phase, context), "a100-80gb@genz", bits, on_chip=on_chip)
    return {"accelerator": "a100-80gb@genz", "ours": 1e3 * got.latency_s, "why": _WHY["genz", "latency"]}
