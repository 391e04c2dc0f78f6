"""Which schemes and which datapath each layer of a network uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from .arith.datapath import Datapath, datapath
from .blocks.scheme import Scheme, scheme


@dataclass(frozen=True)
class LayerPlan:
    """Schemes of weights, activations and KV cache, and the datapath; path None means the accelerator's own."""

    weight: Scheme
    activation: Scheme
    kv: Scheme
    path: Datapath | None = None

    def __str__(self) -> str:
        path = f"; path={self.path}" if self.path else ""
        return f"w={self.weight}; a={self.activation}; kv={self.kv}{path}"


@dataclass(frozen=True)
class Plan:
    """A default for every layer and, in order, name patterns that override it (shell wildcards; the last match wins)."""

    default: LayerPlan
    overrides: tuple[tuple[str, LayerPlan], ...] = ()

    @classmethod
    def parse(cls, spec: str | Plan | Scheme | Mapping[str, Any]) -> Plan:
        """The plan that a string, a scheme, a mapping or the path of a YAML file names.

        `w=int4/g128; a=int8/token; kv=int8/token; path=int32>fp32` (any part may be left out: float16, and the accelerator's
        datapath). A bare scheme means weights only. ` | PATTERN: w=...; a=...` behind it overrides layers whose name matches.
        YAML: the same keys under `default:` and under each pattern of `layers:`.

        What holds a plan as its `plan` (the answer of `hw.allocate`) stands for it.

        Raises ValueError for unknown keys, schemes or datapaths; FileNotFoundError for a YAML path that does not exist.
        """
        if isinstance(spec, Plan):
            return spec
        if isinstance(held := getattr(spec, "plan", None), Plan):
            return held
        if isinstance(spec, Scheme):
            return cls(replace(_FLOAT16, weight=spec))
        if isinstance(spec, Mapping):
            return cls._from_mapping(spec, "plan")
        if not isinstance(spec, str):
            raise ValueError(
                f"plan {spec!r} is not a string, Scheme, Plan or mapping; write for example 'w=int4/g128; a=int8/token'"
            )
        text = spec.strip()
        if text.lower().endswith((".yaml", ".yml")):
            return cls._from_file(Path(text))
        first, *rest = (part.strip() for part in text.split("|"))
        default = _parse_layer(first, _FLOAT16, text)
        overrides = []
        for part in rest:
            pattern, found, layer = part.partition(": ")
            if not found or not pattern.strip():
                raise ValueError(f"plan {text!r}: {part!r} is not PATTERN: w=...; write for example '*.head: w=int8/channel'")
            overrides.append((pattern.strip(), _parse_layer(layer.strip(), default, text)))
        return cls(default, tuple(overrides))

    @classmethod
    def _from_file(cls, path: Path) -> Plan:
        if not path.is_file():
            raise FileNotFoundError(f"plan file {path} does not exist; give the path of a YAML file or a plan string")
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"plan file {path} is not valid YAML: {error}") from None
        if not isinstance(content, Mapping):
            raise ValueError(f"plan file {path} must hold the keys 'default' and 'layers'")
        return cls._from_mapping(content, f"plan file {path}")

    @classmethod
    def _from_mapping(cls, content: Mapping[str, Any], where: str) -> Plan:
        extra = set(content) - {"default", "layers"}
        if extra:
            raise ValueError(f"{where}: unknown key {sorted(map(str, extra))[0]!r}; use 'default' and 'layers'")
        default = _layer_plan(_mapping(content.get("default", {}), where, "default"), _FLOAT16, where)
        layers = _mapping(content.get("layers", {}), where, "layers")
        overrides = tuple(
            (str(p), _layer_plan(_mapping(v, where, str(p)), default, f"{where}, layer {p}")) for p, v in layers.items()
        )
        return cls(default, overrides)

    def for_layer(self, name: str) -> LayerPlan:
        """What the layer of this name uses."""
        found = self.default
        for pattern, layer in self.overrides:
            if fnmatchcase(name, pattern):
                found = layer
        return found

    def __str__(self) -> str:
        if not self.overrides:
            return str(self.default)
        return str(self.default) + "".join(f" | {p}: {layer}" for p, layer in self.overrides)


_FLOAT16 = LayerPlan(scheme("float16"), scheme("float16"), scheme("float16"))


def _parse_layer(part: str, base: LayerPlan, text: str) -> LayerPlan:
    if re.match(r"\w+\s*=", part):
        return _layer_plan(dict(_pairs(part)), base, f"plan {text!r}")
    return replace(base, weight=scheme(part))


_KEYS = {"w": "weight", "a": "activation", "kv": "kv", "path": "path"}


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in filter(None, (p.strip() for p in text.split(";"))):
        key, found, value = part.partition("=")
        if not found or not value.strip():
            raise ValueError(f"plan {text!r}: part {part!r} is not key=value; write for example 'w=int4/g128; a=int8/token'")
        pairs.append((key.strip(), value.strip()))
    keys = [k for k, _ in pairs]
    if repeated := [k for k in keys if keys.count(k) > 1]:
        raise ValueError(f"plan {text!r}: {repeated[0]!r} is given twice; give each of w, a, kv, path once")
    return pairs


def _mapping(value: Any, where: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: {key!r} must hold keys among w, a, kv, path, not {value!r}")
    return value


def _layer_plan(parts: Mapping[str, Any], base: LayerPlan, where: str) -> LayerPlan:
    plan = base
    for key, value in parts.items():
        if key not in _KEYS:
            raise ValueError(f"{where}: unknown key {key!r}; use w (weights), a (activations), kv (KV cache), path (datapath)")
        made: Any = datapath(value) if key == "path" else scheme(value)
        plan = replace(plan, **{_KEYS[key]: made})
    return plan
