"""Accelerators by name, from a YAML file, or `systolic<ROWSxCOLUMNS,DATAFLOW>`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from hwmodel._checks import unknown
from hwmodel.accelerators.fields import Reader, check_element, located, only, yaml_fields
from hwmodel.accelerators.hierarchy import Hierarchy
from hwmodel.accelerators.load_common import common
from hwmodel.accelerators.load_hierarchy import build
from hwmodel.accelerators.load_memory import buffer, two_buffer_dram
from hwmodel.accelerators.model import Accelerator, Array, ProcessingElement

_SYSTOLIC = re.compile(r"systolic<\s*(\d+)\s*x\s*(\d+)\s*(?:,\s*(\w+)\s*)?>")
_PE = {"datapath", "weights", "activations", "lanes", "two_term_grid", "float16_weights", "energy_pj", "area_um2"}
_TOP = {"name", "base", "note", "compute", "pe", "arrays", "weight_buffer", "activation_buffer", "dram", "clock_ghz"}
_TOP |= {"attention", "kv_bits", "scale_charge", "scale_bits_per_group", "dequantizer_technology", "vector_unit"}
_PRICED = (("pe",), ("weight_buffer",), ("activation_buffer",), ("dram",))
_WAYS = (  # fields, and those of a base that they make void
    (("memory",), ("table", "banks", "sram", "read_pj", "write_pj", "pj_per_bit", "area_um2", "leakage_mw", "dram")),
    (("table", "sram"), ("memory", "read_pj", "write_pj", "pj_per_bit", "area_um2", "leakage_mw", "dram")),
    (("read_pj", "write_pj"), ("memory", "sram", "pj_per_bit", "dram")),
    (("pj_per_bit",), ("memory", "sram", "read_pj", "write_pj", "dram")),
    (("dram",), ("memory", "sram", "read_pj", "write_pj", "pj_per_bit", "read_bits", "write_bits", "ports")),
    (("kind",), ("energy_pj_per_bit",)),
    (("channels",), ("bits_per_cycle",)),
    (("technology",), ("energy_pj", "area_um2", "flow")),
    (("energy_pj", "area_um2"), ("technology", "flow")),
)


def presets() -> tuple[str, ...]:
    """Names of the presets."""
    folder = resources.files("hwmodel.accelerators") / "data"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


AnyAccelerator = Accelerator | Hierarchy


def accelerator(spec: str | Path | AnyAccelerator) -> AnyAccelerator:
    """The accelerator of a preset name, a `systolic<128x128,ws>` string or a YAML file.

    A file with `levels` describes a memory hierarchy (`Hierarchy`), else one with two buffers. Raises ValueError for an
    unknown name (with the nearest known) or a malformed file (with its line and field), FileNotFoundError for a `.yaml` path
    that does not exist.
    """
    if isinstance(spec, Accelerator | Hierarchy):
        return spec
    text = str(spec).strip()
    if isinstance(spec, Path) or text.lower().endswith((".yaml", ".yml")):
        path = Path(text)
        if not path.is_file():
            raise FileNotFoundError(f"accelerator file {text!r} does not exist; presets: {', '.join(presets())}")
        return _from_text(path.read_text(encoding="utf-8"), text)
    if text.lower().startswith("systolic<"):
        return _systolic(text.lower())
    return _preset(text.lower())


@lru_cache(maxsize=64)
def _preset(name: str) -> AnyAccelerator:
    return _build(_preset_fields(name), f"preset {name}")


def _from_text(text: str, where: str) -> AnyAccelerator:
    try:
        return _build(_parse(text, where), where)
    except ValueError as error:
        raise located(error, text, where) from error


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
    if flow not in ("ws", "os", "is", "ws_overlapped"):
        raise ValueError(f"dataflow {flow!r} in {text!r} is unknown; allowed: ws, os, is, ws_overlapped")
    shape = Array(int(found[1]), int(found[2]))
    name = f"systolic<{shape},{flow}>"
    base = _preset("systolic")
    assert isinstance(base, Accelerator)
    return replace(base, name=name, compute=flow, prefill=shape, decode=shape)


def _parse(text: str, where: str) -> dict[str, Any]:
    fields = yaml_fields(text, where)
    if "base" not in fields:
        return fields
    base = fields.pop("base")
    if not isinstance(base, str):
        raise ValueError(f"{where}: field base is {base!r}; give the name of a preset: {', '.join(presets())}")
    try:
        return _merge(_preset_fields(base.lower()), fields)
    except ValueError as error:
        raise ValueError(f"{where}: field base: {error}") from error


def _merge(base: Mapping[str, Any], over: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """`over` on `base`; mappings merge field by field, but a constant with its source and a memory's model are replaced as a
    whole, and what says the same thing in another way (the price of an element or of a memory) leaves the base."""
    out = dict(base)
    if path in _PRICED or (len(path) == 2 and path[0] == "levels"):
        chosen = [ways for ways in _WAYS if any(key in over for key in ways[0])]
        wide = isinstance(over.get("memory"), Mapping) and "word_bits" in over["memory"]
        gone = {"word_bits"} - set(over) if wide else set()
        gone |= {key for ways in chosen for key in (*ways[1],)} - set(over)
        out = {key: value for key, value in base.items() if key not in gone}
    for key, value in over.items():
        old = out.get(key)
        deep = isinstance(value, Mapping) and isinstance(old, Mapping) and "value" not in value and key != "memory"
        out[key] = _merge(old, value, (*path, str(key))) if deep and isinstance(old, Mapping) else value
    return out


def _build(fields: dict[str, Any], where: str) -> AnyAccelerator:
    if "levels" in fields:
        return build(fields, where)
    only(fields, _TOP, "", where)
    read = Reader(fields, where)
    pe = read.part("pe")
    only(pe.fields, _PE | {"place_and_route"}, "pe.", where)
    check_element(pe)
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
            weight_buffer=buffer(read, "weight_buffer"),
            activation_buffer=buffer(read, "activation_buffer"),
            dram=two_buffer_dram(read, read.fact("clock_ghz")),
            clock_ghz=read.fact("clock_ghz"),
            attention=read.text("attention", "j25"),
            **common(read),
        )
    except ValueError as error:
        text = str(error)
        raise error if text.startswith(where) else ValueError(f"{where}: {text}") from error
