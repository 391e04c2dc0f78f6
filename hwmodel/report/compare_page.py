"""The page of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwmodel.report.canvas import REMEDY
from hwmodel.report.cards import Card, cards
from hwmodel.report.files import environment
from hwmodel.report.fpga_page import fpga_layers
from hwmodel.report.fpga_plot import NAMES
from hwmodel.report.html import footer, notes, section
from hwmodel.report.markup import Cell, Column, Markup, breakable, figure, join, page, table, tag
from hwmodel.report.numbers import decimals, number, scale
from hwmodel.report.parts import part_name
from hwmodel.report.save import write_whole
from hwmodel.report.sections import layer_table, numeric, source_table, status_text
from hwmodel.report.view import plan_label

_GUIDE = (
    "The same layers, priced on several accelerators under several plans. A layer takes the larger of its compute and its DRAM "
    "time; energy and latency are those of the whole workload. Ratios refer to the first row: below 1 is better."
)
_CARDS = (("Least energy", "energy_j", "J"), ("Least latency", "latency_s", "s"), ("Least energy times latency", "edp_js", "J·s"))


def comparison_html(comparison: Any, path: str | Path | None = None) -> str:
    """The page as text; written to `path` too: complete, or the file as it was. Without matplotlib it has no plots and says so."""
    pictures, left_out = [], []
    try:
        from hwmodel.report.plots import comparison_pictures

        pictures = comparison_pictures(comparison)
    except ImportError:
        left_out.append(f"The plots were left out: they need matplotlib, which is not installed; {REMEDY}")
    else:
        if len(pictures) < 2:
            left_out.append(f"Plots of {len(comparison.scores)} scores would not be legible; compare fewer for all plots.")
    scores = [(f"{plan_label(s.plan)} on {s.accelerator}", s) for s in comparison.scores]
    said = dict.fromkeys(f"{s.device}: {note}." for s in comparison.scores for note in getattr(s, "notes", ()))
    refused = [*said, *(f"{pair.plan} on {pair.accelerator} was left out: {pair.reason}." for pair in comparison.refused)]
    drawn = section("plots", "Plots", tag("div", *(figure(p) for p in pictures), class_="figures")) if pictures else ""
    by_accelerator = {str(s.accelerator): s for s in comparison.scores}
    sections = [
        section("summary", "Summary", _summary(comparison)),
        drawn,
        section("layers", "Layer by layer", *(_layers(name, one) for name, one in scores)),
        section("notes", "Notes", notes([*refused, *left_out])) if refused or left_out else "",
        section(
            "sources",
            "Sources of the cost constants",
            status_text(comparison.sources["status"]),
            source_table(list(by_accelerator.items()) if len(by_accelerator) < len(scores) and _same(scores) else scores),
        ),
    ]
    title = f"{comparison.title}: accelerators compared"
    header = join([tag("h1", title), tag("p", _GUIDE), cards(_found(comparison))], "\n")
    text = page(title, header, join(sections, "\n"), footer({"workload": comparison.title}, None, None, environment()))
    if path is not None:
        write_whole(Path(path).expanduser(), text.encode())
    return text


def _same(scores: list[tuple[str, Any]]) -> bool:
    """Whether an accelerator uses the same constants under each of its plans."""
    seen: dict[str, tuple[Any, ...]] = {}
    return all(seen.setdefault(str(one.accelerator), one.facts) == one.facts for _, one in scores)


def _found(comparison: Any) -> list[Card]:
    frame = comparison.frame
    made = []
    for what, column, unit in _CARDS:
        if frame[column].isna().all():
            continue
        at = int(frame[column].reset_index(drop=True).idxmin())
        one = scale([frame[column].iloc[at]], 1.0, unit)
        value = frame[column].iloc[at] * one.factor
        ratio = frame[column].iloc[0] / frame[column].iloc[at]
        first = comparison.scores[0]
        how = (
            f"{number(ratio, 2)}× less than {plan_label(first.plan)} on {first.accelerator}"
            if at and ratio == ratio
            else "the row that ratios refer to"
            if not at
            else "of those that have one"
        )
        best = comparison.scores[at]
        made.append(
            Card(what, number(value, decimals([value], 4, 3)), one.unit, f"{plan_label(best.plan)} on {best.accelerator}", how)
        )
    return made


def _summary(comparison: Any) -> Markup:
    frame = comparison.frame
    heads = [
        Cell(join([breakable(plan_label(s.plan)), tag("small", str(s.accelerator))]), f"{plan_label(s.plan)} {s.accelerator}")
        for s in comparison.scores
    ]
    parts: list[tuple[Column, list[Cell]]] = [(Column("Plan", numeric=False), heads)]
    for title, column, unit in (("Energy", "energy_j", "J"), ("Latency", "latency_s", "s"), ("EDP", "edp_js", "J·s")):
        one = scale(frame[column], 1.0, unit)
        hint = "energy times latency" if title == "EDP" else None
        values = numeric(frame[column], one.factor, decimals(frame[column] * one.factor, 4, 3), "low")
        parts.append((Column(title, one.unit, hint=hint), values))
        relative = f"{column.partition('_')[0]}_relative"
        parts.append((Column("relative", "×"), numeric(frame[relative], 1, 3)))
    parts.append((Column("Area", "mm²"), numeric(frame["area_mm2"], 1, 3, "low")))
    parts.append((Column("relative", "×"), numeric(frame["area_relative"], 1, 3)))
    for column in (c for c in frame.columns if c.startswith("energy_") and c.endswith("_j") and c != "energy_j"):
        name = part_name(column.removeprefix("energy_").removesuffix("_j"))
        if frame[column].any():
            share = (100 * frame[column] / frame["energy_j"]).fillna(0.0).where(frame["energy_j"].notna())
            parts.append((Column(name, "% of energy"), numeric(share, 1, 1)))
    for column, head in NAMES.items():
        if column in frame:
            parts.append((Column(head), numeric(frame[column], 1, 0)))
    if "fits" in frame:
        words = ["–" if fit != fit else "yes" if fit else "no" for fit in frame["fits"]]
        parts.append((Column("Fits", numeric=False), [Cell(word) for word in words]))
    rows = [list(cells) for cells in zip(*(cells for _, cells in parts), strict=True)]
    caption = "Every plan on its accelerator. The best value of a column stands on green."
    return table("Summary", caption, [column for column, _ in parts], rows, sortable=True)


def _layers(name: str, one: Any) -> Markup:
    layers = one.layers
    if "energy_j" not in layers:
        head = tag("summary", name, " ", tag("span", f"{one.architecture}, {len(layers)} rows", class_="more"))
        return tag("details", head, fpga_layers(layers))
    micro = (scale(layers["energy_j"] * 1e6, 1e-6, "J"), scale(layers["latency_s"] * 1e6, 1e-6, "s"))
    head = tag("summary", name, " ", tag("span", f"{one.phase}, array {one.array}, {len(layers)} rows", class_="more"))
    caption = join(["Plan ", tag("code", one.plan), ". Costs are totals over repeated layers."])
    return tag("details", head, layer_table(f"Layers of {name}", caption, layers, *micro))
