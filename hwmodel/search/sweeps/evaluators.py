"""What a point costs: hw.score_many for many at once, hw.score and hw.evaluate for one, or a function of the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hwmodel.accelerators import Accelerator, Hierarchy
from hwmodel.search.sweeps.designs import FPGAS, NUMBERS, element_of, loaded, numbers_of, plan_of, sized, work_of
from hwmodel.search.sweeps.tasks import Failed, message

_FPGA_TEXTS = ("fits", "places", "misfit")
_SUMMARY = ("bits_per_weight", "sqnr_db", "worst_layer", "worst_sqnr_db", "max_abs_error")


class Pricing:
    """The evaluator that hw.sweep takes where none is given. `fixed`: what all points share; `work`: their workload, or None where
    points name a model or network. `together`: points are scored in blocks (two-buffer accelerators, no emulation)."""

    def __init__(self, fixed: Mapping[str, Any], work: pd.DataFrame | None, together: bool) -> None:
        self.fixed, self.work, self.together = dict(fixed), work, together

    def __call__(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """The results of one point."""
        if point.get("device") is not None:
            return _on_fpga(point, self.work)
        acc, plan, work = element_of(point), plan_of(point), work_of(point, self.work)
        found = _cost(work, acc, plan, point)
        if point.get("network") is not None:
            names = ("network", "samples", "phase", "context", "accelerator", "path", "technology")
            found |= _quality(plan, *(point.get(name) for name in names))
        return found

    def batch(self, columns: Mapping[str, np.ndarray], count: int) -> tuple[dict[str, np.ndarray], Failed]:
        """Results of many points as columns, failures by row. Points of one accelerator, plan and workload go together."""
        varying = [name for name in columns if name not in NUMBERS]
        numbers = {name: columns[name] for name in columns if name in NUMBERS}
        made: list[tuple[np.ndarray, pd.DataFrame]] = []
        failed: Failed = []
        for point, rows in _groups({name: columns[name] for name in varying}, count):
            whole = {**self.fixed, **point}
            try:
                acc, plan, work = element_of(whole), plan_of(whole), work_of(whole, self.work)
                assert isinstance(acc, Accelerator)
                mine = numbers_of(acc, {**whole, **{name: column[rows] for name, column in numbers.items()}})
                designs = pd.DataFrame(mine, index=range(len(rows)))
            except Exception as error:
                failed += [(int(row), message(error)) for row in rows]
                continue
            options = {"phase": whole.get("phase"), "buffers": whole.get("buffers") or "table"}
            made += _scored(work, acc, plan, designs, rows, options, failed)
        return _joined(made, count), sorted(failed)


def _groups(columns: dict[str, np.ndarray], count: int) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Rows that have the same values in all columns, in the order of first appearance."""
    if not columns:
        return [({}, np.arange(count))]
    code = np.zeros(count, dtype=np.int64)
    for column in columns.values():
        own, known = pd.factorize(column, use_na_sentinel=False)
        code = pd.factorize(code * len(known) + own)[0]
    order = np.argsort(code, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(code[order])) + 1)
    return [({name: _python(column[rows[0]]) for name, column in columns.items()}, rows) for rows in parts]


def _python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _scored(
    work: pd.DataFrame, acc: Any, plan: str, designs: pd.DataFrame, rows: np.ndarray, options: Mapping[str, Any], failed: Failed
) -> list[tuple[np.ndarray, pd.DataFrame]]:
    """Designs scored together; where one is refused, those with other buffers alone, and then halves."""
    from hwmodel.batch import score_many

    try:
        return [(rows, score_many(work, designs, acc, plan, **options).drop(columns=list(designs.columns)))]
    except Exception as error:
        if len(rows) == 1:
            failed.append((int(rows[0]), message(error)))
            return []
    kib = {n: designs[n].to_numpy() for n in ("weight_buffer_kib", "activation_buffer_kib") if n in designs}
    parts = [part for _, part in _groups(kib, len(rows))]
    if len(parts) == 1:
        parts = np.array_split(np.arange(len(rows)), 2)
    return [
        made for p in parts for made in _scored(work, acc, plan, designs.iloc[p].reset_index(drop=True), rows[p], options, failed)
    ]


def _joined(made: list[tuple[np.ndarray, pd.DataFrame]], count: int) -> dict[str, np.ndarray]:
    """Columns of all rows; what a row has not is NaN (0 for whole numbers, whose failure is noted elsewhere)."""
    if len(made) == 1 and len(made[0][0]) == count:
        return {str(name): made[0][1][name].to_numpy() for name in made[0][1].columns}
    out: dict[str, np.ndarray] = {}
    covered: dict[str, int] = {}
    for rows, frame in made:
        for name in map(str, frame.columns):
            values = frame[name].to_numpy()
            if name not in out:
                out[name] = np.zeros(count, values.dtype) if values.dtype.kind in "iu" else np.full(count, np.nan)
            out[name][rows] = values
            covered[name] = covered.get(name, 0) + len(rows)
    most = max(covered.values(), default=0)
    return {n: v if v.dtype.kind == "f" or covered[n] == most else v.astype(np.float64) for n, v in out.items()}


def _cost(work: pd.DataFrame, acc: Any, plan: str, point: Mapping[str, Any]) -> dict[str, Any]:
    from hwmodel.batch import score_many
    from hwmodel.scoring import score

    if isinstance(acc, Hierarchy):
        made = score(work, sized(acc, point), plan, phase=point.get("phase"), objective=point.get("objective"))
        return {**_named(made.total), "area_mm2": made.area_mm2}
    if point.get("objective") is not None:
        raise ValueError(f"accelerator {acc} has two buffers and one way to run a layer; leave objective out")
    designs = pd.DataFrame(numbers_of(acc, point), index=[0])
    row = score_many(work, designs, acc, plan, phase=point.get("phase"), buffers=point.get("buffers") or "table")
    return {str(name): _python(row[name].iloc[0]) for name in row.columns if name not in designs.columns}


@lru_cache(maxsize=256)
def _quality(
    plan: str, network: str, samples: Any, phase: Any, context: Any, name: str, path: Any, technology: Any
) -> dict[str, Any]:
    """Bit-exact error and quality; kept, as they do not depend on the sizes of the hardware."""
    from hwmodel.evaluation import evaluate

    acc = element_of({"plan": plan, "accelerator": name, "path": path, "technology": technology})
    made = evaluate(loaded(network), plan, acc, phase=phase, context=context, samples=samples)
    return {**{key: made.summary[key] for key in _SUMMARY}, **made.quality}


def _on_fpga(point: Mapping[str, Any], work: pd.DataFrame | None) -> dict[str, Any]:
    from hwmodel.fpga import device
    from hwmodel.scoring import score

    options = {name: point[name] for name in FPGAS[1:] if point.get(name) is not None}
    if isinstance(options.get("folding"), str):
        sides = options["folding"].lower().split("x")
        if len(sides) != 2 or not all(s.strip().isdigit() for s in sides):
            raise ValueError(f"folding is {options['folding']!r}; give inferences a second, or rows and columns such as 16x8")
        options["folding"] = tuple(int(s) for s in sides)
    made = score(work_of(point, work), device(str(point["device"])), plan_of(point), **options)
    return {**_named(made.total), **{name: getattr(made, name) for name in _FPGA_TEXTS}}


def _named(total: pd.Series) -> dict[str, Any]:
    return {str(name): value for name, value in total.to_dict().items()}
