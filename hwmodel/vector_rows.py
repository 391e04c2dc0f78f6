"""The vector rows of a workload beside its products: one score of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel.accelerators.outside import memory_of
from hwmodel.accelerators.vector import VectorUnit, is_vector, op_facts, refuse, vector_cost
from hwmodel.scoring import Score, score
from hwmodel.workloads.frame import VECTOR

RULES = ("refuse", "skip")


def score_with_vectors(
    work: pd.DataFrame, acc: Any, plan: Any, unit: VectorUnit | None, *, vector_rows: str = "refuse", **options: Any
) -> Score:
    """hw.score of a workload with vector rows: products on the array, then each vector row on the vector unit.

    unit: that of the accelerator; None with vector_rows="skip" leaves the vector rows out, with "refuse" it is an error.
    A vector row takes max(vector unit, DRAM) cycles while the array waits; its energy is that of its operations
    (energy_vector_j) and of the DRAM bits it moves. The unit's own registers and buffers are not counted.

    Raises ValueError as hw.score, where there is no unit, and for a workload of vector rows alone.
    """
    if vector_rows not in RULES:
        raise unknown("vector_rows", vector_rows, RULES)
    here = is_vector(work)
    if here.all() and len(work):
        raise ValueError("the workload has vector rows only; hw.score prices them beside the products of a model")
    products = score(work[~here] if here.any() else work, acc, plan, **options)
    if not here.any() or (unit is None and vector_rows == "skip"):
        return products
    if unit is None:
        raise refuse(f"accelerator {products.accelerator}", int(here.sum()))
    return _joined(products, work, here, unit)


def _joined(products: Score, work: pd.DataFrame, here: np.ndarray, unit: VectorUnit) -> Score:
    own = work[here]
    found, acc = vector_cost(own, unit), products.accelerator
    count = own["count"].to_numpy(dtype=np.int64)
    dram = memory_of(acc)
    dram_cycles = dram.cycles(found.read_bytes / count, found.write_bytes / count) * count
    cycles = np.maximum(found.cycles, dram_cycles)
    vector = found.energy_pj * 1e-12
    moving = 8e-12 * (found.read_bytes * dram.read_pj_per_bit + found.write_bytes * dram.write_pj_per_bit)
    made: dict[str, Any] = {name: own[name].to_numpy() for name in own.columns} | {
        "native": np.ones(len(own), dtype=bool),
        "activation_bits": np.full(len(own), float(unit.bits)),
        "compute_cycles": found.cycles,
        "dram_cycles": dram_cycles,
        "cycles": cycles,
        "latency_s": cycles / (acc.clock_ghz.value * 1e9),
        "energy_dram_j": moving,
        "energy_vector_j": vector,
        "energy_j": vector + moving,
        "dram_bytes": found.bytes,
    }
    names = list(products.columns)
    at = names.index("energy_j")
    names = [*names[:at], "energy_vector_j", *names[at:], *(n for n in VECTOR if n not in names)]
    columns = {name: _column(products.columns.get(name), made.get(name), here) for name in names}
    area = {**products.area, "vector_unit": unit.area_mm2}
    return replace(products, columns=columns, area=area, facts=(*products.facts, *unit.facts(), *op_facts(own)))


def _column(array: Any, vector: Any, here: np.ndarray) -> np.ndarray:
    """Values of products and of vector rows in the order of the workload; what one of them lacks is 0 or empty."""
    known = [np.asarray(part) for part in (array, vector) if part is not None]
    kind = np.result_type(*known) if all(k.dtype.kind in "biuf" for k in known) else np.dtype(object)
    out = np.full(here.size, "" if kind.kind == "O" else 0, dtype=kind)
    if array is not None:
        out[~here] = array
    if vector is not None:
        out[here] = vector
    return out
