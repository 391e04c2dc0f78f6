"""What a design takes of an FPGA, and which layers take it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hwmodel.report.canvas import check_width, figure, style, text_inches
from hwmodel.report.numbers import number
from hwmodel.report.theme import theme as theme_named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram18": "BRAM18", "uram": "URAM"}
_COLOURS = dict(zip(NAMES, range(5), strict=True))  # of the theme's series
_BARS = ("lut", "dsp", "bram18")
_MOST = 24
_ROW = 0.24
_NAME = 8.5


def fpga_plot(score: Any, theme: str = "light", width: str = "wide") -> Figure:
    """Shares of the device above (line: all of it; tick: up to where FINN's guide says designs place), below LUTs, DSP blocks and
    BRAM18 of every layer: the 24 layers with most LUTs are drawn, the rest is one bar. A shared array has parts instead."""
    colours, narrow = theme_named(theme), check_width(width)
    use = score.utilisation[(score.utilisation["available"] > 0) | (score.utilisation["used"] > 0)]
    names, rows = _rows(score)
    shown = [r for r in _BARS if any(row[r] for row in rows)] or ["lut"]
    wide = 3.5 if narrow else 7.0
    with style(colours):
        label = min(max(text_inches(n, _NAME) for n in names), 0.36 * wide) + 0.2
        panels = [shown] if not narrow else [[r] for r in shown]
        below = _ROW * len(rows) + 0.44
        height = 0.3 + _ROW * len(use) + 0.36 + below * len(panels)
        made = figure(wide, height)
        left, top = label / wide, height - 0.3
        top_axes = made.add_axes((left, (top - _ROW * len(use)) / height, 1 - left - 0.1 / wide, _ROW * len(use) / height))
        _shares(top_axes, use, colours, wide - label - 0.1, narrow)
        top_axes.set_title(f"Share of {score.device}", loc="left", pad=4)
        top -= _ROW * len(use) + 0.36
        for panel in panels:
            each = (wide - label - 0.1 - 0.14 * (len(panel) - 1)) / len(panel)
            for i, resource in enumerate(panel):
                x = label + i * (each + 0.14)
                place = (x / wide, (top - 0.22 - _ROW * len(rows)) / height, each / wide, _ROW * len(rows) / height)
                axes = made.add_axes(place)
                values = [float(row[resource]) for row in rows]
                colour = colours.series[_COLOURS[resource]]
                _bars(axes, values, [number(v, 0) for v in values], colour, colours, each)
                axes.set_title(NAMES[resource], loc="left", pad=4)
                axes.set_yticks(range(len(rows)), [_fitted(n, label - 0.19) for n in names] if i == 0 else [""] * len(rows))
            top -= below
    return made


def _rows(score: Any) -> tuple[list[str], list[Any]]:
    """The bars of the lower part: their names and resources."""
    layers = score.layers
    if not layers[list(_BARS)].to_numpy().any():
        return score.parts["part"].tolist(), score.parts.to_dict("records")
    kept = sorted(layers["lut"].sort_values(ascending=False, kind="stable").index[:_MOST])
    counted = zip(layers.loc[kept, "layer"], layers.loc[kept, "count"], strict=True)
    names = [f"{name} × {int(n)}" if n > 1 else str(name) for name, n in counted]
    rows = layers.loc[kept, list(NAMES)].to_dict("records")
    rest = layers.drop(index=kept)
    if len(rest):
        names.append(f"{len(rest)} more layers")
        rows.append(rest[list(NAMES)].sum().to_dict())
    return names, rows


def _fitted(name: str, inches: float) -> str:
    """A name cut in the middle to the room there is."""
    while text_inches(name, _NAME) > inches and len(name) > 8:
        half = (len(name) - 2) // 2
        name = f"{name[:half]}…{name[len(name) - half :]}"
    return name


def _shares(axes: Any, use: Any, theme: Any, inches: float, narrow: bool) -> None:
    shares = [float(s) * 100 for s in use["share"]]
    drawn = [s if math.isfinite(s) else 100.0 for s in shares]
    amounts = zip(shares, use["used"], use["available"], strict=True)
    texts = [f"{number(s, 1)} %" + ("" if narrow else f", {number(n, 0)} of {number(there, 0)}") for s, n, there in amounts]
    for i, (resource, share, advised) in enumerate(zip(use["resource"], drawn, use["advised"], strict=True)):
        axes.barh(i, share, height=0.62, color=theme.series[_COLOURS[resource]])
        axes.plot([100 * advised] * 2, [i - 0.4, i + 0.4], color=theme.text, lw=1.2)
    room = max(text_inches(t, _NAME) for t in texts) + 0.12
    far = max(max(drawn), 100.0)
    axes.set_xlim(0, far * inches / max(inches - room, 0.25 * inches))
    for i, (share, text) in enumerate(zip(drawn, texts, strict=True)):
        axes.annotate(text, (max(share, 100.0), i), xytext=(4, 0), textcoords="offset points", va="center", fontsize=_NAME)
    axes.axvline(100, color=theme.muted, lw=0.8, ls=(0, (3, 3)), zorder=0)
    _bare(axes, len(drawn))
    axes.set_yticks(range(len(drawn)), [NAMES[r] for r in use["resource"]])


def _bars(axes: Any, values: list[float], texts: list[str], colour: str, theme: Any, inches: float) -> None:
    axes.barh(range(len(values)), values, height=0.62, color=colour)
    room = max(text_inches(t, _NAME) for t in texts) + 0.1
    axes.set_xlim(0, (max(values) or 1) * inches / max(inches - room, 0.25 * inches))
    for i, (value, text) in enumerate(zip(values, texts, strict=True)):
        axes.annotate(text, (value, i), xytext=(3, 0), textcoords="offset points", va="center", fontsize=_NAME)
    _bare(axes, len(values))


def _bare(axes: Any, count: int) -> None:
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines["bottom"].set_visible(False)
