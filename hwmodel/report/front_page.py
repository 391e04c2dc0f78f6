"""`hw.front_page`: a front as one offline page with a plot to explore and a table to sort."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import positive_int
from hwmodel.report.cards import Card, cards
from hwmodel.report.files import environment
from hwmodel.report.front_data import DRAWN, FrontData, front_data
from hwmodel.report.html import footer, notes, section
from hwmodel.report.markup import Cell, Column, Markup, join, page, table, tag
from hwmodel.report.numbers import compact
from hwmodel.report.save import write_whole
from hwmodel.report.theme import THEMES
from hwmodel.search.fronts.objectives import named, one

_MOST_COLUMNS = 24
_LISTED = 500  # rows of the table
_LOG = 12.0
_HINT = "Choose a point: hover, tap, press a row of the table, or give the plot the focus and use the arrow keys."
# the marks of front.js, for the legend
_SHAPES = (
    '<circle cx="8" cy="8" r="5"/>',
    '<rect x="3.6" y="3.6" width="8.8" height="8.8"/>',
    '<path d="M8 2 13.2 11H2.8z"/>',
    '<path d="M8 2 14 8 8 14 2 8z"/>',
    '<path d="M8 14 2.8 5h10.4z"/>',
    '<path d="M8 2 13.7 6.1 11.5 12.9H4.5L2.3 6.1z"/>',
    '<path d="M14 8 11 13.2H5L2 8 5 2.8h6z"/>',
    '<path d="M8 14 2.3 9.9 4.5 3.1h7L13.7 9.9z"/>',
)


def front_page(
    frame: pd.DataFrame,
    path: str | Path | None = None,
    *,
    x: str,
    y: str,
    minimize: str | Sequence[str] = (),
    maximize: str | Sequence[str] = (),
    color: str | None = None,
    label: str | None = None,
    knee: str | None = None,
    per: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    title: str = "Pareto front",
    command: str | None = None,
    most: int = DRAWN,
) -> str:
    """The page as text, written to `path` too: whole, or the file as it was. It needs no network and no other file.

    x, y: the columns drawn first; the reader may take any other numeric one, with linear or logarithmic axes. minimize, maximize,
    color, label, knee, per: as in `plot_front`. columns: what a point's details show (default: the frame's first 24, the axes and
    objectives among them). most: points drawn; of longer frames the front and a random choice of the other rows, which the page
    says. The table lists the front, at most 500 rows. command: what made it, for the foot of the page.

    Raises ValueError for bad columns and words, OSError where the file cannot be written.
    """
    positive_int("most", most)
    data = front_data(frame, x, y, minimize, maximize, color=color, label=label, knee=knee, per=per, most=most)
    front_rows = int(data.front.sum())
    kept = _columns(data, x, y, color, label, columns)
    numeric = [c for c in kept if data.frame[c].dtype.kind in "iuf"]
    words = [*(f"least {n}" for n in data.low), *(f"most {n}" for n in data.high)]
    groups = f", one front for each {', '.join(map(str, named(per)))}" if per is not None else ""
    guide = (
        f"Rows that no other row beats: {', '.join(words)}{groups}. Filled marks are on the front; a ring marks the knee."
        if knee is not None
        else f"Rows that no other row beats: {', '.join(words)}{groups}. Filled marks are on the front."
    )
    header = join([tag("h1", title), tag("p", f"{data.total:,} rows", class_="facts"), tag("p", guide), cards(_cards(data))], "\n")
    listed = np.flatnonzero(data.front)[:_LISTED]
    remarks = data.notes
    if len(listed) < front_rows:
        remarks.append(f"The table lists the first {len(listed):,} of {front_rows:,} rows on the front")
    sections = [
        section("plot", "Plot", _plot(data, x, y, numeric, color, knee)),
        section("front", "The front", _table(data, kept, listed)),
        section("notes", "Notes", notes([f"{text}." for text in remarks])) if remarks else "",
    ]
    settings: dict[str, Any] = {"rows": f"{data.total:,}", "minimized": ", ".join(map(str, data.low)) or None}
    settings |= {"maximized": ", ".join(map(str, data.high)) or None, "knee": knee}
    text = page(title, header, join(sections, "\n"), footer(settings, command, None, environment()), also=("front",))
    held = tag("script", Markup(_data(data, kept, numeric, per is None)), type="application/json", id="front-data")
    text = text.replace("<script>", f"{held}\n<script>", 1)
    if path is not None:
        write_whole(Path(path).expanduser(), text.encode())
    return text


def _columns(data: FrontData, x: str, y: str, color: str | None, label: str | None, columns: Sequence[str] | None) -> list[str]:
    """Axes and objectives first, then the rest in the order of the frame."""
    first = [*data.low, *data.high, x, y, *([color] if color is not None else [])]
    rest = list(data.frame.columns) if columns is None else named(columns)
    for name in rest if columns is not None else ():
        one(data.frame, name)
    found = [n for n in dict.fromkeys([*first, *rest]) if n != label and isinstance(data.frame[n], pd.Series)]
    return found if columns is not None else found[: max(_MOST_COLUMNS, len(dict.fromkeys(first)))]


def _cards(data: FrontData) -> list[Card]:
    front = int(data.front.sum())
    found = [Card("On the front", f"{front:,}", "rows", f"of {data.total:,}", f"{compact(100 * front / data.total, 3)} % of them")]
    rows = data.frame.reset_index(drop=True)
    ends = np.flatnonzero(data.front)
    for name in [*data.low, *data.high]:
        values = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if not len(ends) or len(found) > 3:
            continue
        at = int(ends[np.argmin(values[ends] if name in data.low else -values[ends])])
        word = "Least" if name in data.low else "Most"
        found.append(Card(f"{word} {name}", compact(values[at], 4), "", data.labels[at], "on the front"))
    if data.knee.any():
        at = int(np.flatnonzero(data.knee)[0])
        where = ", ".join(f"{n} {compact(rows[n][at], 4)}" for n in [*data.low, *data.high])
        found.append(Card("Knee", data.labels[at], "", "", where))
    return found


def _plot(data: FrontData, x: str, y: str, numeric: Sequence[str], color: str | None, knee: str | None) -> Markup:
    controls = []
    for axis, chosen in (("x", x), ("y", y)):
        options = [tag("option", n, value=n, selected="selected" if n == chosen else None) for n in numeric]
        values = data.frame[chosen]
        wide = float(values.min()) > 0 and float(values.max()) > _LOG * float(values.min())
        controls.append(tag("label", f"{axis} axis ", tag("select", *options, id=f"{axis}-axis")))
        box = Markup(f'<input type="checkbox" id="{axis}-log"{" checked" if wide else ""}>')
        controls.append(tag("label", box, " logarithmic"))
    canvas = tag("canvas", _HINT, id="front-canvas", tabindex="0", role="application", aria_label=f"Plot. {_HINT}")
    inner = [
        tag("div", *controls, class_="controls"),
        canvas,
        Markup('<div class="tip" id="tip" hidden></div>'),
        _legend(data, color, knee),
        tag("div", _HINT, id="selected", aria_live="polite"),
    ]
    lacking = tag("noscript", tag("p", "The plot needs JavaScript; the table below does not."))
    return join([tag("div", *inner, class_="plot needs-script", hidden="hidden"), lacking], "\n")


def _legend(data: FrontData, color: str | None, knee: str | None) -> Markup:
    def picture(shape: str, fill: str, stroke: str) -> Markup:
        look = f'fill="{fill}" stroke="{stroke}" stroke-width="1.4"'
        return Markup(f'<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" {look}>{shape}</svg>')

    items = []
    style = "".join(
        f"{'@media (prefers-color-scheme: dark) {' if name == 'dark' else ''}"
        + "".join(f".s{i} {{ color: {c}; }}" for i, c in enumerate(THEMES[name].series))
        + ("}" if name == "dark" else "")
        for name in ("light", "dark")
    )
    for i, name in enumerate(data.names):
        shape = tag("span", picture(_SHAPES[i], "currentColor", "none"), class_=f"s{i}")
        items.append(tag("li", tag("button", shape, name, type="button", aria_pressed="true", data_series=i)))
    ground = "currentColor"
    if not data.names:
        items.append(tag("li", tag("span", picture(_SHAPES[0], ground, "none"), class_="s0"), "on the front"))
        items.append(tag("li", tag("span", picture(_SHAPES[0], "none", ground), class_="s0"), "not on the front"))
    if knee is not None and data.knee.any():
        items.append(tag("li", picture('<circle cx="8" cy="8" r="6.5"/>', "none", ground), f"knee by {knee.replace('_', ' ')}"))
    heading = f"Series by {color}; press one to hide it" if color is not None else "Marks"
    return join([tag("style", Markup(style)), tag("ul", *items, class_="series", aria_label=heading)])


def _table(data: FrontData, kept: Sequence[str], listed: np.ndarray) -> Markup:
    heads = [Column("Row", numeric=False)]
    cells: list[list[Cell]] = [[Cell(data.labels[i], data.labels[i])] for i in listed]
    for name in kept:
        values = data.frame[name].iloc[listed].tolist()
        number = data.frame[name].dtype.kind in "iuf"
        better = data.lower_is_better(name)
        heads.append(Column(str(name), "" if better is None else "lower is better" if better else "higher is better", number))
        for row, v in zip(cells, values, strict=True):
            missing = v is None or v is pd.NA or (isinstance(v, float) and math.isnan(v))
            row.append(Cell("–", "") if missing else Cell(compact(v, 5), v) if number else Cell(str(v), str(v)))
    made = table("The front", "The rows on the front.", heads, cells, sortable=True)
    head, body = made.split("<tbody>", 1)
    for i in listed:  # each row knows its point
        body = body.replace("<tr>", f'<tr data-i="{i}">', 1)
    return Markup(f"{head}<tbody>{body}")


def _data(data: FrontData, kept: Sequence[str], numeric: Sequence[str], stairs: bool) -> str:
    columns = []
    for name in kept:
        lower = data.lower_is_better(name)
        column: dict[str, Any] = {"name": str(name), "better": None if lower is None else "lower" if lower else "higher"}
        if name in numeric:
            values = data.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            column["values"] = [float(f"{v:.7g}") if math.isfinite(v) else None for v in values]
        else:
            codes, texts = pd.factorize(data.frame[name].astype(str))
            column |= {"values": codes.tolist(), "texts": [str(t) for t in texts]}
        columns.append(column)
    content = {
        "columns": columns,
        "labels": data.labels,
        "series": data.series.tolist(),
        "front": data.front.astype(int).tolist(),
        "knee": data.knee.astype(int).tolist(),
        "stairs": stairs,
        "hint": _HINT,
        "colours": {name: THEMES[name].series for name in THEMES},
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
