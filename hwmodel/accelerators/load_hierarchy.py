"""Accelerators with a memory hierarchy from the fields of a YAML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hwmodel.accelerators.elements import widest
from hwmodel.accelerators.fields import Reader, only
from hwmodel.accelerators.hierarchy import Axis, Hierarchy, Level
from hwmodel.accelerators.model import ProcessingElement
from hwmodel.accelerators.vector import vector_unit
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
}
UNITS = {
    "read_pj": "pJ/word",
    "write_pj": "pJ/word",
    "wire_pj_per_bit": "pJ/bit",
    "leakage_mw": "mW",
    "area_um2": "um2",
    "pj_per_bit": "pJ/bit",
}

_NO_WIRES = Fact("pe.place_and_route", 1.0, "x energy", "nothing is added for place and route", "inferred")


def build(fields: Mapping[str, Any], where: str) -> Hierarchy:
    """The accelerator of its fields; ValueError names the file and the field."""
    only(fields, TOP, "", where)
    read = Reader(fields, where)
    axes, levels = read.part("axes"), read.part("levels")
    try:
        return Hierarchy(
            name=read.text("name"),
            pe=_element(read.part("pe"), where),
            axes=tuple(_axis(axes.part(name), name, where) for name in axes.fields),
            levels=tuple(_level(levels.part(name), name, where) for name in levels.fields),
            clock_ghz=read.fact("clock_ghz"),
            dataflow=read.text("dataflow", "free"),
            drain=read.text("drain", "layer"),
            group_cycles=read.number("group_cycles", 0.0),
            imperfect=read.flag("imperfect"),
            objective=read.text("objective", "energy"),
            kv_bits=read.whole("kv_bits", 16),
            scale_charge=read.text("scale_charge", "exact"),
            scale_bits_per_group=read.number("scale_bits_per_group", 0.0),
            dequantizer_technology=read.text("dequantizer_technology", ""),
            vector_unit=vector_unit(fields["vector_unit"], where) if "vector_unit" in fields else None,
            note=read.text("note", ""),
            source=where,
        )
    except ValueError as error:
        text = str(error)
        raise error if text.startswith(where) else ValueError(f"{where}: {text}") from error


def _element(pe: Reader, where: str) -> ProcessingElement:
    only(pe.fields, _PE, "pe.", where)
    path, weights, activations = pe.text("datapath"), pe.texts("weights"), pe.texts("activations")
    technology, flow = pe.text("technology", ""), pe.text("flow", "")
    if technology:
        for name in ("energy_pj", "area_um2"):
            if name in pe.fields:
                raise ValueError(f"{where}: field pe.{name} is given beside pe.technology, which prices the element; leave one out")
        energy, area, _, formats = widest(path, weights, activations, technology, flow)
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


def _level(level: Reader, name: str, where: str) -> Level:
    only(level.fields, _LEVEL, level.prefix, where)
    capacity = level.whole("capacity_bits") if "capacity_bits" in level.fields else None
    if "capacity_kib" in level.fields:
        if capacity is not None:
            raise ValueError(f"{where}: field {level.prefix}capacity_kib is given beside capacity_bits; leave one out")
        capacity = int(level.number("capacity_kib") * 8192)
    word = level.whole("word_bits")
    energies = _energies(level, name, capacity, word, where)
    facts = {key: _constant(level, key) if key in level.fields else None for key in ("wire_pj_per_bit", "leakage_mw")}
    area = _constant(level, "area_um2") if "area_um2" in level.fields else energies.get("area")
    return Level(
        name,
        level.texts("holds"),
        word,
        energies["read"],
        energies["write"],
        capacity_bits=capacity,
        read_bits=level.number("read_bits", math.inf),
        write_bits=level.number("write_bits", math.inf),
        ports=level.whole("ports", 2),
        serves=level.texts("serves") if level.fields.get("serves") else (),
        double_buffer=level.text("double_buffer", "auto"),
        multicast=level.text("multicast", "all"),
        latch=level.flag("latch"),
        granule_bits=level.whole("granule_bits", 1),
        loops=_loops(level),
        wire_pj_per_bit=facts["wire_pj_per_bit"],
        leakage_mw=facts["leakage_mw"],
        area_um2=area,
    )


def _energies(level: Reader, name: str, capacity: int | None, word: int, where: str) -> dict[str, Fact]:
    """Read and write energy (and area, where a table has it) of a word."""
    if "sram" in level.fields:
        part = level.part("sram")
        only(part.fields, {"table", "banks"}, part.prefix, where)
        if capacity is None:
            raise ValueError(f"{where}: field {level.prefix}sram needs {level.prefix}capacity_kib")
        point = sram(part.text("table"), capacity // 8192, part.whole("banks", 1), word)
        made = {fact.name.split()[-1]: fact for fact in point.facts(name)}
        made["area"] = Fact(f"{name} area", point.area_mm2 * 1e6, "um2", point.source, point.status)
        return made
    if "pj_per_bit" in level.fields:
        each = _constant(level, "pj_per_bit")
        both = Fact(f"{name} pJ of a {word}-bit word", each.value * word, "pJ/word", each.source, each.status)
        return {"read": both, "write": both}
    return {"read": _constant(level, "read_pj"), "write": _constant(level, "write_pj")}


def _constant(level: Reader, key: str) -> Fact:
    fact = level.fact(key)
    return Fact(fact.name, fact.value, UNITS[key], fact.source, fact.status)


def _loops(level: Reader) -> tuple[str, ...] | None:
    """Loops of the level's block: all where none are named, none where the list is empty."""
    if "loops" not in level.fields:
        return None
    return () if level.fields["loops"] == [] else level.texts("loops")
