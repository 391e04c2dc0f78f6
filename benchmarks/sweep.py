"""Sweeps: a million designs into a store, resuming it, the sweep's own time for a point.

Run `python benchmarks/sweep.py [--short]` (short: 40 000 designs). Peak memory is that of this process and of its workers together.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import hwmodel as hw

SHORT = "--short" in sys.argv[1:]
POINTS = 500 if SHORT else 5000


def nothing(point: dict[str, Any]) -> dict[str, Any]:
    """An evaluator that takes no time."""
    return {"y": point["a"] * 0.5, "z": point["b"]}


def hardware() -> dict[str, Any]:
    """Height x width x buffer x DRAM bandwidth x clock of BitMoD on a folded Llama-2-7B."""
    fixed = {"model": "llama-2-7b", "phase": "decode", "accelerator": "bitmod@j25", "plan": "bitmod4", "buffers": "fit"}
    axes = {
        "height": {"from": 4, "to": 64, "step": 4},
        "width": {"from": 1, "to": 1 if SHORT else 25, "step": 1},
        "weight_buffer_kib": {"log2": [5, 14]},
        "dram_gb_s": {"from": 20.0, "to": 500.0, "step": 20.0},
        "clock_ghz": {"from": 0.1, "to": 1.0, "step": 0.1},
    }
    return fixed | axes


def timed(call: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    found = call()
    return found, time.perf_counter() - start


def megabytes() -> float:
    own, others = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own / 1e3 + 2 * others / 1e3  # two workers, each at most as large as the largest


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        hw.sweep(hardware() | {"width": [1], "clock_ghz": [1.0]})  # imports and compiled kernels
        for workers in (1, 2):
            store = Path(folder) / f"designs{workers}.db"
            made, seconds = timed(lambda store=store, workers=workers: hw.sweep(hardware(), store=store, workers=workers))
            peak, size = megabytes(), store.stat().st_size / 1e6
            _, again = timed(lambda store=store: hw.sweep(hardware(), store=store))
            print(f"{made.counts['stored']} designs, {workers} workers: {seconds:.1f} s, {size:.0f} MB stored,", end=" ")
            print(f"{peak:.0f} MB peak, resumed in {again:.2f} s")
        frame, read = timed(made.frame)
        print(f"table of {len(frame)} rows in {read:.2f} s, {megabytes():.0f} MB peak")
        for workers in (1, 2):
            print(f"own time for a point, {workers} workers: {own_time(Path(folder), workers) * 1e3:.3f} ms")


def own_time(folder: Path, workers: int) -> float:
    """Seconds for a point beside its evaluation, which takes no time, once the workers have started."""
    few, many = ({"a": list(range(n)), "b": [1, 2]} for n in (10, POINTS // 2))
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        executor = pool if workers > 1 else "serial"
        hw.sweep(few, nothing, executor=executor)
        return timed(lambda: hw.sweep(many, nothing, store=folder / f"own{workers}.db", executor=executor))[1] / POINTS


if __name__ == "__main__":
    main()
