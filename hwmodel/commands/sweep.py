"""`hwmodel sweep`: the points of a space computed into a store, and what is in a store."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from hwmodel.commands.arguments import listed, positive, print_frame

_OUT = (".csv", ".parquet", ".html")
_SHOWN = 20  # rows in the terminal
_RESULTS = ("energy_j", "latency_s", "area_mm2", "lut", "dsp", "bram18", "perplexity", "accuracy", "sqnr_db")
_STOPPED = 1
_INTERRUPTED = 130


def add_sweep(commands: Any) -> None:
    """The arguments of the command."""
    made = commands.add_parser(
        "sweep",
        help="many designs, stored as they are done",
        description="Price every point of a space (a YAML file: lists are axes, single values are fixed) and store the results as "
        "they come. The same command goes on where the last one stood. With --show, without a space: what a store holds.",
    )
    made.add_argument("space", nargs="?", help="YAML file of axes: see docs/sweeps.md")
    made.add_argument("--store", metavar="FILE", help="SQLite file of the results; without it they are kept for --out only")
    made.add_argument("--reuse", action="append", default=[], metavar="FILE", help="copy points from this store; may be repeated")
    made.add_argument("--show", action="store_true", help="print the store instead of computing")
    made.add_argument("--workers", type=positive, default=1, help="processes (default: 1)")
    made.add_argument("--strategy", default="grid", help="grid (default), random, lhs, optuna-nsga2, optuna-tpe, pymoo-nsga2")
    made.add_argument("--count", type=positive, help="points of every strategy but grid")
    made.add_argument("--seed", type=int, default=0, help="default: 0")
    made.add_argument("--population", type=positive, help="points that a search asks for at a time")
    made.add_argument("--minimize", default="", help="comma-separated results: the front is printed, a search works towards it")
    made.add_argument("--maximize", default="", help="the same, upwards")
    made.add_argument("--evaluate", metavar="MODULE:FUNCTION", help="a function of a point instead of hwmodel's own prices")
    made.add_argument("--retry-failed", action="store_true", help="compute failed points again")
    made.add_argument("--stop-on-failure", action="store_true", help="end at the first point that fails")
    made.add_argument("--out", action="append", default=[], metavar="FILE", help=f"write {', '.join(_OUT)}; may be repeated")
    made.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compute or show; returns the exit code: 0, 1 where the sweep stopped before its end, 130 after Ctrl-C."""
    for name in arguments.out:
        if Path(name).suffix.lower() not in _OUT:
            raise ValueError(f"--out {name!r} has suffix {Path(name).suffix!r}; use one of {', '.join(_OUT)}")
    goals: dict[str, Any] = {"minimize": listed(arguments.minimize), "maximize": listed(arguments.maximize)}
    if arguments.show:
        if not arguments.store or arguments.space or arguments.out:
            raise ValueError("--show takes --store FILE, and neither a space nor --out")
        return _show(arguments.store, goals)
    if not arguments.space:
        raise ValueError("no space: give a YAML file, or --store FILE --show to see a store")
    from hwmodel.search.sweeps.executors import SweepStopped
    from hwmodel.search.sweeps.sweep import sweep

    options: dict[str, Any] = {n: getattr(arguments, n) for n in ("strategy", "count", "seed", "population", "store", "workers")}
    options |= {n: getattr(arguments, n) for n in ("retry_failed", "stop_on_failure", "reuse")}
    try:
        made = sweep(Path(arguments.space), _function(arguments.evaluate), **options, **goals)
    except SweepStopped as error:
        print(f"hwmodel: {error}", file=sys.stderr)
        return _STOPPED
    except KeyboardInterrupt:  # the sweep has said what is stored
        return _INTERRUPTED
    except ImportError as error:
        raise ValueError(str(error)) from error
    for name in arguments.out:
        try:
            options = goals if name.lower().endswith(".html") else {}
            getattr(made, f"to_{Path(name).suffix.lower()[1:]}")(name, **options)
        except ImportError as error:
            raise ValueError(f"--out {name}: {error}") from error
    _table(made.frame(), list(made.space.names), goals)
    print(made, file=sys.stderr)
    return 0


def _function(text: str | None) -> Any:
    """The function of --evaluate."""
    if text is None:
        return None
    module, _, name = text.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"--evaluate {text!r}: {error}; write MODULE:FUNCTION, such as mine:cost for cost in mine.py") from error


def _show(store: str, goals: dict[str, list[str]]) -> int:
    from hwmodel.search.sweeps.reading import read_store

    frame = read_store(store)
    said = frame.attrs["store"]
    of = f" of {said['count']}" if said["count"] is not None else ""
    _table(frame, said["question"]["names"], goals)
    print(f"{store}: {said['stored']}{of} points stored, {said['failed']} failed", file=sys.stderr)
    return 0


def _table(frame: Any, axes: list[str], goals: dict[str, list[str]]) -> None:
    """The front, or the first rows: axes and what is compared, or else the main results."""
    shown, what = frame, "points"
    if goals["minimize"] or goals["maximize"]:
        from hwmodel.search.fronts.pareto import pareto

        shown, what = pareto(frame, goals["minimize"], goals["maximize"]), "points on the front"
    known = [*goals["minimize"], *goals["maximize"]] or [c for c in _RESULTS if c in shown.columns]
    shown = shown[list(dict.fromkeys([*(a for a in axes if a in shown.columns), *(known or shown.columns)]))]
    more = f"{len(shown)} {what}" + (f", the first {_SHOWN} shown" if len(shown) > _SHOWN else "")
    print_frame(shown.head(_SHOWN).reset_index(), caption=more)
