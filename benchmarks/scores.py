"""Time of one score: `python benchmarks/scores.py [--short]`. Goal: 2 ms for Llama-2-7B with identical layers folded."""

from __future__ import annotations

import time

from _timing import SHORT

import hwmodel as hw


def milliseconds(model: str, fold: bool, repeats: int) -> float:
    """Best time of one score over `repeats`."""
    work = hw.workload(model, "prefill", fold=fold)
    hw.score(work, "bitmod@j25", "bitmod4/g128")
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        hw.score(work, "bitmod@j25", "bitmod4/g128")
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def main() -> None:
    for model, fold in (("llama-2-7b", True), ("llama-2-7b", False), ("llama-3-70b", False)):
        rows = len(hw.workload(model, "prefill", fold=fold))
        print(f"{model:12} {rows:4} rows  {milliseconds(model, fold, 20 if SHORT else 200):6.2f} ms")


if __name__ == "__main__":
    main()
