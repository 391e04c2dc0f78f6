"""HTML from plain values: every text is escaped on its way in."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from hwmodel.report.numbers import NOTHING

NARROW = "(max-width: 640px)"
DARK = "(prefers-color-scheme: dark)"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def esc(value: Any) -> Markup:
    """A value as HTML text; Markup passes through."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def join(parts: Iterable[Any], between: str = "") -> Markup:
    """Parts as one piece of HTML."""
    return Markup(between.join(esc(part) for part in parts))


def breakable(text: Any) -> Markup:
    """Text that may break behind its separators, as in `int6/g128+scale=float16`."""
    return Markup(re.sub(r"(?<=[/+,@.])(?=.)|(?<=&lt;)", "<wbr>", esc(text)))


def tag(name: str, *content: Any, **attributes: Any) -> Markup:
    """An element; attribute names lose a trailing underscore, other underscores become hyphens, None leaves one out."""
    texts = "".join(f' {k.rstrip("_").replace("_", "-")}="{html.escape(str(v))}"' for k, v in attributes.items() if v is not None)
    return Markup(f"<{name}{texts}>{join(content)}</{name}>")


@dataclass(frozen=True)
class Cell:
    """One table cell: what is printed, the number or text to sort by, and whether it is the best of its column."""

    content: Any
    sort: Any = None
    best: bool = False


@dataclass(frozen=True)
class Column:
    """One table column; numbers are right aligned."""

    title: str
    unit: str = ""
    numeric: bool = True
    hint: str | None = None


def table(
    name: str,
    caption: Any,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    *,
    sortable: bool = False,
    total: bool = False,
) -> Markup:
    """A table in a box of its own that scrolls sideways; the first column heads the rows and stays. `total`: the last row."""
    heads = []
    for column in columns:
        unit = tag("span", column.unit, class_="unit") if column.unit else ""
        heads.append(tag("th", column.title, unit, scope="col", class_="n" if column.numeric else None, title=column.hint))
    lines = []
    for i, row in enumerate(rows):
        cells = []
        for j, (cell, column) in enumerate(zip(row, columns, strict=True)):
            sort = cell.sort if sortable else None
            if j == 0:
                cells.append(tag("th", cell.content, scope="row", data_v=sort))
                continue
            classes = " ".join(c for c, on in (("n", column.numeric), ("best", cell.best)) if on)
            cells.append(
                tag("td", cell.content, class_=classes or None, data_v=sort, title="best in this column" if cell.best else None)
            )
        lines.append(tag("tr", *cells, class_="total" if total and i == len(rows) - 1 else None))
    inner = tag(
        "table",
        tag("caption", tag("span", caption)),
        "\n",
        tag("thead", tag("tr", *heads)),
        "\n",
        tag("tbody", join(lines, "\n")),
        class_="sortable sticky" if sortable else "sticky",
    )
    return box(name, inner)


def box(name: str, inner: Any) -> Markup:
    """A region that scrolls sideways, with the keyboard too."""
    return tag("div", inner, class_="box", role="region", tabindex="0", aria_label=name)


def data_uri(svg: str) -> str:
    """SVG as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


@dataclass(frozen=True)
class Picture:
    """One plot: SVG texts with their sizes in CSS pixels, by (theme, width)."""

    svgs: dict[tuple[str, str], tuple[str, int, int]]
    alt: str
    title: str
    caption: str
    wide: bool = False


def figure(picture: Picture) -> Markup:
    """A plot in the theme and width of the reader's screen."""
    narrow = "(max-width: 760px)" if picture.wide else NARROW
    sources = []
    for theme, width, media in (("dark", "narrow", f"{DARK} and {narrow}"), ("light", "narrow", narrow), ("dark", "wide", DARK)):
        svg, w, h = picture.svgs[theme, width]
        sources.append(Markup(f'<source media="{media}" srcset="{data_uri(svg)}" width="{w}" height="{h}">'))
    svg, w, h = picture.svgs["light", "wide"]
    image = Markup(f'<img src="{data_uri(svg)}" width="{w}" height="{h}" alt="{html.escape(picture.alt)}">')
    caption = tag("figcaption", tag("strong", picture.title), " ", picture.caption)
    return tag("figure", tag("picture", *sources, image), caption, class_="wide" if picture.wide else None)


def definitions(pairs: Iterable[tuple[Any, Any]]) -> Markup:
    """A list of names and what they stand for."""
    return tag("dl", *(join((tag("dt", name), tag("dd", value))) for name, value in pairs))


def missing(text: str) -> Markup | str:
    """The text, with a word for what a dash means."""
    return tag("span", text, title="not measured") if text == NOTHING else text


def page(title: str, header: Any, main: Any, footer: Any, *, also: Sequence[str] = ()) -> str:
    """A whole document that asks the network for nothing: style and script are inside, everything else is forbidden by policy.

    also: names of further styles and scripts, of which data/ has NAME.css and NAME.js."""
    style, scripts = "".join(_file(f"{name}.css") for name in ("page", *also)), [_file(f"{name}.js") for name in ("page", *also)]
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {digests}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="generator" content="hwmodel">\n'
        f'<title>{esc(title)}</title>\n<link rel="icon" href="data:,">\n<style>\n{style}</style>\n</head>\n<body>\n'
        f'<a class="skip" href="#main">Skip to the results</a>\n'
        f"{tag('header', header)}\n{tag('main', main, id='main')}\n{tag('footer', footer)}\n"
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


@cache
def _file(name: str) -> str:
    return (resources.files("hwmodel.report") / "data" / name).read_text(encoding="utf-8")
