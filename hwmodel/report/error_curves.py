"""The panel of relative rounding errors over magnitude."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hwmodel.report.canvas import text_inches
from hwmodel.report.theme import Theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from numfmt import Card

LEGEND_LINE = 0.155  # inches
_TICK = 7.5
_TOP = 0.6  # log2 of the error at the upper edge: 1 (all is lost) stands below it
_DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (5, 1.5, 1.2, 1.5)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 2)),
    (0, (6, 1, 2, 1)),
)


def error_panel(made: Figure, cards: Sequence[Card], inches: float, colours: Theme, narrow: bool) -> None:
    """Draw the panel into the lowest `inches` of the figure."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    width, height = (float(v) for v in made.get_size_inches())
    rows = legend_rows(cards, width)
    bottom, top = 0.42, 0.08 + LEGEND_LINE * rows
    axes = made.add_axes((0.55 / width, bottom / height, (width - 0.67) / width, (inches - bottom - top) / height))
    fine = 8 if len(cards) == 1 else 1  # saw teeth of several formats would hide each other
    curves = [card.spacing_curve(fine) if card.binades is not None else None for card in cards]
    floor = 0.0
    for i, (card, curve) in enumerate(zip(cards, curves, strict=True)):
        if curve is not None:
            floor = min(floor, _curve(axes, card, curve, i if len(cards) > 1 else 0, colours))
    if len(cards) == 1 and curves[0] is not None:
        _regions(axes, cards[0], curves[0], colours)
    low = math.floor(floor) - 0.5
    axes.set_ylim(low, _TOP)
    power = FuncFormatter(lambda v, _: f"$2^{{{round(v)}}}$".replace("-", "−"))
    axes.xaxis.set_major_formatter(power)
    axes.yaxis.set_major_formatter(power)
    axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 9, integer=True, steps=[1, 2, 4, 8, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 4, 8, 10]))
    axes.margins(x=0.01)
    axes.tick_params(labelsize=_TICK, length=2.5, pad=2)
    axes.set_xlabel("Magnitude", fontsize=8, labelpad=2)
    axes.set_ylabel("Worst relative error", fontsize=8, labelpad=2)
    axes.grid(True)
    if len(cards) > 1:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=_columns(cards, width), fontsize=_TICK, handlelength=2.0,
            handletextpad=0.4, columnspacing=1.0, labelspacing=0.25, borderpad=0.1, borderaxespad=0.1,
        )  # fmt: skip


def _columns(cards: Sequence[Card], width: float) -> int:
    widest = max(text_inches(_name(card), _TICK) for card in cards) + 0.42
    return max(1, min(len(cards), int((width - 0.6) / widest)))


def legend_rows(cards: Sequence[Card], width: float) -> int:
    """Lines of the legend; none for one format."""
    return math.ceil(len(cards) / _columns(cards, width)) if len(cards) > 1 else 0


def _name(card: Card) -> str:
    return card.name if len(card.name) <= 28 else f"{card.name[:27]}…"


def _curve(axes: Axes, card: Card, curve: pd.DataFrame, index: int, colours: Theme) -> float:
    """One format: full width in its range, thin beyond; returns log2 of its least error."""
    inside = curve["region"].isin(["normal", "subnormal"])
    error = np.log2(np.maximum(curve["error"].to_numpy(float), 2.0**-80))
    error = np.minimum(error, _TOP + 1)
    low, high = curve["log2_low"].to_numpy(), curve["log2_high"].to_numpy()
    colour = colours.series[index]
    shown = inside.to_numpy()
    axes.plot(
        *_stairs(low[shown], high[shown], error[shown]), color=colour, linestyle=_DASHES[index], linewidth=1.3, label=_name(card)
    )
    for region in ("underflow", "overflow"):
        part = (curve["region"] == region).to_numpy()
        if part.any():
            axes.plot(*_stairs(low[part], high[part], error[part]), color=colour, linewidth=0.7, alpha=0.7)
    start = curve.loc[curve["region"] != "underflow", "log2_low"].min()
    stop = high[shown][-1] if shown.any() else start
    for place in (start, stop):  # where the range ends
        axes.plot([place, place], [_TOP - 0.35, _TOP], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=3)
    return float(error[shown].min(initial=-1.0))


def _stairs(low: np.ndarray, high: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([low, high], 1).reshape(-1), np.repeat(y, 2)


def _regions(axes: Axes, card: Card, curve: pd.DataFrame, colours: Theme) -> None:
    """Shade what underflows and overflows, and say what comes out."""
    above = next(row for row in card.beyond if row.overflow == card.overflow).above.value
    result = "refused" if above is None else "NaN" if above != above else "∞" if above == math.inf else ""
    for region, text in (("underflow", "underflow"), ("overflow", "overflow" + (f" → {result}" if result else ""))):
        part = curve[curve["region"] == region]
        if part.empty:
            continue
        start, stop = float(part["log2_low"].min()), float(part["log2_high"].max())
        axes.axvspan(start, stop, color=colours.line, alpha=0.45, linewidth=0, zorder=0)
        place, shift, side = (start, 3, "left") if region == "underflow" else (stop, -3, "right")
        axes.annotate(
            text,
            (place, 0),
            xycoords=("data", "axes fraction"),
            xytext=(shift, 4),
            textcoords="offset points",
            fontsize=_TICK - 0.5,
            rotation=90,
            ha=side,
            va="bottom",
            color=colours.muted,
        )
    subnormal = curve[curve["region"] == "subnormal"]
    if not subnormal.empty:
        edge = float(subnormal["log2_high"].max())
        axes.axvline(edge, color=colours.muted, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
        axes.annotate(
            "normal →", (edge, 1), xycoords=("data", "axes fraction"), xytext=(3, -3), textcoords="offset points",
            fontsize=_TICK - 0.5, ha="left", va="top", color=colours.muted,
        )  # fmt: skip
