"""The few figures at the top of a page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hwmodel.report.markup import Markup, tag
from hwmodel.report.numbers import decimals, number, scale
from hwmodel.report.view import Quality, quality_of, reference_row

NOISE_LIMIT_DB = 20.0  # noise power 1 % of the signal's
LOSS_LIMIT = 0.01  # of perplexity, or one percentage point of accuracy


@dataclass(frozen=True)
class Card:
    """One figure: what it is, its value and unit, whose it is, how it compares."""

    what: str
    value: str
    unit: str
    who: str
    how: str


def study_cards(study: Any) -> list[Card]:
    """Best quality below 16 bits, least energy, least energy at 1 % loss, least latency; those that have finite values."""
    summary = study.summary()
    quality = quality_of(study, summary)
    reference = reference_row(summary)
    energy, time = scale(summary["energy_uj"], 1e-6, "J"), scale(summary["latency_us"], 1e-6, "s")
    digits = quality_digits(summary, quality)

    def measured(i: int) -> str:
        return f"{quality.name.lower() if quality.column != 'sqnr_db' else 'SQNR'} {with_unit(summary, i, quality, digits)}"

    found = []
    small = summary[summary["bits_per_weight"] < 16] if (summary["bits_per_weight"] < 16).any() else summary
    thrifty = small.sort_values("energy_uj", kind="stable")  # of equal quality, the one with least energy
    best = _least(thrifty[quality.column] * (1 if quality.lower_is_better else -1))
    if best is not None:
        few = " below 16 bits" if len(small) < len(summary) else ""
        word = "Lowest" if quality.lower_is_better else "Highest"
        value = number(summary[quality.column].loc[best] * quality.factor, digits)
        base = f"float32: {number(quality.baseline * quality.factor, digits)} {quality.unit}".strip()
        how = base if math.isfinite(quality.baseline) else f"{number(summary['bits_per_weight'].loc[best], 2)} bits per weight"
        name = quality.name if quality.column == "sqnr_db" else quality.name.lower()
        found.append(Card(f"{word} {name}{few}", value, quality.unit, _who(summary, best), how))
    shown_already: set[tuple[str, Any]] = set()
    rule, passing = good_enough(summary, quality)
    for what, column, unit, rows in (
        (f"Least energy, {rule}", "energy_uj", energy, summary[passing]),
        ("Least energy of all", "energy_uj", energy, summary),
        ("Least latency", "latency_us", time, summary),
    ):
        least = _least(rows[column])
        if least is None or (column, least) in shown_already:
            continue
        shown_already.add((column, least))
        at = summary.index.get_loc(least)
        value = summary[column].iloc[at] * unit.factor
        other = summary[column].iloc[reference]
        how = (
            f"{number(other / summary[column].iloc[at], 2)}× less than {summary['label'].iloc[reference]}; "
            if at != reference
            else ""
        )
        shown = number(value, decimals([value], 4, 3))
        found.append(Card(what, shown, unit.unit, _who(summary, least), how + measured(at)))
    return found


def quality_digits(summary: pd.DataFrame, quality: Quality) -> int:
    """Decimals of the quality column: enough to tell close results apart."""
    if quality.column == "perplexity":
        return decimals(summary[quality.column], 5)
    return 2 if quality.column == "accuracy" else 1


def with_unit(summary: pd.DataFrame, i: int, quality: Quality, digits: int) -> str:
    """The quality of a row as text."""
    return f"{number(summary[quality.column].iloc[i] * quality.factor, digits)} {quality.unit}".strip()


def good_enough(summary: pd.DataFrame, quality: Quality) -> tuple[str, pd.Series]:
    """The rule for a quality that loses about 1 %, in words, and the rows that meet it."""
    values = summary[quality.column]
    if quality.column == "sqnr_db" or not math.isfinite(quality.baseline):
        return f"SQNR {NOISE_LIMIT_DB:.0f} dB or more", summary["sqnr_db"] >= NOISE_LIMIT_DB
    if quality.lower_is_better:
        return "perplexity within 1\u00a0% of float32", values <= quality.baseline * (1 + LOSS_LIMIT)
    return "accuracy within 1 point of float32", values >= quality.baseline - LOSS_LIMIT - 1e-12


def _least(values: pd.Series) -> Any:
    """Index of the smallest finite value, None where there is none."""
    finite = values[values.map(lambda v: math.isfinite(v))]
    return finite.idxmin() if len(finite) else None


def _who(summary: pd.DataFrame, index: Any) -> str:
    return str(summary["label"].loc[index])


def cards(found: list[Card]) -> Markup:
    """The figures as a list."""
    items = []
    for card in found:
        value = tag("p", card.value, " ", tag("small", card.unit), class_="value")
        lines = (tag("p", card.what, class_="what"), value, tag("p", card.who, class_="who"), tag("p", card.how, class_="how"))
        items.append(tag("li", *lines))
    return tag("ul", *items, class_="cards")
