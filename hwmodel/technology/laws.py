"""Scaling laws by name: what area, delay and energy of logic become at another node.

`stillmaker.hp`, `stillmaker.lp`: see `hwmodel.technology.stillmaker`.
`jouppi`: energies only, 45 to 7 nm, from an industrial table of pJ an operation; `jouppi.int8_mul` and the like take the ratio of
one operation, plain `jouppi` the geometric mean of the eight (0.23 to 0.48), which is what a unit made of several gets. The ratios
are taken as they are, whatever the base's voltage (the table's 45 nm column is at 0.9 V). Area and delay come from
`stillmaker.hp`, and say so. Its energies fall 2.1 to 4.3 times where the polynomials say 10 to 15 times.
A mapping or a file: the user's own factors (`hwmodel.technology.factors`).

None of them scales a memory: SRAM has factors of its own (`hwmodel.technology.memory`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from hwmodel._checks import unknown
from hwmodel.sources import Fact
from hwmodel.technology import stillmaker
from hwmodel.technology.tables import rows

LOGIC = ("area", "energy", "delay")


@lru_cache(maxsize=1)
def jouppi_ratios() -> dict[str, Fact]:
    """Energy at 7 nm over energy at 45 nm, by operation (int8_add, ..., sram_8KB)."""
    return {
        r["quantity"]: Fact(f"jouppi {r['quantity']} 45 to 7 nm", float(r["value"]), "factor", r["source"], r["status"])
        for r in rows("scaling_ratios")
        if r["law"] == "jouppi"
    }


def names() -> tuple[str, ...]:
    """Names of the laws for logic."""
    classes = tuple(f"jouppi.{q}" for q in jouppi_ratios() if not q.startswith("sram"))
    return (*(f"stillmaker.{f}" for f in stillmaker.FLAVOURS), "jouppi", *classes)


def published_errors() -> dict[str, Fact]:
    """What DeepScaleTool claims for 10 to 7 nm against foundry data; its table of factors is not here."""
    return {
        r["quantity"]: Fact(f"deepscaletool {r['quantity']}", float(r["value"]), r["unit"], r["source"], r["status"])
        for r in rows("scaling_ratios")
        if r["law"] == "deepscaletool"
    }


def checked_name(law: str) -> str:
    """`law` in lower case; ValueError names the nearest, and what to do about laws that lack a flavour or a table."""
    name = law.strip().lower()
    if name == "stillmaker":
        raise ValueError("law 'stillmaker' lacks its flavour; write stillmaker.hp (high performance) or stillmaker.lp (low power)")
    if name == "deepscaletool":
        raise ValueError(
            "law 'deepscaletool' has no factors here: its table is a spreadsheet of its authors;"
            " copy the factors you need into a YAML or CSV file and give its path as the law"
        )
    if name.startswith("jouppi.sram"):
        raise ValueError(f"law {law!r} is one of memories; logic takes jouppi, and memory(..., node_nm=7) the SRAM ratios")
    if name not in names():
        raise unknown("scaling law", law, names(), "(or the path of a YAML or CSV file of factors)")
    return name


def logic_factors(
    law: str | Path | Mapping[str, Any], from_nm: float, from_vdd: float | None, to_nm: float, to_vdd: float | None
) -> dict[str, Fact]:
    """Factors "area", "energy" and "delay" from one node and voltage to another.

    Raises ValueError for an unknown law, a node or voltage outside its range (the range and the remedy are named).
    """
    if isinstance(law, Mapping) or is_path(law):
        from hwmodel.technology.factors import table

        return table(law).factors(from_nm, to_nm)
    name = checked_name(str(law))
    if name.startswith("stillmaker"):
        flavour = name.partition(".")[2]
        return {q: stillmaker.factor(q, flavour, from_nm, to_nm, from_vdd, to_vdd) for q in LOGIC}
    found = {q: stillmaker.factor(q, "hp", from_nm, to_nm, from_vdd, None) for q in LOGIC if q != "energy"}
    return {**found, "energy": jouppi_energy(name.partition(".")[2], from_nm, to_nm)}


def jouppi_energy(operation: str, from_nm: float, to_nm: float) -> Fact:
    """Energy factor of an operation of the table ("": the geometric mean of its arithmetic), 45 to 7 nm.

    A node between the two is interpolated log-log: status "inferred". Raises ValueError outside.
    """
    ratios = jouppi_ratios()
    mean = [f.value for q, f in ratios.items() if not q.startswith("sram")]
    fact = ratios[operation] if operation else next(iter(ratios.values()))
    value = fact.value if operation else math.exp(sum(map(math.log, mean)) / len(mean))
    for node in (from_nm, to_nm):
        if not 7 <= node <= 45:
            raise ValueError(
                f"node {node:g} nm is outside the range of the law jouppi, 7 to 45 nm; use stillmaker.hp, or factors of your own"
            )
    share = math.log(from_nm / to_nm) / math.log(45 / 7)
    what = operation or "mean of eight operations"
    name = f"jouppi energy {from_nm:g} to {to_nm:g} nm, {what}"
    if (from_nm, to_nm) != (45, 7):
        return Fact(name, value**share, "factor", f"interpolated log-log between 45 and 7 nm: {fact.source}", "inferred")
    return Fact(name, value, "factor", fact.source, fact.status if operation else "inferred")


def is_path(law: object) -> bool:
    """Whether a law is written as a file: a Path, or a text that ends in .yaml, .yml or .csv."""
    return isinstance(law, Path) or str(law).lower().endswith((".yaml", ".yml", ".csv"))
