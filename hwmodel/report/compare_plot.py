"""Energy in its parts and latency of several accelerators, relative to the first."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodel.report.bars import ROW_INCHES, part_legend, stacked
from hwmodel.report.canvas import check_width, figure, style, text_inches
from hwmodel.report.numbers import decimals, number, scale
from hwmodel.report.parts import energy_parts, ordered
from hwmodel.report.save import check_suffix, save
from hwmodel.report.theme import theme as theme_named
from hwmodel.report.view import plan_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 40


def plot_comparison(comparison: Any, theme: str = "light", width: str = "wide", path: str | Path | None = None) -> Figure:
    """Stacked bars of energy and bars of latency, both relative to the first score, with the values behind the bars.

    width: "wide" (7.2 in, side by side) or "narrow" (3.5 in, one below the other). path: .svg, .png or .pdf.
    Raises ValueError for unknown words and for more scores than are legible.
    """
    colours, narrow = theme_named(theme), check_width(width)
    if path is not None:
        check_suffix(path)
    scores = comparison.scores
    if len(scores) > MOST:
        raise ValueError(f"{len(scores)} scores do not fit one plot; compare at most {MOST}, or use .frame")
    energies, times = list(comparison.frame["energy_j"]), list(comparison.frame["latency_s"])
    split = [{} if math.isnan(e) else energy_parts(s.columns) for s, e in zip(scores, energies, strict=True)]
    known = next((i for i, e in enumerate(energies) if not math.isnan(e)), 0)  # FPGAs have no energy
    shown = [p for p in ordered(dict.fromkeys(p for one in split for p in one)) if any(one[p].any() for one in split if p in one)]
    parts = {p: [float(one[p].sum()) / energies[known] if p in one else 0.0 for one in split] for p in shown}
    names = [(plan_label(s.plan), str(s.accelerator)) for s in scores]
    with style(colours):
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        rows = ROW_INCHES * (len(scores) + 0.35)
        high = rows + 0.86 if not narrow else 2 * rows + 1.6
        made = figure(3.5 if narrow else 7.2, high)
        wide = float(made.get_size_inches()[0])
        boxes = (
            ((0.1, high - 0.34 - rows, wide - 0.2, rows), (0.1, 0.46, wide - 0.2, rows))
            if narrow
            else ((0.1, 0.52, 0.6 * wide - 0.1, rows), (0.65 * wide, 0.52, 0.35 * wide - 0.1, rows))
        )
        for box, what in zip(boxes, ("energy", "latency"), strict=True):
            first = f"relative to {names[known if what == 'energy' else 0][0]}"
            axes = made.add_axes((box[0] / wide, box[1] / high, box[2] / wide, box[3] / high))
            if what == "energy":
                stacked(made, axes, names, parts, _ends(energies, "J", known), colours)
                axes.set_xlabel("Energy, " + first if parts else "Energy of FPGAs is not modelled", labelpad=3)
            else:
                labels = names if narrow else [("", "")] * len(names)
                relative = {"latency": [t / times[0] if times[0] else 0.0 for t in times]}
                stacked(made, axes, labels, relative, _ends(times, "s"), colours)
                axes.set_xlabel("Latency, " + (first if known or text_inches(first, 9) < box[2] - 0.6 else "likewise"), labelpad=3)
            axes.xaxis.set_major_locator(MaxNLocator(6 if box[2] > 3 else 4, steps=[1, 2, 5, 10]))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        part_legend(made, shown, colours)
        if path is not None:
            save(made, path)
    return made


def _ends(values: list[float], unit: str, first: int = 0) -> list[str]:
    """`0.31×  4.25 mJ`: ratio to the first and the value; `not modelled` where there is none."""
    made = scale(values, 1.0, unit)
    digits = decimals([v * made.factor for v in values], 3)
    texts = [f"{number(v * made.factor, digits)} {made.unit}" for v in values]
    ends = [f"{v / values[first]:.2f}×  {t}" if values[first] else t for v, t in zip(values, texts, strict=True)]
    return ["not modelled" if math.isnan(v) else end for v, end in zip(values, ends, strict=True)]
