"""Best time of a call, the machine's limits and a table of rows, for the benchmarks of this folder.

L is the plain float32 scale loop (read, multiply, write) in Numba into a given array, in the same process: `scale_loop`, from
memory L, in cache L'. Every ratio is of best times of runs of both sides taken in turn, into given outputs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

SHORT = "--short" in sys.argv[1:]
MEMORY = 10**6 if SHORT else 10**7  # elements: far beyond the caches
CACHE = 1 << 17  # elements: float32 in and out, 1 MB, stay in a second-level cache of 2 MB


def data(n: int, scale: float = 4.0) -> np.ndarray:
    """Normal numbers, float32."""
    return (np.random.default_rng(0).standard_normal(n) * scale).astype(np.float32)


def seconds(call: Callable[[], object], repeats: int | None = None) -> float:
    """Best time of `repeats` calls after one that compiles and warms up."""
    call()
    best = float("inf")
    for _ in range(repeats or (2 if SHORT else 7)):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def ratio(call: Callable[[], object], limit: Callable[[], object], repeats: int | None = None) -> float:
    """Speed of `call` over that of `limit`, the best of runs taken in turn, so that other load on the machine hits both."""
    call(), limit()
    ours = theirs = float("inf")
    for _ in range(repeats or (3 if SHORT else 15)):
        for name, what in (("ours", call), ("limit", limit)):
            start = time.perf_counter()
            what()
            took = time.perf_counter() - start
            if name == "ours":
                ours = min(ours, took)
            else:
                theirs = min(theirs, took)
    return theirs / ours


@numba.njit(error_model="numpy", nogil=True)
def scale_loop(x: np.ndarray, out: np.ndarray) -> None:
    """The limit L: read, multiply, write float32."""
    for i in range(x.size):
        out[i] = x[i] * np.float32(1.5)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """That many threads within."""
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def scaling(call: Callable[[], object], repeats: int = 15) -> float:
    """Speed of `call` on two threads over that on one, taken in turn."""

    def on(count: int) -> Callable[[], object]:
        def run() -> None:
            with threads(count):
                call()

        return run

    return ratio(on(2), on(1), repeats)


@dataclass
class Row:
    """One line of a benchmark: what was reached against what the project set as a goal (None: no goal, for comparison)."""

    job: str
    unit: str  # what the ratio counts: L, L', x ml_dtypes, ...
    reached: float
    goal: float | None = None


def show(rows: Iterable[Row]) -> None:
    """Print rows as a table, each as soon as it is measured, under the load of the machine."""
    load = " ".join(Path("/proc/loadavg").read_text().split()[:2]) if Path("/proc/loadavg").exists() else "unknown"
    print(f"load {load}")
    print(f"{'job':62} {'reached':>9} {'goal':>7}  unit")
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:.2f}"
        mark = "" if row.goal is None or row.reached >= row.goal else "  below"
        print(f"{row.job:62} {row.reached:9.2f} {goal:>7}  {row.unit}{mark}", flush=True)
