"""A choice of schemes as a numfmt plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from numfmt import LayerPlan, Plan


def plan_of(choice: Mapping[str, str], default: Any = None) -> Plan:
    """The plan that gives each layer its scheme (a scheme, or a plan of one layer: "w=int4/g128; a=int8/token").

    default: the plan of layers that the table does not have; None: float16 weights, and the activations, KV cache and datapath
    that all chosen schemes share. The name of a layer with `*` is a pattern of the plan, as workloads use it for repeated
    layers; where that would change another layer's scheme it stands for itself.
    Raises ValueError for schemes that are no scheme of numfmt.
    """
    layers = {layer: _layer(layer, text) for layer, text in choice.items()}
    base = Plan.parse(default) if default is not None else Plan(_shared(list(layers.values())))
    ordered = sorted(layers, key=lambda name: "*" not in name and "?" not in name)
    patterns = {name: name.replace("[", "[[]") for name in ordered}
    for name in ordered:
        hit = [other for other in layers if other != name and fnmatchcase(other, patterns[name]) and layers[other] != layers[name]]
        if hit:
            patterns[name] = _literal(name)
    return Plan(base.default, (*base.overrides, *((patterns[name], layers[name]) for name in ordered)))


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan as the mapping that `nf.Plan.parse` reads from YAML."""
    return {"default": _parts(plan.default), "layers": {pattern: _parts(layer) for pattern, layer in plan.overrides}}


def _layer(layer: str, text: str) -> LayerPlan:
    try:
        made = Plan.parse(text)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"layer {layer!r} has scheme {text!r}, which is no plan of numfmt, so there is none to make: {error}"
        ) from error
    if made.overrides:
        raise ValueError(
            f"layer {layer!r} has scheme {text!r}, a plan for several layers; give one layer's: 'w=int4/g128; a=int8/token'"
        )
    return made.default


def _shared(layers: list[LayerPlan]) -> LayerPlan:
    float16 = Plan.parse("float16").default
    most = Counter(layers).most_common(1)[0][0]
    alike = {
        name: getattr(most, name) for name in ("activation", "kv", "path") if len({str(getattr(x, name)) for x in layers}) == 1
    }
    return replace(float16, **alike)


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _parts(layer: LayerPlan) -> dict[str, str]:
    found = {"w": str(layer.weight), "a": str(layer.activation), "kv": str(layer.kv)}
    return found | ({"path": str(layer.path)} if layer.path is not None else {})
