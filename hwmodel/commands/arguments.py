"""What several commands read from their arguments, and how they print tables. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
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

    look: dict[str, Any] = {"title_justify": "left", "caption_justify": "left", "caption_style": ""}
    look |= {"box": SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "padding": (0, 1, 0, 0)}
    table = Table(title=Text(title, style="bold") if title else None, caption=Text(caption) if caption else None, **look)
    for column in frame.columns:
        number = frame[column].dtype.kind in "if"
        table.add_column(
            Text(str(column)), justify="right" if number else "left", no_wrap=number or column in fixed, overflow="fold"
        )
    for row in frame.itertuples(index=False):
        table.add_row(*(Text(_cell(v)) for v in row))
    Console().print(table)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
