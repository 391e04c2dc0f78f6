"""Memories from the fields of a YAML file: buffers, models of the technology, kinds of DRAM."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwmodel._checks import finite, positive_int, unknown
from hwmodel.accelerators.fields import Reader, only
from hwmodel.accelerators.memories import MemoryModel
from hwmodel.accelerators.model import Buffer, Dram
from hwmodel.sources import Fact
from hwmodel.technology.memory import CELLS, MODELS, Memory
from hwmodel.technology.offchip import dram, drams

_MODEL = {"model", "cell", "node_nm", "word_bits", "banks", "scaling"}
_VALUES = {"read_pj", "write_pj", "area_mm2", "leakage_mw"}
_VALUE_UNITS = {"read_pj": "pJ/word", "write_pj": "pJ/word", "area_mm2": "mm2", "leakage_mw": "mW"}
_DRAM = {"energy_pj_per_bit", "bits_per_cycle", "kind", "channels"}


def buffer(read: Reader, key: str) -> Buffer:
    """A buffer: a table's row, or `memory` by a model or values of one's own."""
    part = read.part(key)
    only(part.fields, {"table", "capacity_kib", "banks", "word_bits", "memory"}, part.prefix, read.where)
    width = part.whole("word_bits") if "word_bits" in part.fields else None
    if "memory" not in part.fields:
        return Buffer(part.text("table"), part.whole("capacity_kib"), part.whole("banks", 1), width)
    for other in ("table", "banks"):
        if other in part.fields:
            raise ValueError(f"{read.where}: field {part.prefix}{other} is given beside {part.prefix}memory; leave one out")
    made, width = memory_model(part, width)
    if made.values is not None and width is None:
        raise ValueError(f"{read.where}: field {part.prefix}memory.word_bits is missing; read_pj and write_pj are of one word")
    size = part.whole("capacity_kib")
    tried(part, made, size, width or 64)
    return Buffer("", size, made.banks, width, made)


def memory_model(part: Reader, width: int | None) -> tuple[MemoryModel, int | None]:
    """The field `memory` of a buffer or level, and the width of a word that either of the two gives."""
    own = part.part("memory")
    only(own.fields, _MODEL | _VALUES, own.prefix, own.where)
    if "word_bits" in own.fields:
        given = own.whole("word_bits")
        if width is not None and width != given:
            raise ValueError(
                f"{own.where}: field {own.prefix}word_bits is {given}, but {part.prefix}word_bits {width}; give it once"
            )
        width = given
    banks = own.whole("banks", 1)
    if set(own.fields) & _VALUES:
        for name in ("model", "cell", "node_nm", "scaling"):
            if name in own.fields:
                raise ValueError(
                    f"{own.where}: field {own.prefix}{name} belongs to a model, beside values of one's own"
                    f" ({', '.join(sorted(set(own.fields) & _VALUES))}); leave one out"
                )
        leakage = _value(own, "leakage_mw") if "leakage_mw" in own.fields else None
        return MemoryModel(
            banks=banks, values=(_value(own, "read_pj"), _value(own, "write_pj"), _value(own, "area_mm2"), leakage)
        ), width
    made = MemoryModel(
        own.text("model", "fit"),
        own.text("cell", "itrs-lop"),
        own.number("node_nm", 45.0),
        banks,
        own.text("scaling") if "scaling" in own.fields else None,
    )
    for name, value, allowed in (("model", made.model, MODELS), ("cell", made.cell, CELLS)):
        if value not in allowed:
            raise ValueError(f"{own.where}: {unknown(f'field {own.prefix}{name}', value, allowed)}")
    return made, width


def _value(own: Reader, key: str) -> Fact:
    fact = own.fact(key)
    finite(f"{own.where}: field {fact.name}", fact.value, minimum=0)
    return replace(fact, unit=_VALUE_UNITS[key])


def tried(part: Reader, made: MemoryModel, kib: float, width: int) -> Memory:
    """The memory; ValueError naming the field where the model has none."""
    try:
        return made.at(kib, width)
    except ValueError as error:
        name = "memory.node_nm" if str(error).startswith("node") else "memory"
        raise ValueError(f"{part.where}: field {part.prefix}{name}: {error}") from error


@dataclass(frozen=True)
class Outer:
    """A kind of DRAM as an accelerator's file names it: energy of a bit, bits a cycle (None where the kind has no data rate),
    other constants."""

    energy: Fact
    bits_per_cycle: Fact | None
    beside: tuple[Fact, ...]


def outer(read: Reader, key: str, clock: Fact) -> Outer:
    """The DRAM of `key`: a kind's name, or {kind, channels}."""
    value = read.fields[key]
    part = Reader(value, read.where, f"{read.prefix}{key}.") if isinstance(value, dict) else Reader({"kind": value}, read.where)
    kind, channels = part.text("kind"), part.whole("channels", 1)
    positive_int(f"{read.where}: field {part.prefix}channels", channels)
    if kind.lower() not in drams():
        named = f"{part.prefix}kind" if part.prefix else f"{read.prefix}{key}"
        raise ValueError(f"{read.where}: {unknown(f'field {named}', kind, drams())}")
    made = dram(kind)
    beside = tuple(fact for fact in made.facts() if fact is not made.energy)
    if made.bandwidth_gb_s is None or made.rate is None:
        return Outer(made.energy, None, beside)
    bits = 8 * made.bandwidth_gb_s * channels / clock.value
    how = f"{channels} x {made.bandwidth_gb_s:g} GB/s at {clock.value:g} GHz: {made.rate.source}"
    return Outer(made.energy, Fact(f"{kind} bits a cycle", bits, "bit/cycle", how, made.rate.status), beside)


def two_buffer_dram(read: Reader, clock: Fact) -> Dram:
    """The field `dram` of an accelerator with two buffers: constants, a kind, or a kind with a width of one's own."""
    value = read._get("dram")
    if isinstance(value, dict):
        part = read.part("dram")
        only(part.fields, _DRAM, "dram.", read.where)
        if "kind" not in part.fields:
            if "channels" in part.fields:
                raise ValueError(f"{read.where}: field dram.channels needs dram.kind: it multiplies a kind's bandwidth")
            return Dram(part.fact("energy_pj_per_bit"), part.fact("bits_per_cycle"))
        if "energy_pj_per_bit" in part.fields:
            raise ValueError(f"{read.where}: field dram.energy_pj_per_bit is given beside dram.kind, which has one; leave one out")
    elif not isinstance(value, str):
        raise read._wrong("dram", value, f"a kind of DRAM ({', '.join(drams())}) or a mapping of fields")
    made = outer(read, "dram", clock)
    if isinstance(value, dict) and "bits_per_cycle" in value:
        if "channels" in value:
            raise ValueError(f"{read.where}: field dram.bits_per_cycle is given beside dram.channels; leave one out")
        return Dram(made.energy, read.part("dram").fact("bits_per_cycle"), made.beside)
    if made.bits_per_cycle is None:
        raise ValueError(f"{read.where}: field dram.bits_per_cycle is missing: this kind of DRAM has no data rate of its own")
    return Dram(made.energy, made.bits_per_cycle, made.beside)
