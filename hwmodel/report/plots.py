"""The plots of a report in one place, and their renderings for pages and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hwmodel.report.canvas import WIDTHS, embedded, pixels, png, svg
from hwmodel.report.compare_plot import MOST, plot_comparison
from hwmodel.report.energy_plot import energy_breakdown, score_breakdown
from hwmodel.report.error_plot import layer_sqnr
from hwmodel.report.fpga_plot import fpga_plot
from hwmodel.report.markup import Picture
from hwmodel.report.pareto_plot import pareto
from hwmodel.report.roofline_plot import plot_roofline
from hwmodel.report.theme import THEMES
from hwmodel.report.view import quality_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["energy_breakdown", "layer_sqnr", "pareto", "score_breakdown", "score_pictures", "study_pictures"]


def study_pictures(study: Any) -> tuple[list[Picture], dict[str, bytes]]:
    """The plots of a study for its page, and as files: name -> content (SVG and PNG, light and dark).

    Raises ImportError, with the remedy, where matplotlib is missing.
    """
    quality = quality_of(study).name
    drawn = (
        (
            "pareto",
            pareto,
            False,
            f"{quality} against energy.",
            "Filled marks are on the front: no other has both less energy and better quality.",
        ),
        (
            "energy",
            energy_breakdown,
            False,
            "Where the energy goes.",
            "Array, on-chip buffers, DRAM and dequantizers of the whole priced workload.",
        ),
        (
            "layer_sqnr",
            layer_sqnr,
            True,
            "Error layer by layer.",
            "SQNR of every weight layer for the inputs it saw, in the order the layers run.",
        ),
    )
    pictures: list[Picture] = []
    files: dict[str, bytes] = {}
    for name, plot, wide, title, caption in drawn:
        picture, made = _picture(plot, study, title, caption, wide)
        pictures.append(picture)
        files |= {f"{name}{suffix}": content for suffix, content in made.items()}
    return pictures, files


def score_pictures(score: Any) -> list[Picture]:
    """The plots of one score for its page. Raises ImportError where matplotlib is missing."""
    drawn = (
        (score_breakdown, "Energy by layer.", "With the latency of every layer and what it waits for."),
        (_roofline, "Layers below their ceilings.", "Operations a byte of DRAM, and how many of them a second."),
    )
    return [_picture(plot, score, title, caption, False, files=False)[0] for plot, title, caption in drawn]


def fpga_pictures(score: Any) -> list[Picture]:
    """The plot of a design on an FPGA for its page. Raises ImportError where matplotlib is missing."""
    title, caption = "What the design takes of the device.", "Ticks: the shares up to which designs place, by FINN's guide."
    return [_picture(fpga_plot, score, title, caption, False, files=False)[0]]


def comparison_pictures(comparison: Any) -> list[Picture]:
    """The plots of a comparison for its page. Raises ImportError where matplotlib is missing."""
    found = []
    if len(comparison.scores) <= MOST:
        title, caption = "Energy and latency.", "Both relative to the first row, with the values behind the bars."
        found.append(_picture(plot_comparison, comparison, title, caption, False, files=False)[0])
    if any("energy_j" in s.columns for s in comparison.scores) and len(comparison.scores) <= len(THEMES["light"].series):
        title, caption = "Layers below their ceilings.", "Operations a byte of DRAM, and how many of them a second."
        found.append(_picture(_rooflines, comparison, title, caption, False, files=False)[0])
    return found


def _roofline(score: Any, theme: str, width: str) -> Figure:
    return plot_roofline(score, theme=theme, width=width)


def _rooflines(comparison: Any, theme: str, width: str) -> Figure:
    made: Figure = comparison.roofline(theme, width)
    return made


def _picture(
    plot: Callable[..., Figure], what: Any, title: str, caption: str, wide: bool, *, files: bool = True
) -> tuple[Picture, dict[str, bytes]]:
    svgs: dict[tuple[str, str], tuple[str, int, int]] = {}
    made: dict[str, bytes] = {}
    for theme in THEMES:
        for width in WIDTHS:
            drawn = plot(what, theme, width)
            text = svg(drawn)
            svgs[theme, width] = (embedded(text), *pixels(drawn))
            if files and width == "wide":
                end = "" if theme == "light" else "-dark"
                made |= {f"{end}.svg": text.encode(), f"{end}.png": png(drawn)}
    return Picture(svgs, f"{title} {caption} The numbers are in the tables.", title, caption, wide), made
