"""Convolutional networks as tables of matrix products."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from hwmodel._checks import positive_int
from hwmodel._data import csv_rows
from hwmodel.workloads import frame


@lru_cache(maxsize=1)
def vision_nets() -> dict[str, str]:
    """Names of the networks of `data/vision_nets.csv` by lower-case name."""
    return {r["network"].lower(): r["network"] for r in csv_rows("hwmodel.workloads", "vision_nets")}


def vision_workload(name: str, batch: int = 1) -> pd.DataFrame:
    """The layers of a network on 224x224 images, convolutions as products (columns: see `frame.table`)."""
    batch = positive_int("batch", batch)
    rows, sources = [], set()
    for r in csv_rows("hwmodel.workloads", "vision_nets"):
        if r["network"].lower() != name:
            continue
        sources.add((r["source"], r["status"]))
        channels = int(r["in_ch"]), int(r["out_ch"])
        if not r["k_h"]:
            rows.append(frame.linear(r["layer"], 1, batch, channels[1], channels[0]))
            continue
        size, kernel = (int(r["ifm_h"]), int(r["ifm_w"])), (int(r["k_h"]), int(r["k_w"]))
        stride, padding = (int(r["stride"]),) * 2, (2 * int(r["pad"]),) * 2
        rows.append(frame.conv2d(r["layer"], batch, channels, size, kernel, stride, padding, groups=int(r["groups"])))
    ((source, status),) = sources
    return frame.table(rows, model=vision_nets()[name], phase="prefill", batch=batch, source=source, status=status)
