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
from hwmodel.fpga.kinds import PARAMETERS
from hwmodel.units.components import bounds

SYNTHESIS_S = (2.0, 4.0)


LARGEST = {"E": 8, "E1": 5, "E2": 5, "M": 23, "M1": 10, "M2": 10, "X": 4, "G": 8, "L": 8, "T": 6, "S": 1, "AR": 1, "FTZ": 1}
LARGEST |= {"SB": 6, "W": 8, "A": 12, "K": 40, "MB": 24, "O": 16, "N": 512}
WIDER = {"int_mul": {"W": 32, "A": 32}, "bitserial_int": {"A": 32, "K": 64}, "bitserial_fp16": {"L": 12, "K": 40}}


def fresh_units(count: int, seed: int) -> pd.DataFrame:
    """Distinct units of all kinds on both fitted fabrics, with and without DSP blocks, in no order. Kinds that have too few units
    give all of theirs."""
    rng = np.random.default_rng(seed)
    parts = []
    for kind, names in PARAMETERS.items():
        most = LARGEST | WIDER.get(kind, {})
        table = pd.DataFrame({n: rng.integers(bounds(kind)[n][0], most[n] + 1, 2 * count // len(PARAMETERS)) for n in names})
        table["target"], table["dsp_allowed"] = rng.choice(["xc7", "ice40hx"], len(table)), rng.integers(0, 2, len(table))
        table = table.drop_duplicates()
        table["params"] = [";".join(f"{n}={v}" for n, v in zip(names, row, strict=True)) for row in table[list(names)].to_numpy()]
        parts.append(table[["params", "target", "dsp_allowed"]].assign(kind=kind)[: -(-count // len(PARAMETERS))])
    return pd.concat(parts).sample(frac=1, random_state=seed).reset_index(drop=True)


def main() -> None:
    measured = fpga.measured()
    fpga.synthesised_units(fresh_units(1000, 0))  # compiles
    rates, processor = [], []
    for seed in range(1, 3 if SHORT else 8):
        frame = fresh_units(2000 if SHORT else 20_000, seed)
        start, busy = time.perf_counter(), time.process_time()
        fpga.synthesised_units(frame)
        rates.append(len(frame) / (time.perf_counter() - start))
        processor.append(len(frame) / (time.process_time() - busy))
    each = 1 / max(rates)
    print(f"fresh units of {len(PARAMETERS)} kinds in a table ({len(frame)} distinct rows): {1 / each:12.0f} a second")
    print(f"the same for a second of the processor (a shared machine waits): {max(processor):12.0f}")
    again = pd.concat([measured[["kind", "params", "target", "dsp_allowed"]]] * (20 if SHORT else 200), ignore_index=True)
    same = seconds(lambda: fpga.synthesised_units(again)) / len(again)
    print(f"units in a table ({len(measured)} rows, repeated): {1 / same:12.0f} a second")
    n = 2_250 if SHORT else 9_000  # distinct
    wide = {"W": np.arange(n) % 15 + 2, "A": np.arange(n) // 15 % 15 + 2, "K": 20 + np.arange(n) // 225}
    start = time.process_time()
    fpga.unit_costs("int_mac", wide, "xc7", dsp=False)
    swept = (time.process_time() - start) / n
    print(f"a sweep of {n} distinct int_mac over arrays, in LUTs: {1 / swept:12.0f} a second of the processor")
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
