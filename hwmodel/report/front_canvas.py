"""Points in two dimensions with a front: what the plot of a study and `hw.plot_front` share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from hwmodel.report.canvas import figure, margins, style, text_inches, wrapped
from hwmodel.report.labels import place
from hwmodel.report.theme import MARKERS, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG_SPAN = 12.0  # ratio of largest to smallest from which an axis is logarithmic
_LABEL = 8.5
_MARK = 6.5
_SINGLE = 400  # points up to which every one is an element of its own
_CROWD = 24  # unnamed points up to which labels keep away from them; the search takes too long for more
_NOTE = 7.5


@dataclass(frozen=True)
class Points:
    """What is drawn, one entry a point: place, name ("" has none), series, whether on the front, at the knee."""

    xs: Sequence[float]
    ys: Sequence[float]
    labels: Sequence[str]
    series: Sequence[int]
    front: Sequence[bool]
    knee: Sequence[bool] = ()


@dataclass(frozen=True)
class Look:
    """How: axis titles, names of the series, logarithmic axes, which axis the front minimizes (None: no objective)."""

    x_title: str
    y_title: str
    names: Sequence[str]
    log: tuple[bool, bool]
    low: tuple[bool | None, bool | None] = (True, True)
    baseline: float = math.nan
    baseline_name: str = ""
    knee_name: str = ""
    notes: Sequence[str] = ()
    stairs: bool = field(default=True)


def draw_front(points: Points, look: Look, colours: Theme, narrow: bool) -> Figure:
    """The points, filled where on the front, labels that never overlap, the front as a staircase where `look.stairs`."""
    with style(colours):
        made = figure(3.5, 4.2) if narrow else figure(5.6, 4.4)
        axes = made.add_subplot()
        _limits(axes, points.xs, [*points.ys, look.baseline], look.log, narrow)
        corners = sorted({(x, y) for x, y, on in zip(points.xs, points.ys, points.front, strict=True) if on})
        steps = _front(axes, corners, look.low[0] is not False, colours) if look.stairs else []
        if math.isfinite(look.baseline):
            axes.axhline(look.baseline, color=colours.muted, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        _marks(axes, points, colours)
        axes.set_xlabel(look.x_title)
        axes.set_ylabel(look.y_title)
        axes.grid(True)
        rows = _legend(made, axes, look, bool(steps), any(points.knee), colours, narrow)
        lines = wrapped(look.notes, float(made.get_size_inches()[0]) - 0.2, _NOTE)
        below = 0.52 + 0.13 * len(lines)
        margins(made, axes, 0.36 + _tick_inches(axes), 0.12, below, 0.1 + 0.185 * rows)
        if lines:
            spot = (0.1 / float(made.get_size_inches()[0]), 0.05 / float(made.get_size_inches()[1]))
            made.text(*spot, "\n".join(lines), fontsize=_NOTE, color=colours.muted, va="bottom")
        base = look.baseline
        level = [((axes.get_xlim()[0], base), (axes.get_xlim()[1], base))] if math.isfinite(base) else []
        _label(made, axes, points, [*steps, *level], colours)
    return made


def _marks(axes: Axes, points: Points, colours: Theme) -> None:
    """Filled marks for the front, hollow ones else; a ring about the knee."""
    single = len(points.xs) <= _SINGLE
    if not single:  # thousands of points behind the front, as one picture in vector files
        for which in sorted(set(points.series)):
            rest = [i for i, (s, on) in enumerate(zip(points.series, points.front, strict=True)) if s == which and not on]
            colour, marker = colours.series[which % len(colours.series)], MARKERS[which % len(MARKERS)]
            here = ([points.xs[i] for i in rest], [points.ys[i] for i in rest])
            axes.scatter(*here, s=9, marker=marker, color=colour, alpha=0.35, linewidths=0, zorder=1.5, rasterized=True)
    order = [[i] for i in range(len(points.xs))]  # later points lie above earlier ones
    if not single:
        chosen = [i for i, on in enumerate(points.front) if on]
        order = [[i for i in chosen if points.series[i] == which] for which in sorted({points.series[i] for i in chosen})]
    for rows in order:
        which, on = points.series[rows[0]], points.front[rows[0]]
        colour = colours.series[which % len(colours.series)]
        # a filled mark has an edge of the ground, which keeps neighbours apart
        face, edge = (colour, colours.surface) if on else (colours.surface, colour)
        shape: dict[str, Any] = {
            "markerfacecolor": face,
            "markeredgecolor": edge,
            "markersize": _MARK + 1.2 * on,
            "markeredgewidth": 1.4 - 0.6 * on,
            "linestyle": "",
            "marker": MARKERS[which % len(MARKERS)],
        }
        axes.plot([points.xs[i] for i in rows], [points.ys[i] for i in rows], color=colour, zorder=3, **shape)
    for x, y, at in zip(points.xs, points.ys, points.knee or [False] * len(points.xs), strict=True):
        if at:
            ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": colours.text, "markersize": 2.1 * _MARK}
            axes.plot(x, y, "o", markeredgewidth=1.4, zorder=3.5, **ring)


def _tick_inches(axes: Axes) -> float:
    """Width of the longest number on the vertical axis."""
    low, high = axes.get_ylim()
    places = [v for v in axes.yaxis.get_majorticklocs() if low <= v <= high]
    return max((text_inches(text, 8.5) for text in axes.yaxis.get_major_formatter().format_ticks(places)), default=0.0)


def spans(values: Sequence[float], ratio: float = LOG_SPAN) -> bool:
    """Whether positive values span more than that ratio, so that their axis is better logarithmic."""
    found = [v for v in values if math.isfinite(v)]
    return bool(found) and min(found) > 0 and max(found) > ratio * min(found)


def _limits(axes: Axes, xs: Sequence[float], ys: Sequence[float], log: tuple[bool, bool], narrow: bool) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    ys = [y for y in ys if math.isfinite(y)]
    pad = 0.2 if narrow else 0.15
    for direction, values, logarithmic in (("x", xs, log[0]), ("y", ys, log[1])):
        if not values:
            continue
        low, high = min(values), max(values)
        axis = axes.xaxis if direction == "x" else axes.yaxis
        if logarithmic:
            factor = (high / low) ** pad
            low, high = low / factor, high * factor
            getattr(axes, f"set_{direction}scale")("log")
            wide = high > 100 * low
            axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
        else:
            span = (high - low) or abs(high) or 1.0
            low, high = low - pad * span, high + pad * span
            axis.set_major_locator(MaxNLocator(5 if narrow else 7))
        getattr(axes, f"set_{direction}lim")(low, high)


def _front(
    axes: Axes, corners: Sequence[tuple[float, float]], x_low: bool, colours: Theme
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Draw the front as a staircase; its segments in data units."""
    if len(corners) < 2:
        return []
    where: Literal["post", "pre"] = "post" if x_low else "pre"
    axes.step(*zip(*corners, strict=True), where=where, color=colours.accent, linewidth=1.3, alpha=0.75, zorder=2)
    segments = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        turn = (x1, y0) if x_low else (x0, y1)
        segments += [((x0, y0), turn), (turn, (x1, y1))]
    return segments


