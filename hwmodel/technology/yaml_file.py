"""YAML files of users: every refusal names the file, the line and the field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hwmodel._checks import unknown


class Fields:
    """A mapping from a file (or a caller's own), whose values are read by type; errors say where the value stands."""

    def __init__(self, values: Mapping[Any, Any], where: str, lines: Mapping[tuple[str, ...], int], path: tuple[str, ...] = ()):
        self.values, self.where, self.lines, self.path = values, where, lines, path

    def place(self, key: object) -> str:
        """`file, line 3: field cells.nand2`."""
        path = (*self.path, str(key))
        line = self.lines.get(path)
        return f"{self.where}{f', line {line}' if line else ''}: {'.'.join(path)}"

    def only(self, known: Iterable[str], what: str = "field") -> None:
        for key in self.values:
            if key not in known:
                raise unknown(f"{what} at {self.place(key)}:", str(key), known)

    def need(self, key: str) -> Any:
        if key not in self.values:
            raise ValueError(f"{self.place(key)} is missing; add it")
        return self.values[key]

    def text(self, key: str, default: str) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise ValueError(f"{self.place(key)} is {value!r}; give text")
        return value

    def number(self, key: Any, default: float | None = None) -> float:
        """A finite number above zero; ValueError for anything else, and where the field is missing without default."""
        value = self.need(key) if default is None else self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
            raise ValueError(f"{self.place(key)} is {value!r}; give a finite number above 0")
        return float(value)

    def mapping(self, key: Any) -> Fields:
        value = self.need(key)
        if not isinstance(value, Mapping) or not value:
            raise ValueError(f"{self.place(key)} is {value!r}; give a mapping with at least one entry")
        return Fields(value, self.where, self.lines, (*self.path, str(key)))


def read(path: str | Path) -> Fields:
    """The mapping at the top of a YAML file; ValueError with the line where it does not parse or repeats a field.

    Raises FileNotFoundError for a path that does not exist.
    """
    import yaml

    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"file {str(path)!r} does not exist; give the path of a YAML file")
    text = file.read_text(encoding="utf-8")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{line}: not YAML ({getattr(error, 'problem', None) or error}); correct the line") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds {type(values).__name__}; give a mapping (name: value lines)")
    lines: dict[tuple[str, ...], int] = {}
    _number(node, (), lines, str(path))
    return Fields(values, str(path), lines)


def _number(node: Any, path: tuple[str, ...], lines: dict[tuple[str, ...], int], where: str) -> None:
    """Line numbers of all keys."""
    if node.id != "mapping":
        return
    seen: set[object] = set()
    for key, value in node.value:
        at = (*path, str(key.value))
        same = _as_number(key)  # 45 and 45.0 are one key of the mapping
        if at in lines or same in seen:
            raise ValueError(f"{where}, line {key.start_mark.line + 1}: field {'.'.join(at)} is there twice; keep one")
        seen.add(same)
        lines[at] = key.start_mark.line + 1
        _number(value, at, lines, where)


def _as_number(key: Any) -> object:
    try:
        return float(key.value) if key.tag.endswith((":int", ":float")) else key.value
    except (TypeError, ValueError):  # .nan, 0x1f
        return str(key.value)
