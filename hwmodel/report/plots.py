"""The plots of a report in one place, and their renderings for pages and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hwmodel.report.canvas import WIDTHS, embedded, pixels, png, svg
from hwmodel.report.energy_plot import energy_breakdown, score_breakdown
from hwmodel.report.error_plot import layer_sqnr
from hwmodel.report.markup import Picture
from hwmodel.report.pareto_plot import pareto
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
    """The plot of one score for its page. Raises ImportError where matplotlib is missing."""
    caption = "Energy of every layer, with its latency and what it waits for."
    return [_picture(score_breakdown, score, "Energy by layer.", caption, False, files=False)[0]]


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
