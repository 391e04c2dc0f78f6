"""`hwmodel show FORMAT ...`: the cards of number formats in the terminal, as JSON and as pictures."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(commands: Any) -> None:
    """The arguments of the command."""
    show = commands.add_parser(
        "show",
        help="the card of a number format, or several side by side",
        description="What a number format holds: fields, range, specials, spacing, what overflows and what it becomes, every value "
        "of formats of up to 8 bits. Several formats are compared side by side.",
    )
    show.add_argument(
        "formats", nargs="+", metavar="FORMAT", help="such as e4m3fn, nf4, int4, posit16, fixed<16,6> or float<4,3,bias=11,fnuz>"
    )
    show.add_argument("--json", action="store_true", help="print JSON; a list for several formats")
    show.add_argument("--values", action="store_true", help="print every code with its bits and value, tab-separated (to 16 bits)")
    show.add_argument("--plot", metavar="FILE", help="write a picture (.svg, .png, .pdf): values and relative error over magnitude")
    show.add_argument("--theme", choices=["light", "dark"], default="light", help="colours of the picture (default: light)")
    show.add_argument("--width", choices=["narrow", "wide"], default="narrow", help="3.3 or 6.8 inches (default: narrow)")
    show.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the cards and write the picture; returns the exit code."""
    import numfmt as nf
    from hwmodel.report.save import check_suffix
    from numfmt.formats.code_table import check_listed

    cards = [nf.describe(text) for text in arguments.formats]
    if arguments.values:
        for card in cards:
            check_listed(card.format, 16)
    if arguments.plot:
        check_suffix(arguments.plot)
        _plot(cards, arguments)
    if arguments.json:
        made = [_facts(card) for card in cards]
        print(json.dumps(made[0] if len(made) == 1 else made, indent=1, allow_nan=False))
        return 0
    if arguments.values:
        _values(cards)
        return 0
    _cards(cards)
    return 0


def _plot(cards: list[Any], arguments: argparse.Namespace) -> None:
    try:
        from hwmodel.report.format_pictures import plot_formats

        plot_formats([card.format for card in cards], arguments.plot, arguments.theme, arguments.width)
    except ImportError as error:
        raise ValueError(f"--plot: {error}") from error


def _facts(card: Any) -> dict[str, Any]:
    """The card with the value of every code, for formats of up to 8 bits."""
    from numfmt.formats.exact_text import json_number

    facts = card.to_dict()
    if card.bits <= 8:
        rows = card.table()
        facts["values"] = [None if k == "unused" else json_number(v) for v, k in zip(rows["value"], rows["class"], strict=True)]
    return facts


def _values(cards: list[Any]) -> None:
    from hwmodel.report.format_card import value_lines

    for card in cards:
        if len(cards) > 1:
            print(f"# {card.name}")
        for line in value_lines(card):
            print(line)


def _cards(cards: list[Any]) -> None:
    from rich.console import Console

    from hwmodel.report.format_card import card_table, comparison_table, number_line, value_table

    console = Console()
    console.print(card_table(cards[0]) if len(cards) == 1 else comparison_table(cards))
    if console.is_terminal:
        for card in cards:
            lines = number_line(card, console.width - 1)
            if lines:
                console.print(f"[bold]{card.name}[/]: values, from end to end and the middle half of them", highlight=False)
            for line in lines:
                console.print(line, markup=False, highlight=False, no_wrap=True)
    if len(cards) == 1 and cards[0].bits <= 8:
        console.print(value_table(cards[0], console.width))
