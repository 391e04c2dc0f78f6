"""The card of a number format: what it holds, where it ends, what happens there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

import numfmt as nf
from numfmt import Codebook, Fixed, Float, Format

_LISTED_BITS = 6  # value tables are printed up to this width


def format_facts(fmt: Format) -> dict[str, Any]:
    """Facts of a format as plain values: name, kind, bits, fields, range, specials, modes, source, values (up to 8 bits)."""
    facts: dict[str, Any] = {"name": str(fmt), "kind": type(fmt).__name__, "bits": fmt.bits}
    if isinstance(fmt, Float):
        facts |= {
            "sign_bits": int(fmt.signed),
            "exp_bits": fmt.exp_bits,
            "man_bits": fmt.man_bits,
            "bias": fmt.bias,
            "max": fmt.max,
            "min": fmt.min,
            "min_normal": fmt.min_normal,
            "min_positive": fmt.min_positive,
            "infinities": fmt.has_inf,
            "nan": fmt.has_nan,
            "minus_zero": fmt.has_minus_zero,
            "rounding": str(fmt.rounding),
            "overflow": str(fmt.overflow),
        }
    elif isinstance(fmt, Fixed):
        facts |= {
            "int_bits": fmt.int_bits,
            "frac_bits": fmt.frac_bits,
            "max": fmt.max,
            "min": fmt.min,
            "spacing": fmt.quantum,
            "rounding": str(fmt.rounding),
            "overflow": str(fmt.overflow),
        }
    elif isinstance(fmt, Codebook):
        facts |= {"entries": len(fmt.table), "max": fmt.max, "min": fmt.min, "ties": fmt.ties, "overflow": str(fmt.overflow)}
    beyond = math.nextafter(fmt.max, math.inf)
    facts["just_beyond_max"] = _text(float(nf.cast(np.array([beyond]), fmt)[0]))
    facts["twice_max"] = _text(float(nf.cast(np.array([2 * fmt.max if fmt.max < 1e308 else math.inf]), fmt)[0]))
    row = nf.catalogue().query("name == @name", local_dict={"name": str(fmt)})
    facts["source"] = row["source"].iloc[0] if len(row) else "parametric format"
    facts["status"] = row["status"].iloc[0] if len(row) else "by definition"
    if fmt.bits <= 8:
        facts["values"] = [_text(v) for v in fmt.values().tolist()]
    return facts


def _text(value: float) -> float | str:
    """A number that strict JSON can hold, else its name."""
    if math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")


def format_card(fmt: Format) -> Group:
    """The card for a terminal, with the value of every code for narrow formats."""
    facts = format_facts(fmt)
    values = facts.pop("values", None)
    card = Table(title=f"format {facts['name']}", show_header=False, title_justify="left")
    card.add_column("fact", style="bold")
    card.add_column("value", overflow="fold")
    for name, value in facts.items():
        card.add_row(name.replace("_", " "), f"{value:.17g}" if isinstance(value, float) else str(value))
    if values is None or fmt.bits > _LISTED_BITS:
        return Group(card)
    columns = min(4, len(values))
    table = Table(title="value of every code", title_justify="left")
    for _ in range(columns):
        table.add_column("code", justify="right", style="dim", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
    rows = -(-len(values) // columns)
    for r in range(rows):
        cells: list[str] = []
        for c in range(columns):
            code = c * rows + r
            shown = code < len(values)
            cells += [f"{code:#04x}" if shown else "", _shown(values[code]) if shown else ""]
        table.add_row(*cells)
    return Group(card, table)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
