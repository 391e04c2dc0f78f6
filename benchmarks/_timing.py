"""Best time of a call, for the benchmarks of this folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

SHORT = "--short" in sys.argv[1:]


def seconds(call: Callable[[], object], repeats: int | None = None) -> float:
    """Best time of `repeats` calls after one that compiles and warms up."""
    call()
    best = float("inf")
    for _ in range(repeats or (2 if SHORT else 7)):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
