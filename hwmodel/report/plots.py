"""The plots of a report in one place."""

from __future__ import annotations

from hwmodel.report.energy_plot import energy_breakdown, score_breakdown
from hwmodel.report.error_plot import layer_sqnr
from hwmodel.report.pareto_plot import pareto

STUDY_PLOTS = {"pareto": pareto, "energy": energy_breakdown, "layer_sqnr": layer_sqnr}

__all__ = ["STUDY_PLOTS", "energy_breakdown", "layer_sqnr", "pareto", "score_breakdown"]
