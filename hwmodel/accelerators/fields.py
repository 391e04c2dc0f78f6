"""Fields of a YAML description, each checked; errors name the file, the line and the field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from hwmodel._checks import unknown
from hwmodel.accelerators.model import Array
from hwmodel.sources import Fact

_UNITS = {"pe.energy_pj": "pJ/cycle", "pe.area_um2": "um2", "dram.energy_pj_per_bit": "pJ/bit"}
_UNITS |= {f"peak_tops.{bits}": "10^12 op/s" for bits in (4, 8, 16, 32)} | {"bandwidth_gb_s": "GB/s", "on_chip_gb_s": "GB/s"}
_UNITS["vector_tops"] = "10^12 op/s"
_UNITS |= {"dram.bits_per_cycle": "bit/cycle", "clock_ghz": "GHz", "pe.place_and_route": "x energy"}


def yaml_fields(text: str, where: str) -> dict[str, Any]:
    """The fields of a YAML file; ValueError with the line where it does not parse."""
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ValueError(f"{where}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(fields, dict):
        raise ValueError(f"{where}: holds {type(fields).__name__}, not a mapping of fields such as name, pe, arrays")
    return fields


def only(fields: Mapping[str, Any], allowed: set[str], prefix: str, where: str) -> None:
    """ValueError for a field that is not allowed, with the nearest that are."""
    for key in fields:
        if key not in allowed:
            raise ValueError(f"{where}: {unknown('field', f'{prefix}{key}', {prefix + a for a in allowed})}")


class Reader:
    """Fields of one mapping, each checked for its type; errors name the file and the field."""

    def __init__(self, fields: Mapping[str, Any], where: str, prefix: str = "") -> None:
        self.fields, self.where, self.prefix = fields, where, prefix

    def _wrong(self, key: Any, value: object, want: str) -> ValueError:
        return ValueError(f"{self.where}: field {self.prefix}{key} is {value!r}; give {want}")

    def _get(self, key: Any, default: Any = None) -> Any:
        value = self.fields.get(key, default)
        if value is None:
            raise ValueError(f"{self.where}: field {self.prefix}{key} is missing")
        return value

    def part(self, key: str) -> Reader:
        value = self._get(key)
        if not isinstance(value, Mapping):
            raise self._wrong(key, value, "a mapping of fields")
        return Reader(value, self.where, f"{self.prefix}{key}.")

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a string")
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise self._wrong(key, value, "a list of format strings, for example [int8, int4]")
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self._get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def number(self, key: Any, default: float | None = None) -> float:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, value, "a number")
        return float(value)

    def whole(self, key: str, default: int | None = None) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, value, "a whole number")
        return value

    def array(self, key: str) -> Array:
        value = self._get(key)
        found = re.fullmatch(r"\s*(\d+)\s*x\s*(\d+)\s*", value) if isinstance(value, str) else None
        if not found:
            raise self._wrong(key, value, "HEIGHTxWIDTH, for example 32x32")
        return Array(int(found[1]), int(found[2]))

    def fact(self, key: Any, default: float | None = None) -> Fact:
        """A constant: `{value, source, status}`, or a bare number, which then counts as given by the user."""
        name = f"{self.prefix}{key}"
        value, unit = self._get(key, default), _UNITS.get(name, "")
        if isinstance(value, Mapping):
            inner = Reader(value, self.where, f"{name}.")
            only(value, {"value", "source", "status"}, inner.prefix, self.where)
            return Fact(name, inner.number("value"), unit, inner.text("source"), inner.text("status"))
        return Fact(name, self.number(key, default), unit, self.where, "user")


def located(error: ValueError, text: str, where: str) -> ValueError:
    """The error with the line of the field (or level, or axis) that it names, where it names one."""
    message = str(error)
    body = message.removeprefix(f"{where}: ")
    if body == message:
        return error
    lines = dict(_lines(yaml.compose(text), ""))
    for path, line in list(lines.items()):
        part, _, name = path.partition(".")
        if part in ("levels", "axes") and name and "." not in name:
            lines[f"{'level' if part == 'levels' else 'axis'} {name}"] = line
    named = [path for path in lines if re.search(rf"(?<![\w.]){re.escape(path)}(?![\w.])", body)]
    if not named:
        return error
    return ValueError(f"{where} line {lines[max(named, key=len)]}: {body}")


def _lines(node: Any, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield f"{prefix}{key.value}", key.start_mark.line + 1
            yield from _lines(value, f"{prefix}{key.value}.")
