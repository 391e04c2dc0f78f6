"""The values of one axis of a space: lists, ranges, templates."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from hwmodel._checks import finite, positive_int, unknown

Scalar = str | int | float | bool | None
NAMES = re.compile(r"\{([A-Za-z_]\w*)\}")
MOST = 10_000_000  # values of one axis
_FIELDS = ("from", "to", "step", "count", "log", "log2")
_RANGES = [
    {"from", "to"},
    {"from", "to", "step"},
    {"from", "to", "count"},
    {"from", "to", "log"},
    {"from", "to", "count", "log"},
    {"log2"},
    {"log2", "step"},
]
_HOW = 'a list, {"from": a, "to": b, "step": s} (or "count": n), {"log2": [a, b]}, {"template": "int{acc}", "acc": [...]}'


@dataclass(frozen=True)
class Span:
    """Every number from `low` to `high`; evenly spread in their logarithm with `log`."""

    low: float
    high: float
    log: bool = False

    def at(self, unit: np.ndarray) -> np.ndarray:
        """The numbers that lie so far between the ends (0 to 1)."""
        if not self.log:
            return self.low + unit * (self.high - self.low)
        return np.clip(np.exp(math.log(self.low) + unit * math.log(self.high / self.low)), self.low, self.high)


def scalar(what: str, value: Any) -> Scalar:
    """A value as Python holds it. ValueError for anything but text, finite numbers, booleans, None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError(f"{what} holds {value!r}; whole numbers of a space go up to 2**53")
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"{what} holds {value!r}; a value is a text, a finite number, true, false or null")


def axis_values(name: str, given: Any) -> tuple[Scalar, ...] | Span:
    """The values of an axis in their order; `Span` where it is a range without steps.

    Raises ValueError for an axis without values, for values given twice, and for ranges that are none.
    """
    what = f"axis {name}"
    if isinstance(given, Mapping):
        found = _template(what, given) if "template" in given else _range(what, given)
        if isinstance(found, Span):
            return found
        values = found
    else:
        _few(what, len(given))
        values = [scalar(what, v) for v in given]
    if not values:
        raise ValueError(f"{what} has no values; give at least one, or leave the axis out")
    seen: set[tuple[bool, Any]] = set()
    for value in values:
        key = (isinstance(value, bool), value)  # True is 1 to a set
        if key in seen:
            raise ValueError(f"{what} has the value {value!r} twice; every point would be computed twice")
        seen.add(key)
    return tuple(values)


def _template(what: str, given: Mapping[Any, Any]) -> list[Scalar]:
    text = given["template"]
    if not isinstance(text, str):
        raise ValueError(f"{what}: template is {text!r}; give a text such as 'int{{acc}}>fp32'")
    names, others = list(dict.fromkeys(NAMES.findall(text))), [k for k in given if k != "template"]
    for name in names:
        if name not in others:
            raise ValueError(f"{what}: the template {text!r} names {name}, which has no values; add {name!r}: [...]")
    for other in others:
        if other not in names:
            raise ValueError(f"{what}: {other!r} is not in the template {text!r}; write {{{other}}} in it, or leave it out")
    columns = []
    for name in names:
        found = axis_values(f"{what.removeprefix('axis ')}.{name}", listed(given[name]))
        if isinstance(found, Span):
            raise ValueError(f"{what}: {name} is a range without steps; give a step")
        columns.append(found)
    _few(what, math.prod(map(len, columns)))
    return [fill(text, dict(zip(names, point, strict=True))) for point in itertools.product(*columns)]


def _few(what: str, count: int) -> None:
    """ValueError for more values than an axis can list."""
    if count > MOST:
        raise ValueError(f"{what} has {count} values; an axis has at most {MOST}, a range without steps has any number")


def listed(given: Any) -> Any:
    """A single value as a list of one."""
    return given if isinstance(given, Mapping | list | tuple | range | np.ndarray) else [given]


def fill(text: str, point: Mapping[str, Scalar]) -> str:
    """A template with its {names} replaced."""
    return NAMES.sub(lambda m: f"{point[m[1]]}", text)


def _range(what: str, given: Mapping[Any, Any]) -> list[Scalar] | Span:
    for key in given:
        if key not in _FIELDS:
            raise ValueError(f"{what}: {unknown('field of a range', str(key), _FIELDS)}")
    if set(given) not in _RANGES:
        raise ValueError(f"{what} is {dict(given)!r}; give {_HOW}")
    if "log2" in given:
        return _powers(what, given)
    low, high = (_number(f"{what}.{k}", given[k]) for k in ("from", "to"))
    if low > high:
        raise ValueError(f"{what} goes from {low!r} to {high!r}; give the smaller one first")
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"{what}.log is {log!r}; give true or false")
    if log and low <= 0:
        raise ValueError(f"{what}.from is {low!r}; a logarithmic range starts above 0")
    if "step" in given:
        return _steps(what, low, high, _number(f"{what}.step", given["step"]))
    if "count" in given:
        count = positive_int(f"{what}.count", given["count"], minimum=2)
        _few(what, count)
        numbers = Span(low, high, log).at(np.linspace(0.0, 1.0, count)).tolist()
        numbers[0], numbers[-1] = float(low), float(high)
        return list(numbers)
    if low == high:
        raise ValueError(f"{what} goes from {low!r} to the same; give a list of one value")
    return Span(float(low), float(high), log)


def _steps(what: str, low: float, high: float, step: float) -> list[Scalar]:
    """low, low + step, ... up to high, in decimal: 0.1 + 2 * 0.1 is 0.3."""
    if step <= 0:
        raise ValueError(f"{what}.step is {step!r}; give a number above 0")
    start, end, each = (Fraction(repr(v)) for v in (low, high, step))
    count = int((end - start) / each) + 1
    _few(what, count)
    exact = (start + i * each for i in range(count))
    whole = isinstance(low, int) and isinstance(step, int)
    return [int(v) if whole else float(v) for v in exact]


def _powers(what: str, given: Mapping[Any, Any]) -> list[Scalar]:
    ends = given["log2"]
    if not isinstance(ends, list | tuple) or len(ends) != 2:
        raise ValueError(f"{what}.log2 is {ends!r}; give the two exponents, such as [4, 8] for 16 to 256")
    low, high = (_whole(f"{what}.log2", e) for e in ends)
    step = _whole(f"{what}.step", given.get("step", 1))
    if low > high or step < 1 or high > 53 or low < -1000:
        raise ValueError(f"{what} is {dict(given)!r}; exponents go upward, from -1000 to 53, in steps of at least 1")
    return [2**e if low >= 0 else 2.0**e for e in range(low, high + 1, step)]


def _whole(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{what} holds {value!r}; give a whole number")
    return int(value)


def _number(what: str, value: Any) -> float:
    if isinstance(value, np.generic):
        value = value.item()
    finite(what, value)
    return value
