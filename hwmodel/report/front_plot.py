"""`hw.plot_front`: two columns of a frame, with its Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hwmodel._checks import unknown
from hwmodel.report.canvas import check_width
from hwmodel.report.front_canvas import Look, Points, draw_front, spans
from hwmodel.report.front_data import front_data
from hwmodel.report.save import check_suffix, save
from hwmodel.report.theme import theme as theme_named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOGS = ("auto", "none", "x", "y", "xy")
_ALL = 24  # rows up to which dominated points are named as well
_NAMED = 24


def plot_front(
    frame: pd.DataFrame,
    x: str,
    y: str,
    minimize: str | Sequence[str] = (),
    maximize: str | Sequence[str] = (),
    *,
    color: str | None = None,
    label: str | None = None,
    knee: str | None = None,
    per: str | Sequence[str] | None = None,
    log: str = "auto",
    x_label: str | None = None,
    y_label: str | None = None,
    theme: str = "light",
    width: str = "wide",
    path: str | Path | None = None,
) -> Figure:
    """Column y against column x; filled marks are on the Pareto front of the objectives, which may be other columns as well.

    minimize, maximize: the objectives (see `pareto`); without any, both axes are minimized. Where the axes are the two objectives
    the front is drawn as a staircase too. color: a column of at most 8 values, told by colour and mark. label: a column that names
    the points: those on the front, and all where there are at most 24; a name that finds no room is left off. knee: a method of
    `knee` rings its rows. per: one front for each group of these columns. log: "auto" (an axis whose positive values span more
    than 12 to 1), "none", "x", "y", "xy". x_label, y_label: axis titles in place of the names. theme: "light" or "dark"; width:
    "wide" (5.6 in) or "narrow" (3.5 in). path: .svg, .png or .pdf, written whole.

    Above 20,000 rows the front and a random choice of the others are drawn; the plot says so, and how many rows have no finite
    place.

    Raises ValueError for bad columns, words and suffixes and where no row can be drawn; ImportError without matplotlib.
    """
    colours, narrow = theme_named(theme), check_width(width)
    if log not in LOGS:
        raise unknown("log", log, LOGS)
    if path is not None:
        check_suffix(path)
    data = front_data(frame, x, y, minimize, maximize, color=color, label=label, knee=knee, per=per)
    xs, ys = ([float(v) for v in data.frame[name]] for name in (x, y))
    front = [bool(v) for v in data.front]
    named = label is not None and (len(xs) <= _ALL or sum(front) <= _NAMED)
    texts = [t if named and (on or len(xs) <= _ALL) else "" for t, on in zip(data.labels, front, strict=True)]
    points = Points(xs, ys, texts, [int(v) for v in data.series], front, [bool(v) for v in data.knee])
    auto = log == "auto"
    look = Look(
        x_title=x_label or data.axis(x),
        y_title=y_label or data.axis(y),
        names=data.names,
        log=(spans(xs) if auto else "x" in log, spans(ys) if auto else "y" in log),
        low=(data.lower_is_better(x), data.lower_is_better(y)),
        knee_name="" if knee is None else f"Knee by {knee.replace('_', ' ')}",
        notes=data.notes,
        stairs=per is None and x != y and {x, y} == {*data.low, *data.high},
    )
    if not auto:
        for axis, values, wanted in (("x", xs, look.log[0]), ("y", ys, look.log[1])):
            if wanted and min(values) <= 0:
                raise ValueError(f"log={log!r}, but {x if axis == 'x' else y!r} has values of 0 and below; leave {axis} linear")
    made = draw_front(points, look, colours, narrow)
    if path is not None:
        save(made, path)
    return made
