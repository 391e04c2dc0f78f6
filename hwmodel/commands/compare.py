"""`hwmodel compare`: accelerators and FPGAs under plans on one workload, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hwmodel.commands.arguments import listed, plans, positive

_TABLES = (".html", ".csv", ".json", ".parquet")
_PICTURES = (".svg", ".png", ".pdf")


def add_compare(commands: Any) -> None:
    """The arguments of the command."""
    made = commands.add_parser(
        "compare",
        help="accelerators and FPGAs under plans on one workload, side by side",
        description="Price one workload on every accelerator or FPGA under every plan: area, energy and its parts, latency, energy "
        "times latency, each relative to the first; LUTs, DSP blocks and memories of FPGAs. No network is run: shapes are enough.",
    )
    made.add_argument("--model", default="llama-2-7b", help="see `hwmodel list workloads` (default: llama-2-7b), or a config.json")
    made.add_argument("--phase", choices=["decode", "prefill"], default="decode", help="default: decode")
    made.add_argument("--context", type=positive, help="tokens of context (default: 256 or the model's maximum)")
    made.add_argument("--batch", type=positive, default=1, help="sequences (default: 1)")
    made.add_argument(
        "--accelerators", default="", help="comma-separated: see `hwmodel list accelerators` and devices, or YAML files"
    )
    made.add_argument(
        "--schemes",
        required=True,
        help="comma-separated schemes or plans; each runs on every accelerator, or on the one behind `on`: "
        "'float16 on fp16@h25, bitmod4 on bitmod@h25'",
    )
    made.add_argument("--architecture", help="of layers on FPGAs: finn (default), hls4ml, unrolled or systolic")
    made.add_argument(
        "--memories", help="of weights on FPGAs, architecture finn: comma-separated distributed, block, ultra, external"
    )
    made.add_argument("--skip", action="store_true", help="leave out pairs that an accelerator cannot run instead of refusing them")
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    made.add_argument(
        "--out", action="append", default=[], metavar="FILE", help=f"write {', '.join((*_TABLES, *_PICTURES))}; may be repeated"
    )
    made.add_argument("--theme", choices=["light", "dark"], default="light", help="colours of pictures (default: light)")
    made.add_argument("--width", choices=["narrow", "wide"], default="wide", help="of pictures (default: wide)")
    made.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print and write the comparison; returns the exit code."""
    for name in arguments.out:
        if Path(name).suffix.lower() not in (*_TABLES, *_PICTURES):
            raise ValueError(f"--out {name!r} has suffix {Path(name).suffix!r}; use one of {', '.join((*_TABLES, *_PICTURES))}")
    from hwmodel.comparison import Comparison, compare
    from hwmodel.report.tables import comparison_table

    work = _work(arguments)
    made: Comparison = compare(work, _pairs(arguments), skip=arguments.skip, **_design(arguments))
    for name in arguments.out:
        suffix = Path(name).suffix.lower()
        try:
            if suffix in _PICTURES:
                made.plot(arguments.theme, arguments.width, name)
            else:
                getattr(made, f"to_{suffix[1:]}")(name)
        except ImportError as error:
            raise ValueError(f"--out {name}: {error}") from error
    if arguments.json:
        import json

        from hwmodel.report.exports import document

        print(json.dumps(document("comparison", made.facts(), {"frame": made.frame}), indent=1, allow_nan=False))
        return 0
    from rich.console import Console

    Console().print(comparison_table(made))
    status = Console(stderr=True)
    for pair in made.refused:
        status.print(f"left out: {pair.plan} on {pair.accelerator}: {pair.reason}", markup=False, highlight=False)
    return 0


def _design(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is asked of FPGAs."""
    given = {"architecture": arguments.architecture, "memories": tuple(listed(arguments.memories or "")) or None}
    return {name: value for name, value in given.items() if value is not None}


def _work(arguments: argparse.Namespace) -> Any:
    from hwmodel.workloads import vision_nets, workload, workload_from_config

    options = {"context": arguments.context, "batch": arguments.batch}
    if arguments.model.endswith(".json") or Path(arguments.model).is_dir():
        return workload_from_config(arguments.model, arguments.phase, **options)
    images = arguments.model.strip().lower() in vision_nets()
    return workload(arguments.model, **({"batch": arguments.batch} if images else {"phase": arguments.phase, **options}))


def _pairs(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Plans by accelerator, in the order of --accelerators and then of --schemes."""
    names, asked = listed(arguments.accelerators), plans(arguments.schemes)
    found: dict[str, list[str]] = {name: [] for name in names}
    for plan, name in asked:
        if not name and not names:
            raise ValueError(f"--schemes names no accelerator for {plan!r}; write '{plan} on NAME', or give --accelerators")
        for each in [name] if name else names:
            found.setdefault(each, []).append(plan)
    if empty := [name for name, own in found.items() if not own]:
        raise ValueError(f"--schemes has no plan for accelerator {empty[0]!r}; name one, or leave it out of --accelerators")
    return found
