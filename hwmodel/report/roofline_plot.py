"""Layers below the ceilings of the hardware that runs them: a roofline plot (Williams, Waterman and Patterson 2009)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hwmodel.report.canvas import check_width, figure, margins, style, text_inches
from hwmodel.report.ceilings import Series, Spot, series_of
from hwmodel.report.labels import Box, Point, nearest, place
from hwmodel.report.numbers import Scale, compact, scale
from hwmodel.report.save import check_suffix, save
from hwmodel.report.theme import Theme
from hwmodel.report.theme import theme as theme_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Segment = tuple[Point, Point]
_SIZE = {True: (3.5, 3.7), False: (6.0, 4.2)}  # inches, narrow and wide
_TEXT = {True: 7.0, False: 8.0}
_LABELS = {True: 6, False: 9}
_SMALLEST, _LARGEST = 16.0, 170.0  # areas of marks in square points
_NOTE = 7.0


@dataclass
class _Mark:
    """Layers that fall on one place."""

    at: Point
    spots: list[Spot]
    series: int

    @property
    def share(self) -> float:
        return sum(spot.share for spot in self.spots)

    @property
    def attention(self) -> bool:
        return all(spot.attention for spot in self.spots)

    @property
    def area(self) -> float:
        return min(_LARGEST, max(_SMALLEST, _LARGEST * self.share))


def plot_roofline(
    what: Any,
    work: pd.DataFrame | None = None,
    path: str | Path | None = None,
    theme: str = "light",
    width: str = "wide",
    *,
    plan: Any = None,
    **bits: Any,
) -> Figure:
    """Operations a second against operations a byte of DRAM, both logarithmic: a mark a layer below the ceilings.

    what: a Score (`hw.score`), a Roofline (`hw.roofline`), or a machine or accelerator (object or name) with the workload
    `work`, the `plan` of an accelerator and the bits of a machine (`weight_bits`, ... of `hw.roofline`); a list compares
    several. Ceilings: DRAM bandwidth, and peaks for each width of operands where the width counts. The area of a mark is the
    layer's share of the time; layers that fall together share a mark; those that take most time are named.
    path: .svg, .png or .pdf. theme: "light" or "dark". width: "narrow" (3.5 in, a column) or "wide" (6 in).

    Raises ValueError for unknown names and words, and where there is nothing to plot; ImportError without matplotlib.
    """
    colours, narrow = theme_named(theme), check_width(width)
    if path is not None:
        check_suffix(path)
    series = series_of(what, work, plan, bits)
    if len(series) > len(colours.series):
        raise ValueError(f"{len(series)} rooflines do not fit one plot; give at most {len(colours.series)}")
    if not any(one.spots for one in series):
        raise ValueError("no layer has operations, bytes and time: there is nothing to plot")
    rate = scale([max(one.peak for one in series)], 1.0, "OP/s")
    with style(colours):
        size = _SIZE[narrow]
        several = len(series) > 1
        above = 0.08 + 0.17 * (len(series) if narrow else math.ceil(len(series) / 2)) if several else 0.12
        made = figure(size[0], size[1] + above)
        axes = made.add_subplot()
        margins(made, axes, 0.62, 0.12, 0.62, above + 0.02)
        _frame(made, axes, series, rate, narrow)
        lines, taken = _ceilings(made, axes, series, rate, colours, narrow)
        marks = _marks(made, axes, series, rate, colours)
        _names(made, axes, marks, (lines, taken), colours, narrow, several)
        if several:
            _legend(made, series, colours, narrow)
        note = "area of a mark: share of the time" + (
            "; squares: attention" if any(s.attention for one in series for s in one.spots) else ""
        )
        made.text(0.1 / size[0], 0.06 / float(made.get_size_inches()[1]), note, fontsize=_NOTE, color=colours.muted, va="bottom")
        if path is not None:
            save(made, path)
    return made


def _frame(made: Figure, axes: Axes, series: Sequence[Series], rate: Scale, narrow: bool) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    spots = [spot for one in series for spot in one.spots]
    ridges = [one.peak / one.bandwidth for one in series]
    low = min(*(s.intensity for s in spots), *ridges)
    high = max(*(s.intensity for s in spots), *(4 * r for r in ridges))
    top = max(level for one in series for _, level, used in one.ceilings if used or level <= 4 * one.peak)
    bottom = min(min(s.rate for s in spots), *(one.bandwidth * low for one in series))
    left, right = low / 2.2, high * (4 if narrow else 2.5)
    if len(series) == 1:  # the names of ceilings stand behind the marks on them
        inches = float(axes.get_position().width) * float(made.get_size_inches()[0])
        for what, level, _ in series[0].ceilings:
            ridge = level / series[0].bandwidth
            on = [s.intensity for s in spots if 0.8 * level < s.rate < 1.3 * level and s.intensity >= 0.9 * ridge]
            part = min((text_inches(_ceiling(what, level, rate, narrow), _TEXT[narrow]) + 0.15) / inches, 0.6)
            if on:
                right = max(right, min(left * (1.15 * max(on) / left) ** (1 / (1 - part)), 40 * max(on)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom * rate.factor / 2.5, top * rate.factor * 2.2)
    for axis in (axes.xaxis, axes.yaxis):
        start, end = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if end < 150 * start else (1.0,), numticks=9))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.tick_params(length=3, pad=2)
    axes.tick_params(which="minor", length=1.5)
    axes.set_xlabel("Operations a byte of DRAM", labelpad=2)
    axes.set_ylabel(f"Throughput ({rate.unit})", labelpad=2)
    axes.grid(True)


def _ceilings(
    made: Figure, axes: Axes, series: Sequence[Series], rate: Scale, colours: Theme, narrow: bool
) -> tuple[list[Segment], list[Box]]:
    """Draw and name the ceilings; the lines that names of layers should keep off, and the boxes of ceilings' names, in pixels."""
    (x0, x1), (_, y1) = axes.get_xlim(), axes.get_ylim()
    pixels = axes.transData.transform
    several, size = len(series) > 1, _TEXT[narrow]
    kept: list[Segment] = []
    taken: list[Box] = []

    def line(a: Point, b: Point, **look: Any) -> None:
        axes.plot((a[0], b[0]), (a[1], b[1]), solid_capstyle="round", zorder=2, **look)
        kept.append((tuple(map(float, pixels(a))), tuple(map(float, pixels(b)))))  # type: ignore[arg-type]

    for i, one in enumerate(series):
        colour = colours.series[i] if several else colours.text
        slope = one.bandwidth * rate.factor
        highest = max((level for _, level, used in one.ceilings if used or level * rate.factor < y1), default=one.peak)
        end = highest / one.bandwidth
        shared = len({s.bandwidth for s in series}) == 1
        line((x0, x0 * slope), (end, end * slope), color=colours.text if shared else colour, linewidth=1.4)
        for what, level, used in one.ceilings:
            y = level * rate.factor
            if y >= y1:
                continue
            look: dict[str, Any] = {"linewidth": 1.4} if used else {"linewidth": 0.9, "linestyle": (0, (4, 3)), "alpha": 0.8}
            line((level / one.bandwidth, y), (x1, y), color=colour if used or several else colours.muted, **look)
            if not several:
                text = _ceiling(what, level, rate, narrow)
                free = float(pixels((x1, y))[0] - pixels((level / one.bandwidth, y))[0])
                if text_inches(text, size) * made.dpi > free - 8:
                    text = what
                taken.append(_caption(made, axes, (x1, y), text, size, colours.text if used else colours.muted))
        if not several:
            _along(
                made,
                axes,
                (x0, x0 * slope),
                (end, end * slope),
                "DRAM without limit" if one.unlimited else f"DRAM, {_bandwidth(one.bandwidth)}",
                size,
                colours,
                kept,
            )
    return kept, taken


