"""One point or one block of points computed, wherever that is: errors of a point become its failure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from hwmodel.search.sweeps.blocks import plain_result

Failed = list[tuple[int, str]]


def one(evaluate: Any, point: dict[str, Any]) -> tuple[bool, dict[str, Any], float]:
    """Whether there is a result, the result or {"error": message}, seconds."""
    start = time.perf_counter()
    try:
        found, done = plain_result(evaluate(dict(point))), True
        if clash := [n for n in found if n in point or n == "point"]:
            raise ValueError(
                f"the evaluator returned {clash[0]!r}, which is the name of an axis, of a fixed value or of the number of a point;"
                " name it otherwise"
            )
    except Exception as error:
        found, done = {"error": message(error)}, False
    return done, found, time.perf_counter() - start


def block(evaluate: Any, columns: Mapping[str, Any], count: int) -> tuple[dict[str, np.ndarray], Failed, float]:
    """Results of many points as columns (of any value where a point failed), failures by row, seconds."""
    start = time.perf_counter()
    found, failed = evaluate.batch(columns, count)
    return found, failed, time.perf_counter() - start


def message(error: BaseException) -> str:
    """An exception as text: its kind, unless it is a plain refusal, and what it says."""
    text = str(error) or "no message"
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
