"""The `hwmodel` command."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwmodel.commands import add_allocate, add_compare, add_cost, add_list, add_pareto, add_study, add_sweep
from hwmodel.commands.arguments import plans, positive
from hwmodel.quantizing import add_parser as add_quantize
from hwmodel.show import add_parser as add_show

DEFAULT_OUT = "report"
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended
# The kernels of numfmt and the BLAS each keep a pool of threads; waiting threads of one that spin slow the other down twofold on
# few cores. Results do not depend on either setting, and a user's own setting stays. Read when the libraries load.
_QUIET_POOLS = {"OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
_SAMPLES = {"pydoc-lm": 8, "smollm2": 1}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    for name, value in _QUIET_POOLS.items():
        os.environ.setdefault(name, value)
    parser = _parser()
    arguments = parser.parse_args(argv)
    arguments.typed = shlex.join(["hwmodel", *(sys.argv[1:] if argv is None else argv)])
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        print("hwmodel: interrupted; no report was written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except ImportError as error:
        if error.name is not None:  # a fault of ours, not an optional package whose remedy the message names
            raise
        print(f"hwmodel: error: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"hwmodel: error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hwmodel",
        description="What a neural-network layer computes in a number format, bit for bit, and what the hardware for it costs.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _score_parser(commands)
    add_show(commands)
    add_quantize(commands)
    add_compare(commands)
    add_allocate(commands)
    add_cost(commands)
    add_pareto(commands)
    add_study(commands)
    add_sweep(commands)
    add_list(commands)
    return parser


def _score_parser(commands: Any) -> None:
    score = commands.add_parser(
        "score",
        help="quantize a network, emulate it bit for bit, price its hardware, write a report",
        description="Quantize a real network under several schemes, emulate every weight layer bit for bit, price the hardware "
        "that runs it, and write a report (HTML, CSV, Parquet, plots). Without arguments: the embedded language model.",
    )
    score.add_argument("--model", default="pydoc-lm", help="pydoc-lm (default), digits, smollm2, a .safetensors file or a folder")
    score.add_argument(
        "--schemes",
        help="comma-separated schemes or plans instead of the default ones, each with an optional accelerator: "
        "'int4/g128, nf4/g64 on fp16@j25, w=int8/channel; a=int8/token on systolic'",
    )
    score.add_argument("--accelerator", help="run every scheme on this one (see `hwmodel list accelerators`, or a YAML file)")
    score.add_argument("--phase", choices=["decode", "prefill"], help="phase that is priced (default: decode)")
    score.add_argument("--context", type=positive, help="tokens of context that are priced (default: 256 or the model's maximum)")
    score.add_argument("--samples", type=positive, help="held-out windows or images to measure on (default: 8 windows, or all)")
    score.add_argument("--out", default=DEFAULT_OUT, help=f"folder of the report (default: {DEFAULT_OUT})")
    score.add_argument("--json", action="store_true", help="print the summary as JSON instead of a table")
    score.set_defaults(run=_score)


def _score(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from hwmodel.models import load_network
    from hwmodel.report import check_writable, summary_table, write
    from hwmodel.study import default_entries, run_study
    from hwmodel.targets import runner

    out = Path(arguments.out)
    check_writable(out)
    acc = runner(arguments.accelerator, "hwmodel score") if arguments.accelerator else None
    notes: list[str] = []
    entries = _entries(arguments.schemes, acc) if arguments.schemes is not None else []
    samples = arguments.samples or _SAMPLES.get(arguments.model)
    status = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=status, transient=True, disable=not status.is_terminal) as bar:
        task = bar.add_task(f"loading {arguments.model}", total=None)

        def step(what: str, done: int, of: int) -> None:
            bar.update(task, description=what, completed=done, total=of)

        model = load_network(arguments.model)
        if arguments.schemes is None:
            entries, notes = default_entries(model.network, acc)
            if not entries:
                raise ValueError(f"accelerator {acc} can run none of the default schemes; name some with --schemes")
        bar.update(task, description="compiling kernels")
        study = run_study(model, entries, phase=arguments.phase, context=arguments.context, samples=samples, notes=notes, step=step)
        bar.update(task, description="writing the report")
        left_out = write(study, out, command=arguments.typed)
    if arguments.json:
        print(json.dumps(json.loads(study.summary().to_json(orient="records")), indent=1))
    else:
        Console().print(summary_table(study))
    for line in [*notes, *left_out]:
        status.print(f"note: {line}", markup=False)
    status.print(f"report: {out / 'index.html'}", markup=False, soft_wrap=True)
    return 0


def _entries(text: str, acc: Any) -> list[Any]:
    """The plans of --schemes, each on its accelerator."""
    from hwmodel.study import Entry, matching_accelerator
    from hwmodel.targets import runner
    from numfmt import Plan

    entries = []
    for plan_text, name in plans(text):
        if name and acc is not None:
            raise ValueError(f"--schemes names accelerator {name!r} and --accelerator {str(acc)!r}; give only one of them")
        plan = Plan.parse(plan_text)
        entries.append(Entry(plan, runner(name, "hwmodel score") if name else acc or matching_accelerator(plan)))
    return entries


if __name__ == "__main__":
    sys.exit(main())
