"""Accelerators by name, from a YAML file, or `systolic<ROWSxCOLUMNS,DATAFLOW>`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from hwmodel._checks import unknown
from hwmodel.accelerators.model import Accelerator, Array, Buffer, Dram, ProcessingElement
from hwmodel.sources import Fact

_SYSTOLIC = re.compile(r"systolic<\s*(\d+)\s*x\s*(\d+)\s*(?:,\s*(\w+)\s*)?>")
_PE = {"datapath", "weights", "activations", "lanes", "two_term_grid", "float16_weights", "energy_pj", "area_um2"}
_TOP = {"name", "base", "note", "compute", "pe", "arrays", "weight_buffer", "activation_buffer", "dram", "clock_ghz"}
_TOP |= {"attention", "kv_bits", "scale_charge", "scale_bits_per_group", "dequantizer_technology"}
_UNITS = {"pe.energy_pj": "pJ/cycle", "pe.area_um2": "um2", "dram.energy_pj_per_bit": "pJ/bit"}
_UNITS |= {f"peak_tops.{bits}": "10^12 op/s" for bits in (4, 8, 16, 32)} | {"bandwidth_gb_s": "GB/s", "on_chip_gb_s": "GB/s"}
_UNITS |= {"dram.bits_per_cycle": "bit/cycle", "clock_ghz": "GHz", "pe.place_and_route": "x energy"}


def presets() -> tuple[str, ...]:
    """Names of the presets."""
    folder = resources.files("hwmodel.accelerators") / "data"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def accelerator(spec: str | Path | Accelerator) -> Accelerator:
    """The accelerator of a preset name, a `systolic<128x128,ws>` string or a YAML file.

    Raises ValueError for an unknown name (with the nearest known) or a malformed file (with the field, and the line
    where YAML itself does not parse), FileNotFoundError for a `.yaml` path that does not exist.
    """
    if isinstance(spec, Accelerator):
        return spec
    text = str(spec).strip()
    if isinstance(spec, Path) or text.lower().endswith((".yaml", ".yml")):
        path = Path(text)
        if not path.is_file():
            raise FileNotFoundError(f"accelerator file {text!r} does not exist; presets: {', '.join(presets())}")
        return _build(_parse(path.read_text(encoding="utf-8"), text), text)
    if text.lower().startswith("systolic<"):
        return _systolic(text.lower())
    return _preset(text.lower())


@lru_cache(maxsize=64)
def _preset(name: str) -> Accelerator:
    return _build(_preset_fields(name), f"preset {name}")


@lru_cache(maxsize=64)
def _preset_fields(name: str) -> dict[str, Any]:
    if name not in presets():
        raise unknown("accelerator", name, presets(), "(or systolic<128x128,ws>, or the path of a .yaml file)")
    file = resources.files("hwmodel.accelerators") / "data" / f"{name}.yaml"
    return _parse(file.read_text(encoding="utf-8"), f"preset {name}")


def _systolic(text: str) -> Accelerator:
    found = _SYSTOLIC.fullmatch(text)
    if not found:
        raise ValueError(f"accelerator {text!r} is not systolic<ROWSxCOLUMNS,DATAFLOW>: systolic<128x128,ws>")
    flow = found[3] or "ws"
    if flow not in ("ws", "os", "is"):
        raise ValueError(f"dataflow {flow!r} in {text!r} is unknown; allowed: ws, os, is")
    shape = Array(int(found[1]), int(found[2]))
    name = f"systolic<{shape},{flow}>"
    return replace(_preset("systolic"), name=name, compute=flow, prefill=shape, decode=shape)


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


def _parse(text: str, where: str) -> dict[str, Any]:
    fields = yaml_fields(text, where)
    only(fields, _TOP, "", where)
    if "base" not in fields:
        return fields
    return _merge(_preset_fields(str(fields.pop("base")).lower()), fields)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on `base`; mappings merge field by field, but a constant with its source is replaced as a whole."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        deep = isinstance(value, Mapping) and isinstance(old, Mapping) and "value" not in value
        out[key] = _merge(old, value) if deep and isinstance(old, Mapping) else value
    return out


def _build(fields: dict[str, Any], where: str) -> Accelerator:
    read = Reader(fields, where)
    pe, dram = read.part("pe"), read.part("dram")
    only(pe.fields, _PE | {"place_and_route"}, "pe.", where)
    only(dram.fields, {"energy_pj_per_bit", "bits_per_cycle"}, "dram.", where)
    arrays = read.part("arrays")
    only(arrays.fields, {"prefill", "decode"}, "arrays.", where)
    try:
        return Accelerator(
            name=read.text("name"),
            pe=ProcessingElement(
                datapath=pe.text("datapath"),
                weights=pe.texts("weights"),
                activations=pe.texts("activations"),
                energy_pj=pe.fact("energy_pj"),
                area_um2=pe.fact("area_um2"),
                place_and_route=pe.fact("place_and_route", 1.0),
                lanes=pe.whole("lanes", 1),
                two_term_grid=pe.flag("two_term_grid"),
                float16_weights=pe.text("float16_weights", ""),
            ),
            compute=read.text("compute"),
            prefill=arrays.array("prefill"),
            decode=arrays.array("decode"),
            weight_buffer=read.buffer("weight_buffer"),
            activation_buffer=read.buffer("activation_buffer"),
            dram=Dram(dram.fact("energy_pj_per_bit"), dram.fact("bits_per_cycle")),
            clock_ghz=read.fact("clock_ghz"),
            attention=read.text("attention", "j25"),
            kv_bits=read.whole("kv_bits", 16),
            scale_charge=read.text("scale_charge", "exact"),
            scale_bits_per_group=read.number("scale_bits_per_group", 0.0),
            dequantizer_technology=read.text("dequantizer_technology", ""),
            note=read.text("note", ""),
            source=where,
        )
    except ValueError as error:
        text = str(error)
        raise error if text.startswith(where) else ValueError(f"{where}: {text}") from error


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

    def buffer(self, key: str) -> Buffer:
        part = self.part(key)
        only(part.fields, {"table", "capacity_kib", "banks", "word_bits"}, part.prefix, self.where)
        width = part.whole("word_bits") if "word_bits" in part.fields else None
        return Buffer(part.text("table"), part.whole("capacity_kib"), part.whole("banks", 1), width)

    def fact(self, key: Any, default: float | None = None) -> Fact:
        """A constant: `{value, source, status}`, or a bare number, which then counts as given by the user."""
        name = f"{self.prefix}{key}"
        value, unit = self._get(key, default), _UNITS.get(name, "")
        if isinstance(value, Mapping):
            inner = Reader(value, self.where, f"{name}.")
            only(value, {"value", "source", "status"}, inner.prefix, self.where)
            return Fact(name, inner.number("value"), unit, inner.text("source"), inner.text("status"))
        return Fact(name, self.number(key, default), unit, self.where, "user")
