"""The tables of a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from hwmodel.report.cards import quality_digits
from hwmodel.report.markup import Cell, Column, Markup, box, breakable, join, missing, table, tag
from hwmodel.report.numbers import Scale, compact, decimals, number, scale
from hwmodel.report.view import bound, layer_names, on_front, quality_of, reference_row

STATUS_MEANING = {
    "measured": "measured by the project",
    "cross-checked": "read, and confirmed by a second source",
    "read": "read in the source named",
    "derived": "computed from other rows",
    "user": "given by the caller",
    "inferred": "deduced: the source does not say it outright",
    "recalled": "known from the literature, not read again",
}
_STATUS_CLASS = {
    "measured": "good",
    "cross-checked": "good",
    "read": "note",
    "user": "note",
    "inferred": "warn",
    "recalled": "warn",
}


def _plain(value: Any) -> Any:
    """A sort key as JavaScript reads it: numbers in full, nothing for NaN."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(float(value)):
        return ""
    return repr(float(value)).replace("inf", "Infinity")


def numeric(values: pd.Series, factor: float, digits: int, best: str | None = None, sign: bool = False) -> list[Cell]:
    """Numbers as cells; `best` "low" or "high" marks the smallest or largest."""
    finite = values[values.map(lambda v: math.isfinite(float(v)))]
    target = (finite.min() if best == "low" else finite.max()) if best and len(finite) and finite.nunique() > 1 else None
    texts = [number(v * factor, digits, sign=sign) for v in values]
    return [Cell(missing(t), _plain(v), best=target is not None and v == target) for t, v in zip(texts, values, strict=True)]


def summary_table(study: Any) -> Markup:
    """One row an evaluation."""
    summary = study.summary()
    quality = quality_of(study, summary)
    energy, time = scale(summary["energy_uj"], 1e-6, "J"), scale(summary["latency_us"], 1e-6, "s")
    reference = reference_row(summary)
    digits = quality_digits(summary, quality)
    heads: list[Cell] = []
    for row, front in zip(summary.to_dict("records"), on_front(summary), strict=True):
        tags = join([tag("span", "front", class_="tag note", title="on the Pareto front of quality and energy")] if front else [])
        if not row["native"]:
            tags = join(
                [tags, " ", tag("span", "dequantized", class_="tag warn", title="weights are dequantized in front of the array")]
            )
        where = f"{row['accelerator']}, a={row['activation']}"
        heads.append(Cell(join([breakable(row["scheme"]), " ", tags, tag("small", where)]), str(row["label"])))
    parts: list[tuple[Column, list[Cell]]] = [
        (Column("Weight scheme", numeric=False), heads),
        (
            Column("Weight", "bits", hint="bits per weight in memory with all overheads"),
            numeric(summary["bits_per_weight"], 1, 3, "low"),
        ),
        (Column("SQNR", "dB", hint="all weight layers pooled"), numeric(summary["sqnr_db"], 1, 1, "high")),
    ]
    if quality.column != "sqnr_db":
        low = "low" if quality.lower_is_better else "high"
        parts.append((Column(quality.name, quality.unit), numeric(summary[quality.column], quality.factor, digits, low)))
        if "delta" in summary:
            unit = "points" if quality.unit == "%" else ""
            cells = numeric(summary["delta"], quality.factor, digits, sign=True)
            parts.append((Column("Change", unit or "absolute", hint="against the float32 network"), cells))
        if "bits_per_byte" in summary:
            parts.append(
                (Column("Per byte", "bits", hint="cross entropy per byte of text"), numeric(summary["bits_per_byte"], 1, 4, "low"))
            )
    ratio = summary["energy_uj"].iloc[reference] / summary["energy_uj"]
    parts += [
        (
            Column("Energy", energy.unit),
            numeric(summary["energy_uj"], energy.factor, decimals(summary["energy_uj"] * energy.factor), "low"),
        ),
        (Column("Gain", "×", hint=f"energy: how many times less than {summary['label'].iloc[reference]}"), numeric(ratio, 1, 2)),
        (
            Column("Latency", time.unit),
            numeric(summary["latency_us"], time.factor, decimals(summary["latency_us"] * time.factor), "low"),
        ),
        (Column("Area", "mm²"), numeric(summary["area_mm2"], 1, 3, "low")),
        (Column("Worst layer", "SQNR, dB"), _worst(summary)),
        (Column("Max error", "absolute"), numeric(summary["max_abs_error"], 1, decimals(summary["max_abs_error"], 3))),
        (Column("Datapath", numeric=False), [Cell(tag("code", d), str(d)) for d in summary["datapath"]]),
    ]
    rows = [list(cells) for cells in zip(*(cells for _, cells in parts), strict=True)]
    caption = "Every scheme on its accelerator. The best value of a column stands on green."
    return table("Summary", caption, [column for column, _ in parts], rows, sortable=True)


def _worst(summary: pd.DataFrame) -> list[Cell]:
    names = layer_names([str(n) for n in summary["worst_layer"]])
    cells = []
    for (block, short), value in zip(names, summary["worst_sqnr_db"], strict=True):
        where = f"{block}.{short}" if block else short
        cells.append(Cell(join([number(value, 1), tag("small", where)]), _plain(value)))
    return cells


