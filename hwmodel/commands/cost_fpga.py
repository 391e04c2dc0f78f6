"""`hwmodel cost` on the fabric of an FPGA: LUTs, carry cells, DSP blocks, flip-flops, stages and clock."""

from __future__ import annotations

import argparse
from typing import Any

from hwmodel.commands.arguments import print_frame, print_sources

TOTALS = ("lut", "carry", "dsp", "ff", "delay_ps", "pipeline_depth", "fmax_mhz")


def fpga_costs(made: Any, names: list[str], arguments: argparse.Namespace) -> int:
    """Print the costs; returns the exit code. Raises ValueError as `Unit.cost`."""
    import pandas as pd

    options = {"dsp": False if arguments.no_dsp else None, "stages": _stages(arguments.stages), "clock_mhz": arguments.clock_mhz}
    costs = {name: made.cost(name, arguments.flow, **options) for name in names}
    if arguments.json:
        _print_json(made, costs)
        return 0
    rows = [{"technology": name, **{t: getattr(cost, t) for t in TOTALS}} for name, cost in costs.items()]
    print_frame(pd.DataFrame(rows).astype({"delay_ps": float, "fmax_mhz": float}), str(made), ("technology",))
    for name, cost in costs.items():
        print_frame(cost.breakdown, f"\n{name}: parts", ("part",))
        if cost.pipeline_depth:
            print_frame(cost.stages, f"\n{name}: stages")
    print_sources(pd.concat([cost.sources for cost in costs.values()], ignore_index=True).drop_duplicates())
    return 0


def _stages(text: str | None) -> int | str | None:
    """A number of stages as such; other words are refused where they are used."""
    try:
        return text if text is None else int(text)
    except ValueError:
        return text


def _print_json(made: Any, costs: dict[str, Any]) -> None:
    import json

    from hwmodel.report.files import plain

    rows = [
        {
            "technology": name,
            **{t: getattr(cost, t) for t in TOTALS},
            "breakdown": cost.breakdown.to_dict("records"),
            "stages": cost.stages.to_dict("records") if cost.pipeline_depth else [],
            "sources": cost.sources.to_dict("records"),
        }
        for name, cost in costs.items()
    ]
    print(json.dumps(plain({"unit": str(made), "costs": rows}), indent=1, ensure_ascii=False, allow_nan=False))
