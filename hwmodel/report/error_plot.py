"""The error of every layer under every scheme, as a heat map."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hwmodel.report.canvas import check_width, figure, margins, style, text_inches
from hwmodel.report.theme import Theme
from hwmodel.report.theme import theme as theme_named
from hwmodel.report.view import layer_names, short_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

_NAME, _TICK = 8.5, 8.0
_SIDE = 0.1  # inches beside the axes
_ROW = 0.44
_BAND = (-0.02, 0.46)  # of a row: from, to, in rows from its centre (the name stands above)
_ROOM_FOR_NUMBER = 0.21  # inches a cell needs for two digits
_ROOM_FOR_NAME = 0.15


def layer_sqnr(study: Any, theme: str = "light", width: str = "wide") -> Figure:
    """SQNR of every weight layer (dB), one band an evaluation, layers in the order they run.

    The number is written into the cells where it fits. Attention rows, which have no weights, are left out.
    """
    colours, narrow = theme_named(theme), check_width(width)
    summary = study.summary()
    columns = list(dict.fromkeys(name for e in study.evaluations for name in e.layers.loc[_weighted(e.layers), "layer"]))
    values = np.full((len(study.evaluations), len(columns)), math.nan)
    for i, evaluation in enumerate(study.evaluations):
        rows = evaluation.layers.loc[_weighted(evaluation.layers)]
        for name, sqnr in zip(rows["layer"], rows["sqnr_db"], strict=True):
            values[i, columns.index(name)] = sqnr
    inches = 3.5 if narrow else 11.0
    cell = (inches - 2 * _SIDE) / max(1, len(columns))
    short = layer_names(columns)
    names = [name for _, name in short]
    named = cell >= _ROOM_FOR_NAME
    with style(colours):
        longest = max((text_inches(n, _TICK) for n in names), default=0.0)
        upright = longest > cell - 0.05
        below = (longest + 0.12 if upright else 0.22) if named else 0.05
        last = 0.22 if any(block for block, _ in short) else 0.06
        made = figure(inches, _ROW * len(values) + below + last + 0.5)
        axes = made.add_subplot()
        margins(made, axes, _SIDE, _SIDE, below + last, 0.5)
        norm, ramp = _ramp(values, colours)
        for i, row in enumerate(values):
            axes.imshow(
                row[None],
                cmap=ramp,
                norm=norm,
                aspect="auto",
                interpolation="nearest",
                extent=(0, len(columns), i + _BAND[1], i + _BAND[0]),
            )
            label, acc = short_labels(summary)[i], str(summary["accelerator"].iloc[i])
            axes.annotate(label, (0, i + _BAND[0]), xytext=(0, 3), textcoords="offset points", fontsize=_NAME, fontweight="bold")
            shift = 72 * text_inches(label, _NAME, "bold") + 6
            axes.annotate(
                acc, (0, i + _BAND[0]), xytext=(shift, 3), textcoords="offset points", fontsize=_NAME, color=colours.muted
            )
            if cell >= _ROOM_FOR_NUMBER:
                _numbers(axes, i, row, norm, ramp)
        axes.set_xlim(0, len(columns))
        axes.set_ylim(len(values) - 0.46, -0.48)
        _ticks(axes, short, cell, below, upright, len(values), colours)
        _key(made, norm, ramp, narrow)
    return made


def _weighted(layers: Any) -> Any:
    return ~layers["kind"].astype(str).str.startswith("attention")


def _ramp(values: np.ndarray, colours: Theme) -> tuple[Normalize, Colormap]:
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    seen = values[np.isfinite(values)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    low, high = math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    ramp = LinearSegmentedColormap.from_list("sqnr", colormaps["viridis"](np.linspace(*colours.heat, 256)))
    # below 1: layers near the worst, which matter most, are told apart best
    return PowerNorm(0.6, low, high), ramp.with_extremes(bad=colours.line)


def _numbers(axes: Axes, row: int, values: np.ndarray, norm: Normalize, ramp: Colormap) -> None:
    for j, value in enumerate(values):
        if math.isnan(value):
            continue
        red, green, blue = ramp(min(1.0, float(norm(value))))[:3]
        dark = _luminance(red, green, blue) < 0.19
        text = f"{value:.0f}" if math.isfinite(value) else ("∞" if value > 0 else "−∞")
        axes.text(
            j + 0.5,
            row + sum(_BAND) / 2 + 0.01,
            text.replace("-", "−"),
            ha="center",
            va="center",
            fontsize=8,
            color="#ffffff" if dark else "#000000",
        )


def _luminance(*channels: float) -> float:
    """Relative luminance of an sRGB colour. Source: WCAG 2.2, definition of relative luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _ticks(axes: Axes, short: list[tuple[str, str]], cell: float, below: float, upright: bool, count: int, colours: Theme) -> None:
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(axis="x", length=0, pad=3)
    if cell >= _ROOM_FOR_NAME:
        axes.set_xticks(
            [i + 0.5 for i in range(len(short))], [name for _, name in short], rotation=90 if upright else 0, fontsize=_TICK
        )
    else:
        axes.set_xticks([])
    starts = [i for i in range(len(short)) if i == 0 or short[i][0] != short[i - 1][0]]
    ends = [*starts[1:], len(short)]
    blocks = [(s, e, short[s][0]) for s, e in zip(starts, ends, strict=True)]
    drop = -72 * below
    texts = [f"block {block}" if block and (end - start) * cell > 0.55 else block for start, end, block in blocks]
    middles = [(start + end) / 2 * cell for start, end, _ in blocks]
    spans = [(m - text_inches(t, _TICK) / 2, m + text_inches(t, _TICK) / 2) for t, m in zip(texts, middles, strict=True)]
    # every block, or every second one, ...: the first step at which no two numbers touch
    fits = (step for step in range(1, len(blocks) + 1) if all(a[1] + 0.06 < b[0] for a, b in pairwise(spans[::step])))
    step = next(fits, len(blocks))
    for i, (start, _, _) in enumerate(blocks):
        if start:
            bands = [(row + _BAND[0], row + _BAND[1]) for row in range(count)]
            axes.vlines([start] * count, *zip(*bands, strict=True), color=colours.surface, linewidth=1.5, zorder=3)
        if texts[i] and i % step == 0:
            place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (0, drop), "textcoords": "offset points"}
            axes.annotate(texts[i], (middles[i] / cell, 0), ha="center", va="top", fontsize=_TICK, color=colours.muted, **place)


def _key(made: Figure, norm: Normalize, ramp: Colormap, narrow: bool) -> None:
    from matplotlib.cm import ScalarMappable

    width, height = (float(v) for v in made.get_size_inches())
    bar = 1.5 if narrow else 2.4
    axes = made.add_axes((_SIDE / width, 1 - 0.24 / height, bar / width, 0.13 / height))
    made.colorbar(ScalarMappable(norm, ramp), cax=axes, orientation="horizontal")
    axes.spines["outline"].set_visible(False)
    axes.tick_params(length=2, pad=2, labelsize=_TICK)
    made.text((_SIDE + bar + 0.12) / width, 1 - 0.175 / height, "SQNR (dB), higher is better", va="center", fontsize=_NAME)
