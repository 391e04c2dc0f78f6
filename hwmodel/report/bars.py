"""Stacked horizontal bars with their names above them: as readable on a phone as on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hwmodel.report.canvas import text_inches
from hwmodel.report.parts import part_colours, part_name
from hwmodel.report.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_INCHES = 0.4
_NAME = 8.5


def stacked(
    made: Figure,
    axes: Axes,
    names: Sequence[tuple[str, str]],
    parts: Mapping[str, Sequence[float]],
    ends: Sequence[str],
    theme: Theme,
) -> None:
    """One bar a name (bold, plain); `parts` are stacked in their order; `ends` are written behind the bars.

    The axes must have their place in the figure already: room for the end texts is measured in it.
    """
    count = len(names)
    start = [0.0] * count
    height = 0.46
    colours = part_colours(parts, theme)
    for part, values in parts.items():
        axes.barh(range(count), values, left=start, height=height, color=colours[part], edgecolor=theme.surface, linewidth=0.6)
        start = [a + b for a, b in zip(start, values, strict=True)]
    inches = float(axes.get_position().width) * float(made.get_size_inches()[0])
    room = max((text_inches(text, _NAME) for text in ends), default=0) + 0.12
    axes.set_xlim(0, (max(start, default=1) or 1) * inches / max(inches - room, 0.2 * inches))
    axes.set_ylim(count - 1 + 0.5, -0.85)
    for i, ((bold, plain), text) in enumerate(zip(names, ends, strict=True)):
        axes.annotate(
            bold, (0, i - height / 2), xytext=(0, 3), textcoords="offset points", va="bottom", fontsize=_NAME, fontweight="bold"
        )
        shift = 72 * text_inches(bold, _NAME, "bold") + 6
        axes.annotate(
            plain,
            (0, i - height / 2),
            xytext=(shift, 3),
            textcoords="offset points",
            va="bottom",
            fontsize=_NAME,
            color=theme.muted,
        )
        axes.annotate(text, (start[i], i), xytext=(4, 0), textcoords="offset points", va="center", fontsize=_NAME)
    axes.set_yticks([])
    axes.spines["left"].set_color(theme.muted)
    axes.grid(True, axis="x")


def part_legend(made: Figure, shown: Sequence[str], theme: Theme) -> None:
    """The legend of energy parts at the top of the figure."""
    from matplotlib.patches import Patch

    width, height = (float(v) for v in made.get_size_inches())
    colours = part_colours(shown, theme)
    made.legend(
        handles=[Patch(facecolor=colours[p], label=part_name(p)) for p in shown],
        ncols=max(len(shown), 1),
        loc="upper left",
        bbox_to_anchor=(0.1 / width, 1 - 0.03 / height),
        borderaxespad=0,
        handlelength=1.0,
        handleheight=0.9,
        handletextpad=0.4,
        columnspacing=1.1,
        borderpad=0.3,
    )
