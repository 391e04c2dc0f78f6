"""Accelerators with a memory hierarchy from the fields of a YAML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwmodel._checks import finite, positive_int
from hwmodel.accelerators.elements import widest
from hwmodel.accelerators.fields import Reader, check_element, only
from hwmodel.accelerators.hierarchy import Axis, Hierarchy, Level
from hwmodel.accelerators.load_common import common
from hwmodel.accelerators.load_memory import memory_model, outer, tried
from hwmodel.accelerators.memories import named
from hwmodel.accelerators.model import ProcessingElement
from hwmodel.sources import Fact
from hwmodel.technology.sram import sram

TOP = {"name", "base", "note", "dataflow", "pe", "axes", "levels", "clock_ghz", "drain", "group_cycles", "imperfect", "objective"}
TOP |= {"kv_bits", "scale_charge", "scale_bits_per_group", "dequantizer_technology", "vector_unit"}
_PE = {"datapath", "weights", "activations", "float16_weights", "energy_pj", "area_um2", "place_and_route", "two_term_grid"}
_PE |= {"technology", "flow", "weight_step", "activation_step", "bricks"}
_AXIS = {"size", "loops", "systolic"}
_LEVEL = {
    "holds",
    "word_bits",
    "read_pj",
    "write_pj",
    "capacity_bits",
    "capacity_kib",
    "read_bits",
    "write_bits",
    "ports",
    "serves",
}
_LEVEL |= {
    "double_buffer",
    "multicast",
    "latch",
    "granule_bits",
    "loops",
    "wire_pj_per_bit",
    "leakage_mw",
    "area_um2",
    "sram",
    "pj_per_bit",
    "memory",
    "dram",
}
UNITS = {
    "read_pj": "pJ/word",
    "write_pj": "pJ/word",
    "wire_pj_per_bit": "pJ/bit",
    "leakage_mw": "mW",
    "area_um2": "um2",
    "pj_per_bit": "pJ/bit",
}

_WAYS = (("memory",), ("sram",), ("pj_per_bit",), ("dram",), ("read_pj", "write_pj"))
_NO_WIRES = Fact("pe.place_and_route", 1.0, "x energy", "nothing is added for place and route", "inferred")


def build(fields: Mapping[str, Any], where: str) -> Hierarchy:
    """The accelerator of its fields; ValueError names the file and the field."""
    only(fields, TOP, "", where)
    read = Reader(fields, where)
    axes, levels, clock = read.part("axes"), read.part("levels"), read.fact("clock_ghz")
    finite(f"{where}: field clock_ghz", clock.value, above=0)
    try:
        return Hierarchy(
            name=read.text("name"),
            pe=_element(read.part("pe"), where),
            axes=tuple(_axis(axes.part(name), name, where) for name in axes.fields),
            levels=tuple(_level(levels.part(name), name, clock) for name in levels.fields),
            clock_ghz=clock,
            dataflow=read.text("dataflow", "free"),
            drain=read.text("drain", "layer"),
            group_cycles=read.number("group_cycles", 0.0),
            imperfect=read.flag("imperfect"),
            objective=read.text("objective", "energy"),
            **common(read),
        )
    except ValueError as error:
        text = str(error)
        raise error if text.startswith(where) else ValueError(f"{where}: {text}") from error


def _element(pe: Reader, where: str) -> ProcessingElement:
    only(pe.fields, _PE, "pe.", where)
    path, weights, activations = pe.text("datapath"), pe.texts("weights"), pe.texts("activations")
    check_element(pe)
    technology, flow = pe.text("technology", ""), pe.text("flow", "")
    if technology:
        for name in ("energy_pj", "area_um2"):
            if name in pe.fields:
                raise ValueError(f"{where}: field pe.{name} is given beside pe.technology, which prices the element; leave one out")
        try:
            energy, area, _, formats = widest(path, weights, activations, technology, flow)
        except (ValueError, FileNotFoundError) as error:
            named = "flow" if "flow" in str(error).partition(":")[0] else "technology"
            raise ValueError(f"{where}: field pe.{named}: {error}") from error
        source = f"hw.unit({path}) of {formats} priced in {technology}{f', flow {flow}' if flow else ''}"
        facts = (Fact("pe.energy_pj", energy, "pJ/cycle", source, "derived"), Fact("pe.area_um2", area, "um2", source, "derived"))
    else:
        facts = (pe.fact("energy_pj"), pe.fact("area_um2"))
    return ProcessingElement(
        datapath=path,
        weights=weights,
        activations=activations,
        energy_pj=facts[0],
        area_um2=facts[1],
        place_and_route=pe.fact("place_and_route") if "place_and_route" in pe.fields else _NO_WIRES,
        two_term_grid=pe.flag("two_term_grid"),
        float16_weights=pe.text("float16_weights", ""),
        technology=technology,
        flow=flow,
        weight_step=pe.whole("weight_step", 0),
        activation_step=pe.whole("activation_step", 0),
        bricks=pe.whole("bricks", 0),
    )


def _axis(axis: Reader, name: str, where: str) -> Axis:
    only(axis.fields, _AXIS, axis.prefix, where)
    return Axis(name, axis.whole("size"), axis.texts("loops"), axis.flag("systolic"))


def _level(level: Reader, name: str, clock: Fact) -> Level:
    where = level.where
    only(level.fields, _LEVEL, level.prefix, where)
    capacity = level.whole("capacity_bits") if "capacity_bits" in level.fields else None
    if "capacity_kib" in level.fields:
        if capacity is not None:
            raise ValueError(f"{where}: field {level.prefix}capacity_kib is given beside capacity_bits; leave one out")
        capacity = int(8192 * finite(f"{where}: field {level.prefix}capacity_kib", level.number("capacity_kib"), above=0))
    made = _priced(level, name, capacity, clock)
    facts = {key: _constant(level, key) if key in level.fields else None for key in ("wire_pj_per_bit", "leakage_mw", "area_um2")}
    return Level(
        name,
        level.texts("holds"),
        made.word_bits,
        made.read,
        made.write,
        capacity_bits=capacity,
        read_bits=level.number("read_bits", made.bits),
        write_bits=level.number("write_bits", made.bits),
        ports=level.whole("ports", 2 if math.isinf(made.bits) else 1),
        serves=level.texts("serves") if level.fields.get("serves") else (),
        double_buffer=level.text("double_buffer", "auto"),
        multicast=level.text("multicast", "all"),
        latch=level.flag("latch"),
        granule_bits=level.whole("granule_bits", 1),
        loops=_loops(level),
        wire_pj_per_bit=facts["wire_pj_per_bit"],
        leakage_mw=facts["leakage_mw"] or made.leakage,
        area_um2=facts["area_um2"] or made.area,
        beside=made.beside,
    )


@dataclass(frozen=True)
class _Price:
    """What a word of a level costs; bits a cycle where its kind says so."""

    word_bits: int
    read: Fact
    write: Fact
    area: Fact | None = None
    leakage: Fact | None = None
    bits: float = math.inf
    beside: tuple[Fact, ...] = ()


def _priced(level: Reader, name: str, capacity: int | None, clock: Fact) -> _Price:
    """The price by whichever of `_WAYS` the level names."""
    where = level.where
    ways = [way for way in _WAYS if any(key in level.fields for key in way)]
    if len(ways) > 1:
        fields = " and ".join(f"{level.prefix}{next(key for key in way if key in level.fields)}" for way in ways)
        raise ValueError(f"{where}: fields {fields} are given together; leave all but one out")
    way = ways[0][0] if ways else "read_pj"
    if way in ("sram", "memory") and capacity is None:
        raise ValueError(f"{where}: field {level.prefix}{way} needs {level.prefix}capacity_kib")
    if way == "memory":
        return _modelled(level, name, (capacity or 0) / 8192)
    word = positive_int(f"{where}: field {level.prefix}word_bits", level.whole("word_bits"))
    if way == "sram":
        part = level.part("sram")
        only(part.fields, {"table", "banks"}, part.prefix, where)
        try:
            point = sram(part.text("table"), (capacity or 0) // 8192, part.whole("banks", 1), word)
        except ValueError as error:
            raise ValueError(f"{where}: field {level.prefix}sram: {error}") from error
        made = {fact.name.split()[-1]: fact for fact in point.facts(name)}
        area = Fact(f"{name} area", point.area_mm2 * 1e6, "um2", point.source, point.status)
        return _Price(word, made["read"], made["write"], area)
    if way == "pj_per_bit":
        each = _constant(level, "pj_per_bit")
        both = Fact(f"{name} pJ of a {word}-bit word", each.value * word, "pJ/word", each.source, each.status)
        return _Price(word, both, both)
    if way == "dram":
        found = outer(level, "dram", clock)
        each, rate = found.energy, found.bits_per_cycle
        both = Fact(f"{name} pJ of a {word}-bit word", each.value * word, "pJ/word", each.source, each.status)
        if rate is None and not {"read_bits", "write_bits"} <= set(level.fields):
            raise ValueError(
                f"{where}: field {level.prefix}dram: this kind has no data rate of its own; give read_bits, write_bits"
            )
        beside = (found.energy, *found.beside, *((rate,) if rate else ()))
        return _Price(word, both, both, bits=rate.value if rate else math.inf, beside=beside)
    return _Price(word, _constant(level, "read_pj"), _constant(level, "write_pj"))


def _modelled(level: Reader, name: str, kib: float) -> _Price:
    """The price of a memory by a model of the technology, or by values of one's own."""
    width = level.whole("word_bits") if "word_bits" in level.fields else None
    model, word = memory_model(level, width)
    if word is None:
        raise ValueError(f"{level.where}: field {level.prefix}word_bits is missing")
    found = tried(level, model, kib, word)
    facts = named(name, found)
    area = Fact(f"{name} area", found.area_mm2 * 1e6, "um2", found.area.source, found.area.status)
    leakage = facts[3] if found.leakage else None
    return _Price(word, facts[0], facts[1], area, leakage, beside=facts[4:] if found.leakage else facts[3:])


def _constant(level: Reader, key: str) -> Fact:
    fact = level.fact(key)
    return Fact(fact.name, fact.value, UNITS[key], fact.source, fact.status)


def _loops(level: Reader) -> tuple[str, ...] | None:
    """Loops of the level's block: all where none are named, none where the list is empty."""
    if "loops" not in level.fields:
        return None
    return () if level.fields["loops"] == [] else level.texts("loops")
