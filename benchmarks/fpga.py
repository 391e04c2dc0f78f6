"""Times of FPGA estimates: `python benchmarks/fpga.py [--short]`.

Goals: 10^5 unit estimates a second, a folding search of ResNet-18 in 5 s. Synthesis of one unit is published as 2 to 4 s
(Yosys 0.23, an 8 x 8 multiplier; two shared cores); those seconds are taken as published, no synthesis runs here.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from _timing import SHORT, seconds

import hwmodel as hw
from hwmodel import fpga
from hwmodel.fpga import layers as fl

SYNTHESIS_S = (2.0, 4.0)


def main() -> None:
    measured = fpga.measured()
    frame = pd.concat([measured[["kind", "params", "target", "dsp_allowed"]]] * (20 if SHORT else 200), ignore_index=True)
    each = seconds(lambda: fpga.synthesised_units(frame)) / len(frame)
    print(f"units in a table ({len(measured)} rows, repeated): {1 / each:12.0f} a second")
    start = time.perf_counter()
    count = 300 if SHORT else 2000
    for i in range(count):  # none seen before
        fpga.unit_cost("int_mac", {"W": 2 + i % 15, "A": 2 + i // 15 % 15, "K": 40 + i // 225}, "xc7", dsp=False)
    fresh = (time.perf_counter() - start) / count
    print(f"units one by one, each new: {1 / fresh:12.0f} a second")
    pe = np.full(20_000 if SHORT else 200_000, 4)
    units = seconds(lambda: fl.mvau(64, 576, pe, 8, 4, 4)) / len(pe)
    print(f"matrix-vector units, arrays: {1 / units:11.0f} a second")
    for what, a in (("in a table", each), ("new", fresh)):
        low, high = (s / a for s in SYNTHESIS_S)
        print(f"published seconds of synthesis over ours, {what}: {low:.1e} to {high:.1e}")
    work, part = hw.workload("resnet-18"), hw.device("xczu3eg")
    for bits in (4,) if SHORT else (2, 4):
        plan = f"w=int{bits}/channel; a=int{bits}/token"
        start = time.perf_counter()
        found = hw.score(work, part, plan, memories=("distributed", "external"))
        took = time.perf_counter() - start
        print(f"folding search of ResNet-18, {bits} bits: {took:.2f} s for {found.throughput_per_s:.1f} inferences/s")


if __name__ == "__main__":
    main()
