"""Pictures of number formats: their values on a line, and their relative rounding error over magnitude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import numfmt as nf
from hwmodel.report.canvas import check_width, figure, style, text_inches
from hwmodel.report.error_curves import LEGEND_LINE, error_panel, legend_rows
from hwmodel.report.save import save
from hwmodel.report.theme import Theme
from hwmodel.report.theme import theme as theme_named
from numfmt.formats.exact_text import Number, as_float, dyadic, log2_of, number_text
from numfmt.formats.spacing import median_magnitude, unit_values, value_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from numfmt import Card

MOST_FORMATS = 8
_NARROW, _WIDE = 3.3, 6.8  # inches: a column, and a page of two
_LEFT, _RIGHT = 0.12, 0.12
_NAME, _STRIP, _JOIN, _ENDS = 0.2, 0.15, 0.11, 0.15  # heights of the parts of a row in inches
_ROW = _NAME + 2 * _STRIP + _JOIN + _ENDS + 0.07
_SMALL = 7.0
_LINES_PER_INCH = 55.0  # more values than that are drawn as a density


@dataclass(frozen=True)
class Window:
    """The part of the number line from low * reach to high * reach, in units of the largest magnitude; low is -1 or 0, high 0 or 1.

    Axes run from low to high: matplotlib does not draw ranges as small as some of these are.
    """

    low: float
    high: float
    reach: float = 1.0


def plot_formats(
    formats: Sequence[nf.Format | str] | nf.Format | str,
    path: str | Path | None = None,
    theme: str = "light",
    width: str = "narrow",
) -> Figure:
    """Values on a number line and worst relative error over magnitude, of one to eight formats in one figure.

    For each format: every value between the ends (where they are too dense for lines, their density), below it the middle part
    that holds half of the values, enlarged. Below all: the worst relative rounding error at every magnitude (log2), dotted where
    values underflow or overflow. path: .svg, .png or .pdf. theme: "light" or "dark". width: "narrow" (3.3 in) or "wide" (6.8 in).

    Raises ValueError for unknown formats, themes, widths and suffixes, and for no or more than eight formats.
    """
    colours, narrow = theme_named(theme), check_width(width)
    names = [formats] if isinstance(formats, (str, nf.Format)) else list(formats)
    if not 1 <= len(names) <= MOST_FORMATS:
        raise ValueError(f"formats names {len(names)} formats; a picture holds 1 to {MOST_FORMATS}")
    cards = list({card.name: card for card in map(nf.describe, names)}.values())
    with style(colours):
        inches = _NARROW if narrow else _WIDE
        panel = (2.0 if narrow else 2.5) + LEGEND_LINE * max(legend_rows(cards, inches) - 1, 0)
        height = 0.1 + _ROW * len(cards) + panel
        made = figure(inches, height)
        for i, card in enumerate(cards):
            _row(made, card, colours.series[i], 0.06 + _ROW * i, colours)
        error_panel(made, cards, panel - 0.02, colours, narrow)
        if path is not None:
            save(made, path)
    return made


def _row(made: Figure, card: Card, colour: str, top: float, colours: Theme) -> None:
    width, height = (float(v) for v in made.get_size_inches())
    inner = width - _LEFT - _RIGHT
    name = card.name
    while text_inches(name, 9, "bold") > inner - 0.8:
        name = f"{name.rstrip('…')[:-1]}…"
    y = 1 - (top + 0.12) / height
    made.text(_LEFT / width, y, name, fontsize=9, fontweight="bold", color=colour, va="center")
    used, room = 1.04 * text_inches(name, 9, "bold") + 0.1, inner  # drawn letters are a little wider than measured
    facts = next((text for text in _facts(card) if used + text_inches(text, _SMALL + 0.5) <= room), "")
    made.text((_LEFT + used) / width, y, facts, fontsize=_SMALL + 0.5, color=colours.muted, va="center")
    low, high = -1.0 if card.min < 0 else 0.0, 1.0 if card.max > 0 or card.min >= 0 else 0.0
    whole, near = Window(low, high), Window(low, high, min(max(median_magnitude(card.format), 1e-307), 1.0))
    places = (top + _NAME, top + _NAME + _STRIP + _JOIN)
    strips = []
    for window, place in zip((whole, near), places, strict=True):
        axes = made.add_axes((_LEFT / width, 1 - (place + _STRIP) / height, inner / width, _STRIP / height))
        _strip(axes, card.format, window, inner, colour, colours)
        strips.append(axes)
    _join(made, strips, near, colours)
    _ends(strips[1], near, card.largest_magnitude, colours)


def _facts(card: Card) -> list[str]:
    """What stands beside the name, from the longest text to the shortest."""
    fields = "-".join(width for _, width in card.fields if "-" not in width)
    layout = f" ({fields})" if len(card.fields) > 1 and fields.count("-") == len(card.fields) - 1 else ""
    top = short(card.max)
    ends = f"±{top}" if card.min == -card.max else f"{short(card.min)} … {top}"
    least = "" if card.min_positive is None else f", min {short(card.min_positive)}"
    octaves = "" if card.binades is None else f", {card.binades:.3g} binades"
    bits = f"{card.bits} bit{'' if card.bits == 1 else 's'}"
    return [
        f"{bits}{layout}, {ends}{least}{octaves}",
        f"{bits}{layout}, {ends}{least}",
        f"{bits}, {ends}{least}",
        f"{bits}, {ends}",
        bits,
    ]


def short(value: Number) -> str:
    """A number in few characters: `448`, `2⁻⁹`, `3.4e38`."""
    text = number_text(value)
    if len(text) > 6 and value:
        exact = Fraction(value)
        power = dyadic(abs(exact))
        sign = "-" if exact < 0 else ""
        if power.startswith("2**"):
            text = sign + _power(2, int(power[3:]))
        elif np.isfinite(as_float(value)):
            text = f"{as_float(value):.4g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
        else:
            text = f"{sign}~{_power(2, round(log2_of(abs(exact))))}"
    return text.replace("-", "−")


def rounded(value: Fraction) -> Number:
    """To three digits, where float64 has the range."""
    near = as_float(value)
    return float(f"{near:.3g}") if np.isfinite(near) else value


def _power(base: int, exponent: int) -> str:
    return f"{base}{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _factor(value: float) -> str:
    """`×239`, `×3.8·10⁴`."""
    if value < 1e4:
        return f"×{value:.3g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"×{digits.removesuffix('.0')}·{_power(10, int(exponent))}"


def _strip(axes: Axes, fmt: nf.Format, window: Window, inches: float, colour: str, colours: Theme) -> None:
    """The values in a window: a line each, or their density."""
    from matplotlib.colors import LinearSegmentedColormap

    margin = 0.004 * (window.high - window.low)
    axes.set_xlim(window.low - margin, window.high + margin)
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    values = unit_values(fmt)
    inside = None
    if values is not None:
        inside = values / window.reach
        inside = inside[(inside >= window.low - margin) & (inside <= window.high + margin)]
    if inside is not None and inside.size <= _LINES_PER_INCH * inches:
        axes.axhline(0.5, color=colours.line, linewidth=0.8, zorder=0)
        axes.vlines(inside, 0, 1, color=colour, linewidth=0.9 if inside.size < 25 * inches else 0.6)
        return
    edges = np.linspace(*axes.get_xlim(), round(120 * inches) + 1)
    counts = value_counts(fmt, (edges * window.reach).tolist())
    shade = np.log1p(counts / max(counts[counts > 0].min(initial=np.inf), 1.0))
    ramp = LinearSegmentedColormap.from_list("density", [colours.surface, colour])
    shade = np.where(counts > 0, 0.12 + 0.88 * shade / (shade.max() or 1.0), 0.0)
    axes.imshow(shade[None], cmap=ramp, vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=(*axes.get_xlim(), 0, 1))


def _join(made: Figure, strips: Sequence[Axes], near: Window, colours: Theme) -> None:
    """Thin lines from the part of the upper strip that the lower one enlarges."""
    from matplotlib.lines import Line2D

    back = made.transFigure.inverted().transform
    for end in (near.low, near.high):
        upper = back(strips[0].transData.transform((end * near.reach, 0)))
        lower = back(strips[1].transData.transform((end, 1)))
        line = Line2D([upper[0], lower[0]], [upper[1], lower[1]], transform=made.transFigure, color=colours.muted, linewidth=0.5)
        made.add_artist(line)


def _ends(axes: Axes, near: Window, largest: Number, colours: Theme) -> None:
    """The numbers below the lower strip: its ends, zero, and how much it is enlarged."""
    look: dict[str, Any] = {"fontsize": _SMALL, "color": colours.muted, "va": "top", "xycoords": ("data", "axes fraction")}
    look |= {"textcoords": "offset points", "xytext": (0, -2), "annotation_clip": False}
    reach = Fraction(near.reach) * Fraction(largest)
    text = short(rounded(reach))
    zoom = _factor(1.0 / near.reach)
    if near.low < 0:
        axes.annotate(f"−{text}", (near.low, 0), ha="left", **look)
    if near.low < 0 < near.high:
        axes.annotate("0", (0, 0), ha="center", **look)
        axes.annotate(zoom, (near.low / 2, 0), ha="center", **look)
    else:
        axes.annotate("0", (0, 0), ha="left" if near.high > 0 else "right", **look)
        axes.annotate(zoom, ((near.low + near.high) / 2, 0), ha="center", **look)
    if near.high > 0:
        axes.annotate(text, (near.high, 0), ha="right", **look)
