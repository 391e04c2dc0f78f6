"""Published energies, areas and delays of operators, memories and processing elements, by family of source.

Families differ in what they count: Horowitz's integers are those of the operator alone, Aladdin's of synthesis at one clock, 2 to
10 times as much. So a figure is of one family, and where several answer, the family has to be said.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from hwmodel._checks import unknown
from hwmodel.sources import Fact
from hwmodel.technology.tables import rows

UNITS = {"energy_pj": "pJ", "area_um2": "um2", "delay_ns": "ns", "gates": "gates"}
ALIASES = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "float64": "fp64", "e4m3fn": "e4m3", "uint8": "int8"}
COLUMNS = ("family", "op", "format", "node_nm", "vdd", "energy_pj", "energy_hi_pj", "energy_per", "area_um2", "delay_ns", "gates")


def families() -> tuple[str, ...]:
    """Names of the families: horowitz (45 nm), jouppi (7 nm), aladdin (40 nm), bitmod (28 nm), ..."""
    return tuple(dict.fromkeys(r["family"] for r in rows("components")))


def published_table(*family: str) -> pd.DataFrame:
    """The rows of one family (or of several, if you name them): op, format, node, figures, formula, source, status, note.

    Raises ValueError for no family and for unknown ones: figures of different families are not comparable.
    """
    if not family:
        raise ValueError(f"published_table needs a family; give one of {', '.join(families())}")
    for name in family:
        if name not in families():
            raise unknown("family of published figures", name, families())
    found = [r for r in rows("components") if r["family"] in family]
    table = pd.DataFrame(found).drop(columns=["op", "format"]).rename(columns={"asked_op": "op", "asked_format": "format"})
    numbers = [c for c in COLUMNS if c not in ("family", "op", "format", "energy_per")]
    table[numbers] = table[numbers].apply(pd.to_numeric)
    return table[[*COLUMNS, "formula", "component", "source", "status", "note"]]


def published(
    op: str,
    fmt: str,
    *,
    node_nm: float | None = None,
    family: str | None = None,
    quantity: str = "energy_pj",
    delay_ns: float | None = None,
) -> Fact:
    """One published figure: `published("mul", "int8", node_nm=45)` is Horowitz's 0.2 pJ.

    op: add, mul, fma, mac, read, access, cycle, ...; fmt: int8, fp16, bf16, fp32, e4m3, or the component (cache_8KB, dram_HBM2).
    quantity: energy_pj, area_um2, delay_ns or gates. delay_ns picks among rows of one family at several clocks.

    Raises ValueError where nothing is published (nearest names), and where several figures are: families, nodes and clocks are
    never mixed or chosen silently.
    """
    op, quantity = str(op), str(quantity)
    if quantity not in UNITS:
        raise unknown("quantity", quantity, UNITS)
    if family is not None and family not in families():
        raise unknown("family of published figures", family, families())
    every = [r for r in rows("components") if r[quantity]]
    ops = {r["asked_op"] for r in every}
    if op not in ops:
        raise unknown(f"operation with a published {quantity}", op, ops)
    found = [r for r in every if r["asked_op"] == op]
    fmt = ALIASES.get(str(fmt), str(fmt))
    if fmt not in {r["asked_format"] for r in found}:
        raise unknown(f"format with a published {quantity} of {op}", fmt, {r["asked_format"] for r in found})
    found = [r for r in found if r["asked_format"] == fmt]
    asked = ((node_nm, "node_nm"), (family, "family"), (delay_ns, "delay_ns"))
    for value, column in asked:
        if value is None:
            continue
        kept = [r for r in found if (r[column] == value if column == "family" else r[column] and float(r[column]) == value)]
        if not kept:
            raise ValueError(f"no published {quantity} of {op} {fmt} has {column} {value!r}; there are {_choices(found, column)}")
        found = kept
    if len(found) > 1:
        column = next(c for c in ("family", "node_nm", "delay_ns") if len({r[c] for r in found}) > 1)
        raise ValueError(
            f"{quantity} of {op} {fmt} is published {len(found)} times, {_choices(found, column)}; give {column}"
            + (" (families count different things and are not mixed)" if column == "family" else "")
        )
    r = found[0]
    unit = f"pJ/{r['energy_per']}" if quantity == "energy_pj" and r["energy_per"] not in ("", "op") else UNITS[quantity]
    at = f" at {r['node_nm']} nm" if r["node_nm"] else ""
    return Fact(f"{r['family']} {op} {fmt}{at}", float(r[quantity]), unit, r["source"], r["status"])


def _choices(found: Iterable[dict[str, str]], column: str) -> str:
    values = sorted({r[column] or "none" for r in found})
    return f"{column} {', '.join(values)}"
