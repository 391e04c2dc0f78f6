"""Points handed out, results stored as they come."""

from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hwmodel.search.sweeps.executors import Here, SweepStopped, Work
from hwmodel.search.sweeps.samplers import Points
from hwmodel.search.sweeps.store import MEMORY, Store
from hwmodel.search.sweeps.tasks import block, one

BLOCK = 1 << 14  # points computed together
_COPIED = 1000  # points of other stores written together
Task = tuple[int, int]  # first point and one past the last; (p, p) is point p alone
Progress = Callable[[int], None]


@dataclass
class Job:
    """A sweep under way: where results go, how they are computed, how many were."""

    store: Store
    evaluate: Any
    work: Work
    key: Callable[[dict[str, Any]], bytes]
    names: tuple[str, ...]
    stop_on_failure: bool
    step: Progress
    known: Mapping[bytes, tuple[str, float]] = field(default_factory=dict)
    computed: int = 0

    def run(self, tasks: Iterable[Task], points: Callable[[int], dict[str, Any]], columns: Any = None) -> None:
        """Compute and store every task; at most a few more than there are workers are under way.

        Raises SweepStopped where the executor fails, or where a point does and that stops the sweep. Ctrl-C: nothing new begins,
        what runs is awaited and stored, then KeyboardInterrupt; a second one drops what runs.
        """
        todo, running = iter(tasks), 0
        most = 1 if isinstance(self.work, Here) else 2 * (self.work.workers or 1)
        more = True
        with _asked_to_stop() as stop:
            while more or running:
                while more and running < most and not stop:
                    task = next(todo, None)
                    more = task is not None
                    if task is not None:
                        self._submit(task, points, columns)
                        running += 1
                if stop and more:
                    running, more = self.work.cancel(), False
                if running:
                    running -= self._ended()
        if stop:
            print(f"interrupted: {self.safe()}", file=sys.stderr)
            raise KeyboardInterrupt

    def unknown(self, tasks: Iterable[Task], points: Callable[[int], dict[str, Any]]) -> Iterator[Task]:
        """The tasks that other stores do not answer; what they do is stored."""
        rows = []
        for task in tasks:
            found = self.known.get(self.key(points(task[0]))) if self.known else None
            if found is None:
                yield task
                continue
            rows.append(self._row(task[0], points(task[0]), True, json.loads(found[0]), found[1]))
            if len(rows) == _COPIED:
                self._take(rows)
        self._take(rows)

    def _take(self, rows: list[Any]) -> None:
        if rows:
            self.store.put_points(rows)
            self.step(len(rows))
            rows.clear()

    def _submit(self, task: Task, points: Callable[[int], dict[str, Any]], columns: Any) -> None:
        start, stop = task
        if start == stop:
            arguments: tuple[Any, ...] = (one, self.evaluate, points(start))
            tag: Any = (start, stop, arguments[2])
        else:
            made = columns(start, stop)
            arguments, tag = (block, self.evaluate, made, stop - start), (start, stop, made)
        try:
            self.work.submit(tag, *arguments)
        except Exception as error:
            raise self._died(error) from error

    def _ended(self) -> int:
        """Wait for tasks, store all that have ended; how many."""
        found, error = self.work.ended()
        self._keep(found)
        if error is not None:
            raise self._died(error) from error
        return len(found)

    def _died(self, error: Exception) -> SweepStopped:
        text = str(error) or type(error).__name__
        return SweepStopped(
            f"the executor failed ({type(error).__name__}: {text}): a worker ended, was killed (for memory, say) or could not load"
            f" the evaluator; {self.safe()}"
        )

    def safe(self) -> str:
        """How much is stored and how to go on."""
        count = self.store.stored()
        if self.store.path == MEMORY:
            return f"{count} points were computed, but there is no store (store=), so that they are lost"
        return f"{count} points are stored in {self.store.path!r}; the same call with the same store goes on from there"

    def _keep(self, ended: Iterable[tuple[Any, Any]]) -> None:
        """Points that ended together in one transaction, each block in one of its own."""
        failed: list[tuple[int, str]] = []
        rows, number = [], 0
        for (start, stop, given), result in ended:
            number += max(1, stop - start)
            if start == stop:
                done, found, seconds = result
                rows.append(self._row(start, given, done, found, seconds))
                failed += [] if done else [(start, found["error"])]
            else:
                columns, errors, seconds = result
                failed += [(start + row, text) for row, text in errors]
                lost = [self._row(start + row, self._point(given, row), False, {"error": text}, 0.0) for row, text in errors]
                self.store.put_block(start, {**given, **columns}, lost)
        if rows:
            self.store.put_points(rows)
        self.computed += number
        self.step(number)
        if failed and self.stop_on_failure:
            raise SweepStopped(f"point {failed[0][0]} failed: {failed[0][1]}; {self.safe()}")

    def _row(self, position: int, point: dict[str, Any], done: bool, found: dict[str, Any], seconds: float) -> Any:
        from hwmodel.search.sweeps.blocks import row_text

        return position, self.key(point), done, row_text({n: point[n] for n in self.names}), found, seconds

    def _point(self, columns: dict[str, np.ndarray], row: int) -> dict[str, Any]:
        values = {n: c[row] for n, c in columns.items()}
        return {**self.evaluate.fixed, **{n: v.item() if isinstance(v, np.generic) else v for n, v in values.items()}}


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that is no longer empty after the first Ctrl-C; the second raises KeyboardInterrupt. Only the main thread listens."""
    asked: list[int] = []
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield asked
        return

    def note(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        print("interrupted: finishing the points that run; Ctrl-C again drops them", file=sys.stderr)

    signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pending(store: Store, count: int, together: bool, retry_failed: bool) -> tuple[Iterator[Task], int]:
    """What is still to be computed, and how many points that is: blocks where points are computed together, else single points."""
    open_ = np.ones(count, dtype=np.bool_)
    for first, number in store.blocks():
        open_[first : first + number] = False
    open_[store.positions(done=True)] = False
    failed = store.positions(done=False)
    open_[failed] = False
    again = failed.tolist() if retry_failed else []
    fresh = _runs(open_) if together else ((p, p) for p in _places(open_))
    return itertools.chain(fresh, ((p, p) for p in again)), int(open_.sum()) + len(again)


def _places(open_: np.ndarray) -> Iterator[int]:
    """Open points, listed a stretch at a time."""
    for start in range(0, len(open_), BLOCK):
        yield from (start + np.flatnonzero(open_[start : start + BLOCK])).tolist()


def _runs(open_: np.ndarray) -> Iterator[Task]:
    """Stretches of open points, cut at multiples of BLOCK."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], open_, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        while start < stop:
            end = min(stop, (start // BLOCK + 1) * BLOCK)
            yield (start, end)
            start = end


def single(points: Points) -> Callable[[int], dict[str, Any]]:
    """A point by its number; a stretch of them is made at a time."""
    size, held = 512, {"first": -1, "points": []}

    def get(position: int) -> dict[str, Any]:
        first = position // size * size
        if held["first"] != first:
            held["points"] = points.points(first, min(first + size, points.count))
            held["first"] = first
        return held["points"][position - first]  # type: ignore[index]

    return get


@contextmanager
def progress(shown: bool | None, total: int | None, done: int) -> Iterator[Progress]:
    """A bar with rate and time left on the error stream; none where that is no terminal, or with progress=False."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if shown is False or (shown is None and not console.is_terminal):
        yield lambda n: None
        return
    columns = (TextColumn("sweep"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task, start, made = bar.add_task("sweep", total=total, completed=done, rate=""), time.perf_counter(), [0]

        def step(number: int) -> None:
            made[0] += number
            bar.update(task, advance=number, rate=f"{made[0] / max(1e-9, time.perf_counter() - start):.3g}/s")

        yield step
