"""What people read: terminal tables, plots, one self-contained HTML page, and files for further work."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwmodel.report.energy_plot import energy_breakdown, score_breakdown
    from hwmodel.report.error_plot import layer_sqnr
    from hwmodel.report.files import check_writable, write
    from hwmodel.report.html import score_page, study_page
    from hwmodel.report.pareto_plot import pareto
    from hwmodel.report.tables import layer_table, summary_table

# Names are imported when first used: a table in the terminal needs no page, the card of a format neither.
_HOMES = {
    "check_writable": "files",
    "energy_breakdown": "energy_plot",
    "layer_sqnr": "error_plot",
    "layer_table": "tables",
    "pareto": "pareto_plot",
    "score_breakdown": "energy_plot",
    "score_page": "html",
    "study_page": "html",
    "summary_table": "tables",
    "write": "files",
}

__all__ = [
    "check_writable",
    "energy_breakdown",
    "layer_sqnr",
    "layer_table",
    "pareto",
    "score_breakdown",
    "score_page",
    "study_page",
    "summary_table",
    "write",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"hwmodel.report.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'hwmodel.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
