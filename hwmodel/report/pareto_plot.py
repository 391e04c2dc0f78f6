"""Quality against energy, with the front of those that no other beats in both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hwmodel.report.canvas import check_width
from hwmodel.report.front_canvas import Look, Points, draw_front, spans
from hwmodel.report.numbers import scale
from hwmodel.report.theme import theme as theme_named
from hwmodel.report.view import on_front, quality_of, short_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOG_QUALITY = 4.0  # ratio of largest to smallest perplexity from which its axis is logarithmic


def pareto(study: Any, theme: str = "light", width: str = "wide") -> Figure:
    """Perplexity, accuracy or (where neither was measured) SQNR against energy; points labelled by scheme, marked by accelerator.

    Filled marks are on the front. Labels never overlap: one that finds no room is left off, those on the front choose first.
    width: "wide" (5.6 in) or "narrow" (3.5 in, for phones and columns). Rows without finite values are not drawn.
    """
    colours, narrow = theme_named(theme), check_width(width)
    summary = study.summary()
    quality = quality_of(study, summary)
    energy = scale(summary["energy_uj"], 1e-6, "J")
    xs = [float(v) * energy.factor for v in summary["energy_uj"]]
    ys = [float(v) * quality.factor for v in summary[quality.column]]
    kept = [i for i in range(len(xs)) if math.isfinite(xs[i]) and math.isfinite(ys[i])]
    labels, front = short_labels(summary), on_front(summary)
    names = list(dict.fromkeys(str(a) for a in summary["accelerator"]))
    baseline = quality.baseline * quality.factor
    points = Points(
        xs=[xs[i] for i in kept],
        ys=[ys[i] for i in kept],
        labels=[labels[i] for i in kept],
        series=[names.index(str(summary["accelerator"].iloc[i])) for i in kept],
        front=[front[i] for i in kept],
    )
    look = Look(
        x_title=f"Energy ({energy.unit}), lower is better",
        y_title=quality.axis,
        names=names,
        log=(spans(points.xs), quality.column == "perplexity" and spans([*points.ys, baseline], _LOG_QUALITY)),
        low=(True, quality.lower_is_better),
        baseline=baseline,
        baseline_name="float32",
    )
    return draw_front(points, look, colours, narrow)
