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
from hwmodel.accelerators.fields import Reader, located, only, yaml_fields
from hwmodel.accelerators.hierarchy import Hierarchy
from hwmodel.accelerators.load_hierarchy import build
from hwmodel.accelerators.model import Accelerator, Array, Dram, ProcessingElement
from hwmodel.accelerators.vector import vector_unit

_SYSTOLIC = re.compile(r"systolic<\s*(\d+)\s*x\s*(\d+)\s*(?:,\s*(\w+)\s*)?>")
_PE = {"datapath", "weights", "activations", "lanes", "two_term_grid", "float16_weights", "energy_pj", "area_um2"}
_TOP = {"name", "base", "note", "compute", "pe", "arrays", "weight_buffer", "activation_buffer", "dram", "clock_ghz"}
_TOP |= {"attention", "kv_bits", "scale_charge", "scale_bits_per_group", "dequantizer_technology", "vector_unit"}


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
    fields = _parse(text, where)
    try:
        return _build(fields, where)
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
    return _merge(_preset_fields(str(fields.pop("base")).lower()), fields)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on `base`; mappings merge field by field, but a constant with its source is replaced as a whole."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        deep = isinstance(value, Mapping) and isinstance(old, Mapping) and "value" not in value
        out[key] = _merge(old, value) if deep and isinstance(old, Mapping) else value
    return out


def _build(fields: dict[str, Any], where: str) -> AnyAccelerator:
    if "levels" in fields:
        return build(fields, where)
    only(fields, _TOP, "", where)
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
            vector_unit=vector_unit(fields["vector_unit"], where) if "vector_unit" in fields else None,
            note=read.text("note", ""),
            source=where,
        )
    except ValueError as error:
        text = str(error)
        raise error if text.startswith(where) else ValueError(f"{where}: {text}") from error