def layer_section(evaluation: Any, energy: Scale, time: Scale) -> Markup:
    """The layers of one evaluation, folded away until asked for."""
    summary = evaluation.summary
    facts = f"SQNR {number(summary['sqnr_db'], 1)} dB, {compact(summary['energy_uj'] * energy.factor)} {energy.unit}"
    head = tag("summary", evaluation.label, " ", tag("span", f"{facts}, {len(evaluation.layers)} rows", class_="more"))
    caption = join(
        [
            "Plan ",
            tag("code", evaluation.plan),
            ", datapath ",
            tag("code", evaluation.datapath),
            ". Costs are totals over repeated layers.",
        ]
    )
    return tag("details", head, layer_table(f"Layers of {evaluation.label}", caption, evaluation.layers, energy, time))


def layer_table(name: str, caption: Any, layers: pd.DataFrame, energy: Scale, time: Scale) -> Markup:
    """One row a layer with a total; columns of error only where they were measured. energy, time: scales of uJ and us."""
    total = layers[["energy_j", "latency_s", "energy_dram_j"]].sum()
    rows = pd.concat([layers, pd.DataFrame([{"layer": "Total", **total}])], ignore_index=True)
    last = len(layers)
    shapes = [
        f"{r['m']} × {r['k']} × {r['n']}" + (f", {r['count'] * r['batch']} times" if r["count"] * r["batch"] > 1 else "")
        for r in layers.to_dict("records")
    ]
    parts: list[tuple[Column, list[Cell]]] = [
        (Column("Layer", numeric=False), [Cell(breakable(n)) for n in rows["layer"]]),
        (Column("Shape", "m × k × n", numeric=False), [*(Cell(s) for s in shapes), Cell("")]),
    ]
    for title, column in (("Scheme", "scheme"), ("Activations", "activation"), ("Datapath", "datapath")):
        if layers[column].nunique() > 1:
            parts.append((Column(title, numeric=False), [*(Cell(tag("code", v)) for v in layers[column]), Cell("")]))
    charged = [*numeric(layers["weight_bits"], 1, 3), Cell("")]
    parts.append((Column("Weight", "bits charged", hint="per weight, or per element of keys and values"), charged))
    for title, column, unit in (
        ("Weight SQNR", "weight_sqnr_db", "dB"),
        ("SQNR", "sqnr_db", "dB"),
        ("Max error", "max_abs_error", "absolute"),
    ):
        if column in layers and layers[column].notna().any():
            digits = 1 if unit == "dB" else decimals(layers[column], 3)
            parts.append((Column(title, unit), [*numeric(layers[column], 1, digits), Cell("")]))
    joules, seconds = energy.factor * 1e6, time.factor * 1e6
    share = (rows["energy_dram_j"] / rows["energy_j"]).fillna(0.0) * 100
    parts += [
        (Column("Energy", energy.unit), numeric(rows["energy_j"], joules, decimals(layers["energy_j"] * joules, 3))),
        (Column("of it DRAM", "%"), numeric(share, 1, 0)),
        (Column("Latency", time.unit), numeric(rows["latency_s"], seconds, decimals(layers["latency_s"] * seconds, 3))),
        (Column("Waits for", numeric=False), [*(Cell(bound(r)) for _, r in layers.iterrows()), Cell("")]),
    ]
    cells = [list(line) for line in zip(*(c for _, c in parts), strict=True)]
    return table(name, caption, [column for column, _ in parts], cells, total=len(cells) > last)


def source_table(scores: Sequence[tuple[str, Any]]) -> Markup:
    """Every constant, grouped by where it comes from, with its status and the accelerators that use it. scores: (name, Score)."""
    users: dict[tuple[Any, ...], list[str]] = {}
    for name, score in scores:
        for row in score.sources.itertuples(index=False):
            key = (row.source, row.name, row.value, row.unit, row.status)
            if name not in users.setdefault(key, []):
                users[key].append(name)
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for key in users:
        groups.setdefault(str(key[0]), []).append(key)
    bodies = []
    for source, keys in groups.items():
        lines = [tag("tr", tag("th", tag("span", source), scope="rowgroup", colspan="5"))]
        for key in keys:
            _, name, value, unit, status = key
            cells = (tag("td", name), tag("td", compact(value, 6), class_="n"), tag("td", unit), tag("td", status_tag(status)))
            lines.append(tag("tr", *cells, tag("td", ", ".join(users[key]))))
        bodies.append(tag("tbody", join(lines, "\n")))
    heads = [
        tag("th", t, scope="col", class_="n" if t == "Value" else None) for t in ("Constant", "Value", "Unit", "Status", "Used by")
    ]
    caption = tag("caption", tag("span", f"{len(users)} constants from {len(groups)} sources."))
    return box("Sources", tag("table", caption, "\n", tag("thead", tag("tr", *heads)), "\n", join(bodies, "\n"), class_="sources"))


def status_tag(status: str) -> Markup:
    """How well a constant is known."""
    kind = _STATUS_CLASS.get(status)
    return tag("span", status, class_=f"tag {kind}" if kind else "tag", title=STATUS_MEANING.get(status))


def status_text(statuses: Iterable[str]) -> Markup:
    """What the statuses that occur mean, in one paragraph."""
    seen = set(statuses)
    return tag("p", join([join([status_tag(s), " ", meaning]) for s, meaning in STATUS_MEANING.items() if s in seen], "; "), ".")
