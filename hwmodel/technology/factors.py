"""Scaling factors of the user's own: a mapping, a YAML file or a CSV file.

    source: foundry brochure            # optional
    nodes:                              # factors relative to any one node; only their ratios count
      45: {area: 1, energy: 1, delay: 1}
      16: {area: 0.17, energy: 0.24, delay: 0.5}

CSV: columns node_nm, area, energy, delay, and optionally source. A node between two of the table is interpolated log-log
(status "inferred"); outside it is refused.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwmodel._checks import finite
from hwmodel.sources import Fact
from hwmodel.technology.yaml_file import Fields, read

QUANTITIES = ("area", "energy", "delay")


@dataclass(frozen=True)
class FactorTable:
    """Relative area, energy and delay by node, nodes ascending."""

    name: str
    source: str
    nodes: tuple[tuple[float, Mapping[str, float]], ...]

    def factors(self, from_nm: float, to_nm: float) -> dict[str, Fact]:
        """Factors "area", "energy", "delay" between two nodes; ValueError outside the table."""
        here, there = self._at(finite("node_nm", from_nm, above=0)), self._at(finite("node_nm", to_nm, above=0))
        known = {node for node, _ in self.nodes}
        status = "user" if {float(from_nm), float(to_nm)} <= known else "inferred"
        note = self.source if status == "user" else f"interpolated log-log: {self.source}"
        name = f"{self.name} {{}} {from_nm:g} to {to_nm:g} nm"
        return {q: Fact(name.format(q), there[q] / here[q], "factor", note, status) for q in QUANTITIES}

    def _at(self, node: float) -> dict[str, float]:
        low, high = self.nodes[0][0], self.nodes[-1][0]
        if not low <= node <= high:
            raise ValueError(f"node {node:g} nm is outside the factor table {self.name}, {low:g} to {high:g} nm; add a row for it")
        upper = next(i for i, (n, _) in enumerate(self.nodes) if n >= node)
        n1, f1 = self.nodes[upper]
        if n1 == node:
            return dict(f1)
        n0, f0 = self.nodes[upper - 1]
        w = math.log(node / n0) / math.log(n1 / n0)
        return {q: f0[q] ** (1 - w) * f1[q] ** w for q in QUANTITIES}


def table(given: str | Path | Mapping[str, Any]) -> FactorTable:
    """The table of a mapping (as the YAML file) or of a file; ValueError with line and field where it is malformed."""
    if isinstance(given, Mapping):
        return _made(Fields(given, "factors", {}))
    if str(given).lower().endswith(".csv"):
        return _made(_csv(Path(given)))
    return _made(read(given))


def _made(fields: Fields) -> FactorTable:
    fields.only(("source", "nodes", "name"))
    nodes = fields.mapping("nodes")
    made: list[tuple[float, dict[str, float]]] = []
    for node in nodes.values:
        if isinstance(node, bool) or not isinstance(node, (int, float)) or not math.isfinite(node) or node <= 0:
            raise ValueError(f"{nodes.place(node)}: node {node!r} is not a number of nm; write 28, not '28nm'")
        row = nodes.mapping(node)
        row.only(QUANTITIES, "quantity")
        if float(node) in (held for held, _ in made):
            raise ValueError(f"{nodes.place(node)}: node {float(node):g} nm is given twice; leave one of the two")
        made.append((float(node), {q: row.number(q) for q in QUANTITIES}))
    if len(made) < 2:
        raise ValueError(f"{fields.place('nodes')} has one node; give at least two, the base's own among them")
    made.sort(key=lambda pair: pair[0])
    return FactorTable(fields.text("name", fields.where), fields.text("source", "user"), tuple(made))


def _csv(path: Path) -> Fields:
    if not path.is_file():
        raise FileNotFoundError(f"file {str(path)!r} does not exist; give the path of a CSV file of factors")
    nodes: dict[float, dict[str, float]] = {}
    lines: dict[tuple[str, ...], int] = {}
    sources: list[str] = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or ())
        twice = sorted({c for c in names if names.count(c) > 1})
        if twice:
            raise ValueError(f"{path}, line 1: columns {', '.join(twice)} are given twice; leave one of each")
        missing = [c for c in ("node_nm", *QUANTITIES) if c not in names]
        if missing:
            raise ValueError(f"{path}, line 1: columns {', '.join(missing)} are missing; give node_nm, area, energy, delay")
        for r in reader:
            if None in r:
                raise ValueError(f"{path}, line {reader.line_num}: more fields than the {len(names)} columns of line 1")
            values = {}
            for name in ("node_nm", *QUANTITIES):
                try:
                    values[name] = float(r[name])
                except (TypeError, ValueError) as error:
                    raise ValueError(f"{path}, line {reader.line_num}: {name} is {r[name]!r}; give a number above 0") from error
            node = values.pop("node_nm")
            if node in nodes:
                raise ValueError(f"{path}, line {reader.line_num}: node {node:g} nm is given twice; leave one of the two")
            nodes[node] = values
            lines |= {("nodes", str(node), q): reader.line_num for q in QUANTITIES} | {("nodes", str(node)): reader.line_num}
            sources.append(r.get("source") or "")
    found = "; ".join(dict.fromkeys(s for s in sources if s)) or "user"
    return Fields({"nodes": nodes, "source": found}, str(path), lines)
