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
from hwmodel.report.canvas import check_width, figure, margins, style, text_inches
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


def plot_schemes(
    frame: pd.DataFrame,
    path: str | Path | None = None,
    theme: str = "light",
    width: str = "narrow",
    *,
    network: str | None = None,
    most_bits: float = 10.0,
) -> Figure:
    """SQNR (dB) against stored bits an element, one point a scheme of a frame of `hw.scheme_gallery`.

    Colour and mark tell the kind of scheme. Filled marks are on the front (no other scheme has at least the SQNR in fewer bits)
    and are labelled where there is room; a hollow mark is off it, a faint one left out tensors that the scheme does not take and
    is never on the front. The dotted line is the rate-distortion bound of independent Gaussian values, 6.02 dB a bit.
    network: one of the frame's; None means the mean over its networks, of the bits and of the dB, each network counting the same.
    Points beyond `most_bits` and without finite SQNR are named below the plot, not drawn. path: .svg, .png or .pdf.
    theme: "light" or "dark". width: "narrow" (3.3 in, a column) or "wide" (6.8 in).

    Raises ValueError for frames without the columns, networks that are not in it, no drawable point, and unknown words.
    """
    colours, narrow = theme_named(theme), check_width(width)
    if path is not None:
        check_suffix(path)
    points, of = _points(frame, network)
    drawn = points[np.isfinite(points["sqnr_db"]) & (points["bits"] <= most_bits)]
    if drawn.empty:
        raise ValueError(f"no scheme has a finite SQNR and at most {most_bits:g} bits; measure others, or raise most_bits")
    notes = _notes(points, drawn, most_bits)
    with style(colours):
        size = _SIZE[narrow]
        lines = _wrapped(notes, size[0] - 0.2)
        rows = _legend_rows(_groups(drawn), size[0])
        below, above = 0.46 + 0.11 * len(lines), 0.08 + 0.15 * len(rows)
        made = figure(size[0], size[1] + 0.11 * len(lines) + 0.15 * max(len(rows) - 5, 0))
        axes = made.add_subplot()
        margins(made, axes, 0.44, 0.08, below, above)
        _frame(axes, drawn, of)
        front = _front(drawn)
        bound = _bound(axes, colours, narrow)
        _marks(axes, drawn, front, colours, narrow)
        segments = _steps(axes, drawn[front], colours)
        _legend(made, rows, colours)
        for i, line in enumerate(reversed(lines)):
            at = (0.1 / size[0], (0.05 + 0.11 * i) / float(made.get_size_inches()[1]))
            made.text(*at, line, fontsize=_NOTE, color=colours.muted, va="bottom")
        _labels(made, axes, drawn, front, segments, bound, colours, narrow)
        if path is not None:
            save(made, path)
    return made


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


def _notes(points: pd.DataFrame, drawn: pd.DataFrame, most_bits: float) -> list[str]:
    """What a reader would miss."""
    notes = []
    exact = points[np.isinf(points["sqnr_db"])]
    if len(exact):
        notes.append(f"without error: {', '.join(short_name(s) for s in exact['scheme'])}")
    far = points[(points["bits"] > most_bits) & np.isfinite(points["sqnr_db"])]
    if len(far):
        notes.append(
            "beyond the axis: "
            + ", ".join(f"{short_name(s)} ({b:.3g} bits, {d:.1f} dB)" for s, b, d, _ in far.itertuples(index=False))
        )
    if not drawn["whole"].all():
        notes.append("faint: tensors of other shapes left out")
    return notes


def _wrapped(notes: Sequence[str], inches: float) -> list[str]:
    """The notes in lines no longer than that."""
    lines: list[str] = []
    for note in notes:
        line = ""
        for word in note.split(" "):
            longer = f"{line} {word}".strip()
            if line and text_inches(longer, _NOTE) > inches:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def _frame(axes: Axes, drawn: pd.DataFrame, of: str) -> None:
    from matplotlib.ticker import MultipleLocator

    low, high = float(drawn["sqnr_db"].min()), float(drawn["sqnr_db"].max())
    axes.set_xlim(max(0.0, float(drawn["bits"].min()) - 0.7), float(drawn["bits"].max()) + 0.5)
    axes.set_ylim(min(0.0, low - 1), high + max(2.0, 0.05 * (high - low)))
    axes.xaxis.set_major_locator(MultipleLocator(1))
    axes.yaxis.set_major_locator(MultipleLocator(10))
    axes.set_xlabel("Stored bits an element, all overheads", labelpad=2)
    axes.set_ylabel("SQNR (dB)" + (f", {of}" if of else ""), labelpad=2)
    axes.tick_params(length=2.5, pad=2)
    axes.grid(True)


def _front(drawn: pd.DataFrame) -> np.ndarray:
    """Which rows no other beats: fewer bits and at least the SQNR. Of equal points the first."""
    front = np.zeros(len(drawn), bool)
    best = -math.inf
    order = sorted(range(len(drawn)), key=lambda i: (drawn["bits"].iloc[i], -drawn["sqnr_db"].iloc[i], i))
    for i in order:
        if drawn["whole"].iloc[i] and drawn["sqnr_db"].iloc[i] > best:
            front[i], best = True, float(drawn["sqnr_db"].iloc[i])
    return front


