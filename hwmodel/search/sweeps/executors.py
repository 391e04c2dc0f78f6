"""Where points are computed: here, in processes of this machine, or wherever an executor takes them."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

from hwmodel._checks import positive_int, unknown

NAMES = ("serial", "processes")
# Results do not depend on the number of threads, and processes side by side take one each; a user's own setting stays.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class SweepStopped(RuntimeError):
    """A sweep that could not go on; what was computed is stored."""


class Work(ABC):
    """Tasks handed to an executor, given back as they end. `workers` are busy at once; None where only the executor knows."""

    workers: int | None = 1

    @abstractmethod
    def submit(self, tag: Any, task: Callable[..., Any], *arguments: Any) -> None:
        """Hand over a task."""

    @abstractmethod
    def ended(self) -> tuple[list[tuple[Any, Any]], Exception | None]:
        """Wait for a task to end; the tags and results of all that have ended, and what the executor raised for another."""

    def cancel(self) -> int:
        """Drop what has not begun; how many tasks still run."""
        return 0


class Here(Work):
    """In this process, one after the other."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Any, Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, tag: Any, task: Callable[..., Any], *arguments: Any) -> None:
        self._waiting.append((tag, task, arguments))

    def ended(self) -> tuple[list[tuple[Any, Any]], Exception | None]:
        tag, task, arguments = self._waiting.pop(0)
        return [(tag, task(*arguments))], None

    def cancel(self) -> int:
        self._waiting.clear()
        return 0


class There(Work):
    """Any executor with `submit` whose futures have `add_done_callback` (or `done`, which is then asked for)."""

    def __init__(self, executor: Any, workers: int | None) -> None:
        self._executor, self.workers = executor, workers
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._running: dict[int, tuple[Any, Any]] = {}
        self._asked: set[int] = set()  # tasks whose futures cannot call back
        self._number = 0

    def submit(self, tag: Any, task: Callable[..., Any], *arguments: Any) -> None:
        future = self._executor.submit(task, *arguments)
        self._number += 1
        number = self._number
        self._running[number] = tag, future
        if hasattr(future, "add_done_callback"):
            future.add_done_callback(lambda _: self._ended.put(number))
        else:
            self._asked.add(number)

    def ended(self) -> tuple[list[tuple[Any, Any]], Exception | None]:
        found: list[tuple[Any, Any]] = []
        error: Exception | None = None
        while not found and error is None:
            for number in self._numbers():
                if number not in self._running:  # dropped meanwhile
                    continue
                tag, future = self._running.pop(number)
                try:
                    found.append((tag, future.result()))
                except Exception as raised:  # the others are kept all the same
                    error = error or raised
        return found, error

    def _numbers(self) -> list[int]:
        """Tasks that have ended, after a wait for the first of them."""
        for number in sorted(self._asked):
            future = self._running[number][1]
            if not hasattr(future, "done") or future.done():
                self._asked.remove(number)
                self._ended.put(number)
                break
        numbers = []
        try:
            numbers.append(self._ended.get(timeout=0.02 if self._asked else 3600.0))
            while True:
                numbers.append(self._ended.get_nowait())
        except queue.Empty:
            return numbers

    def cancel(self) -> int:
        for number, (_, future) in list(self._running.items()):
            if hasattr(future, "cancel") and future.cancel():
                del self._running[number]
                self._asked.discard(number)
        return len(self._running)


@contextmanager
def work(executor: Any, workers: int | None) -> Iterator[Work]:
    """Where a sweep computes: None ("serial", or "processes" with more than one worker), a name, or an executor of the caller's,
    which stays open. Raises ValueError for anything without `submit`."""
    if workers is not None:
        positive_int("workers", workers)
    if executor is None:
        executor = "processes" if (workers or 1) > 1 else "serial"
    if isinstance(executor, str):
        if executor not in NAMES:
            raise unknown(
                "executor", executor, NAMES, "(or an object with submit: concurrent.futures, Dask's Client, hw.ray_executor())"
            )
        if executor == "serial":
            yield Here()
            return
        count = workers or os.cpu_count() or 1
        with _processes(count) as pool:
            yield There(pool, count)
        return
    if getattr(executor, "__name__", "") == "ray":
        executor = ray_executor()
    if hasattr(executor, "get_executor") and hasattr(executor, "scheduler_info"):  # Dask's Client
        count = workers or max(1, len(executor.scheduler_info(n_workers=-1).get("workers", ())))
        yield There(executor.get_executor(pure=False), count)
        return
    if not callable(getattr(executor, "submit", None)):
        raise ValueError(
            f"executor is {executor!r}, which has no submit; give 'serial', 'processes', an executor of concurrent.futures or"
            " one like it, Dask's Client, or hw.ray_executor()"
        )
    found = workers or getattr(executor, "_max_workers", None) or os.cpu_count()
    yield There(executor, int(found or 1))


def check_sendable(what: str, thing: Any, executor: Any, workers: int | None) -> None:
    """ValueError where processes of concurrent.futures could not get it: functions must be at the top level of a module."""
    own = executor == "processes" or (executor is None and (workers or 1) > 1)
    if not own and type(executor).__name__ != "ProcessPoolExecutor":
        return
    try:
        pickle.dumps(thing)
    except Exception as error:
        raise ValueError(
            f"{what} is {thing!r}, which other processes cannot get ({error}); define it at the top level of a module, or use"
            " executor='serial'"
        ) from error


@contextmanager
def _processes(count: int) -> Iterator[Any]:
    """A pool of processes that start anew (no fork: threads and locks of this one stay here) and end with the block."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        with _environment():
            yield pool
    except BaseException:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise
    pool.shutdown()


def _begin() -> None:
    """Ctrl-C reaches the whole group of processes; the one that sweeps decides. A worker ends with that one, however it ends: its
    queue alone would keep it waiting for ever."""
    import multiprocessing

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def _environment() -> Iterator[None]:
    missing = [name for name in _ONE_THREAD if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "1"))
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


class RayExecutor(AbstractContextManager["RayExecutor"]):
    """Ray as an executor: `submit` runs a remote task and gives a future of concurrent.futures."""

    def __init__(self, **options: Any) -> None:
        try:
            ray: Any = import_module("ray")
        except ImportError as error:
            raise ImportError("Ray is not installed: install ray, or use executor='processes'") from error
        self._ray, self._own = ray, not ray.is_initialized()
        if self._own:
            ray.init(**options)
        self._max_workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._call = ray.remote(max_retries=0)(_call)

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Any:
        return self._call.remote(task, *arguments).future()

    def shutdown(self) -> None:
        """Ends Ray, if it was started here."""
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()

    def __exit__(self, *_: object) -> None:
        self.shutdown()


def _call(task: Callable[..., Any], *arguments: Any) -> Any:
    return task(*arguments)


def ray_executor(**options: Any) -> RayExecutor:
    """An executor that runs on Ray (extra `cluster`); starts Ray with `options` of ray.init where it does not run yet.

    Use it in a `with` block, or call `.shutdown()`: that ends a Ray that was started here. Raises ImportError without Ray.
    """
    return RayExecutor(**options)
