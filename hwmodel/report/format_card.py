"""Cards of number formats for a terminal: facts, values, a line of their density."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

from hwmodel.report.format_pictures import rounded, short
from numfmt import Overflow
from numfmt.formats.card_text import facts, heading
from numfmt.formats.exact_text import number_text
from numfmt.formats.spacing import median_magnitude, value_counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numfmt import Card

_LEVELS = "▁▂▃▄▅▆▇█"
_CELL = 26  # characters of one code and its value, at most

# A power of two is exact; any other number in few digits is not.
_EXACT_POWER = re.compile("[-−]?2[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def card_table(card: Card) -> Table:
    """The facts of one format."""
    table = Table(title=f"{card.name}: {heading(card)}", show_header=False, title_justify="left", title_style="bold")
    table.add_column("fact", style="bold", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, value in facts(card):
        table.add_row(name, Text(value))
    return table


def comparison_table(cards: Sequence[Card]) -> Table:
    """The facts of several formats side by side; facts that none has are left out."""
    table = Table(title_justify="left")
    table.add_column("", style="bold", no_wrap=True)
    for card in cards:
        table.add_column(card.name, overflow="fold")
    columns = [{"fields": heading(card), **dict(facts(card))} for card in cards]
    for name in sorted({name for column in columns for name in column}, key=_place):
        table.add_row(name, *(Text(column.get(name, "–")) for column in columns))
    return table


def _place(name: str) -> tuple[int, int]:
    """Place of a fact in the comparison; the overflow modes in their own order."""
    known = (
        "fields", "kind", "largest", "smallest", "smallest positive", "smallest normal", "finite values", "specials", "spacing",
        "dynamic range", "rounding", "overflow", "overflows", "beyond", "NaN", "-0", "-1", "values as", "source", "status",
    )  # fmt: skip
    head, _, mode = name.partition(", ")
    return known.index(head) if head in known else len(known), Overflow(mode).number if mode else 0


def value_table(card: Card, width: int) -> Table:
    """Value of every code, in as many columns as fit."""
    rows = card.table()
    cells = [(code, _shown(value, kind)) for code, value, kind in zip(rows["hex"], rows["value"], rows["class"], strict=True)]
    widest = max(len(code) + len(text) for code, text in cells) + 6
    columns = max(1, min(8, (width - 1) // min(widest, _CELL), -(-len(cells) // 4)))
    table = Table(title=f"{card.name}: value of every code", title_justify="left", title_style="bold")
    for _ in range(columns):
        table.add_column("code", justify="right", style="dim", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
    height = -(-len(cells) // columns)
    for r in range(height):
        line: list[str] = []
        for c in range(columns):
            line += cells[c * height + r] if c * height + r < len(cells) else ("", "")
        table.add_row(*line)
    return table


def value_lines(card: Card) -> Iterator[str]:
    """Code, bits, value and class of every code, a line each, with tabs between; formats of up to 16 bits."""
    yield "code\tbits\tvalue\tclass"
    for code, bits, value, kind in card.table(16)[["hex", "bits", "value", "class"]].itertuples(index=False):
        yield f"{code}\t{bits}\t{number_text(value) if not isinstance(value, str) else value}\t{kind}"


def _shown(value: object, kind: str) -> str:
    if kind == "unused":
        return "unused"
    if isinstance(value, str):
        return value
    text = number_text(value)  # type: ignore[arg-type]
    if len(text) <= 15:
        return text
    brief = short(value)  # type: ignore[arg-type]
    return brief if _EXACT_POWER.fullmatch(brief) else f"≈{brief}"


def number_line(card: Card, width: int) -> list[str]:
    """Two lines of block characters: the density of the values over the whole range, and over the middle half of them."""
    if card.binades is None:
        return []
    reach = max(median_magnitude(card.format), 1e-307)
    lines = []
    for scale in (1.0, reach):
        low, high = (-scale if card.min < 0 else 0.0), (scale if card.max > 0 else 0.0)
        ends = [short(rounded(Fraction(end) * Fraction(card.largest_magnitude))) for end in (low, high)]
        left, right = f"{ends[0]:>10} ", f" {ends[1]}"
        cells = max(width - len(left) - len(right), 8)
        span = high - low
        edges = np.linspace(low - 1e-9 * span, high + 1e-9 * span, cells + 1)
        counts = value_counts(card.format, edges.tolist())
        heights = np.log1p(counts) / (np.log1p(counts).max() or 1.0)
        marks = (_LEVELS[min(int(h * len(_LEVELS)), len(_LEVELS) - 1)] if n else "·" for h, n in zip(heights, counts, strict=True))
        lines.append(left + "".join(marks) + right)
    return lines
