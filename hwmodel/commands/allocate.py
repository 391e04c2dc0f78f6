"""`hwmodel allocate`: the best scheme for every layer of a model under budgets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hwmodel.commands.arguments import listed, positive, print_frame

_SUFFIXES = (".csv", ".json", ".yaml", ".yml")


def add_allocate(commands: Any) -> None:
    """The arguments of the command."""
    made = commands.add_parser(
        "allocate",
        help="the best scheme for every layer under budgets",
        description="Choose a scheme for every layer of a model so that the summed loss is least and every budget is kept, "
        "proven by an integer programme: hwmodel allocate --schemes 'int8/channel, int4/g64' --budget size_mib=40%%.",
    )
    made.add_argument("--model", default="pydoc-lm", help="pydoc-lm (default), digits, smollm2, a .safetensors file or a folder")
    made.add_argument("--candidates", metavar="CSV", help="a table of your own instead: layer, scheme, loss and cost columns")
    made.add_argument("--schemes", help="comma-separated schemes or plans of one layer: 'int4/g64, w=int8/channel; a=int8/token'")
    made.add_argument("--accelerator", help="adds energy_j and latency_s (see `hwmodel list accelerators`, or a YAML file)")
    made.add_argument("--sensitivity", choices=["sqnr", "error", "measured"], help="what the loss is (default: sqnr)")
    made.add_argument("--samples", type=positive, help="windows or images of a measured sensitivity (default: all)")
    made.add_argument("--phase", choices=["decode", "prefill"], help="phase that is priced (default: decode)")
    made.add_argument("--context", type=positive, help="tokens of context that are priced")
    made.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="COLUMN=LIMIT",
        help="size_mib=6.6, latency_s=2e-3, bops=50%%; may be repeated",
    )
    made.add_argument("--objective", default="loss", help="column to minimise (default: loss)")
    made.add_argument(
        "--group", action="append", default=[], metavar="PATTERNS", help="layers of one scheme, comma-separated; may be repeated"
    )
    made.add_argument(
        "--fix", action="append", default=[], metavar="PATTERN=SCHEME", help="layers whose scheme is given; may be repeated"
    )
    made.add_argument("--method", choices=["ilp", "lagrangian", "greedy"], default="ilp", help="default: ilp")
    made.add_argument(
        "--curve", type=positive, metavar="POINTS", help="print so many points of the first budget's trade-off instead"
    )
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    made.add_argument(
        "--out",
        action="append",
        default=[],
        metavar="FILE",
        help="write .csv (layers), .json (all), .yaml (the plan); may be repeated",
    )
    made.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print and write the allocation; returns the exit code."""
    for name in arguments.out:
        if Path(name).suffix.lower() not in _SUFFIXES:
            raise ValueError(f"--out {name!r} has suffix {Path(name).suffix!r}; use one of {', '.join(_SUFFIXES)}")
    budget = dict(_pair("--budget", text, "size_mib=6.6") for text in arguments.budget)
    if not budget:
        raise ValueError("--budget is missing; write for example --budget size_mib=40%")
    from hwmodel.search.allocation import allocate

    table = _table(arguments)
    made = allocate(
        table,
        {column: _limit(text) for column, text in budget.items()},
        objective=arguments.objective,
        groups=[listed(text) for text in arguments.group] or None,
        fixed=dict(_pair("--fix", text, "'*.lm_head=int8/channel'") for text in arguments.fix) or None,
        method=arguments.method,
    )
    if arguments.curve is not None:
        if arguments.out:
            raise ValueError("--out writes an allocation, not a curve; leave --curve or --out out")
        curve = made.curve(points=max(2, arguments.curve))
        if arguments.json:
            print(curve.to_json(orient="records", indent=1))
        else:
            print_frame(curve, "Least loss under each budget", ("budget",))
        return 0
    writers = {".csv": made.to_csv, ".json": made.to_json, ".yaml": made.to_yaml, ".yml": made.to_yaml}
    for name in arguments.out:
        writers[Path(name).suffix.lower()](name)
    if arguments.json:
        import json

        from hwmodel.report.exports import document

        frames = {"used": made.used.reset_index(), "layers": made.table}
        print(json.dumps(document("allocation", made.facts(), frames), indent=1, allow_nan=False))
        return 0
    _print(made)
    return 0


def _print(made: Any) -> None:
    costs = [
        c
        for c in made.table.columns
        if c in ("layer", "scheme", "loss", "size_mib", "bops", "energy_j", "latency_s", *made.used.index)
    ]
    print_frame(made.table[costs], "The scheme of every layer", ("layer", "scheme"))
    print_frame(made.used.reset_index(), "\nBudgets", ("budget",))
    counts = ", ".join(f"{n} x {scheme}" for scheme, n in made.counts.items())
    proofs = {
        "exact": "no choice within the budgets has less loss",
        "HiGHS": f"HiGHS found no better one; proven gap {made.gap:.2g}",
        "bound": "no bound" if made.gap != made.gap else f"at most {100 * made.gap:.3g} % above the least",
    }
    print(f"\n{counts}\nloss {made.objective:.6g}, bound {made.bound:.6g} ({proofs[made.proof]}), {made.time_s:.2f} s")


def _table(arguments: argparse.Namespace) -> Any:
    if arguments.candidates is not None:
        import pandas as pd

        if arguments.schemes is not None:
            raise ValueError("--candidates brings its own schemes; leave --schemes out")
        try:
            return pd.read_csv(arguments.candidates, dtype={"layer": str, "scheme": str})
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise ValueError(f"--candidates {arguments.candidates}: not a CSV table: {str(error).strip()}") from error
    schemes = listed(arguments.schemes or "")
    if not schemes:
        raise ValueError("--schemes is missing; write for example --schemes 'int8/channel, int4/g64'")
    from hwmodel.search.allocation import allocation_table

    return allocation_table(
        arguments.model,
        schemes,
        arguments.accelerator,
        arguments.sensitivity or "sqnr",
        phase=arguments.phase,
        context=arguments.context,
        samples=arguments.samples,
    )


def _pair(option: str, text: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ValueError(f"{option} {text!r} is not NAME=VALUE; write for example {option} {example}")
    return name.strip(), value.strip()


def _limit(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
