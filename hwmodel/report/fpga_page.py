"""The page of a design on an FPGA, and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from hwmodel.report.canvas import REMEDY
from hwmodel.report.cards import Card, cards
from hwmodel.report.exports import write_csv, write_json, write_parquet
from hwmodel.report.files import environment
from hwmodel.report.fpga_plot import NAMES
from hwmodel.report.html import footer, notes, section
from hwmodel.report.markup import Cell, Column, Markup, figure, join, page, table, tag
from hwmodel.report.numbers import compact, decimals, number, scale
from hwmodel.report.save import write_whole
from hwmodel.report.sections import source_table, status_text


def facts(score: Any) -> dict[str, Any]:
    """What a design says beside its tables."""
    return {
        "device": str(score.device),
        "plan": score.plan,
        "architecture": score.architecture,
        "clock_mhz": score.clock_mhz,
        "latency_s": score.latency_s,
        "throughput_per_s": score.throughput_per_s,
        "energy_j": score.energy_j,
        "area_mm2": score.area_mm2,
        "fits": score.fits,
        "misfit": score.misfit,
        "folding": score.folding,
        "notes": list(score.notes),
        "total": score.total.to_dict(),
    }


def csv(score: Any, path: str | Path) -> None:
    write_csv({"layers": score.layers, "utilisation": score.utilisation, "sources": score.sources}, path)


def json(score: Any, path: str | Path) -> None:
    frames = {name: getattr(score, name) for name in ("layers", "parts", "utilisation", "sources")}
    write_json("fpga_score", facts(score), frames, path)


def parquet(score: Any, path: str | Path) -> None:
    others = {name: getattr(score, name) for name in ("parts", "utilisation", "sources")}
    write_parquet("fpga_score", facts(score), {"layers": score.layers}, others, path)


def html(score: Any, path: str | Path | None = None) -> str:
    """The page as text; written to `path` too, if given. Without matplotlib it has no plot and says so. Raises OSError."""
    pictures, left_out = [], [f"{note[:1].upper()}{note[1:]}." if " is NaN" not in note else f"{note}." for note in score.notes]
    try:
        from hwmodel.report.plots import fpga_pictures

        pictures = fpga_pictures(score)
    except ImportError:
        left_out.append(f"The plot was left out: it needs matplotlib, which is not installed; {REMEDY}")
    if score.misfit:
        left_out.insert(0, f"The design does not fit: {score.misfit}.")
    time = scale([score.latency_s], 1.0, "s")
    seconds = score.latency_s * time.factor
    use, who = score.utilisation.set_index("resource"), str(score.device)
    fullest = use["share"].idxmax()
    found = [
        Card("Throughput", compact(score.throughput_per_s), "inferences/s", who, f"at {score.clock_mhz:g} MHz, assumed"),
        Card("Latency", number(seconds, decimals([seconds], 4, 3)), time.unit, who, "layers one after another"),
        Card("LUTs", number(use.loc["lut", "used"], 0), "", who, f"{number(100 * use.loc['lut', 'share'], 1)} % of the device"),
        Card(
            "Scarcest",
            number(100 * use.loc[fullest, "share"], 1),
            "%",
            who,
            f"of the {NAMES[fullest]}; the design {'fits' if score.fits else 'does not fit'}",
        ),
    ]
    title = f"{score.plan} on {score.device}, {score.architecture}"
    guide = "What the workload takes of the FPGA under the plan, estimated without synthesis: one row a layer."
    header = join([tag("h1", title), tag("p", guide), cards(found)], "\n")
    sections = [
        section("plots", "Plots", tag("div", *(figure(p) for p in pictures), class_="figures")) if pictures else "",
        section("use", "Utilisation", _utilisation(score.utilisation)),
        section("layers", "Layers", fpga_layers(score.layers)),
        section("parts", "Parts", _resources("Parts", "What the resources do.", score.parts, "part")),
        section("notes", "Notes", notes(left_out)),
        section("sources", "Sources of the constants", status_text(score.sources["status"]), source_table([(who, score)])),
    ]
    settings = {"plan": score.plan, "device": who, "architecture": score.architecture, "clock_mhz": score.clock_mhz}
    text = page(title, header, join(sections, "\n"), footer(settings, None, None, environment()))
    if path is not None:
        write_whole(Path(path).expanduser(), text.encode())
    return text


def _utilisation(use: pd.DataFrame) -> Markup:
    columns = [Column("Resource", numeric=False), Column("Used"), Column("Available"), Column("Share", "%"), Column("Missing")]
    columns.append(Column("Advised", "%", hint="share up to which designs place, by FINN's guide"))
    rows = [
        [
            Cell(NAMES[r["resource"]]),
            *(Cell(number(r[c], 0)) for c in ("used", "available")),
            Cell(number(100 * r["share"], 1)),
            Cell(number(r["missing"], 0)),
            Cell(number(100 * r["advised"], 0)),
        ]
        for r in use.to_dict("records")
    ]
    return table("Utilisation", "Against the totals of the device.", columns, rows)


def _head(column: str) -> str:
    """A column's name as the field writes it: PE, SIMD, II cycles."""
    first, *rest = column.split("_")
    return " ".join([first.upper() if first in ("pe", "simd", "ii") else first.capitalize(), *rest])


def fpga_layers(layers: pd.DataFrame) -> Markup:
    """One row a layer: folding, cycles, resources."""
    folded = [c for c in ("pe", "simd", "reuse_factor", "parallel") if c in layers]
    return _resources("Layers", "Totals over repeated layers.", layers, "layer", [*folded, "ii_cycles", "latency_cycles"])


def _resources(name: str, caption: str, frame: pd.DataFrame, head: str, more: list[str] | None = None) -> Markup:
    extra = more or []
    columns = [Column(head.capitalize(), numeric=False), *(Column(_head(c)) for c in extra)]
    columns += [Column(text) for text in NAMES.values()]
    rows = [[Cell(str(r[head])), *(Cell(number(r[c], 0)) for c in (*extra, *NAMES))] for r in frame.to_dict("records")]
    return table(name, caption, columns, rows)
