"""What will the hardware cost? Area, energy and latency of the arithmetic that numfmt describes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwmodel import studies
    from hwmodel.accelerators import Accelerator, Machine, accelerator, machine, machines, presets, roofline
    from hwmodel.batch import score_many
    from hwmodel.comparison import Comparison, compare
    from hwmodel.evaluation import Evaluation, evaluate
    from hwmodel.fpga import Device, device, devices
    from hwmodel.models import load_network
    from hwmodel.scoring import Score, score
    from hwmodel.search.allocation import (
        Allocation,
        Infeasible,
        allocate,
        allocation_curve,
        allocation_form,
        allocation_forms,
        allocation_table,
    )
    from hwmodel.search.sweeps.executors import ray_executor
    from hwmodel.search.sweeps.reading import read_failures, read_store
    from hwmodel.search.sweeps.result import Sweep
    from hwmodel.search.sweeps.sweep import sweep
    from hwmodel.technology import Technology, technologies, technology
    from hwmodel.units import Cost, Unit, unit
    from hwmodel.workloads import (
        to_scalesim,
        to_zigzag,
        workload,
        workload_from_config,
        workload_from_network,
        workload_from_onnx,
        workload_from_scalesim,
        workload_from_torch,
    )

# Names are imported when first used: scoring pulls in numfmt and its compiled kernels, a table of units does not.
_HOMES = {
    "Accelerator": "hwmodel.accelerators",
    "accelerator": "hwmodel.accelerators",
    "presets": "hwmodel.accelerators",
    "Machine": "hwmodel.accelerators",
    "machine": "hwmodel.accelerators",
    "machines": "hwmodel.accelerators",
    "roofline": "hwmodel.accelerators",
    "Device": "hwmodel.fpga",
    "device": "hwmodel.fpga",
    "devices": "hwmodel.fpga",
    "Score": "hwmodel.scoring",
    "score": "hwmodel.scoring",
    "score_many": "hwmodel.batch",
    "Cost": "hwmodel.units",
    "Comparison": "hwmodel.comparison",
    "compare": "hwmodel.comparison",
    "Evaluation": "hwmodel.evaluation",
    "evaluate": "hwmodel.evaluation",
    "load_network": "hwmodel.models",
    "Study": "hwmodel.study",
    "Allocation": "hwmodel.search.allocation",
    "Infeasible": "hwmodel.search.allocation",
    "allocate": "hwmodel.search.allocation",
    "allocation_curve": "hwmodel.search.allocation",
    "allocation_form": "hwmodel.search.allocation",
    "allocation_forms": "hwmodel.search.allocation",
    "allocation_table": "hwmodel.search.allocation",
    "hypervolume": "hwmodel.search.fronts",
    "knee": "hwmodel.search.fronts",
    "pareto": "hwmodel.search.fronts",
    "front_page": "hwmodel.report.front_page",
    "plot_front": "hwmodel.report.front_plot",
    "Sweep": "hwmodel.search.sweeps.result",
    "ray_executor": "hwmodel.search.sweeps.executors",
    "read_failures": "hwmodel.search.sweeps.reading",
    "read_store": "hwmodel.search.sweeps.reading",
    "sweep": "hwmodel.search.sweeps.sweep",
    "plot_formats": "hwmodel.report.format_pictures",
    "plot_roofline": "hwmodel.report.roofline_plot",
    "plot_schemes": "hwmodel.report.scheme_plot",
    "scheme_gallery": "hwmodel.studies.gallery",
    "Technology": "hwmodel.technology",
    "technologies": "hwmodel.technology",
    "Unit": "hwmodel.units",
    "unit": "hwmodel.units",
    "workload": "hwmodel.workloads",
    "to_scalesim": "hwmodel.workloads",
    "to_zigzag": "hwmodel.workloads",
    "workload_from_config": "hwmodel.workloads",
    "workload_from_onnx": "hwmodel.workloads",
    "workload_from_scalesim": "hwmodel.workloads",
    "workload_from_torch": "hwmodel.workloads",
    "workload_from_network": "hwmodel.workloads",
}

__all__ = [
    "Accelerator",
    "Allocation",
    "Comparison",
    "Cost",
    "Device",
    "Evaluation",
    "Infeasible",
    "Machine",
    "Score",
    "Study",
    "Sweep",
    "Technology",
    "Unit",
    "accelerator",
    "allocate",
    "allocation_curve",
    "allocation_form",
    "allocation_forms",
    "allocation_table",
    "compare",
    "device",
    "devices",
    "evaluate",
    "front_page",
    "hypervolume",
    "knee",
    "load_network",
    "machine",
    "machines",
    "pareto",
    "plot_formats",
    "plot_front",
    "plot_roofline",
    "plot_schemes",
    "presets",
    "ray_executor",
    "read_failures",
    "read_store",
    "roofline",
    "scheme_gallery",
    "score",
    "score_many",
    "studies",
    "sweep",
    "technologies",
    "technology",
    "to_scalesim",
    "to_zigzag",
    "unit",
    "workload",
    "workload_from_config",
    "workload_from_network",
    "workload_from_onnx",
    "workload_from_scalesim",
    "workload_from_torch",
]


def __getattr__(name: str) -> Any:
    if name in ("studies", "technology"):  # hwmodel.technology is a package that can be called
        return import_module(f"hwmodel.{name}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'hwmodel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
