"""Times of the cost model: `python benchmarks/scores.py [--short]`.

Goals: `import hwmodel` 1 s; a score of Llama-2-7B 2 ms, computed afresh; 10^6 layers a second in `hw.score_many`; a unit and
its cost 1 ms. Other tools on the same model, as published or measured elsewhere: GenZ 200 to 400 ms, the BitMoD simulator 1 s.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable

import pandas as pd
from _timing import SHORT

import hwmodel as hw


def best(call: Callable[[], object], repeats: int) -> float:
    """Best time of a call in ms, after one that is not counted."""
    call()
    found = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found = min(found, time.perf_counter() - start)
    return found * 1e3


def main() -> None:
    repeats = 20 if SHORT else 200
    command = [sys.executable, "-c", "import time; t = time.perf_counter(); import hwmodel; print(time.perf_counter() - t)"]
    print(f"import hwmodel {float(subprocess.run(command, capture_output=True, check=True, text=True).stdout) * 1e3:8.1f} ms")
    for model, phase, fold in itertools.product(("llama-2-7b", "llama-3-70b"), ("prefill", "decode"), (True, False)):
        work = hw.workload(model, phase, fold=fold)
        plain = best(lambda work=work: hw.score(work, "bitmod@j25", "bitmod4/g128"), repeats)
        print(f"score {model:12} {phase:8} {len(work):4} rows {plain:8.2f} ms")
    for name in ("edge-npu", "tpu"):  # mappings searched by the first score, remembered by the rest
        work = hw.workload("llama-2-7b", "decode")
        start = time.perf_counter()
        hw.score(work, name, "w=int8/channel; a=int8/tensor")
        first = (time.perf_counter() - start) * 1e3
        again = best(lambda work=work, name=name: hw.score(work, name, "w=int8/channel; a=int8/tensor"), 5)
        print(f"score llama-2-7b decode on {name}: first {first:8.1f} ms (kernels compiled or loaded), then {again:6.2f} ms")
    axes = (range(8, 72, 4 if SHORT else 1), range(4, 68, 2), (64, 128, 256, 512), (0.5, 1.0, 1.5, 2.0))
    designs = pd.DataFrame(list(itertools.product(*axes)), columns=["height", "width", "dram_bits_per_cycle", "clock_ghz"])
    work = hw.workload("llama-2-7b", "decode")
    ms = best(lambda: hw.score_many(work, designs, "bitmod@j25", "int4/g128"), 3)
    print(f"score_many {len(designs)} designs x {len(work)} layers: {len(designs) * len(work) / ms / 1e3:6.2f} million layers/s")
    unit = best(lambda: hw.unit("fp32", weight="e2m1", activation="float16").cost("nangate45"), repeats)
    print(f"unit and cost, seen before {unit * 1e3:8.1f} us")
    widths = iter(range(100, 4000))
    fresh = best(lambda: hw.unit(f"int{next(widths) % 40 + 20}", weight="int8", activation="int7").cost("nangate45", "area"), 20)
    print(f"unit and cost, new         {fresh:8.2f} ms")


if __name__ == "__main__":
    main()
