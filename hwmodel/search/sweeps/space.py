"""A space of designs: axes with values, fixed values, linked axes, conditions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hwmodel._checks import unknown
from hwmodel.search.sweeps.constraints import Constraint
from hwmodel.search.sweeps.values import NAMES, Scalar, Span, axis_values, fill, scalar

_RESERVED = ("constraints", "linked")
_TAKEN = ("point", "error")  # columns that every table has
_YAML = (".yaml", ".yml")


class Space:
    """What can be chosen. `axes` name -> values in their order (`Span`: any number between two); `fixed` name -> value, or a
    template that names axes; `groups` axes that go together, all others alone; `constraints` conditions on points.

    The order of points is that of itertools.product over the groups in the order of their first axis: the last one runs fastest.
    """

    def __init__(self, given: Mapping[str, Any], where: str = "space") -> None:
        if not isinstance(given, Mapping) or not given:
            raise ValueError(f"{where} is {given!r}; give a mapping of axes, such as {{'height': [16, 32], 'width': [16, 32]}}")
        self.axes: dict[str, tuple[Scalar, ...] | Span] = {}
        self.fixed: dict[str, Scalar] = {}
        for name, value in given.items():
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(f"{where}: axis {name!r} is no name; use letters, digits and _")
            if name in _RESERVED:
                continue
            if name in _TAKEN:
                raise ValueError(f"{where}: an axis cannot be called {name}, which is a column of every table; name it otherwise")
            if getattr(value, "ndim", 0) and hasattr(value, "tolist"):  # pandas' columns too
                value = value.tolist()
            if isinstance(value, Mapping | list | tuple | range | np.ndarray | set | frozenset):
                if isinstance(value, set | frozenset):
                    raise ValueError(f"{where}: axis {name} is a set, which has no order; give a list")
                self.axes[name] = axis_values(name, value)
            else:
                self.fixed[name] = scalar(f"{where}: {name}", value)
        if not self.axes:
            raise ValueError(f"{where} has no axes: every name has a single value; give a list of values for at least one")
        names = tuple(n for n in given if n not in _RESERVED)
        self.templates = {n: v for n, v in self.fixed.items() if isinstance(v, str) and set(NAMES.findall(v)) & set(names)}
        for name, text in self.templates.items():
            for part in NAMES.findall(text):
                if part not in self.axes:
                    raise unknown(f"axis in the template {name}={text!r}", part, tuple(self.axes))
            del self.fixed[name]
        self.names = tuple(n for n in names if n in self.axes or n in self.templates)
        self.groups = self._linked(given.get("linked") or ())
        texts = given.get("constraints") or ()
        if not isinstance(texts, str | list | tuple):
            raise ValueError(f"constraints is {texts!r}; give a list of texts, such as ['height * width <= 4096']")
        self.constraints = [Constraint(t, names) for t in ([texts] if isinstance(texts, str) else texts)]

    def _linked(self, given: Any) -> tuple[tuple[str, ...], ...]:
        """Axes in groups. ValueError for axes of unequal length, in two groups, or unknown."""
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise ValueError(f"linked is {given!r}; give lists of axes that go together: [[height, width]]")
        if given and all(isinstance(g, str) for g in given):
            given = [given]
        if bad := [g for g in given if not isinstance(g, list | tuple) or not all(isinstance(n, str) for n in g)]:
            raise ValueError(f"linked holds {bad[0]!r}; give lists of axes that go together: [[height, width]]")
        pairs = [tuple(g) for g in given]
        home: dict[str, tuple[str, ...]] = {}
        for group in pairs:
            if len(group) < 2:
                raise ValueError(f"linked holds {list(group)!r}; two axes or more go together")
            for name in group:
                if name not in self.axes:
                    raise unknown("axis in linked", name, tuple(self.axes))
                if name in home:
                    raise ValueError(f"linked names the axis {name} twice; put all that go together into one list")
                home[name] = group
            lengths = {n: _length(self.axes[n]) for n in group}
            if 0 in lengths.values():
                raise ValueError(f"linked axes {', '.join(group)}: a range without steps cannot be linked; give a step")
            if len(set(lengths.values())) > 1:
                counts = ", ".join(f"{n} has {c}" for n, c in lengths.items())
                raise ValueError(f"linked axes need as many values each; {counts}")
        return tuple(dict.fromkeys(home.get(n, (n,)) for n in self.axes))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Values of each group; 0 for a range without steps."""
        return tuple(_length(self.axes[g[0]]) for g in self.groups)

    @property
    def size(self) -> int:
        """Points of the full grid before the constraints; 0 where an axis is a range without steps."""
        return math.prod(self.sizes)

    def columns(self, codes: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Axes and templates as columns. codes: for each group which value (a whole number), or how far between the ends."""
        found: dict[str, np.ndarray] = {}
        for group, chosen in zip(self.groups, codes, strict=True):
            for name in group:
                values = self.axes[name]
                found[name] = values.at(chosen) if isinstance(values, Span) else _array(values)[chosen]
        count = len(codes[0])
        for name, text in self.templates.items():
            parts = {n: self._scalars(n, codes) for n in dict.fromkeys(NAMES.findall(text))}
            made = [fill(text, {n: column[i] for n, column in parts.items()}) for i in range(count)]
            found[name] = np.array(made, dtype=object)
        return {name: found[name] for name in self.names}

    def points(self, codes: Sequence[np.ndarray]) -> list[dict[str, Scalar]]:
        """The same as mappings, with the fixed values; values are as they were given."""
        columns = {name: self._scalars(name, codes) for name in self.axes}
        out = []
        for i in range(len(codes[0])):
            point: dict[str, Scalar] = {name: column[i] for name, column in columns.items()}
            texts = {name: fill(text, point) for name, text in self.templates.items()}
            out.append({**{n: point[n] if n in point else texts[n] for n in self.names}, **self.fixed})
        return out

    def _scalars(self, name: str, codes: Sequence[np.ndarray]) -> list[Any]:
        where = next(i for i, group in enumerate(self.groups) if name in group)
        values = self.axes[name]
        if isinstance(values, Span):
            return values.at(codes[where]).tolist()
        return [values[c] for c in codes[where].tolist()]

    def holds(self, codes: Sequence[np.ndarray]) -> np.ndarray:
        """Which points fulfil every constraint."""
        kept = np.ones(len(codes[0]), dtype=np.bool_)
        if self.constraints:
            columns = {**self.fixed, **self.columns(codes)}
            for constraint in self.constraints:
                kept &= constraint.holds(columns)
        return kept

    def nothing_left(self) -> ValueError:
        """The error where no point fulfils the constraints."""
        texts = "; ".join(map(str, self.constraints))
        return ValueError(f"no point of the space fulfils the constraints ({texts}); loosen them, or widen the axes that they name")

    def document(self) -> dict[str, Any]:
        """The space as JSON holds it: what a store remembers."""
        axes = {n: [v.low, v.high, "log" if v.log else "linear"] if isinstance(v, Span) else list(v) for n, v in self.axes.items()}
        spans = [n for n, v in self.axes.items() if isinstance(v, Span)]
        made = {"axes": axes, "ranges": spans, "fixed": {**self.fixed, **self.templates}}
        return made | {"linked": [list(g) for g in self.groups if len(g) > 1], "constraints": [str(c) for c in self.constraints]}

    def __repr__(self) -> str:
        parts = [f"{n}: {'range' if isinstance(v, Span) else len(v)}" for n, v in self.axes.items()]
        return f"Space({', '.join(parts)}; {len(self.constraints)} constraints)"


def space(given: Space | Mapping[str, Any] | str | Path) -> Space:
    """A space from a mapping, the path of a YAML file, or YAML text.

    A list is an axis, a single value is fixed; {"from", "to", "step" or "count"}, {"log2": [a, b]} and {"from", "to"} (with
    "log") are ranges; "int{acc}" is a template of the axis acc; "constraints" is a list of conditions, "linked" a list of lists
    of axes that go together. Raises ValueError for anything else, FileNotFoundError for a file that does not exist.
    """
    if isinstance(given, Space):
        return given
    if isinstance(given, Path) or (isinstance(given, str) and given.strip().lower().endswith(_YAML) and "\n" not in given.strip()):
        path = Path(given).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"space file {str(given)!r} does not exist")
        return Space(_yaml(path.read_text(encoding="utf-8"), str(given)), str(given))
    if isinstance(given, str):
        return Space(_yaml(given, "space"))
    return Space(given)


class _Strict(yaml.SafeLoader):
    """YAML in which a name stands once: the second of two would silently replace the first."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        name = loader.construct_object(key, deep=True)
        if name in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the name {name!r} stands twice", key.start_mark)
        seen.add(name)
    return loader.construct_mapping(node, deep=True)


# 1e3 is a text to YAML 1.1, which nobody means
_Strict.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+\Z"), list("-+.0123456789"))
_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Strict)
    except (yaml.YAMLError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ValueError(f"{where}{line}: not a space in YAML: {getattr(error, 'problem', error)}") from error


def _length(values: tuple[Scalar, ...] | Span) -> int:
    return 0 if isinstance(values, Span) else len(values)


def _array(values: Iterable[Scalar]) -> np.ndarray:
    """Values as an array of numbers or booleans, else of objects."""
    kinds = {type(v) for v in values}
    if kinds <= {int} or kinds <= {bool}:
        return np.array(list(values))
    if kinds <= {int, float}:
        return np.array(list(values), dtype=np.float64)
    out = np.empty(len(list(values)), dtype=object)
    out[:] = list(values)
    return out
