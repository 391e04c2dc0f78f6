"""Quality against energy, with the front of those that no other beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hwmodel.report.canvas import check_width, figure, margins, style, text_inches
from hwmodel.report.labels import place
from hwmodel.report.numbers import scale
from hwmodel.report.theme import MARKERS, Theme
from hwmodel.report.theme import theme as theme_named
from hwmodel.report.view import on_front, quality_of, short_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOG_ENERGY = 12.0  # ratio of largest to smallest from which an axis is logarithmic
_LOG_QUALITY = 4.0
_LABEL = 8.5
_MARK = 6.5


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
    with style(colours):
        made = figure(3.5, 4.2) if narrow else figure(5.6, 4.4)
        axes = made.add_subplot()
        baseline = quality.baseline * quality.factor
        _limits(axes, [xs[i] for i in kept], [*(ys[i] for i in kept), baseline], quality.column == "perplexity", narrow)
        steps = _front(axes, sorted((xs[i], ys[i]) for i in kept if front[i]), colours)
        if math.isfinite(baseline):
            axes.axhline(baseline, color=colours.muted, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        for i in kept:
            which = names.index(str(summary["accelerator"].iloc[i])) % len(MARKERS)
            colour = colours.series[which]
            # a filled mark has an edge of the ground, which keeps neighbours apart
            face, edge = (colour, colours.surface) if front[i] else (colours.surface, colour)
            look: dict[str, Any] = {
                "markerfacecolor": face,
                "markeredgecolor": edge,
                "markersize": _MARK + 1.2 * front[i],
                "markeredgewidth": 1.4 - 0.6 * front[i],
            }
            axes.plot(xs[i], ys[i], MARKERS[which], color=colour, zorder=3, **look)
        axes.set_xlabel(f"Energy ({energy.unit}), lower is better")
        axes.set_ylabel(quality.axis)
        axes.grid(True)
        rows = _legend(made, axes, names, bool(steps), baseline, colours, narrow)
        margins(made, axes, 0.36 + _tick_inches(axes), 0.12, 0.52, 0.1 + 0.185 * rows)
        points = [(xs[i], ys[i]) for i in kept]
        level = [((axes.get_xlim()[0], baseline), (axes.get_xlim()[1], baseline))] if math.isfinite(baseline) else []
        _label(made, axes, points, [labels[i] for i in kept], [front[i] for i in kept], [*steps, *level], colours)
    return made


def _tick_inches(axes: Axes) -> float:
    """Width of the longest number on the vertical axis."""
    low, high = axes.get_ylim()
    places = [v for v in axes.yaxis.get_majorticklocs() if low <= v <= high]
    return max((text_inches(text, 8.5) for text in axes.yaxis.get_major_formatter().format_ticks(places)), default=0.0)


def _limits(axes: Axes, xs: Sequence[float], ys: Sequence[float], logarithmic_allowed: bool, narrow: bool) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    ys = [y for y in ys if math.isfinite(y)]
    room = 0.2 if narrow else 0.15
    directions: tuple[tuple[str, Sequence[float], bool, float], ...] = (
        ("x", xs, bool(xs) and min(xs) > 0 and max(xs) > _LOG_ENERGY * min(xs), room),
        ("y", ys, logarithmic_allowed and bool(ys) and min(ys) > 0 and max(ys) > _LOG_QUALITY * min(ys), room),
    )
    for direction, values, logarithmic, pad in directions:
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
    axes: Axes, corners: Sequence[tuple[float, float]], colours: Theme
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Draw the front as a staircase; its segments in data units."""
    if len(corners) < 2:
        return []
    axes.step(*zip(*corners, strict=True), where="post", color=colours.accent, linewidth=1.3, alpha=0.75, zorder=2)
    segments = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        segments += [((x0, y0), (x1, y0)), ((x1, y0), (x1, y1))]
    return segments


def _legend(made: Figure, axes: Axes, names: Sequence[str], front: bool, baseline: float, colours: Theme, narrow: bool) -> int:
    """The legend above the axes; how many lines it takes."""
    from matplotlib.lines import Line2D

    handles = []
    for i, name in enumerate(names):
        which = i % len(MARKERS)
        colour = colours.series[which]
        handles.append(Line2D([], [], color=colour, marker=MARKERS[which], linestyle="", markersize=_MARK, label=name))
    if front:
        handles.append(Line2D([], [], color=colours.accent, linewidth=1.3, alpha=0.75, label="Pareto front"))
    if math.isfinite(baseline):
        handles.append(Line2D([], [], color=colours.muted, linewidth=1, linestyle=(0, (2, 2)), label=f"float32: {baseline:.4g}"))
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
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    front: Sequence[bool],
    steps: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    colours: Theme,
) -> None:
    from matplotlib.patheffects import withStroke

    to_pixels = axes.transData.transform
    spots = [(float(x), float(y)) for x, y in (to_pixels(p) for p in points)]
    lines = [((float(a[0]), float(a[1])), (float(b[0]), float(b[1]))) for a, b in ((to_pixels(s), to_pixels(e)) for s, e in steps)]
    dots = made.dpi / 72
    weights = ["bold" if chosen else "normal" for chosen in front]
    sizes = [
        (text_inches(text, _LABEL, weight) * made.dpi, 1.15 * _LABEL * dots) for text, weight in zip(labels, weights, strict=True)
    ]
    box = axes.get_window_extent()
    frame = (float(box.x0) + 2, float(box.y0) + 2, float(made.bbox.x1) - 3, float(box.y1))
    radius = (_MARK / 2 + 1) * dots
    found = place(spots, sizes, frame, radius=radius, lines=lines, first=front)
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
