"""Long arrays on several cores: kernels release the interpreter's lock, so plain threads run them side by side.

The number of threads is Numba's (`numba.set_num_threads`, NUMBA_NUM_THREADS). Idle threads sleep, they do not spin. Each element's
result depends on the element and its index alone, so results do not depend on the number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numba

ALIGN = 4096  # pieces begin at multiples of this
SERIAL = 1 << 17  # below, a second thread costs more than it brings
_PIECE = 1 << 18

_pool: ThreadPoolExecutor | None = None
_here = threading.local()  # .inside: this thread works on a piece, which is not cut again


def _forget() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)  # a child process has none of its parent's threads


def _executor() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
        _pool = ThreadPoolExecutor(most, thread_name_prefix="numfmt")
    return _pool


def in_pieces(size: int, work: Callable[[int, int], int], piece: int = 0, serial: int = SERIAL) -> int:
    """Sum of work(start, stop) over pieces that cover range(size), on as many threads as `numba.get_num_threads()` says.

    piece: length of a piece, for other units than elements (rows); below `serial` all is one piece.
    """
    if size < serial or getattr(_here, "inside", False) or (threads := numba.get_num_threads()) == 1:
        return work(0, size)
    piece = piece or min(_PIECE, -(-size // (4 * threads * ALIGN)) * ALIGN)
    starts = count(0, piece)

    def some() -> int:
        total = 0
        _here.inside = True
        try:
            while (start := next(starts)) < size:  # next() on a count is atomic
                total += work(start, min(start + piece, size))
        finally:
            _here.inside = False
        return total

    others = [_executor().submit(some) for _ in range(threads - 1)]
    try:
        total = some()
    finally:
        done = [other.exception() for other in others]  # never leave while a thread still writes to the caller's arrays
    for error in done:
        if error is not None:
            raise error
    return total + sum(other.result() for other in others)


def in_groups(shape: tuple[int, int], work: Callable[[int, int], int]) -> int:
    """Sum of work(start, stop) over the groups of an array (groups, size), on several threads where it is long."""
    groups, size = shape
    if groups * size < SERIAL:
        return work(0, groups)
    return in_pieces(groups, work, piece=max(1, _PIECE // size), serial=0)
