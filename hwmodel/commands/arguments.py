"""What several commands read from their arguments, and how they print tables. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from typing import Any


def positive(text: str) -> int:
    """A whole number above 0."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def listed(text: str) -> list[str]:
    """Items between commas, except those inside <...>."""
    return [part.strip() for part in re.split(r",(?![^<]*>)", text) if part.strip()]


def plans(text: str) -> list[tuple[str, str]]:
    """The plans of --schemes with the accelerator behind `on`, or ""; ValueError where there is none."""
    found = []
    for part in listed(text):
        plan, name = (*re.split(r"\s+on\s+", part, maxsplit=1), "")[:2]
        found.append((plan.strip(), name.strip()))
    if not found:
        raise ValueError(f"--schemes={text!r} names no scheme; write for example --schemes 'int4/g128,bitmod4'")
    return found


def print_frame(frame: Any, title: str | None = None, fixed: Sequence[str] = ("name",), caption: str | None = None) -> None:
    """A table in the terminal; numbers to the right, columns `fixed` never broken."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    look: dict[str, Any] = {"title_justify": "left", "box": SIMPLE_HEAD, "show_edge": False, "pad_edge": False}
    table = Table(title=Text(title, style="bold") if title else None, padding=(0, 1, 0, 0), **look)
    for column in frame.columns:
        number = frame[column].dtype.kind in "if"
        table.add_column(
            Text(str(column)), justify="right" if number else "left", no_wrap=number or column in fixed, overflow="fold"
        )
    for row in frame.itertuples(index=False):
        table.add_row(*(Text(_cell(v)) for v in row))
    console = Console()
    console.print(table)
    if caption:
        console.print(caption, markup=False, highlight=False)


def print_sources(frame: Any) -> None:
    """Constants below the source that they come from, with its status."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(Text("\nSources", style="bold"))
    for (source, status), rows in frame.groupby(["source", "status"], sort=False):
        console.print(f"{source} ({status})", markup=False, highlight=False)
        found = ((r.name, _cell(float(r.value)), "" if r.unit == "1" else r.unit) for r in rows.itertuples(index=False))
        texts = (" ".join(parts).strip() for parts in found)
        console.print(Text(f"  {'; '.join(texts)}", style="dim"))


def _cell(value: Any) -> str:
    """A number with four digits, without trailing zeros, scientific only where it must be."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if not isinstance(value, float) or value == 0 or not 1e-4 <= abs(value) < 1e7:
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    text = f"{value:.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
