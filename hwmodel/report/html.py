"""One self-contained page for a study or a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hwmodel.report.cards import Card, cards, study_cards
from hwmodel.report.markup import Cell, Column, Markup, Picture, definitions, figure, join, page, table, tag
from hwmodel.report.numbers import compact, counted, decimals, number, scale
from hwmodel.report.sections import layer_section, layer_table, source_table, status_text, summary_table
from hwmodel.report.view import quality_of, reference_row

_TERMS = (
    (
        "SQNR",
        "signal to quantization noise ratio: power of the exact result over power of the error, in decibel. At 20\u00a0dB the "
        "noise has 1\u00a0% of the signal's power.",
    ),
    ("Max error", "largest absolute difference between a layer's result and the exact one."),
    (
        "Weight bits",
        "bits that one weight takes in memory with scales, zero points and choices. Layer tables show what the accelerator's "
        "rules charge.",
    ),
    ("Energy, latency", "of the priced workload as a whole; a layer takes the larger of its compute and its DRAM time."),
    ("Front", "no other row of the study has both less energy and better quality."),
    (
        "Dequantized",
        "the element cannot multiply the format as it is: a dequantizer in front of the array turns it into float16 and is "
        "charged for.",
    ),
)


def study_page(
    study: Any,
    pictures: Sequence[Picture] = (),
    *,
    command: str | None = None,
    made: str | None = None,
    versions: Mapping[str, str] | None = None,
    left_out: Sequence[str] = (),
) -> str:
    """The page of a study; `pictures` from `plots.study_pictures`. command, made (a time), versions go into the footer."""
    summary = study.summary()
    quality = quality_of(study, summary)
    energy, time = scale(summary["energy_uj"], 1e-6, "J"), scale(summary["latency_us"], 1e-6, "s")
    reference = summary["label"].iloc[reference_row(summary)]
    words = {"perplexity": "perplexity on held-out text", "accuracy": "accuracy on held-out images"}
    measured = f" and {words[quality.column]}" if quality.column in words else ""
    guide = (
        "Each row is one number format on one accelerator. The network ran with every weight layer computed bit for bit as "
        f"that hardware would: this gives the error{measured}. The same layers were then priced on the same hardware: this "
        f"gives energy, latency and area. Ratios refer to {reference}."
    )
    links = [
        ("summary", "Summary"),
        *([("plots", "Plots")] if pictures else []),
        ("layers", "Layers"),
        ("notes", "Notes"),
        ("sources", "Sources"),
        ("about", "About"),
    ]
    header = join(
        [
            tag("h1", study.title),
            tag("p", _facts(study, quality), class_="facts"),
            tag("p", guide),
            tag("nav", tag("ul", *(tag("li", tag("a", text, href=f"#{anchor}")) for anchor, text in links)), aria_label="Sections"),
            cards(study_cards(study)),
        ],
        "\n",
    )
    scores = [(e.accelerator, e.score) for e in study.evaluations]
    statuses = pd.concat([score.sources["status"] for _, score in scores])
    sections = [
        section("summary", "Summary", summary_table(study)),
        section("plots", "Plots", tag("div", *(figure(p) for p in pictures), class_="figures")) if pictures else "",
        section("layers", "Layer by layer", *(layer_section(e, energy, time) for e in study.evaluations)),
        section("notes", "Notes", notes([*study.notes, *_dequantized(study), *left_out]), tag("h3", "Terms"), definitions(_TERMS)),
        section("sources", "Sources of the cost constants", status_text(statuses), source_table(scores)),
    ]
    foot = footer(
        {**study.settings, **{f"float32 {k}": compact(v, 6) for k, v in (study.baseline or {}).items()}}, command, made, versions
    )
    return page(study.title, header, join(sections, "\n"), foot)


def score_page(
    score: Any, pictures: Sequence[Picture] = (), *, versions: Mapping[str, str] | None = None, left_out: Sequence[str] = ()
) -> str:
    """The page of one score."""
    layers, total = score.layers, score.total
    energy, time = scale([score.energy_j], 1.0, "J"), scale([score.latency_s], 1.0, "s")
    area = score.area_mm2
    dram = 100 * float(total["energy_dram_j"]) / score.energy_j if score.energy_j else 0.0
    waiting = (
        layers.loc[layers["dram_cycles"] > layers["compute_cycles"], "latency_s"].sum() / score.latency_s * 100
        if score.latency_s
        else 0.0
    )
    weights = layers["weights"].sum()
    bits = (layers["weight_bits_exact"] * layers["weights"]).sum() / weights if weights else float("nan")
    joules, seconds, who = score.energy_j * energy.factor, score.latency_s * time.factor, str(score.accelerator)
    found = [
        Card("Energy", number(joules, decimals([joules], 4, 3)), energy.unit, who, f"{number(dram, 0)} % of it DRAM"),
        Card(
            "Latency", number(seconds, decimals([seconds], 4, 3)), time.unit, who, f"{number(waiting, 0)} % of it waiting for DRAM"
        ),
        Card(
            "Area",
            number(area, 3),
            "mm²",
            who,
            f"{number(100 * score.area['pe_array'] / area, 0)} % of it the element array" if "pe_array" in score.area else "",
        ),
        Card(
            "Weights",
            number(bits, 3),
            "bits each",
            score.plan,
            f"{counted(weights, 'weights')}, {counted(total['macs'], 'multiplications')}",
        ),
    ]
    title = f"{score.plan} on {score.accelerator}, {score.phase}"
    guide = (
        "What the workload costs on the accelerator under the plan: one row a layer, totals over repeated layers; a layer takes "
        "the larger of its compute and its DRAM time."
    )
    header = join([tag("h1", title), tag("p", guide), cards(found)], "\n")
    parts = [
        [Cell("element array" if p == "pe_array" else p.replace("_", " ")), Cell(number(v, 4)), Cell(number(100 * v / area, 1))]
        for p, v in score.area.items()
    ]
    parts.append([Cell("Total"), Cell(number(area, 4)), Cell(number(100, 1))])
    columns = [Column("Part", numeric=False), Column("Area", "mm²"), Column("Share", "%")]
    micro = (scale(layers["energy_j"] * 1e6, 1e-6, "J"), scale(layers["latency_s"] * 1e6, 1e-6, "s"))
    sections = [
        section("plots", "Plots", tag("div", *(figure(p) for p in pictures), class_="figures")) if pictures else "",
        section("layers", "Layers", layer_table("Layers", join(["Plan ", tag("code", score.plan), "."]), layers, *micro)),
        section("area", "Area", table("Area", "Before place and route.", columns, parts, total=True)),
        section("notes", "Notes", notes(left_out)) if left_out else "",
        section(
            "sources",
            "Sources of the cost constants",
            status_text(score.sources["status"]),
            source_table([(str(score.accelerator), score)]),
        ),
    ]
    return page(
        title,
        header,
        join(sections, "\n"),
        footer({"plan": score.plan, "accelerator": score.accelerator, "phase": score.phase}, None, None, versions),
    )


def section(anchor: str, title: str, *content: Any) -> Markup:
    """A part of a page with its heading."""
    return tag(
        "section", tag("h2", title, id=f"{anchor}-title"), "\n", join(content, "\n"), id=anchor, aria_labelledby=f"{anchor}-title"
    )


def _facts(study: Any, quality: Any) -> str:
    settings = study.settings
    facts = [f"Model {study.model}"]
    if settings.get("phase"):
        facts.append(f"priced: {settings['phase']}" + (f" at context {settings['context']}" if settings.get("context") else ""))
    if quality.column != "sqnr_db":
        unit = "windows" if quality.column == "perplexity" else "images"
        facts.append(
            f"measured on {settings['samples']} held-out {unit}" if settings.get("samples") else "measured on held-out data"
        )
        facts.append(f"float32 {quality.name.lower()} {compact(quality.baseline * quality.factor)} {quality.unit}".rstrip())
    return " · ".join(facts)


def notes(texts: Sequence[str]) -> Markup:
    """Remarks as a list."""
    return tag("ul", *(tag("li", text) for text in texts), class_="notes")


def _dequantized(study: Any) -> list[str]:
    labels = [e.label for e in study.evaluations if not e.summary["native"]]
    return [f"Dequantized in front of the array, and charged for it: {'; '.join(labels)}."] if labels else []


def footer(settings: Mapping[str, Any], command: str | None, made: str | None, versions: Mapping[str, str] | None) -> Markup:
    """What made the page."""
    pairs = [
        (key.replace("_", " ").capitalize(), "none" if value is None else value)
        for key, value in settings.items()
        if key != "command"
    ]
    if versions:
        pairs.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    if made:
        pairs.append(("Made", made))
    command = command or settings.get("command")
    made_by = join([tag("h3", "Command"), tag("pre", tag("code", command), tabindex="0")]) if command else Markup("")
    return tag(
        "section",
        tag("h2", "About this report", id="about-title"),
        definitions(pairs),
        made_by,
        id="about",
        aria_labelledby="about-title",
    )
