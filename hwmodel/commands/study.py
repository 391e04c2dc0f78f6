"""`hwmodel study`: published and measured results reproduced."""

from __future__ import annotations

import argparse
import re
from typing import Any

from hwmodel.commands.arguments import print_frame

_ERRORS = (("area_ge", "area"), ("delay_ps", "delay"), ("e_unit_fJ", "energy"))


def add_study(commands: Any) -> None:
    """The arguments of the command."""
    study = commands.add_parser("study", help="published results reproduced", description="Published results reproduced.")
    study.add_argument(
        "name",
        choices=["bitmod", "synthesis", "scalesim", "pe", "peers", "xtramac", "hawqv3"],
        help="bitmod: the published BitMoD simulator and its headline ratios; synthesis: units as Yosys and ABC synthesise them, "
        "with the errors; scalesim: SCALE-Sim's cycles of a network; pe: processing elements at 28 nm beside the published; peers: "
        "results of SCALE-Sim, ZigZag, Timeloop and GenZ beside ours; xtramac: multipliers on FPGA DSP blocks beside the "
        "published; hawqv3: HAWQ-V3's bit allocation of ResNet-18 and ResNet-50, solved exactly",
    )
    study.add_argument("--rows", action="store_true", help="print every row as CSV instead of a summary")
    study.add_argument(
        "--frame", metavar="FILE", help="synthesis, scalesim, xtramac: a CSV of your own rows; prints them with the results"
    )
    study.add_argument("--model", help="scalesim: see `hwmodel list workloads` (default: resnet-18)")
    study.add_argument("--array", help="scalesim: ROWSxCOLUMNS (default: 32x32)")
    study.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a study; returns the exit code."""
    for option, owners in (("frame", ("synthesis", "scalesim", "xtramac")), ("model", ("scalesim",)), ("array", ("scalesim",))):
        if getattr(arguments, option) is not None and arguments.name not in owners:
            raise ValueError(f"--{option} belongs to the studies {' and '.join(owners)}, not to {arguments.name}; leave it out")
    studies = {"bitmod": _bitmod, "synthesis": _synthesis, "scalesim": _scalesim, "pe": _pe, "peers": _peers, "xtramac": _xtramac}
    studies |= {"hawqv3": _hawqv3}
    return studies[arguments.name](arguments)


def _bitmod(arguments: argparse.Namespace) -> int:
    from hwmodel import studies

    if arguments.rows:
        return _print_csv(studies.bitmod())
    headline = studies.bitmod_headline()
    print_frame(headline[["rev", "name", "published", "ours", "agreement"]])
    for row in headline[headline["agreement"] != "to the digit"].itertuples():
        print(f"{row.name}: {row.how}")
    print("H25: the simulator behind the paper; J25: its attention rewritten. All rows: hwmodel study bitmod --rows")
    return 0


def _synthesis(arguments: argparse.Namespace) -> int:
    import pandas as pd

    from hwmodel import studies

    frame = studies.synthesis(_read(arguments.frame, {"lib": str, "flow": str}))
    if arguments.rows or arguments.frame:
        return _print_csv(frame)
    groups = [*frame.groupby("kind", sort=True), *frame.groupby(["lib", "flow"], sort=True), ("all", frame)]
    rows = []
    for name, part in groups:
        row: dict[str, Any] = {"name": name if isinstance(name, str) else ", ".join(name), "rows": len(part)}
        for column, title in _ERRORS:
            error = 100 * (part[column] / part[f"{column}_measured"] - 1).abs().dropna()
            for what, value in (("median", error.median()), ("90th", error.quantile(0.9)), ("worst", error.max())):
                row[f"{title}\n{what}"] = round(float(value), 1)
        rows.append(row)
    caption = "Errors in % of the measured value: area in gate equivalents, delay, energy with glitches (nangate45, area flow)."
    print_frame(pd.DataFrame(rows), "Units as Yosys 0.70 and ABC synthesise them, predicted from their structure", caption=caption)
    return 0


def _scalesim(arguments: argparse.Namespace) -> int:
    from hwmodel import studies

    if arguments.frame is not None:
        if arguments.model is not None or arguments.array is not None:
            raise ValueError("--frame brings its own rows; leave --model and --array out")
        return _print_csv(studies.scalesim(_read(arguments.frame, {"dataflow": str})))
    frame = studies.scalesim(_network(arguments.model or "resnet-18", arguments.array or "32x32"))
    if arguments.rows:
        return _print_csv(frame)
    wide = frame.pivot_table(index=["layer", "m", "k", "n"], columns="dataflow", values="compute_cycles", sort=False).astype(int)
    busy = frame.assign(macs=frame["m"] * frame["k"] * frame["n"]).groupby("dataflow")[["macs", "compute_cycles"]].sum()
    share = 100 * busy["macs"] / (busy["compute_cycles"] * frame["rows"].iloc[0] * frame["cols"].iloc[0])
    facts = ", ".join(f"{flow} {int(busy['compute_cycles'][flow])} cycles ({share[flow]:.1f} % busy)" for flow in busy.index)
    title = f"{arguments.model or 'resnet-18'} on {arguments.array or '32x32'} elements: compute cycles of SCALE-Sim 3"
    print_frame(wide.reset_index(), title, ("layer",), f"Each layer once. All: {facts}")
    return 0


def _pe(arguments: argparse.Namespace) -> int:
    from hwmodel import studies
    from hwmodel.studies.pe import STYLES

    if arguments.rows:
        return _print_csv(studies.pe())
    frame = studies.pe(STYLES[:1])
    shown = frame[["element", "quantity", "variant", "published", "ours", "low", "high"]].assign(
        **{"error %": 100 * frame["error"]}
    )
    caption = "Areas in um2, energies of a cycle in pJ between their brackets. Nothing is fitted to the published rows."
    print_frame(shown, "Processing elements at 28 nm: published synthesis and the gate model", ("element", "quantity"), caption)
    return 0


def _peers(arguments: argparse.Namespace) -> int:
    import pandas as pd

    from hwmodel import studies

    frame = studies.peers()
    if arguments.rows:
        return _print_csv(frame)
    made = frame[frame["error_percent"].notna()]
    rows = [
        {
            "tool": str(tool).partition(" ")[0],
            "metric": metric,
            "rows": len(part),
            "median\nerror %": round(part["error_percent"].abs().median(), 3),
            "worst\nerror %": round(part["error_percent"].abs().max(), 3),
        }
        for (tool, metric), part in made.groupby(["tool", "metric"], sort=False)
    ]
    caption = "Under the peers' own mappings where they have one. Reasons for each difference: hwmodel study peers --rows"
    print_frame(pd.DataFrame(rows), "Other tools' results beside ours", ("tool", "metric"), caption)
    return 0


def _xtramac(arguments: argparse.Namespace) -> int:
    import pandas as pd

    from hwmodel import studies

    frame = studies.xtramac(_read(arguments.frame, {"a": str, "b": str, "accumulator": str}))
    if arguments.rows or arguments.frame:
        return _print_csv(frame)
    rows = []
    for name in ("lut", "ff", "dsp", "fmax_mhz"):
        error = 100 * (frame[name] / frame[f"{name}_measured"] - 1).abs().dropna()
        rows.append(
            {"what": name, "rows": len(error), "median error %": round(error.median(), 1), "worst error %": round(error.max(), 1)}
        )
    caption = "Errors on rows that the fit has seen; on others see hw.studies.xtramac. Every row: hwmodel study xtramac --rows"
    print_frame(
        pd.DataFrame(rows), "Multipliers with adders on a DSP block as published for XtraMAC, predicted", ("what",), caption
    )
    return 0


def _hawqv3(arguments: argparse.Namespace) -> int:
    from hwmodel import studies

    frame = studies.hawqv3()
    if arguments.rows:
        return _print_csv(frame)
    shown = frame[["network", "constraint", "level", "exact_optimum_bits", "exact_optimum_objective", "released_objective"]]
    names = {"exact_optimum_bits": "bits", "exact_optimum_objective": "objective", "released_objective": "released"}
    caption = "Released: the objective of the configuration that the project released, where it is on record. Every column: --rows"
    print_frame(shown.rename(columns=names), "HAWQ-V3's bit allocation, solved exactly", ("network", "constraint"), caption)
    return 0


def _network(model: str, array: str) -> Any:
    import pandas as pd

    from hwmodel.accelerators.systolic import DATAFLOWS
    from hwmodel.workloads import workload

    found = re.fullmatch(r"\s*(\d+)\s*x\s*(\d+)\s*", array)
    if not found:
        raise ValueError(f"--array is {array!r}; give ROWSxCOLUMNS, for example 32x32")
    work = workload(model)
    frames = [work[["layer", "m", "k", "n"]].assign(rows=int(found[1]), cols=int(found[2]), dataflow=flow) for flow in DATAFLOWS]
    return pd.concat(frames, ignore_index=True)


def _read(path: str | None, types: dict[str, Any]) -> Any:
    import pandas as pd

    if path is None:
        return None
    try:
        return pd.read_csv(path, dtype=types)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"--frame {path}: not a CSV table: {str(error).strip()}") from error


def _print_csv(frame: Any) -> int:
    print(frame.to_csv(index=False), end="")
    return 0
