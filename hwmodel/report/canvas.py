"""Matplotlib figures with the project's style, drawn and saved to the same bytes every time.

Figures are made without pyplot, so nothing is left in its global state; the user's matplotlibrc has no say.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hwmodel._checks import unknown
from hwmodel.report.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = ("wide", "narrow")
REMEDY = "pip install matplotlib pyarrow (the extra `plot`)"
_PNG_DPI = 200


@contextmanager
def style(theme: Theme) -> Iterator[None]:
    """matplotlib's own defaults with the theme on top, inside this block."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(f"plots need matplotlib, which is not installed; {REMEDY}") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": "DejaVu Sans",
                "font.size": 9,
                "axes.labelsize": 9,
                "axes.titlesize": 9,
                "xtick.labelsize": 8.5,
                "ytick.labelsize": 8.5,
                "legend.fontsize": 8.5,
                "legend.frameon": False,
                "figure.facecolor": theme.surface,
                "axes.facecolor": theme.surface,
                "text.color": theme.text,
                "axes.labelcolor": theme.text,
                "axes.edgecolor": theme.muted,
                "axes.linewidth": 0.8,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "xtick.color": theme.muted,
                "ytick.color": theme.muted,
                "xtick.labelcolor": theme.text,
                "ytick.labelcolor": theme.text,
                "grid.color": theme.line,
                "grid.linewidth": 0.6,
                "axes.unicode_minus": True,
                "svg.hashsalt": "hwmodel",
                "svg.fonttype": "path",
            }
        )
        yield


def check_width(width: str) -> bool:
    """True for "narrow", False for "wide"; ValueError for another word."""
    if width not in WIDTHS:
        raise unknown("plot width", width, WIDTHS)
    return width == "narrow"


def figure(width_in: float, height_in: float) -> Figure:
    """An empty figure of that size on the Agg canvas, which notebooks show as it is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class Shown(Figure):
        def _repr_png_(self) -> bytes:
            return png(self)

    made = Shown(figsize=(width_in, height_in))
    FigureCanvasAgg(made)
    return made


def pixels(made: Figure) -> tuple[int, int]:
    """Width and height in CSS pixels at the size that the figure was drawn for."""
    width, height = made.get_size_inches()
    return round(width * 96), round(height * 96)


def margins(made: Figure, axes: Axes, left: float, right: float, bottom: float, top: float) -> None:
    """Place the axes with margins in inches."""
    width, height = made.get_size_inches()
    axes.set_position((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))


def text_inches(text: str, size: float, weight: str = "normal") -> float:
    """Printed width of a line of text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    return float(TextToPath().get_text_width_height_descent(text, font, ismath=False)[0]) / 72 if text else 0.0


def wrapped(notes: Sequence[str], inches: float, size: float) -> list[str]:
    """The notes in lines of print no longer than that."""
    lines: list[str] = []
    for note in notes:
        line = ""
        for word in note.split(" "):
            longer = f"{line} {word}".strip()
            if line and text_inches(longer, size) > inches:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def svg(made: Figure) -> str:
    """The figure as SVG, the same bytes for the same figure."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "hwmodel", "svg.fonttype": "path"})
        made.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, facecolor=made.get_facecolor())
    return out.getvalue()


def embedded(text: str) -> str:
    """SVG without what only files need: XML head, document type, metadata, decimals that no screen shows."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"\b([1-9]\d*\.\d\d)\d+", r"\1", text)
    return re.sub(r"\n\s*", "\n", text)


def png(made: Figure, dpi: int = _PNG_DPI) -> bytes:
    """The figure as PNG."""
    import matplotlib

    out = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        made.savefig(out, format="png", dpi=dpi, metadata={"Software": None}, facecolor=made.get_facecolor())
    return out.getvalue()
