"""Searches that learn from results: optuna and pymoo behind one pair of questions, what next and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Any, Protocol

import numpy as np

from hwmodel.search.sweeps.samplers import from_units
from hwmodel.search.sweeps.space import Space
from hwmodel.search.sweeps.values import Span

POPULATION = {"optuna-nsga2": 50, "optuna-tpe": 10, "pymoo-nsga2": 50}
_BAD = 1e30  # an objective of a point that has none: worse than any


class Asker(Protocol):
    """Ask for points (one code for each group), then tell the values to minimise, or None for points without results."""

    def ask(self, count: int) -> list[tuple[Any, ...]]: ...

    def tell(self, values: Sequence[Sequence[float] | None]) -> None: ...


def asker(strategy: str, space: Space, objectives: int, population: int, seed: int) -> Asker:
    """The search of a strategy; the same seed and the same answers give the same questions. Raises ImportError with the remedy."""
    library = strategy.partition("-")[0]
    try:
        if library == "optuna":
            return _Optuna(strategy, space, objectives, population, seed)
        return _Pymoo(space, objectives, population, seed)
    except ImportError as error:
        raise ImportError(f"strategy {strategy!r} needs {library}: install numfmt-hwmodel[search]") from error


def library_version(strategy: str) -> str:
    """The library and version that decides which points are asked for."""
    library = strategy.partition("-")[0]
    try:
        return f"{library} {metadata.version(library)}"
    except metadata.PackageNotFoundError as error:
        raise ImportError(f"strategy {strategy!r} needs {library}: install numfmt-hwmodel[search]") from error


def ordered(space: Space) -> list[bool]:
    """For each group, whether its values are numbers that go up or down, so that neighbours are alike."""
    found = []
    for group in space.groups:
        values = space.axes[group[0]]
        if isinstance(values, Span):
            found.append(True)
            continue
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        found.append(len(numbers) == len(values) and numbers in (sorted(numbers), sorted(numbers, reverse=True)))
    return found


class _Optuna:
    def __init__(self, strategy: str, space: Space, objectives: int, population: int, seed: int) -> None:
        optuna: Any = import_module("optuna")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._spread: dict[str, Any] = {}
        for i, (size, neighbours) in enumerate(zip(space.sizes, ordered(space), strict=True)):
            if not size:
                self._spread[str(i)] = optuna.distributions.FloatDistribution(0.0, 1.0)
            elif neighbours:
                self._spread[str(i)] = optuna.distributions.IntDistribution(0, size - 1)
            else:
                self._spread[str(i)] = optuna.distributions.CategoricalDistribution(tuple(range(size)))
        made = optuna.samplers.TPESampler if strategy == "optuna-tpe" else optuna.samplers.NSGAIISampler
        options = {} if strategy == "optuna-tpe" else {"population_size": population}
        self._study = optuna.create_study(directions=["minimize"] * objectives, sampler=made(seed=seed, **options))
        self._open: list[Any] = []

    def ask(self, count: int) -> list[tuple[Any, ...]]:
        self._open = [self._study.ask(self._spread) for _ in range(count)]
        return [tuple(trial.params[name] for name in self._spread) for trial in self._open]

    def tell(self, values: Sequence[Sequence[float] | None]) -> None:
        failed = self._optuna.trial.TrialState.FAIL
        for trial, found in zip(self._open, values, strict=True):
            if found is None:
                self._study.tell(trial, state=failed)
            else:
                self._study.tell(trial, list(found))


class _Pymoo:
    """NSGA-II on the unit cube: the values of an axis are equal shares of its side."""

    def __init__(self, space: Space, objectives: int, population: int, seed: int) -> None:
        NSGA2 = import_module("pymoo.algorithms.moo.nsga2").NSGA2
        Problem = import_module("pymoo.core.problem").Problem
        self._space, self._objectives = space, objectives
        self._problem = Problem(n_var=len(space.groups), n_obj=objectives, n_ieq_constr=1, xl=0.0, xu=1.0)
        self._search = NSGA2(pop_size=population)
        self._search.setup(self._problem, termination=("n_gen", 1 << 40), seed=seed, verbose=False)
        self._asked: Any = None

    def ask(self, count: int) -> list[tuple[Any, ...]]:
        self._asked = self._search.ask()
        codes = from_units(self._space, np.asarray(self._asked.get("X"), dtype=np.float64))
        return list(zip(*(column.tolist() for column in codes), strict=True))[:count]

    def tell(self, values: Sequence[Sequence[float] | None]) -> None:
        if len(values) < len(self._asked):  # the last generation, cut short: nothing is asked after it
            return
        rows = [[_BAD] * self._objectives if v is None else list(v) for v in values]
        broken = [[1.0] if v is None else [0.0] for v in values]
        static = import_module("pymoo.problems.static").StaticProblem(self._problem, F=np.array(rows), G=np.array(broken))
        import_module("pymoo.core.evaluator").Evaluator().eval(static, self._asked)
        self._search.tell(infills=self._asked)


def objective_values(result: dict[str, Any], minimize: Sequence[str], maximize: Sequence[str]) -> list[float] | None:
    """What a search is told of a result: values to minimise, None where one is no finite number. ValueError for unknown names."""
    found = []
    for names, sign in ((minimize, 1.0), (maximize, -1.0)):
        for name in names:
            if name not in result:
                known = ", ".join(result)
                raise ValueError(f"the objective {name!r} is not among the results of a point; they are {known}")
            value = result[name]
            if not isinstance(value, int | float) or not math.isfinite(value):
                return None
            found.append(sign * float(value))
    return found
