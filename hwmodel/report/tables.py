"""Tables for the terminal."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hwmodel.report.cards import quality_digits
from hwmodel.report.numbers import NOTHING, decimals, number, scale
from hwmodel.report.view import bound, on_front, plan_label, quality_of

_SHORT = {"perplexity": "PPL", "accuracy": "accuracy"}  # narrow heads, so that 80 columns hold the schemes


def summary_table(study: Any) -> Table:
    """One row an evaluation, in 100 columns; in 80 the accelerator goes to a second line.

    `*` marks the front of quality and energy, `+` weights that are dequantized in front of the array.
    """
    summary = study.summary()
    quality = quality_of(study, summary)
    energy, time = scale(summary["energy_uj"], 1e-6, "J"), scale(summary["latency_us"], 1e-6, "s")
    columns: list[tuple[str, list[str]]] = [
        ("bits/\nweight", _column(summary["bits_per_weight"], 1, 2)),
        ("SQNR\ndB", _column(summary["sqnr_db"], 1, 1)),
    ]
    if quality.column != "sqnr_db":
        digits = quality_digits(summary, quality)
        columns.append(
            (f"{_SHORT[quality.column]}\n{quality.unit}".rstrip(), _column(summary[quality.column], quality.factor, digits))
        )
        if "delta" in summary and summary["delta"].map(math.isfinite).any():
            columns.append(
                (
                    "change\n" + ("points" if quality.unit == "%" else ""),
                    _column(summary["delta"], quality.factor, digits, sign=True),
                )
            )
    columns += [
        (f"energy\n{energy.unit}", _scaled(summary["energy_uj"], energy.factor)),
        (f"latency\n{time.unit}", _scaled(summary["latency_us"], time.factor)),
        ("area\nmm²", _column(summary["area_mm2"], 1, 2)),
    ]
    made = _table(Text(study.title, style="bold"))
    made.add_column("", no_wrap=True)
    made.add_column("scheme", overflow="fold")
    for head, _ in columns:
        made.add_column(head, justify="right", no_wrap=True)
    front = on_front(summary)
    cells = list(zip(*(values for _, values in columns), strict=True))
    for i, row in enumerate(summary.to_dict("records")):
        marks = ("*" if front[i] else "") + ("" if row["native"] else "+")
        made.add_row(marks, Text(str(row["label"])), *cells[i], style="bold" if front[i] else "")
    name = quality.name if quality.column == "sqnr_db" else quality.name.lower()
    captions = [f"* on the front: no other has less energy and better {name}"] if any(front) else []
    if not all(summary["native"]):
        captions.append("+ dequantized in front of the array")
    if math.isfinite(quality.baseline):
        base = number(quality.baseline * quality.factor, quality_digits(summary, quality))
        captions.append(f"float32: {name} {base} {quality.unit}".rstrip())
    made.caption = Text("\n".join(captions))
    return made


def layer_table(evaluation: Any) -> Table:
    """One row a layer of an evaluation: error and cost."""
    layers: pd.DataFrame = evaluation.layers
    energy, time = scale(layers["energy_j"], 1.0, "J"), scale(layers["latency_s"], 1.0, "s")
    columns = [
        ("bits", _column(layers["weight_bits"], 1, 2)),
        ("SQNR\ndB", _column(layers["sqnr_db"], 1, 1)),
        ("max\nerror", _column(layers["max_abs_error"], 1, decimals(layers["max_abs_error"], 3))),
        (f"energy\n{energy.unit}", _scaled(layers["energy_j"], energy.factor)),
        (f"latency\n{time.unit}", _scaled(layers["latency_s"], time.factor)),
    ]
    made = _table(Text(str(evaluation.label), style="bold"))
    made.add_column("layer", overflow="fold")
    for head in ("m × k × n", *(head for head, _ in columns)):
        made.add_column(head, justify="right", no_wrap=True)
    made.add_column("waits\nfor", no_wrap=True)
    cells = zip(*(values for _, values in columns), strict=True)
    for row, texts in zip(layers.to_dict("records"), cells, strict=True):
        times = f" × {row['count']}" if row["count"] > 1 else ""
        made.add_row(Text(f"{row['layer']}{times}"), f"{row['m']} × {row['k']} × {row['n']}", *texts, bound(row))
    return made


def _table(title: Text) -> Table:
    return Table(
        title=title,
        title_justify="left",
        caption_justify="left",
        caption_style="",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _column(values: pd.Series, factor: float, digits: int, *, sign: bool = False) -> list[str]:
    return [number(v * factor, digits, sign=sign) for v in values]


def _scaled(values: pd.Series, factor: float) -> list[str]:
    return _column(values, factor, decimals(values * factor, 4, 3))


def comparison_table(comparison: Any) -> Table:
    """One row a score of a comparison, in 100 columns; in 80 the accelerator goes to a second line."""
    frame = comparison.frame
    columns: list[tuple[str, list[str]]] = []
    for title, column, unit in (("energy", "energy_j", "J"), ("latency", "latency_s", "s"), ("EDP", "edp_js", "J·s")):
        one = scale(frame[column], 1.0, unit)
        columns.append((f"{title}\n{one.unit}", _scaled(frame[column], one.factor)))
        columns.append(("\n×", _column(frame[f"{column.partition('_')[0]}_relative"], 1, 3)))
    columns.append(("area\nmm²", _column(frame["area_mm2"], 1, 2)))
    columns.append(("\n×", _column(frame["area_relative"], 1, 2)))
    columns.append(("DRAM\n%", _column(100 * frame.get("energy_dram_j", 0.0) / frame["energy_j"], 1, 0)))
    if "lut" in frame:
        columns = _with_fpgas(frame)
    made = _table(Text(comparison.title, style="bold"))
    made.add_column("plan", overflow="fold")
    for head, _ in columns:
        made.add_column(head, justify="right", no_wrap=True)
    for one, *texts in zip(comparison.scores, *(values for _, values in columns), strict=True):
        made.add_row(Text(f"{plan_label(one.plan)} on {one.accelerator}"), *texts)
    made.caption = Text("× relative to the first row. EDP: energy times latency. DRAM: its share of the energy")
    if "lut" in frame:
        made.caption = Text("× relative to the first row. –: no figure")
    return made


def _with_fpgas(frame: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Fewer costs, and what FPGAs take, in the same width."""
    columns = []
    for title, column, unit in (("energy", "energy_j", "J"), ("latency", "latency_s", "s")):
        one = scale(frame[column], 1.0, unit)
        columns.append((f"{title}\n{one.unit}", _scaled(frame[column], one.factor)))
    columns.append(("\n×", _column(frame["latency_relative"], 1, 3)))
    columns.append(("area\nmm²", _column(frame["area_mm2"], 1, 2)))
    columns = [(head, texts) for head, texts in columns if any(text != NOTHING for text in texts)]
    heads = (("lut", "LUT"), ("dsp", "DSP"), ("bram18", "BRAM\n18"), ("uram", "URAM"))
    return [*columns, *((head, _column(frame[name], 1, 0)) for name, head in heads)]