def _ceiling(what: str, level: float, rate: Scale, narrow: bool) -> str:
    value = level * rate.factor
    return what if narrow and len(what) > 18 else f"{what}, {value:.4g} {rate.unit}"


def _bandwidth(value: float) -> str:
    unit = scale([value], 1.0, "B/s")
    return f"{compact(value * unit.factor, 4)} {unit.unit}"


def _caption(made: Figure, axes: Axes, at: Point, text: str, size: float, colour: str) -> Box:
    """A name above the right end of a ceiling; its box."""
    axes.annotate(
        text, at, xytext=(-2, 2), textcoords="offset points", ha="right", va="bottom", fontsize=size, color=colour, zorder=4
    )
    x, y = (float(v) for v in axes.transData.transform(at))
    wide, dots = text_inches(text, size) * made.dpi + 4, made.dpi / 72
    return x - wide, y + dots, x, y + 1.5 * size * dots


def _along(made: Figure, axes: Axes, a: Point, b: Point, text: str, size: float, colours: Theme, kept: list[Segment]) -> None:
    """A name above a slope, turned with it, where the slope begins."""
    (px, py), (qx, qy) = (axes.transData.transform(p) for p in (a, b))
    length, wide = math.hypot(qx - px, qy - py), text_inches(text, size) * made.dpi
    if length < 1.05 * wide:
        return
    part = 0.5 - 0.5 * wide / length if length < 1.6 * wide else 0.12
    ux, uy, dots = (qx - px) / length, (qy - py) / length, made.dpi / 72
    x, y = px + part * (qx - px) - 4 * dots * uy, py + part * (qy - py) + 4 * dots * ux
    at = axes.transData.inverted().transform((x, y))
    angle = math.degrees(math.atan2(qy - py, qx - px))
    look: dict[str, Any] = {"rotation": angle, "rotation_mode": "anchor", "ha": "left", "va": "bottom", "zorder": 4}
    axes.text(at[0], at[1], text, fontsize=size, color=colours.text, **look)
    for off in (2.0, 5.0, 8.0):
        start = (float(x - off * dots * uy), float(y + off * dots * ux))
        kept.append((start, (start[0] + float(wide * ux), start[1] + float(wide * uy))))


