"""`hwmodel cost`: what a component or the unit of a datapath costs in a technology."""

from __future__ import annotations

import argparse
from typing import Any

from hwmodel.commands.arguments import listed, print_frame, print_sources


def add_cost(commands: Any) -> None:
    """The arguments of the command."""
    cost = commands.add_parser(
        "cost",
        help="area, energy, delay and leakage of a unit",
        description="What a component (see `hwmodel list units`) or the multiply-accumulate unit of a datapath costs: "
        "hwmodel cost int_mul W=8 A=8; hwmodel cost fp32 weight=e2m1 activation=float16; hwmodel cost int_mac W=8 A=8 K=32 "
        "--technology xc7 --stages 2.",
    )
    cost.add_argument("unit", help="a component, such as int_mul, or a datapath, such as fp32 or int32>fp32")
    cost.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="W=8 A=8, or weight=e2m1 activation=float16")
    cost.add_argument(
        "--technology",
        default="nangate45",
        help="one or several, comma-separated (default: nangate45); xc7, ice40, xcup, versal: FPGAs",
    )
    cost.add_argument("--flow", choices=["area", "delay"], help="as Yosys and ABC synthesise it (default: the library's own cells)")
    cost.add_argument("--stages", help="on FPGAs: register ranks to cut the unit into, or max")
    cost.add_argument("--clock-mhz", type=float, help="on FPGAs: cut into the fewest stages that reach this clock")
    cost.add_argument("--no-dsp", action="store_true", help="on FPGAs: no DSP blocks")
    cost.add_argument("--json", action="store_true", help="print JSON instead of tables")
    cost.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the costs; returns the exit code."""
    import pandas as pd

    from hwmodel.commands.cost_fpga import fpga_costs
    from hwmodel.units import unit
    from hwmodel.units.unit import FABRICS

    names = listed(arguments.technology)
    if not names:
        raise ValueError(f"--technology={arguments.technology!r} names none; see `hwmodel list technologies`")
    made = unit(arguments.unit, **_parameters(arguments.parameters))
    fabrics = [name for name in names if name.lower() in FABRICS]
    if fabrics and len(fabrics) < len(names):
        raise ValueError(
            f"--technology={arguments.technology!r} mixes FPGAs ({', '.join(fabrics)}) with cell libraries, which have other units;"
            " ask apart"
        )
    if fabrics:
        return fpga_costs(made, names, arguments)
    if given := [o for o in ("stages", "clock_mhz", "no_dsp") if getattr(arguments, o)]:
        raise ValueError(
            f"--{given[0].replace('_', '-')} is for FPGAs, but technology {names[0]} is a cell library; leave it out, or give one"
            f" of {', '.join(FABRICS)}"
        )
    costs = {name: made.cost(name, arguments.flow) for name in names}
    totals = ("area_um2", "area_ge", "energy_pj", "delay_ps", "leakage_nw")
    if arguments.json:
        _print_json(made, costs, arguments.flow, totals)
        return 0
    rows = [{"technology": name, **{t: getattr(cost, t) for t in totals}} for name, cost in costs.items()]
    flow = f", synthesised for {arguments.flow}" if arguments.flow else ", the library's own cells"
    print_frame(pd.DataFrame(rows).astype({"leakage_nw": float}), f"{made}{flow}", ("technology",))
    for name, cost in costs.items():
        parts = cost.breakdown.astype({"leakage_nw": float})
        total = parts["area_um2"].sum()
        parts.insert(2, "% of area", (100 * parts["area_um2"] / total if total else 0.0 * parts["area_um2"]).round(1))
        print_frame(parts, f"\n{name}: parts", ("part",))
    print_sources(pd.concat([cost.sources for cost in costs.values()], ignore_index=True).drop_duplicates())
    return 0


def _parameters(texts: list[str]) -> dict[str, Any]:
    """NAME=VALUE pairs; values that are whole numbers as such."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ValueError(f"parameter {text!r} is not NAME=VALUE; write for example W=8 A=8, or weight=e2m1 activation=float16")
        if name.strip() in found:
            raise ValueError(f"parameter {name.strip()} is given twice; give it once")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text


def _print_json(made: Any, costs: dict[str, Any], flow: str | None, totals: tuple[str, ...]) -> None:
    import json

    from hwmodel.report.files import plain

    rows = [
        {
            "technology": name,
            **{t: getattr(cost, t) for t in totals},
            "breakdown": cost.breakdown.to_dict("records"),
            "sources": cost.sources.to_dict("records"),
        }
        for name, cost in costs.items()
    ]
    print(json.dumps(plain({"unit": str(made), "flow": flow, "costs": rows}), indent=1, ensure_ascii=False, allow_nan=False))
