"""Numbers as people read them: one number of decimals and one unit for a whole column."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

NOTHING = "–"
_PREFIXES = ((1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"), (1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"))
_SCIENTIFIC = 1e7


@dataclass(frozen=True)
class Scale:
    """A unit to print a column in: printed value = stored value * factor."""

    factor: float
    unit: str


def finite(values: Iterable[Any]) -> list[float]:
    """The finite numbers among `values`."""
    return [float(v) for v in values if v is not None and math.isfinite(float(v))]


def scale(values: Iterable[Any], stored: float, unit: str) -> Scale:
    """The largest SI prefix at which the smallest value other than 0 is at least 1; `stored` is the unit of the values in SI."""
    sizes = [abs(v) * stored for v in finite(values) if v]
    smallest = min(sizes, default=1.0)
    prefix = next((p for p in reversed(_PREFIXES) if smallest >= p[0] * 0.9995), _PREFIXES[0])
    return Scale(stored / prefix[0], prefix[1] + unit)


def decimals(values: Iterable[Any], significant: int = 4, most: int = 4) -> int:
    """Decimals at which the smallest value other than 0 shows `significant` digits, at most `most`."""
    sizes = [abs(v) for v in finite(values) if v]
    if not sizes:
        return 0
    return min(most, max(0, significant - 1 - math.floor(math.log10(min(sizes)))))


def number(value: Any, digits: int = 2, *, sign: bool = False) -> str:
    """`value` with `digits` decimals; a real minus sign, a dash for nothing, scientific from 1e7 on."""
    if value is None or math.isnan(float(value)):
        return NOTHING
    value = float(value)
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.3e}" if abs(value) >= _SCIENTIFIC else f"{value:{'+' if sign else ''}.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")


def compact(value: Any, significant: int = 4) -> str:
    """`value` with that many significant digits, without trailing zeros; large counts in full."""
    if value is None or math.isnan(float(value)):
        return NOTHING
    value = float(value)
    if math.isinf(value):
        return number(value)
    if value == int(value) and abs(value) < _SCIENTIFIC:
        return f"{int(value)}".replace("-", "−")
    return f"{value:.{significant}g}".replace("-", "−")


def counted(value: Any, what: str) -> str:
    """A count with an SI prefix: `6.607 G weights`."""
    unit = scale([value], 1.0, "") if value >= _SCIENTIFIC else Scale(1.0, "")
    return f"{compact(value * unit.factor)} {unit.unit} {what}".replace("  ", " ")
