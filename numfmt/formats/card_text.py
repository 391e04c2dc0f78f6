"""A card as plain text: one fact a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ends import Edge
from .exact_text import as_number, shown

if TYPE_CHECKING:
    from .describe import Card, Result

_NAMES = {"minus_zero": "-0", "nan": "NaN", "+inf": "+inf", "-inf": "-inf", "repeated": "repeated", "unused": "unused"}


def card_text(card: Card) -> str:
    """The card of `nf.describe` as lines of `name: value`."""
    rows = facts(card)
    width = max(len(name) for name, _ in rows)
    lines = [f"{card.name}: {heading(card)}", *(f"  {name:<{width}}  {value}" for name, value in rows)]
    return "\n".join(lines)


def heading(card: Card) -> str:
    """Width and fields in a few words: `8 bits, 1 sign + 4 exponent + 3 mantissa`."""
    parts = " + ".join(f"{width} {name.replace('_', ' ')}" for name, width in card.fields)
    return f"{card.bits} bit{'' if card.bits == 1 else 's'}" + (f", {parts}" if parts else "")


def facts(card: Card) -> list[tuple[str, str]]:
    """(name, text) of every fact, in the order people ask for them."""
    rows = [("kind", card.kind + (f" ({parameters(card)})" if card.parameters else ""))]
    rows += [("largest", shown(card.max)), ("smallest", shown(card.min))]
    rows += [("smallest positive", shown(card.min_positive))]
    if card.min_normal is not None:
        rows.append(("smallest normal", shown(card.min_normal)))
    rows.append(("finite values", f"{card.finite_values}"))
    rows.append(("specials", specials(card)))
    rows.append(("spacing", spacing(card)))
    if card.binades is not None and card.dynamic_range_db is not None:
        rows.append(("dynamic range", f"{card.binades:.4g} binades, {card.dynamic_range_db:.4g} dB"))
    rows += [("rounding", card.rounding), ("overflow", card.overflow)]
    rows.append(("overflows", f"{edge_text(card.overflow_above)}, {edge_text(card.overflow_below)}"))
    for row in card.beyond:
        results = (("above", row.above), ("below", row.below), ("+inf", row.plus_inf), ("-inf", row.minus_inf))
        rows.append((f"beyond, {row.overflow}", ", ".join(f"{what} -> {result_text(card, r)}" for what, r in results)))
    rows.append(("NaN", result_text(card, card.nan)))
    rows.append(("-0", result_text(card, card.minus_zero)))
    if card.min >= 0:
        rows.append(("-1", result_text(card, card.minus_one)))
    rows.append(("values as", card.value_dtype))
    rows.append(("source", card.source))
    rows.append(("status", card.status))
    if card.aliases:
        rows.append(("also called", ", ".join(card.aliases)))
    return rows


def parameters(card: Card) -> str:
    """The parameters of the format's class."""
    return ", ".join(f"{name}={value}" for name, value in card.parameters)


def specials(card: Card) -> str:
    """The special codes: `NaN 0x7f, 0xff`."""
    digits = max(-(-card.bits // 4), 1)

    def run(first: int, last: int) -> str:
        return f"0x{first:0{digits}x}" + (f"-0x{last:0{digits}x}" if last > first else "")

    parts = []
    for special in card.specials:
        codes = ", ".join(run(*pair) for pair in special.codes[:4])
        more = f" and {special.count} codes in all" if len(special.codes) > 4 else ""
        parts.append(f"{_NAMES[special.what]} {codes}{more}")
    return "; ".join(parts) or "none"


def spacing(card: Card) -> str:
    """Quantum, spacing at one, widest gap."""
    parts = [f"quantum {shown(card.quantum)}"]
    if card.spacing_at_one is not None:
        parts.append(f"{shown(card.spacing_at_one)} at 1")
    elif card.epsilon is not None:
        parts.append(f"relative {shown(card.epsilon)}")
    if card.largest_spacing is not None:
        parts.append(f"at most {shown(card.largest_spacing)}")
    return ", ".join(parts)


def edge_text(edge: Edge) -> str:
    """`from 464` where the limit itself overflows, `above 464` where it does not; `below -464` on the other side."""
    limit = shown(as_number(-edge.limit if edge.negative else edge.limit))
    if edge.inclusive:
        return f"from {limit} {'down' if edge.negative else 'up'}"
    return f"{'below' if edge.negative else 'above'} {limit}"


def result_text(card: Card, result: Result) -> str:
    """Value and code, or `refused`."""
    if result.code is None or result.value is None:
        return "refused"
    digits = max(-(-card.bits // 4), 1)
    value = shown(result.value).split(" = ")[0]
    return f"{value} (0x{result.code:0{digits}x})"