def _legend(made: Figure, axes: Axes, look: Look, front: bool, knee: bool, colours: Theme, narrow: bool) -> int:
    """The legend above the axes; how many lines it takes."""
    from matplotlib.lines import Line2D

    handles = []
    for i, name in enumerate(look.names):
        which = i % len(MARKERS)
        colour = colours.series[which]
        handles.append(Line2D([], [], color=colour, marker=MARKERS[which], linestyle="", markersize=_MARK, label=name))
    if front:
        handles.append(Line2D([], [], color=colours.accent, linewidth=1.3, alpha=0.75, label="Pareto front"))
    if knee:
        hollow: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": colours.text}
        handles.append(Line2D([], [], marker="o", linestyle="", markersize=1.4 * _MARK, label=look.knee_name, **hollow))
    if math.isfinite(look.baseline):
        text = f"{look.baseline_name}: {look.baseline:.4g}"
        handles.append(Line2D([], [], color=colours.muted, linewidth=1, linestyle=(0, (2, 2)), label=text))
    if not handles:
        return 0
    widest = max(text_inches(str(h.get_label()), _LABEL) for h in handles) + 0.42
    columns = max(1, min(len(handles), int(float(made.get_size_inches()[0] - 0.3) / widest)))
    axes.figure.legend(
        handles=handles,
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=(0.1 / float(made.get_size_inches()[0]), 1 - 0.03 / float(made.get_size_inches()[1])),
        borderaxespad=0,
        handlelength=1.6,
        handletextpad=0.5,
        columnspacing=1.2,
        labelspacing=0.4,
        borderpad=0.3,
    )
    return math.ceil(len(handles) / columns)


def _label(
    made: Figure,
    axes: Axes,
    points: Points,
    steps: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    colours: Theme,
) -> None:
    from matplotlib.patheffects import withStroke

    to_pixels = axes.transData.transform
    every = [(float(x), float(y)) for x, y in (to_pixels(p) for p in zip(points.xs, points.ys, strict=True))]
    named = [i for i, text in enumerate(points.labels) if text]
    spots, labels, front = [every[i] for i in named], [points.labels[i] for i in named], [points.front[i] for i in named]
    kept = set(named)
    others = [spot for i, spot in enumerate(every) if i not in kept]
    others = others if len(others) <= _CROWD else []
    lines = [((float(a[0]), float(a[1])), (float(b[0]), float(b[1]))) for a, b in ((to_pixels(s), to_pixels(e)) for s, e in steps)]
    dots = made.dpi / 72
    weights = ["bold" if chosen else "normal" for chosen in front]
    sizes = [
        (text_inches(text, _LABEL, weight) * made.dpi, 1.15 * _LABEL * dots) for text, weight in zip(labels, weights, strict=True)
    ]
    box = axes.get_window_extent()
    frame = (float(box.x0) + 2, float(box.y0) + 2, float(made.bbox.x1) - 3, float(box.y1))
    radius = (_MARK / 2 + 1) * dots
    found = place(spots, sizes, frame, radius=radius, lines=lines, first=front, others=others)
    back = axes.transData.inverted().transform
    halo = withStroke(linewidth=2.5, foreground=colours.surface)
    for text, spot, place_, weight in zip(labels, spots, found, weights, strict=True):
        if place_ is None:
            continue
        x0, y0, x1, y1 = place_.box
        x, y = back(((x0 + x1) / 2, (y0 + y1) / 2))
        axes.text(x, y, text, ha="center", va="center", fontsize=_LABEL, fontweight=weight, zorder=2.5, path_effects=[halo])
        if place_.distance > 2.2 * radius:
            end = (min(max(spot[0], x0), x1), min(max(spot[1], y0), y1))
            (ax, ay), (bx, by) = back(spot), back(end)
            axes.plot([ax, bx], [ay, by], color=colours.muted, linewidth=0.6, zorder=1)