def _marks(made: Figure, axes: Axes, series: Sequence[Series], rate: Scale, colours: Theme) -> list[_Mark]:
    """One mark for layers that fall together, the largest drawn first."""
    found: list[_Mark] = []
    near = 3.0 * made.dpi / 72
    for i, one in enumerate(series):
        own: list[_Mark] = []
        for spot in sorted(one.spots, key=lambda s: -s.share):
            x, y = (float(v) for v in axes.transData.transform((spot.intensity, spot.rate * rate.factor)))
            home = next((m for m in own if math.dist(m.at, (x, y)) < near and m.attention == spot.attention), None)
            if home is None:
                own.append(_Mark((x, y), [spot], i))
            else:
                home.spots.append(spot)
        found += own
    found.sort(key=lambda m: -m.share)
    back = axes.transData.inverted().transform
    for z, mark in enumerate(found):
        x, y = back(mark.at)
        shape = "s" if mark.attention else "o"
        look: dict[str, Any] = {
            "color": colours.series[mark.series],
            "edgecolors": colours.surface,
            "linewidths": 0.7,
        }
        axes.scatter([x], [y], s=mark.area * (0.8 if mark.attention else 1), marker=shape, zorder=3 + z / 1000, **look)
    return found


def _names(
    made: Figure,
    axes: Axes,
    marks: Sequence[_Mark],
    kept_off: tuple[list[Segment], list[Box]],
    colours: Theme,
    narrow: bool,
    several: bool,
) -> None:
    """The names of the layers that take most time, where they fit."""
    from matplotlib.patheffects import withStroke

    size, dots = _TEXT[narrow], made.dpi / 72
    named = [m for m in marks if m.share >= 0.01][: _LABELS[narrow]]
    texts = [_text(m, 24 if narrow else 34) for m in named]
    sizes = [(text_inches(t, size) * made.dpi * 1.02, 1.15 * size * dots) for t in texts]
    box = axes.get_window_extent()
    edge: Box = (float(box.x0) + 2, float(box.y0) + 2, float(box.x1) - 2, float(box.y1) - 2)
    radius = max((math.sqrt(m.area / math.pi) for m in named), default=3.0) * 0.8 * dots
    others = [m.at for m in marks if m not in named]
    lines, taken = kept_off
    kept = [*lines, *(((x - 3, y), (x + 3, y)) for x, y in others)]
    found = place([m.at for m in named], sizes, edge, radius=radius, lines=kept, others=others, taken=taken)
    back = axes.transData.inverted().transform
    halo = withStroke(linewidth=2, foreground=colours.surface)
    for mark, text, where in zip(named, texts, found, strict=True):
        if where is None:
            continue
        x0, y0, x1, y1 = where.box
        x, y = back(((x0 + x1) / 2, (y0 + y1) / 2))
        colour = colours.series[mark.series] if several else colours.text
        axes.text(x, y, text, ha="center", va="center", fontsize=size, color=colour, zorder=5, path_effects=[halo])
        if where.distance > 1.7 * radius:
            (ax, ay), (bx, by) = back(mark.at), back(nearest(where.box, mark.at))
            axes.plot([ax, bx], [ay, by], color=colours.muted, linewidth=0.6, zorder=2.5)


def _text(mark: _Mark, longest: int) -> str:
    """Names of the layers of a mark, those that take most time first: `up, gate, down + 4`."""
    names = list(dict.fromkeys(_short(spot.name) for spot in mark.spots))
    for count in range(len(names), 0, -1):
        text = ", ".join(names[:count]) + (f" + {len(names) - count}" if count < len(names) else "")
        if len(text) <= longest or count == 1:
            return text
    return ""


def _short(name: str) -> str:
    """`layers.*.q_proj` -> `q`, `layers.*.window.attention_qk` -> `window qk`, `layer3.0.conv2` as it is."""
    rest = re.sub(r"^(model\.)?(layers\.(\*|\d+)\.)?(self_attn\.|mlp\.)?", "", name)
    *head, last = rest.split(".")
    if not all(part in ("window", "experts", "busy") for part in head):
        return rest
    return " ".join([*head, last.removesuffix("_proj").removeprefix("attention_")])


def _legend(made: Figure, series: Sequence[Series], colours: Theme, narrow: bool) -> None:
    from matplotlib.lines import Line2D

    width, height = (float(v) for v in made.get_size_inches())
    handles = [
        Line2D([], [], color=colours.series[i], marker="o", markersize=5, linewidth=1.4, label=one.name)
        for i, one in enumerate(series)
    ]
    made.legend(
        handles=handles,
        ncols=1 if narrow else 2,
        loc="upper left",
        bbox_to_anchor=(0.1 / width, 1 - 0.03 / height),
        borderaxespad=0,
        handlelength=1.8,
        handletextpad=0.5,
        columnspacing=1.4,
        labelspacing=0.35,
        borderpad=0.2,
        fontsize=8,
    )