def _bound(axes: Axes, colours: Theme, narrow: bool) -> list[Segment]:
    """The rate-distortion bound with its name along it: the line, and the place of the name."""
    (x0, x1), (_, y1) = axes.get_xlim(), axes.get_ylim()
    end = min(x1, y1 / PER_BIT)
    ends = ((x0, PER_BIT * x0), (end, PER_BIT * end))
    axes.plot(*zip(*ends, strict=True), color=colours.muted, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    across, up = axes.transData.transform((1, PER_BIT)) - axes.transData.transform((0, 0))
    text = f"Gaussian bound, {PER_BIT:.2f} dB a bit"
    long = 1.05 * text_inches(text, _TEXT[narrow]) * axes.figure.dpi / math.hypot(across, up) / 2  # half of it, in bits
    at = end - long - 0.15
    dx, dy = -0.75 * _TEXT[narrow] * up / math.hypot(across, up), 0.75 * _TEXT[narrow] * across / math.hypot(across, up)
    axes.annotate(
        text,
        (at, PER_BIT * at),
        xytext=(dx, dy),
        textcoords="offset points",
        rotation=math.degrees(math.atan2(up, across)),
        rotation_mode="anchor",
        ha="center",
        va="center",
        fontsize=_TEXT[narrow],
        color=colours.muted,
    )
    scale = axes.figure.dpi / 72
    shift = dx * scale / across, dy * scale * PER_BIT / up
    name = [(x + shift[0], PER_BIT * x + shift[1]) for x in (at - long, at + long)]
    return [ends, (name[0], name[1])]


def _groups(drawn: pd.DataFrame) -> list[str]:
    held = {group_of(scheme(s)) for s in drawn["scheme"]}
    return [name for name in GROUPS if name in held]


def _marks(axes: Axes, drawn: pd.DataFrame, front: np.ndarray, colours: Theme, narrow: bool) -> None:
    for row, chosen in zip(drawn.itertuples(index=False), front, strict=True):
        series, mark = GROUPS[group_of(scheme(str(row.scheme)))]
        colour = colours.series[series]
        face, edge = (colour, colours.surface) if chosen else (colours.surface, colour)
        look: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": edge}
        look |= {"markersize": _MARK[narrow] + 1.2 * chosen, "markeredgewidth": 0.4 if chosen else 0.8}
        axes.plot(row.bits, row.sqnr_db, mark, alpha=1.0 if row.whole else 0.4, zorder=4 if chosen else 3, **look)


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
                Line2D([x], [y], marker=mark, color=colours.series[series], markersize=4.5, linestyle="", transform=made.transFigure)
            )
            made.text(x + 0.09 / width, y, name, fontsize=7.0, va="center_baseline")


def _labels(
    made: Figure,
    axes: Axes,
    drawn: pd.DataFrame,
    front: np.ndarray,
    steps: Sequence[Segment],
    bound: Sequence[Segment],
    colours: Theme,
    narrow: bool,
) -> None:
    """Names of the schemes on the front, above and left of it where they fit."""
    from matplotlib.patheffects import withStroke

    to_pixels = axes.transData.transform
    dots = made.dpi / 72
    size, radius = _TEXT[narrow], (_MARK[narrow] / 2 + 0.8) * dots
    spots = [(float(x), float(y)) for x, y in to_pixels(drawn[["bits", "sqnr_db"]].to_numpy())]
    texts = [short_name(s) for s in drawn["scheme"]]
    chosen = [i for i in range(len(drawn)) if front[i]]
    sizes = [(text_inches(texts[i], size) * made.dpi * 1.03, 1.12 * size * dots) for i in chosen]
    lines = [_pixels(to_pixels, s) for s in (*steps, *bound)]
    # marks without a label are kept free as lines are: crossed only where it must be
    lines += [((x - radius, y), (x + radius, y)) for i, (x, y) in enumerate(spots) if not front[i]]
    box = axes.get_window_extent()
    edge: Box = (float(box.x0) + 2, float(box.y0) + 2, float(box.x1) - 2, float(box.y1) - 1)
    marks = [spots[i] for i in chosen]
    back = axes.transData.inverted().transform
    halo = withStroke(linewidth=1.5, foreground=colours.surface)
    found = place(marks, sizes, edge, radius=radius, lines=lines)
    for text, spot, where in zip([texts[i] for i in chosen], marks, found, strict=True):
        if where is None:
            continue
        x0, y0, x1, y1 = where.box
        x, y = back(((x0 + x1) / 2, (y0 + y1) / 2))
        axes.text(x, y, text, ha="center", va="center", fontsize=size, zorder=5, path_effects=[halo])
        if where.distance > 1.8 * radius:
            (ax, ay), (bx, by) = back(spot), back(nearest(where.box, spot))
            axes.plot([ax, bx], [ay, by], color=colours.muted, linewidth=0.5, zorder=2.5)


def _pixels(to_pixels: Any, segment: Segment) -> Segment:
    (a, b), (c, d) = to_pixels(segment)
    return (float(a), float(b)), (float(c), float(d))
