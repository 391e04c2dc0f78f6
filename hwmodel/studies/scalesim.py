"""SCALE-Sim 3's reports for any products, from the systolic formulas."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel.accelerators.stalls import Memory, conv_addresses, product_addresses, stalled_cycles
from hwmodel.accelerators.systolic import DATAFLOWS, Counts, check_fits, check_products, counts

NEEDED = ("rows", "cols", "dataflow", "m", "k", "n")
CONV = ("ifm_h", "ifm_w", "k_h", "k_w", "channels", "stride")
MOST_WORDS = 2**27  # of an operand whose accesses are followed one by one


def scalesim(frame: pd.DataFrame, *, bandwidth: Any = None, memory_kib: Any = 64) -> pd.DataFrame:
    """The rows of `frame` (rows, cols, dataflow, m, k, n) with what SCALE-Sim 3.0.0 reports for them, to the cycle.

    Array of rows x cols elements, dataflow ws, os or is, product (m x k) by (k x n). Added: compute_cycles (without stalls);
    mapping_efficiency and overall_utilisation in percent; ifmap_reads, filter_reads and ofmap_writes of the SRAMs in words
    (the simulator's own count of ofm writes for `os` adds rows + cols for every fold: these are the true ones).

    `bandwidth` words a cycle between the memories of `memory_kib` and what is behind them (one number, or three: inputs,
    weights, outputs) adds stall_cycles and total_cycles of USER mode; words are bytes. Without it there are no stalls (CALC).
    Convolutions share words between windows: with the columns ifm_h, ifm_w (padded), k_h, k_w, channels, stride (k_h 0 for a
    plain product) the stalls are the convolution's. Stalls are followed word by word, the rest is one formula for all rows.

    Raises ValueError for missing columns, unknown dataflows, sizes that are no whole numbers of at least 1, or too large.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame is {type(frame).__name__}; give a DataFrame with the columns {', '.join(NEEDED)}")
    if missing := [c for c in NEEDED if c not in frame.columns]:
        raise ValueError(f"frame lacks the columns {', '.join(missing)}; needed: {', '.join(NEEDED)}")
    sizes = check_products(**{c: frame[c].to_numpy() for c in NEEDED if c != "dataflow"})
    flows = frame["dataflow"].astype(str).str.strip().str.lower().to_numpy()
    for flow in sorted(set(flows)):
        if flow not in DATAFLOWS:
            raise unknown("dataflow", flow, DATAFLOWS)
    r, c, m, k, n = (sizes[name].astype(float) for name in ("rows", "cols", "m", "k", "n"))
    largest = np.maximum(np.maximum(m, k), n)
    check_fits((m / r + 1) * (n / c + 1) * (k / np.minimum(r, c) + 1) * (2 * r + c + largest))
    check_fits(largest * m * n * k / np.maximum(1, np.minimum(m, np.minimum(k, n))))
    columns: dict[str, Any] = {}
    for flow in DATAFLOWS:
        here = flows == flow
        if here.any() or not columns:
            _fill(columns, counts(flow, *(sizes[name][here] for name in ("rows", "cols", "m", "k", "n"))), here)
    out = frame.assign(**columns)
    return out if bandwidth is None else _stalled(out, sizes, flows, bandwidth, memory_kib)


def _fill(columns: dict[str, Any], found: Counts, here: Any) -> None:
    values = {
        "compute_cycles": found.cycles,
        "mapping_efficiency": 100 * found.mapping_efficiency,
        "overall_utilisation": 100 * found.utilisation,
        "ifmap_reads": found.input_reads,
        "filter_reads": found.weight_reads,
        "ofmap_writes": found.output_writes,
    }
    for name, value in values.items():
        columns.setdefault(name, np.zeros(here.size, dtype=value.dtype))[here] = value


def _stalled(out: pd.DataFrame, sizes: Mapping[str, Any], flows: Any, bandwidth: Any, memory_kib: Any) -> pd.DataFrame:
    wide, kib = _three("bandwidth", bandwidth), _three("memory_kib", memory_kib)
    memories = tuple(Memory(1024 * size, width) for size, width in zip(kib, wide, strict=True))
    conv: list[dict[Hashable, Any]] = [{} for _ in range(len(out))]
    if all(c in out.columns for c in CONV):
        conv = out[list(CONV)].to_dict("records")
    total, stalls = np.zeros(len(out), dtype=np.int64), np.zeros(len(out), dtype=np.int64)
    for i, flow in enumerate(flows):
        rows, cols, m, k, n = (int(sizes[c][i]) for c in ("rows", "cols", "m", "k", "n"))
        if max(m * k, k * n, m * n) > MOST_WORDS:
            raise ValueError(f"row {i}: stalls of {m} x {k} x {n} take too many words one by one; leave bandwidth out, or tile it")
        operands = product_addresses(m, k, n)
        if conv[i].get("k_h", 0):
            h, w, kh, kw, channels, stride = (int(conv[i][c]) for c in CONV)
            operands = conv_addresses(h, w, kh, kw, channels, n, stride)
            if operands[0].shape != (m, k):
                raise ValueError(f"row {i}: m and k are {m} and {k} but its convolution gives {operands[0].shape}")
        total[i], stalls[i] = stalled_cycles(str(flow), rows, cols, *operands, (memories[0], memories[1], memories[2]))
    return out.assign(stall_cycles=stalls, total_cycles=total)


def _three(what: str, given: Any) -> tuple[int, int, int]:
    values = list(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else [given] * 3
    if len(values) != 3 or not all(isinstance(v, int | np.integer) and not isinstance(v, bool) and v >= 1 for v in values):
        raise ValueError(f"{what} is {given!r}; give a whole number of at least 1, or three: inputs, weights, outputs")
    return int(values[0]), int(values[1]), int(values[2])
