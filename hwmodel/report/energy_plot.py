"""Where the energy goes: by evaluation, and by layer of one score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hwmodel.report.bars import ROW_INCHES, part_legend, stacked
from hwmodel.report.canvas import check_width, figure, margins, style
from hwmodel.report.numbers import decimals, number, scale
from hwmodel.report.parts import energy_parts, ordered
from hwmodel.report.theme import theme as theme_named
from hwmodel.report.view import bound, short_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LAYERS = 24


def energy_breakdown(study: Any, theme: str = "light", width: str = "wide") -> Figure:
    """Energy of every evaluation stacked into its parts (those of `hw.score`), in the order of the study."""
    summary = study.summary()
    energy = scale(summary["energy_uj"], 1e-6, "J")
    names = [(label, str(acc)) for label, acc in zip(short_labels(summary), summary["accelerator"], strict=True)]
    columns = {str(c): summary[c] for c in summary.columns}
    named = [c.removeprefix("energy_").removesuffix("_uj") for c in columns if c.startswith("energy_") and c != "energy_uj"]
    parts = {p: [float(v) * energy.factor for v in columns[f"energy_{p}_uj"]] for p in ordered(named)}
    totals = [float(v) * energy.factor for v in summary["energy_uj"]]
    digits = decimals(totals, 3)
    return _bars(names, parts, [number(t, digits) for t in totals], f"Energy ({energy.unit})", theme, width)


def score_breakdown(score: Any, theme: str = "light", width: str = "wide") -> Figure:
    """Energy of every layer of one score, stacked, with what the layer waits for (compute or DRAM) and its latency.

    The 24 layers that take most energy are drawn; the rest is one bar.
    """
    layers = score.layers
    energies = layers["energy_j"]
    kept = sorted(energies.sort_values(ascending=False, kind="stable").index[:_MOST_LAYERS])
    rest = layers.drop(index=kept)
    energy = scale(_large(energies[kept]), 1.0, "J")
    time = scale(_large(layers["latency_s"][kept]), 1.0, "s")
    digits = decimals(_large(layers["latency_s"][kept]) * time.factor, 3, 2)
    names, rows = [], []
    for index in kept:
        row = layers.loc[index]
        times = f" × {int(row['count'])}" if row["count"] > 1 else ""
        names.append((f"{row['layer']}{times}", f"{number(row['latency_s'] * time.factor, digits)} {time.unit}, {bound(row)}"))
        rows.append(row)
    if len(rest):
        names.append((f"{len(rest)} more layers", f"{number(rest['latency_s'].sum() * time.factor, digits)} {time.unit}"))
        rows.append(rest.sum(numeric_only=True))
    frame = pd.DataFrame(rows)
    parts = {p: [float(v) * energy.factor for v in values] for p, values in energy_parts(frame).items()}
    totals = [float(v) * energy.factor for v in frame["energy_j"]]
    digits = decimals([t for t in totals if t >= max(totals) / 100], 3)
    return _bars(names, parts, [number(t, digits) for t in totals], f"Energy ({energy.unit})", theme, width)


def _large(values: pd.Series) -> pd.Series:
    """What the unit of an axis is chosen for: a thousandth of the largest and more."""
    return values[values >= values.max() / 1e3]


def _bars(
    names: list[tuple[str, str]], parts: dict[str, list[float]], ends: list[str], label: str, theme: str, width: str
) -> Figure:
    colours, narrow = theme_named(theme), check_width(width)
    shown = {p: values for p, values in parts.items() if any(values)}
    with style(colours):
        made = figure(3.5 if narrow else 5.6, ROW_INCHES * (len(names) + 0.35) + 0.86)
        axes = made.add_subplot()
        margins(made, axes, 0.1, 0.12, 0.52, 0.34)
        stacked(made, axes, names, shown, ends, colours)
        part_legend(made, list(shown), colours)
        axes.set_xlabel(label)
    return made
