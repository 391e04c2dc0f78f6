"""Schemes on one plot: signal to quantization noise against stored bits an element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel.report.canvas import check_width, figure, margins, style, text_inches, wrapped
from hwmodel.report.labels import Box, Point, nearest, place
from hwmodel.report.save import check_suffix, save
from hwmodel.report.scheme_groups import GROUPS, group_of, short_name
from hwmodel.report.theme import Theme
from hwmodel.report.theme import theme as theme_named
from numfmt import scheme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Segment = tuple[Point, Point]
PER_BIT = 20 * math.log10(2)  # dB: what one more bit buys at the rate-distortion bound
_NEEDED = ("tensor", "scheme", "share", "bits_per_element", "sqnr_db")
_SIZE = {True: (3.3, 4.3), False: (6.8, 4.6)}  # inches, narrow and wide
_TEXT = {True: 6.0, False: 7.0}
_MARK = {True: 4.0, False: 5.0}
_NOTE = 6.0
_GAIN = 0.3  # dB
_DEAR = 24.0  # a label that would cover so much is left off


def plot_schemes(
    frame: pd.DataFrame,
    path: str | Path | None = None,
    theme: str = "light",
    width: str = "narrow",
    *,
    network: str | None = None,
    bits: tuple[float, float] = (0.0, 10.0),
    label: str = "front",
) -> Figure:
    """SQNR (dB) against stored bits an element, one point a scheme of a frame of `hw.scheme_gallery`.

    Colour and mark tell the kind of scheme. Filled marks are on the front (no other scheme has at least the SQNR in at most the
    bits); a hollow mark is off it, a faint one left out tensors that the scheme does not take and is never on the front. The
    dotted line is the rate-distortion bound of independent Gaussian values, 6.02 dB a bit.
    network: one of the frame's; None means the mean over its networks, of the bits and of the dB, each network counting the same.
    bits: the part of the axis that is drawn, (3.9, 4.7) for the crowd at 4 bits; what lies beyond it or has no error is told
    below the plot. label: "front" names the schemes on the front that gain 0.3 dB and more over the one before, "all" every
    scheme, the front in bold; either where there is room. path: .svg, .png or .pdf. theme: "light" or "dark". width: "narrow"
    (3.3 in, a column) or "wide" (6.8 in).

    Raises ValueError for frames without the columns, networks that are not in it, no drawable point, and unknown words.
    """
    colours, narrow = theme_named(theme), check_width(width)
    if path is not None:
        check_suffix(path)
    if label not in ("front", "all"):
        raise unknown("label", label, ("front", "all"))
    low, high = _range(bits)
    points, of = _points(frame, network)
    points["front"] = _front(points)
    drawn = points[np.isfinite(points["sqnr_db"]) & points["bits"].between(low, high)]
    if drawn.empty:
        raise ValueError(f"no scheme has a finite SQNR and {low:g} to {high:g} bits; measure others, or widen bits=")
    notes = _notes(points, drawn, low, high)
    with style(colours):
        size = _SIZE[narrow]
        lines = wrapped(notes, size[0] - 0.2, _NOTE)
        rows = _legend_rows(_groups(drawn), size[0])
        below, above = 0.46 + 0.11 * len(lines), 0.08 + 0.15 * len(rows)
        made = figure(size[0], size[1] + 0.11 * len(lines) + 0.15 * max(len(rows) - 5, 0))
        axes = made.add_subplot()
        margins(made, axes, 0.44, 0.08, below, above)
        _frame(axes, drawn, of)
        bound = _bound(axes, colours, narrow)
        _marks(axes, drawn, colours, narrow)
        segments = _steps(axes, points[points["front"]], colours)
        _legend(made, rows, colours)
        for i, line in enumerate(reversed(lines)):
            at = (0.1 / size[0], (0.05 + 0.11 * i) / float(made.get_size_inches()[1]))
            made.text(*at, line, fontsize=_NOTE, color=colours.muted, va="bottom")
        _labels(made, axes, drawn, label == "all", [*segments, *bound], colours, narrow)
        if path is not None:
            save(made, path)
    return made


def _range(bits: Any) -> tuple[float, float]:
    try:
        low, high = (float(b) for b in bits)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"bits is {bits!r}; give (least, most), such as (0, 10)")
    return low, high


def _points(frame: pd.DataFrame, network: str | None) -> tuple[pd.DataFrame, str]:
    """One row a scheme: name, bits, sqnr_db, whole (whether every tensor was measured); and whose points these are."""
    for column in _NEEDED:
        if column not in frame.columns:
            raise ValueError(f"frame has no column {column!r}; give the frame that hw.scheme_gallery returns")
    rows = frame[frame["tensor"] == "all"]
    if "network" not in rows:
        rows = rows.assign(network="")
    names = [str(n) for n in dict.fromkeys(rows["network"])]
    if network is not None:
        if network not in names:
            raise unknown("network", network, names)
        rows, names = rows[rows["network"] == network], [network]
    made = [
        {
            "scheme": str(text),
            "bits": float(held["bits_per_element"].mean()),
            "sqnr_db": float(held["sqnr_db"].mean()),
            "whole": bool(len(held) == len(names) and (held["share"] == 1).all()),
        }
        for text, held in rows.groupby("scheme", sort=False)
        if held["bits_per_element"].notna().any()
    ]
    of = names[0] if len(names) == 1 else f"mean of {len(names)} networks"
    return pd.DataFrame(made, columns=["scheme", "bits", "sqnr_db", "whole"]), of


def _notes(points: pd.DataFrame, drawn: pd.DataFrame, low: float, high: float) -> list[str]:
    """What a reader would miss."""
    notes = []
    exact = points[np.isinf(points["sqnr_db"])]
    if len(exact):
        notes.append(f"without error: {', '.join(short_name(s) for s in exact['scheme'])}")
    far = points[~points["bits"].between(low, high) & np.isfinite(points["sqnr_db"])]
    if 0 < len(far) <= 3:
        named = [f"{short_name(r.scheme)} ({r.bits:.3g} bits, {r.sqnr_db:.1f} dB)" for r in far.itertuples(index=False)]
        notes.append("beyond the axis: " + ", ".join(named))
    elif len(far):
        notes.append(f"{len(far)} schemes have fewer or more bits")
    if not drawn["whole"].all():
        notes.append("faint: tensors of other shapes left out")
    return notes


def _frame(axes: Axes, drawn: pd.DataFrame, of: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for held, axis, set_limits, least in (
        (drawn["bits"], axes.xaxis, axes.set_xlim, 0.05),
        (drawn["sqnr_db"], axes.yaxis, axes.set_ylim, 0.5),
    ):
        low, high = float(held.min()), float(held.max())
        room = max(0.08 * (high - low), least)
        set_limits(0.0 if -room < low - room < 0.1 * high else low - room, high + room)
        axis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10]))
    axes.set_xlabel("Stored bits an element, all overheads", labelpad=2)
    axes.set_ylabel("SQNR (dB)" + (f", {of}" if of else ""), labelpad=2)
    axes.tick_params(length=2.5, pad=2)
    axes.grid(True)


def _front(points: pd.DataFrame) -> np.ndarray:
    """Which rows no other beats: at most the bits and at least the SQNR. Of equal points the first; none that is not drawable."""
    front = np.zeros(len(points), bool)
    best = -math.inf
    bits, quality = points["bits"].to_numpy(), points["sqnr_db"].to_numpy()
    usable = points["whole"].to_numpy() & np.isfinite(quality)
    for i in sorted(np.flatnonzero(usable), key=lambda i: (bits[i], -quality[i], i)):
        if quality[i] > best:
            front[i], best = True, quality[i]
    return front


def _bound(axes: Axes, colours: Theme, narrow: bool) -> list[Segment]:
    """The rate-distortion bound, named at its upper end: the line, and what keeps labels off the name (segments, data units)."""
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    start, end = max(x0, y0 / PER_BIT), min(x1, y1 / PER_BIT)
    if end <= start:
        return []
    ends = ((start, PER_BIT * start), (end, PER_BIT * end))
    axes.plot(*zip(*ends, strict=True), color=colours.muted, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    text, size = ("Gaussian bound,", f"{PER_BIT:.2f} dB a bit"), _TEXT[narrow]
    box = axes.get_window_extent()
    dots = axes.figure.dpi / 72
    wide = text_inches(text[0], size) * axes.figure.dpi * (x1 - x0) / float(box.width)  # in bits
    row = 1.2 * size * dots * (y1 - y0) / float(box.height)  # in dB
    # the name's lower edge is where the line must not be met: left of it there, or right of its end
    left = end - 2 * row / PER_BIT - 0.02 * (x1 - x0)
    at, side = (left, "right") if left - wide >= x0 else (end + 0.02 * (x1 - x0), "left")
    top = PER_BIT * end
    axes.text(at, top, "\n".join(text), ha=side, va="top", fontsize=size, linespacing=1.2, color=colours.muted)
    low, high = (at - wide, at) if side == "right" else (at, at + wide)
    # crossing the name costs more than crossing a line
    return [ends, *(((low, top - part * row), (high, top - part * row)) for part in (0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 1.9, 2.2))]


def _groups(drawn: pd.DataFrame) -> list[str]:
    held = {group_of(scheme(s)) for s in drawn["scheme"]}
    return [name for name in GROUPS if name in held]


def _marks(axes: Axes, drawn: pd.DataFrame, colours: Theme, narrow: bool) -> None:
    held = (drawn["scheme"], drawn["bits"], drawn["sqnr_db"], drawn["whole"], drawn["front"])
    for text, bits, quality, whole, chosen in zip(*(column.tolist() for column in held), strict=True):
        series, mark = GROUPS[group_of(scheme(text))]
        colour = colours.series[series]
        face, edge = (colour, colours.surface) if chosen else (colours.surface, colour)
        look: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": edge}
        look |= {"markersize": _MARK[narrow] + 1.2 * chosen, "markeredgewidth": 0.4 if chosen else 0.8}
        axes.plot(bits, quality, mark, alpha=1.0 if whole else 0.4, zorder=4 if chosen else 3, **look)


def _steps(axes: Axes, front: pd.DataFrame, colours: Theme) -> list[Segment]:
    """The front as a staircase; its segments in data units."""
    corners = sorted(zip(front["bits"], front["sqnr_db"], strict=True))
    if len(corners) > 1:
        axes.step(*zip(*corners, strict=True), where="post", color=colours.accent, linewidth=0.9, alpha=0.7, zorder=2)
    segments = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        segments += [((x0, y0), (x1, y0)), ((x1, y0), (x1, y1))]
    return segments


def _legend_rows(groups: Sequence[str], inches: float) -> list[list[tuple[str, float]]]:
    """Entries with their places (inches from the left), as many a row as fit."""
    size = 7.0
    rows: list[list[tuple[str, float]]] = [[]]
    at = 0.1
    for name in groups:
        needs = text_inches(name, size) * 1.04 + 0.3
        if rows[-1] and at + needs > inches:
            rows.append([])
            at = 0.1
        rows[-1].append((name, at))
        at += needs
    return rows


def _legend(made: Figure, rows: Sequence[Sequence[tuple[str, float]]], colours: Theme) -> None:
    from matplotlib.lines import Line2D

    width, height = (float(v) for v in made.get_size_inches())
    for i, row in enumerate(rows):
        y = 1 - (0.1 + 0.15 * i) / height
        for name, at in row:
            series, mark = GROUPS[name]
            x = (at + 0.05) / width
            made.add_artist(
                Line2D(
                    [x], [y], marker=mark, color=colours.series[series], markersize=4.5, linestyle="", transform=made.transFigure
                )
            )
            made.text(x + 0.09 / width, y, name, fontsize=7.0, va="center_baseline")


def _worth(drawn: pd.DataFrame) -> list[int]:
    """Rows on the front that gain enough over the one named before."""
    kept: list[int] = []
    for i in sorted(np.flatnonzero(drawn["front"].to_numpy()), key=lambda i: drawn["bits"].iloc[i]):
        if not kept or drawn["sqnr_db"].iloc[i] >= drawn["sqnr_db"].iloc[kept[-1]] + _GAIN:
            kept.append(int(i))
    return kept


def _labels(
    made: Figure, axes: Axes, drawn: pd.DataFrame, every: bool, lines: Sequence[Segment], colours: Theme, narrow: bool
) -> None:
    """Names beside the marks, where they fit."""
    from matplotlib.patheffects import withStroke

    to_pixels = axes.transData.transform
    dots = made.dpi / 72
    size, radius = _TEXT[narrow], (_MARK[narrow] / 2 + 0.8) * dots
    spots = [(float(x), float(y)) for x, y in to_pixels(drawn[["bits", "sqnr_db"]].to_numpy())]
    named = list(range(len(drawn))) if every else _worth(drawn)
    texts = [short_name(drawn["scheme"].iloc[i]) for i in named]
    first = [bool(drawn["front"].iloc[i]) for i in named]
    weights = ["bold" if every and chosen else "normal" for chosen in first]
    sizes = [
        (text_inches(text, size, weight) * made.dpi * 1.03, 1.12 * size * dots) for text, weight in zip(texts, weights, strict=True)
    ]
    kept_free = [_pixels(to_pixels, s) for s in lines]
    # marks without a label are kept free as lines are: crossed only where it must be
    kept_free += [((x - radius, y), (x + radius, y)) for i, (x, y) in enumerate(spots) if i not in named]
    box = axes.get_window_extent()
    edge: Box = (float(box.x0) + 2, float(box.y0) + 2, float(box.x1) - 2, float(box.y1) - 1)
    marks = [spots[i] for i in named]
    back = axes.transData.inverted().transform
    halo = withStroke(linewidth=1.5, foreground=colours.surface)
    others = [spot for i, spot in enumerate(spots) if i not in named]
    found = place(marks, sizes, edge, radius=radius, lines=kept_free, first=first, others=others)
    for text, weight, spot, where in zip(texts, weights, marks, found, strict=True):
        if where is None or where.cost > _DEAR:
            continue
        x0, y0, x1, y1 = where.box
        x, y = back(((x0 + x1) / 2, (y0 + y1) / 2))
        axes.text(x, y, text, ha="center", va="center", fontsize=size, fontweight=weight, zorder=5, path_effects=[halo])
        if where.distance > 1.8 * radius:
            (ax, ay), (bx, by) = back(spot), back(nearest(where.box, spot))
            axes.plot([ax, bx], [ay, by], color=colours.muted, linewidth=0.5, zorder=2.5)


def _pixels(to_pixels: Any, segment: Segment) -> Segment:
    (a, b), (c, d) = to_pixels(segment)
    return (float(a), float(b)), (float(c), float(d))
