"""scipy's mixed-integer programmes (HiGHS) without the lines of debugging that HiGHS prints from C whatever its options say.

They would stand in the middle of a command's JSON.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_lock = threading.Lock()
_state = {"inside": 0, "kept": -1}


def milp(objective: Any, **problem: Any) -> Any:
    """`scipy.optimize.milp`, silent."""
    from scipy.optimize import milp as solve

    with _silent():
        return solve(objective, **problem)


@contextmanager
def _silent() -> Iterator[None]:
    """Standard output of the process leads nowhere while any thread is inside."""
    with _lock:
        if not _state["inside"]:
            _flush()
            with suppress(OSError):  # a process without standard output
                _state["kept"] = os.dup(1)
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1)
                os.close(null)
        _state["inside"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["inside"] -= 1
            if not _state["inside"] and _state["kept"] >= 0:
                _flush()
                os.dup2(_state["kept"], 1)
                os.close(_state["kept"])
                _state["kept"] = -1


def _flush() -> None:
    """What Python and C hold back goes where standard output leads now."""
    with suppress(AttributeError, OSError, ValueError):
        sys.stdout.flush()
    with suppress(AttributeError, OSError, TypeError):  # no C library by that name on Windows
        ctypes.CDLL(None).fflush(None)
