"""`hwmodel list`: what is known by name."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hwmodel.commands.arguments import print_frame

if TYPE_CHECKING:
    import pandas as pd


def add_list(commands: Any) -> None:
    """The arguments of the command."""
    known = commands.add_parser("list", help="what is known by name", description="What is known by name.")
    known.add_argument("what", choices=list(_LISTS))
    known.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a list; returns the exit code."""
    import pandas as pd

    made = _LISTS[arguments.what]()
    print_frame(made if isinstance(made, pd.DataFrame) else pd.DataFrame(made), fixed=("name", "kind"))
    return 0


def _formats() -> pd.DataFrame:
    import numfmt as nf

    return nf.catalogue()[["name", "bits", "max", "min_positive", "specials", "status"]]


def _schemes() -> pd.DataFrame:
    import numfmt as nf

    return nf.schemes()[["scheme", "what", "bits_per_element", "status"]]


def _datapaths() -> pd.DataFrame:
    import numfmt as nf

    return nf.datapaths()[["name", "models", "status"]]


def _accelerators() -> list[dict[str, Any]]:
    from hwmodel.accelerators import accelerator, presets

    return [{"name": n, "datapath": accelerator(n).pe.datapath, "note": accelerator(n).note} for n in presets()]


def _machines() -> list[dict[str, Any]]:
    from hwmodel.accelerators import machine, machines

    found = []
    for one in map(machine, machines()):
        peaks = ", ".join(f"{bits}: {fact.value:.4g}" for bits, fact in sorted(one.peak_tops.items()))
        found.append({"name": one.name, "GB/s": one.bandwidth_gb_s.value, "TOP/s by bits": peaks, "note": one.note})
    return found


def _models() -> dict[str, Any]:
    from hwmodel.models import model_names

    return {"name": model_names()}


def _workloads() -> list[dict[str, Any]]:
    from hwmodel.workloads import transformers, vision_nets

    facts = [{"name": t.name, "what": f"{t.family}, {t.layers} layers, hidden {t.hidden}"} for t in transformers().values()]
    return [*facts, *({"name": name, "what": "convolutional network, 224x224 images"} for name in vision_nets().values())]


def _technologies() -> list[dict[str, Any]]:
    from hwmodel.technology.library import technologies, technology

    found = []
    for one in [technology(str(name)) for name in technologies()["name"]]:
        leakage = one.leakage_nw_per_ge
        costs = {"nand2_um2": one.nand2_um2, "fJ/GE": one.energy_fj_per_ge.value, "ps/level": one.delay_ps_per_level.value}
        status = ", ".join(sorted({fact.status for fact in one.facts()}))
        found.append({"name": one.name, **costs, "nW/GE": leakage.value if leakage else float("nan"), "status": status})
    return found


def _units() -> list[dict[str, Any]]:
    from hwmodel.units.components import KINDS

    found = []
    for kind, build in KINDS.items():
        wanted = inspect.signature(build).parameters.values()
        parameters = " ".join(p.name if p.default is p.empty else f"{p.name}={p.default}" for p in wanted)
        what = (inspect.getdoc(build) or "").partition("\n")[0]
        found.append({"kind": kind, "parameters": parameters, "what": what})
    return found


_LISTS: dict[str, Callable[[], Any]] = {
    "formats": _formats,
    "schemes": _schemes,
    "datapaths": _datapaths,
    "accelerators": _accelerators,
    "machines": _machines,
    "technologies": _technologies,
    "units": _units,
    "models": _models,
    "workloads": _workloads,
}
