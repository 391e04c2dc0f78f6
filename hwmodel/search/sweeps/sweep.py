"""Many designs computed, stored as they are done, and found again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwmodel._checks import positive_int, unknown
from hwmodel.search.sweeps.asking import POPULATION, asker, library_version, objective_values
from hwmodel.search.sweeps.checked import StoreError
from hwmodel.search.sweeps.executors import check_sendable, work
from hwmodel.search.sweeps.identity import identity, network_digest, own
from hwmodel.search.sweeps.result import Sweep
from hwmodel.search.sweeps.reuse import Known, key_of, known_points
from hwmodel.search.sweeps.running import Job, pending, progress, single
from hwmodel.search.sweeps.samplers import SEARCHES, STRATEGIES, Points, sampled
from hwmodel.search.sweeps.space import Space
from hwmodel.search.sweeps.space import space as read_space
from hwmodel.search.sweeps.store import MEMORY, Store

if TYPE_CHECKING:
    import pandas as pd

Evaluate = Callable[[dict[str, Any]], Mapping[str, Any]]
_IDLE = 20  # generations without a new point after which a search ends


def sweep(
    space: Space | Mapping[str, Any] | str | Path,
    evaluate: Evaluate | None = None,
    *,
    work: pd.DataFrame | None = None,
    strategy: str = "grid",
    count: int | None = None,
    seed: int = 0,
    minimize: Sequence[str] = (),
    maximize: Sequence[str] = (),
    population: int | None = None,
    store: str | Path | None = None,
    reuse: str | Path | Sequence[str | Path] = (),
    executor: Any = None,
    workers: int | None = None,
    version: str | None = None,
    retry_failed: bool = False,
    stop_on_failure: bool = False,
    progress: bool | None = None,
) -> Sweep:
    """Compute the points of a space; those that are in the store already are not computed again.

    space: a mapping, YAML file or text (`hwmodel.search.sweeps.space.space`). Without `evaluate` its names are those of
    docs/sweeps.md: accelerators and their numbers, plans, datapaths, technologies, DRAM, models, devices, networks. `work` is a
    workload for all points. Two-buffer accelerators are scored in blocks (hw.score_many), memory hierarchies and FPGAs point by
    point (hw.score), and with `network` each point also runs the network bit for bit (hw.evaluate).
    evaluate: a function that takes a point (a dict) and returns one of numbers and texts; `version` says when its answers change.
    strategy: "grid", "random" or "lhs" (`count`, `seed`), or a search "optuna-nsga2", "optuna-tpe", "pymoo-nsga2" that asks for
    `count` points, `population` at a time, to improve `minimize` and `maximize`.
    store: an SQLite file; None keeps the results in memory. The same call goes on where the last one stood, also after a kill.
    reuse: other stores that the same evaluator filled (a smaller grid, a shorter sample): points that have a result in one of them
    are copied from it, not computed. For points that are computed one by one.
    executor: None ("processes" if workers > 1, else "serial"), "serial", "processes", an executor of concurrent.futures or one like
    it (loky, mpi4py), Dask's Client, hw.ray_executor(). The table does not depend on it, nor on `workers`.
    retry_failed: failed points again. stop_on_failure: the first failure ends the sweep. progress: None shows it on terminals.

    Raises ValueError for bad spaces and arguments, StoreError (a ValueError) for stores that answer another question, are damaged
    or in use, OSError where a store cannot be written, SweepStopped where the executor fails: what is stored stays.
    """
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    made = read_space(space)
    found = _evaluator(made, evaluate, work)
    goals = _goals(strategy, minimize, maximize)
    points = None if strategy in SEARCHES else sampled(made, strategy, count, seed)
    chosen = _strategy(strategy, made, count, seed, goals, population, points)
    check_sendable("evaluate", found, executor, workers)
    evaluator = _identity(made, found, version, work)
    asked = {
        "names": list(made.names),
        "space": made.document(),
        "strategy": chosen,
        "count": None if points is None else points.count,
        "evaluator": evaluator,
    }
    if reuse and own(found) and found.together:
        raise ValueError(
            "reuse is for points that are computed one by one; those of this space are scored in blocks, which takes less"
        )
    known = known_points([reuse] if isinstance(reuse, str | Path) else reuse, evaluator)
    place = None if store is None else Path(store).expanduser().absolute()  # evaluators may change the folder
    kept = Store(MEMORY if store is None else store, asked)
    done = False
    try:
        computed = _run(kept, made, points, found, chosen, executor, workers, retry_failed, stop_on_failure, progress, known)
        done = True
    finally:
        if not (done and store is None):
            kept.close()
    return Sweep(place or kept, asked, made, found, goals, computed)


def _evaluator(space: Space, evaluate: Any, work: pd.DataFrame | None) -> Any:
    if evaluate is None:
        from hwmodel.search.sweeps.checks import pricing

        return pricing(space, work)
    if not callable(evaluate):
        raise ValueError(f"evaluate is {evaluate!r}; give a function of a point, or leave it out")
    if work is not None:
        raise ValueError("work is given beside evaluate; it is for the evaluator of hwmodel, your function knows its own")
    return evaluate


def _goals(strategy: str, minimize: Sequence[str], maximize: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    low, high = ((n,) if isinstance(n, str) else tuple(n) for n in (minimize, maximize))
    if twice := next((n for n in (*low, *high) if (*low, *high).count(n) > 1), None):
        raise ValueError(f"the objective {twice!r} is named twice")
    if strategy in SEARCHES and not (low or high):
        raise ValueError(f"strategy {strategy!r} needs objectives: minimize=['energy_j', 'latency_s'], say")
    return low, high


def _strategy(
    strategy: str, space: Space, count: int | None, seed: int, goals: Any, population: int | None, points: Points | None
) -> dict[str, Any]:
    """What is remembered of how points are chosen."""
    if points is not None:
        if population is not None:
            raise ValueError(f"population is for searches; strategy {strategy!r} has none")
        sample = {} if strategy == "grid" else {"count": count, "seed": seed, "numpy": np.__version__.partition(".")[0]}
        return {"strategy": strategy, **sample}
    if count is None:
        raise ValueError(f"strategy {strategy!r} needs count: how many points it may ask for")
    positive_int("count", count)
    positive_int("seed", seed, minimum=0)
    size = positive_int("population", POPULATION[strategy] if population is None else population, minimum=2)
    asked = {"strategy": strategy, "count": count, "seed": seed, "population": size, "library": library_version(strategy)}
    return {**asked, "minimize": list(goals[0]), "maximize": list(goals[1])}


def _identity(space: Space, evaluate: Any, version: str | None, work: pd.DataFrame | None) -> dict[str, Any]:
    def values(name: str) -> list[Any]:
        return [space.fixed[name]] if name in space.fixed else list(space.axes.get(name, ()))  # type: ignore[arg-type]

    found = identity(evaluate, version, work, [str(a) for a in values("accelerator")] if own(evaluate) else [])
    if own(evaluate) and (networks := values("network")):
        found["networks"] = {str(n): network_digest(str(n)) for n in networks}
    return found


def _run(
    store: Store,
    space: Space,
    points: Points | None,
    evaluate: Any,
    chosen: Mapping[str, Any],
    executor: Any,
    workers: int | None,
    retry_failed: bool,
    stop_on_failure: bool,
    shown: bool | None,
    known: Known,
) -> int:
    """Compute what is missing; how many points that were."""
    evaluator = store.meta("question")["evaluator"]

    def key(point: dict[str, Any]) -> bytes:
        return key_of(point, evaluator)

    if points is None:
        if retry_failed:
            raise ValueError("retry_failed is for grids and samples: a search goes on from what it was told")
        with work(executor, workers) as place, progress(shown, int(chosen["count"]), 0) as step:
            job = Job(store, evaluate, place, key, space.names, stop_on_failure, step, known)
            _search(job, space, chosen)
            return job.computed
    together = own(evaluate) and evaluate.together
    tasks, left = pending(store, points.count, together, retry_failed)
    if not left:
        return 0
    with work(executor, workers) as place, progress(shown, points.count, points.count - left) as step:
        job = Job(store, evaluate, place, key, space.names, stop_on_failure, step, known)
        get = single(points)
        job.run(job.unknown(tasks, get), get, points.columns)
        return job.computed


def _search(job: Job, space: Space, chosen: Mapping[str, Any]) -> None:
    """Ask, compute what is not stored, tell; from the start each time, so that the questions are always the same."""
    goals = chosen["minimize"], chosen["maximize"]
    source = asker(chosen["strategy"], space, len(goals[0]) + len(goals[1]), chosen["population"], chosen["seed"])
    stored = {key: (position, result if done else None) for position, key, done, result in job.store.results()}
    places: dict[bytes, int] = {}
    asked = idle = 0
    while asked < chosen["count"] and idle < _IDLE:
        codes = source.ask(min(chosen["population"], chosen["count"] - asked))
        asked += len(codes)
        columns = [np.array(c) for c in zip(*codes, strict=True)]
        allowed, points = space.holds(columns).tolist(), space.points(columns)
        keys = [job.key(p) if ok else None for p, ok in zip(points, allowed, strict=True)]
        fresh: dict[int, dict[str, Any]] = {}
        idle += 1
        for key, point in zip(keys, points, strict=True):
            if key is None or key in places:
                continue
            places[key] = len(places)
            idle = 0
            if key not in stored:
                fresh[places[key]] = point
            elif stored[key][0] != places[key]:
                raise StoreError(
                    f"store {job.store.path!r}: the search asks for point {point} as number {places[key]}, it was"
                    f" number {stored[key][0]} when the store was made; other versions of libraries do that: name another store"
                )
        job.step(len(codes) - len(fresh))
        job.run(job.unknown(((p, p) for p in sorted(fresh)), fresh.__getitem__), fresh.__getitem__)
        if fresh:
            stored.update(
                {key: (position, result if done else None) for position, key, done, result in job.store.results(min(fresh))}
            )
        told = [None if key is None else _told(stored[key][1], goals) for key in keys]
        source.tell(told)
    if not places:
        raise space.nothing_left()


def _told(result: dict[str, Any] | None, goals: Any) -> list[float] | None:
    return None if result is None else objective_values(result, *goals)
