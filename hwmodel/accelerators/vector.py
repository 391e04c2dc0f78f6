"""What vector rows of a workload (norms, softmax, activation functions, ...) cost on a vector unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import finite, positive_int, unknown
from hwmodel._data import csv_rows
from hwmodel.accelerators.systolic import Floats, Ints
from hwmodel.sources import Fact
from hwmodel.workloads.frame import VECTOR
from hwmodel.workloads.vector import CLASSES, vector_ops

PLACES = ("memory", "streamed")
_FIELDS = {"base", "lanes", "bits", "place", "area_um2", *(f"{part}.{c}" for part in ("energy_pj", "per_cycle") for c in CLASSES)}
_UNITS = {"energy_pj": "pJ/operation", "per_cycle": "operations/lane/cycle"}


@dataclass(frozen=True)
class VectorUnit:
    """`lanes` that each run one operation a cycle of a class, or `per_cycle` of it; `energy_pj` an operation; area a lane.

    Classes: add (and subtract), multiply, compare, special (exp, tanh, erf, reciprocal, reciprocal root). `bits` of an element
    in memory. `place` "memory": every operation reads its inputs from DRAM and writes its results there, as the layers of
    hw.score do; "streamed": elements come from the array and go to it, only parameters are read. `lanes_from` says where their
    number is from.
    """

    lanes: int
    per_cycle: Mapping[str, Fact]
    energy_pj: Mapping[str, Fact]
    area_um2: Fact
    bits: int = 16
    place: str = "memory"
    lanes_from: Fact | None = None

    def __post_init__(self) -> None:
        positive_int("vector_unit.lanes", self.lanes)
        positive_int("vector_unit.bits", self.bits)
        if self.place not in PLACES:
            raise unknown("vector_unit.place", self.place, PLACES)
        for c in CLASSES:
            finite(f"vector_unit.per_cycle.{c}", self.per_cycle[c].value, above=0)
            finite(f"vector_unit.energy_pj.{c}", self.energy_pj[c].value, minimum=0)
        finite("vector_unit.area_um2", self.area_um2.value, minimum=0)

    @property
    def area_mm2(self) -> float:
        return self.lanes * self.area_um2.value * 1e-6

    def facts(self) -> tuple[Fact, ...]:
        """The constants of the unit."""
        counted = (self.lanes_from,) if self.lanes_from else ()
        return (*(self.per_cycle[c] for c in CLASSES), *(self.energy_pj[c] for c in CLASSES), self.area_um2, *counted)


@dataclass(frozen=True)
class VectorActivity:
    """What a vector unit does for each row, over its count. `reads` and `writes` are elements; bytes cross the DRAM interface."""

    cycles: Ints
    operations: Floats
    energy_pj: Floats
    reads: Ints
    writes: Ints
    read_bytes: Ints
    write_bytes: Ints

    @property
    def bytes(self) -> Ints:
        return self.read_bytes + self.write_bytes


def vector_units() -> tuple[str, ...]:
    """Names of the units of `data/vector_units.csv`, which `base` of a vector_unit takes."""
    return tuple(dict.fromkeys(r["unit_name"] for r in csv_rows("hwmodel.accelerators", "vector_units")))


def vector_unit(fields: Mapping[str, Any], where: str = "vector_unit") -> VectorUnit:
    """The unit that the field `vector_unit` of an accelerator's YAML file describes.

    fields: `lanes` (or {value, source, status}); `base` (one of `vector_units()`) for all constants that are not given; `bits`
    (16), `place` ("memory"); `area_um2` a lane, `energy_pj` and `per_cycle` as mappings from classes to numbers or {value,
    source, status}.
    Raises ValueError naming file and field for anything else.
    """
    if not isinstance(fields, Mapping):
        raise ValueError(f"{where}: field vector_unit is {fields!r}; give a mapping with lanes and base, or its constants")
    flat = dict(_flat(fields, where))
    for name in flat:
        if name not in _FIELDS:
            allowed = [f"vector_unit.{a}" for a in _FIELDS]
            raise ValueError(f"{where}: {unknown('field', f'vector_unit.{name}', allowed)}")
    base = flat.pop("base", None)
    if base is not None and base not in vector_units():
        raise ValueError(f"{where}: {unknown('vector_unit.base', str(base), vector_units())}")
    known = dict(_base(str(base))) if base is not None else {f"per_cycle.{c}": _one(c) for c in CLASSES}
    for name, value in flat.items():
        if name not in ("lanes", "bits", "place"):
            known[name] = _fact(name, value, where)
    if missing := sorted(name for name in _FIELDS - {"base", "lanes", "bits", "place"} if name not in known):
        raise ValueError(f"{where}: vector_unit lacks {', '.join(missing)}; give them, or base: {' or '.join(vector_units())}")
    if "lanes" not in flat:
        raise ValueError(f"{where}: field vector_unit.lanes is missing")
    rates, energies = ({c: known[f"{part}.{c}"] for c in CLASSES} for part in ("per_cycle", "energy_pj"))
    lanes, counted = flat["lanes"], None
    if isinstance(lanes, Mapping):
        counted = replace(_fact("lanes", lanes, where), unit="lanes")
        lanes = lanes["value"]
    try:
        return VectorUnit(lanes, rates, energies, known["area_um2"], flat.get("bits", 16), flat.get("place", "memory"), counted)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def is_vector(work: pd.DataFrame) -> np.ndarray:
    """Which rows of a workload are vector rows; ValueError where such rows lack their columns."""
    found = np.array([kind == "vector" for kind in work["kind"].tolist()], dtype=bool)
    if found.any() and (missing := [c for c in VECTOR if c not in work.columns]):
        raise ValueError(f"workload has vector rows without the columns {', '.join(missing)}; build it with vector_ops=True")
    return found


def refuse(what: str, rows: int, field: str = "vector_unit") -> ValueError:
    """The error where a workload has vector rows and the hardware nothing to run them on."""
    return ValueError(
        f"{what} has no vector unit but the workload has {rows} vector rows (norms, softmax, activation functions); give it "
        f"{field} in its YAML file, build the workload without vector_ops, or pass vector_rows='skip' to leave these rows out"
    )


def operations(work: pd.DataFrame) -> dict[str, Ints]:
    """Operations of each class that vector rows take, over `count`: arrays by class, 0 for rows of other kinds."""
    here, known = is_vector(work), vector_ops()
    out = {c: np.zeros(len(work), dtype=np.int64) for c in CLASSES}
    if not here.any():
        return out
    names = work["op"].to_numpy()
    count, vectors, width = (work[c].to_numpy(dtype=np.int64) for c in ("count", "m", "n"))
    for name in sorted({str(n) for n in names[here]}):
        if name not in known:
            raise unknown("vector operation", name, known)
        rows = here & (names == name)
        for c in CLASSES:
            out[c][rows] = (count * vectors * (width * known[name].each[c] + known[name].row[c]))[rows]
    return out


def vector_cost(work: pd.DataFrame, unit: VectorUnit) -> VectorActivity:
    """Cycles, energy and traffic of the vector rows of a workload, over `count`; 0 for rows of other kinds.

    Classes follow one another; elements fill the lanes, of several vectors at once where they are short, so cycles =
    count * sum over classes of ceil(operations / (lanes * per_cycle)): a lower bound, without the depth of trees that sum a
    vector. Parameters (norm weights, cosines) are read in each case.
    """
    count = work["count"].to_numpy(dtype=np.int64)
    found = operations(work)
    cycles, energy = np.zeros(len(work), dtype=np.int64), np.zeros(len(work))
    for c in CLASSES:
        each = found[c] // np.maximum(count, 1)
        cycles += count * np.ceil(each / (unit.lanes * unit.per_cycle[c].value)).astype(np.int64)
        energy += found[c] * unit.energy_pj[c].value
    columns = ("reads", "writes", "parameters")
    if "reads" in work.columns:
        reads, writes, held = (np.where(is_vector(work), work[c].to_numpy(dtype=np.int64), 0) for c in columns)
    else:
        reads, writes, held = (np.zeros(len(work), dtype=np.int64) for _ in columns)
    moved = unit.place == "memory"
    crossing = (held + reads * moved, writes * moved)
    read_bytes, write_bytes = (-(-elements * unit.bits // 8) for elements in crossing)
    total = sum(found.values(), np.zeros(len(work), dtype=np.int64)).astype(float)
    return VectorActivity(cycles, total, energy, reads + held, writes, read_bytes, write_bytes)


def op_facts(work: pd.DataFrame) -> tuple[Fact, ...]:
    """The counts behind the operations that occur in a workload."""
    names = sorted({str(n) for n in work["op"][is_vector(work)]}) if "op" in work.columns else []
    return tuple(fact for name in names for fact in vector_ops()[name].facts())


def _flat(fields: Mapping[str, Any], where: str) -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in fields.items():
        if key in _UNITS:
            if not isinstance(value, Mapping):
                raise ValueError(f"{where}: field vector_unit.{key} is {value!r}; give a mapping: {', '.join(CLASSES)}")
            out += [(f"{key}.{c}", v) for c, v in value.items()]
        else:
            out.append((str(key), value))
    return out


@lru_cache(maxsize=16)
def _base(name: str) -> tuple[tuple[str, Fact], ...]:
    rows = [r for r in csv_rows("hwmodel.accelerators", "vector_units") if r["unit_name"] == name]
    return tuple(
        (r["quantity"], Fact(f"vector_unit.{r['quantity']}", float(r["value"]), r["unit"], r["source"], r["status"])) for r in rows
    )


def _one(c: str) -> Fact:
    return Fact(f"vector_unit.per_cycle.{c}", 1.0, _UNITS["per_cycle"], "one operation a lane and cycle", "derived")


def _fact(name: str, value: Any, where: str) -> Fact:
    unit = _UNITS.get(name.partition(".")[0], "um2")
    made = Fact(f"vector_unit.{name}", 0.0, unit, where, "user")
    if isinstance(value, Mapping):
        if set(value) != {"value", "source", "status"}:
            raise ValueError(f"{where}: field vector_unit.{name} is {dict(value)!r}; give value, source and status, or a number")
        value, made = value["value"], replace(made, source=str(value["source"]), status=str(value["status"]))
    return replace(made, value=finite(f"{where}: field vector_unit.{name}", value, minimum=0))
